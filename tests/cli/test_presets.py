import json

import yaml

import ctm
from cli.commands import TINY, refused, said
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


def test_settings_of_a_preset_that_is_shown_can_be_changed(capsys):
    shown = said(capsys, "presets", "parity/quick", "--model.core.neurons", "20")
    assert yaml.safe_load(shown)["model"]["core"]["neurons"] == 20


def test_a_preset_is_counted(capsys, tmp_path):
    settings = [word for word in TINY if word != "--quiet"]
    shown = said(capsys, "presets", "parity/quick", *settings)
    (tmp_path / "small.yaml").write_text(shown)
    experiment = ctm.Experiment.from_dict(yaml.safe_load(shown))
    costs = ctm.count(experiment)
    table = said(capsys, "presets", tmp_path / "small.yaml", "--count").splitlines()
    assert [line.split()[0] for line in table[1:-3]] == list(costs.parts)
    assert table[-3].split() == ["all", *(f"{number:,}" for number in costs.total)]
    assert table[-2] == f"multiplications of a sample in 5 ticks: {costs.multiplications:,}"
    assert table[-1].startswith(f"memory of a training step with 64 samples: {costs.memory.total / 1e6:,.1f} MB (")
    found = json.loads(said(capsys, "presets", "parity/quick", "--count", "--json", *settings))
    assert found["parts"] == {name: part._asdict() for name, part in costs.parts.items()}
    assert found["memory"] == {**costs.memory._asdict(), "total": costs.memory.total}
    assert (found["ticks"], found["multiplications"]) == (5, costs.multiplications)


def test_what_cannot_be_counted_is_refused(capsys, monkeypatch):
    assert "name one to count" in refused(capsys, "presets", "--count")
    assert "--json and --input-shape belong to --count" in refused(capsys, "presets", "digits", "--json")
    model = ctm.preset("digits").model
    monkeypatch.setattr("ctm.registry._PRESETS", dict(_PRESETS))
    ctm.register("alone")(lambda: model)
    count = ("presets", "alone", "--count")
    assert "input_shape = None: expected sizes of a sample" in refused(capsys, *count)
    assert "expected (B, 1, H, W)" in refused(capsys, *count, "--input-shape", "3", "8", "8")
    assert "model.core.nurons" in refused(capsys, "presets", "digits", "--model.core.nurons", "3")
