import pytest

import ctm
from ctm.baselines import parameters
from ctm.cli.options import with_options
from ctm.registry import model_config
from ctm.tasks.baseline_presets import VARIANTS


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("parity/lstm-1", 4_912_710),
        ("parity/lstm-10", 5_050_716),
        ("parity/lstm-25", 5_224_386),
        ("parity/lstm-50", 5_722_374),
        ("parity/lstm-75", 5_722_374),
        ("parity/lstm-100", 6_567_486),
        ("mazes/lstm-1", 42_298_688),
        ("mazes/lstm-2", 75_869_504),
        ("mazes/lstm-3", 109_440_320),
        ("mazes/feed-forward", 54_797_632),
        ("mazes/15", 8_967_160),
        ("mazes/15-no-synchronization", 8_965_112),
        ("mazes/15-lstm-synchronization", 8_967_454),
        ("cifar10/lstm", 1_046_870),
        ("cifar10/feed-forward", 169_046),
    ],
)
def test_published_numbers_of_parameters(name, count):
    assert parameters(model_config(name)) == count


def test_the_published_number_without_neuron_models_counts_a_history_that_nothing_reads():
    model = model_config("mazes/15-no-neuron-models")
    assert parameters(model) + model.core.neurons * model_config("mazes/15").core.memory == 8_948_885


@pytest.mark.parametrize("ticks", [1, 10, 25, 50, 75, 100])
def test_lstms_for_parity_learn_as_in_the_paper(ticks):
    lstm, machine = (ctm.preset(f"parity/{name}-{ticks}") for name in ("lstm", "paper"))
    assert lstm.task == machine.task.replace(second="last")
    assert lstm.training == machine.training.replace(clipping=lstm.training.clipping)
    assert lstm.training.clipping == ctm.training.NoClipping()
    assert lstm.model.ticks == ticks


@pytest.mark.parametrize("suffix", VARIANTS)
@pytest.mark.parametrize("name", ["parity/quick", "mazes/quick"])
def test_variants_differ_only_in_their_model_and_the_tick_of_an_lstms_loss(name, suffix):
    plain, variant = ctm.preset(name), ctm.preset(f"{name}-{suffix}")
    assert variant.training == plain.training
    assert variant.task == plain.task.replace(second="last" if suffix == "lstm" else "most_certain")
    assert variant.model != plain.model
    assert 0 <= parameters(variant.model) - parameters(plain.model) < 2000


def test_both_losses_of_figure_18_are_an_option():
    lstm = ctm.preset("parity/lstm-10")
    certain = with_options("parity/lstm-10", ["--task.second", "most_certain"])
    assert certain == lstm.replace(task=lstm.task.replace(second="most_certain")) != lstm
