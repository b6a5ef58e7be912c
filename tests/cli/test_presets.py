import yaml

import ctm
from cli.commands import said


def test_presets_are_listed_and_shown(capsys):
    out = said(capsys, "presets")
    assert [line.split()[0] for line in out.splitlines()] == ctm.presets()
    shown = yaml.safe_load(said(capsys, "presets", "parity/quick"))
    assert ctm.Experiment.from_dict(shown) == ctm.preset("parity/quick")
    assert ctm.MachineConfig.from_dict(yaml.safe_load(said(capsys, "presets", "imagenet/paper"))) == ctm.preset(
        "imagenet/paper"
    )
