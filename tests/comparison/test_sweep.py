import pytest

import ctm
from ctm import ConfigError
from ctm.cli.options import experiments_of
from ctm.files import folder_name


def swept(*options, preset="parity/quick"):
    return experiments_of([preset, *options])[0]


def test_all_combinations_of_values_named_by_what_differs():
    options = [
        "--training.optimizer.learning-rate",
        "1e-3",
        "3e-3",
        "--training.iterations",
        "7",
        "--model.ticks=4",
        "9",
    ]
    found, presets = experiments_of(["parity/quick", *options])
    assert list(found) == [
        "parity/quick learning_rate=0.001 ticks=4",
        "parity/quick learning_rate=0.001 ticks=9",
        "parity/quick learning_rate=0.003 ticks=4",
        "parity/quick learning_rate=0.003 ticks=9",
    ]
    assert set(presets.values()) == {"parity/quick"}
    plain = ctm.preset("parity/quick")
    optimizer = plain.training.optimizer.replace(learning_rate=0.003)
    assert found["parity/quick learning_rate=0.003 ticks=4"] == plain.replace(
        model=plain.model.replace(ticks=4), training=plain.training.replace(iterations=7, optimizer=optimizer)
    )


def test_every_preset_and_every_name_is_swept(tmp_path):
    path = tmp_path / "models.yaml"
    path.write_text("CTM: parity/quick\nLSTM: parity/quick-lstm\n")
    found, presets = experiments_of(["--model.ticks", "4", "9"], path)
    assert list(found) == ["CTM ticks=4", "CTM ticks=9", "LSTM ticks=4", "LSTM ticks=9"]
    assert presets["LSTM ticks=9"] == "parity/quick-lstm"


def test_a_setting_that_takes_a_list_takes_all_values():
    (model,) = swept("--training.optimizer.betas", "0.8", "0.9").items()
    assert model[0] == "parity/quick"
    assert model[1].training.optimizer.betas == (0.8, 0.9)
    assert len(swept("--model.backbone.symbols", "-1", "1", "--model.seed", "-3", "4")) == 2


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--model.seed", "-3", "4"], ["seed=-3", "seed=4"]),
        (["--model.core.models.layer-norm", "true", "false"], ["layer_norm=True", "layer_norm=False"]),
        (["--task.loss.second-tick", "last", "most_certain"], ["second_tick=last", "second_tick=most_certain"]),
        (
            ["--model.core.synapses.dropout", "0", "0.1", "--model.observer.dropout", "0", "0.2"],
            [f"synapses.dropout={a} observer.dropout={b}" for a in ("0.0", "0.1") for b in ("0.0", "0.2")],
        ),
    ],
)
def test_values_of_all_types(options, names):
    found = swept(*options)
    assert list(found) == [f"parity/quick {name}" for name in names]
    assert len(set(found.values())) == len(names)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model.ticks", "4", "0"], "^parity/quick: model.ticks = 0: expected at least 1"),
        (["--model.ticks", "4", "x"], "^parity/quick: Invalid value"),
        (["--model.tocks", "4", "5"], "^parity/quick: Unknown option"),
        (["--training.optimizer.learning-rate", "1e-3", "0.001"], "learning_rate=0.001: twice among the models"),
        (["--training.seed", "1", "2"], "give seeds as --seeds"),
    ],
)
def test_every_value_is_checked(options, message):
    with pytest.raises(ConfigError, match=message):
        swept(*options)


def test_folders_are_safe_and_stable():
    assert folder_name("parity/quick learning_rate=0.001") == "parity-quick-learning_rate=0.001"
    assert folder_name("parity/quick learning_rate=0.003") == "parity-quick-learning_rate=0.003"
    assert folder_name("runs/mine.yaml ticks=4") == "runs-mine-ticks=4"
    assert folder_name("./mine.yml") == "mine"
    assert folder_name("a folder=../../etc/x") == "a-folder=..-..-etc-x"
    long = [folder_name(f"a text={'x' * 300}{end}") for end in "12"]
    assert {len(name) for name in long} == {120}
    assert long[0] != long[1]
