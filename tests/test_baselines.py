import pytest
import torch

import ctm
from ctm import ConfigError
from ctm.baselines import (
    feed_forward,
    lstm,
    lstm_with_synchronization,
    parameters,
    without_neuron_models,
    without_synchronization,
)
from ctm.registry import model_config

QUICK = ctm.preset("parity/quick").model
CHANGES = [lstm, lstm_with_synchronization, without_neuron_models, without_synchronization, feed_forward]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["parity/quick", "digits"])
def test_each_has_just_as_many_parameters(name, change):
    model = ctm.preset(name).model
    changed = change(model)
    assert parameters(changed) == sum(p.numel() for p in changed.build().parameters())
    narrower = changed.replace(core=changed.core.replace(neurons=changed.core.neurons - 1))
    assert parameters(narrower) < parameters(model) <= parameters(changed)
    assert changed.readout == model.readout


@pytest.mark.parametrize("change", CHANGES)
def test_each_thinks_and_learns(change):
    model = change(QUICK).build()
    signs = torch.ones(2, 9)
    thoughts = model(signs)
    assert thoughts.logits.shape == (2, model.config.ticks, 9, 2)
    ctm.two_tick_loss(thoughts.logits.square().mean((2, 3)), thoughts.certainty, "last").backward()
    conclusions = ctm.think(model, signs, until=1.0)
    torch.testing.assert_close(conclusions.answers, model.eval()(signs).at("most_certain"))


def test_what_is_taken_away():
    core = without_neuron_models(QUICK).core
    assert isinstance(core, ctm.SynapseCore.Config)
    assert core.synapses == QUICK.core.synapses
    bare = without_synchronization(QUICK)
    assert bare.core == QUICK.core.replace(neurons=bare.core.neurons)
    assert bare.action == bare.output == ctm.Snapshot.Config()
    assert lstm(QUICK).output == ctm.Snapshot.Config()
    both = lstm_with_synchronization(QUICK)
    assert (both.core.layers, both.action, both.output) == (2, QUICK.action, QUICK.output)
    assert lstm(QUICK, layers=3, joined=True).core.replace(neurons=1) == ctm.LSTMCore.Config(1, 3, True)


def test_a_feed_forward_model_sees_the_mean_or_all():
    digits = ctm.preset("digits").model
    assert feed_forward(digits).observer == ctm.Pooling.Config()
    model = feed_forward(digits, cells=16)  # a map of 4 x 4
    assert (model.observer.cells, model.core.activation, model.ticks) == (16, "glu", 1)
    assert model.build()(torch.zeros(2, 1, 8, 8)).logits.shape == (2, 1, 10)


def test_a_machine_that_only_sees_needs_no_way_to_ask():
    model = QUICK.replace(
        backbone=ctm.Identity.Config(6, 0), observer=ctm.Direct.Config(), action=ctm.NoRepresentation.Config()
    )
    assert lstm(model).action == without_synchronization(model).action == ctm.NoRepresentation.Config()


def test_widths_of_the_paper_follow():
    """Fewest neurons with as many parameters: so the paper's baselines were sized (Tables 3 and 4)."""
    for ticks, neurons in ((1, 669), (10, 686), (25, 706), (50, 765), (100, 857)):
        assert lstm(ctm.preset(f"parity/paper-{ticks}").model).core.neurons == neurons
    assert lstm_with_synchronization(model_config("mazes/15")).core.neurons == 775


@pytest.mark.parametrize("change", [without_neuron_models, without_synchronization])
def test_only_machines_of_neurons_can_be_taken_apart(change):
    with pytest.raises(ConfigError, match=r"core\.kind = 'lstm': expected 'neurons', to take something from"):
        change(lstm(QUICK))
