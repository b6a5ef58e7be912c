import yaml

import ctm
from cli.commands import said
from ctm.registry import _PRESETS


def test_presets_are_listed_and_shown(capsys, monkeypatch):
    out = said(capsys, "presets")
    assert [line.split()[0] for line in out.splitlines()] == ctm.presets()
    shown = yaml.safe_load(said(capsys, "presets", "parity/quick"))
    assert ctm.Experiment.from_dict(shown) == ctm.preset("parity/quick")
    model = ctm.preset("parity/quick").model
    monkeypatch.setattr("ctm.registry._PRESETS", dict(_PRESETS))
    ctm.register("alone")(lambda: model)
    assert ctm.MachineConfig.from_dict(yaml.safe_load(said(capsys, "presets", "alone"))) == model
