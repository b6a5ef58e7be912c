import pytest
import torch
from torch import nn

import ctm
from ctm import ConfigError
from ctm.randomness import seed_from
from ctm.training.batch_norm import estimate_batch_norm
from training.experiments import parity


class Waves(nn.Module):
    """A backbone of two normalisations, dropout between them."""

    def __init__(self):
        super().__init__()
        self.embedding = ctm.TokenEmbedding.Config(8).build()
        self.first, self.dropout, self.second = nn.BatchNorm1d(8), nn.Dropout(0.5), nn.BatchNorm1d(8)

    def forward(self, signs):
        return self.second(self.dropout(self.first(self.embedding(signs))).relu())


@pytest.fixture
def learned():
    experiment = parity(dropout=0.5)
    model = experiment.model.build()
    model.backbone = Waves()
    return model.eval(), experiment.task.build(), experiment.training.replace(accumulate=2)


def test_statistics_are_means_over_training_batches(learned):
    model, task, config = learned
    seen = []
    for norm in (model.backbone.first, model.backbone.second):
        norm.running_mean.fill_(3.0)
        norm.register_forward_pre_hook(lambda norm, inputs: seen.append((norm, inputs[0])))
    weights = {name: value.clone() for name, value in model.named_parameters()}
    before = torch.get_rng_state()
    estimate_batch_norm(model, task, config, 3)
    assert not model.training
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, weights[name]) for name, value in model.named_parameters())
    assert len(seen) == 6
    for norm in (model.backbone.first, model.backbone.second):
        batches = [inputs.transpose(0, 1).flatten(1) for of, inputs in seen if of is norm]  # each (C, B length)
        torch.testing.assert_close(norm.running_mean, torch.stack([batch.mean(1) for batch in batches]).mean(0))
        torch.testing.assert_close(norm.running_var, torch.stack([batch.var(1) for batch in batches]).mean(0))
        assert norm.momentum == 0.1
    first = [inputs for of, inputs in seen if of is model.backbone.first]
    for iteration, inputs in enumerate(first):
        drawn = task.batch(config.seed, iteration, 4).inputs  # half a batch, as in training
        torch.testing.assert_close(inputs, model.backbone.embedding(drawn))


def test_the_same_again_whatever_was_drawn_before(learned):
    model, task, config = learned
    estimate_batch_norm(model, task, config, 2)
    found = {name: value.clone() for name, value in model.named_buffers()}
    torch.rand(seed_from("anything") % 7)
    estimate_batch_norm(model, task, config, 2)
    assert all(torch.equal(value, found[name]) for name, value in model.named_buffers())


def test_a_model_that_measures_nothing_is_refused(learned):
    model, task, config = learned
    model.backbone.second.train = lambda mode: None  # stays in evaluation mode, as a frozen one
    with pytest.raises(ConfigError, match=r"^batch_norm = 2: the model has batch normalisation that is frozen, with"):
        estimate_batch_norm(model, task, config, 2)
    assert not model.training
    model.backbone = ctm.TokenEmbedding.Config(8).build()
    with pytest.raises(ConfigError, match=r"^batch_norm = 2: the model has no batch normalisation, with"):
        estimate_batch_norm(model, task, config, 2)
