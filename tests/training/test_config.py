import pytest
import yaml

import ctm.registry
from ctm.errors import ConfigError
from ctm.training import AdamW, Experiment, Multistep, NormClipping, TrainingConfig
from training.experiments import parity


def test_an_experiment_survives_yaml():
    experiment = parity(schedule=Multistep(milestones=(5, 9)), clipping=NormClipping(2.0))
    text = yaml.safe_dump(experiment.to_dict(), sort_keys=False)
    assert Experiment.from_dict(yaml.safe_load(text)) == experiment


def test_every_preset_survives_yaml():
    for name in ctm.registry.presets():
        preset = ctm.registry.preset(name)
        assert type(preset).from_dict(yaml.safe_load(yaml.safe_dump(preset.to_dict()))) == preset


@pytest.mark.parametrize("name", ["iterations", "batch_size", "accumulate", "log_every", "checkpoint_every", "keep"])
def test_counts_are_positive(name):
    with pytest.raises(ConfigError, match=f"^{name} = 0: expected at least 1"):
        TrainingConfig(**{"iterations": 10, name: 0})


@pytest.mark.parametrize("name", ["batch_size", "evaluation_batch"])
@pytest.mark.parametrize("value", [2**20 + 1, 10**9, 10**20])
def test_batches_that_would_take_forever_are_refused(name, value):
    TrainingConfig(**{"iterations": 10, name: 2**20})
    with pytest.raises(ConfigError, match=f"^{name} = {value}: expected at most 1048576"):
        TrainingConfig(**{"iterations": 10, name: value})


def test_random_ticks_are_between_one_and_those_of_the_model():
    assert parity(least_ticks=4).training.least_ticks == 4
    with pytest.raises(ConfigError, match=r"^least_ticks = 0: expected at least 1, or nothing"):
        parity(least_ticks=0)
    with pytest.raises(ConfigError, match=r"^training.least_ticks = 5: expected at most model.ticks = 4"):
        parity(least_ticks=5)


def test_growing_ticks_have_a_number_to_grow_from():
    assert parity(least_ticks=4, ticks_grow_for=1).training.ticks_grow_for == 1
    with pytest.raises(ConfigError, match=r"^ticks_grow_for = 0: expected at least 1, or nothing"):
        parity(least_ticks=4, ticks_grow_for=0)
    with pytest.raises(ConfigError, match=r"^ticks_grow_for = 9: expected nothing without least_ticks to grow from"):
        parity(ticks_grow_for=9)


def test_a_batch_divides_into_equal_parts():
    with pytest.raises(ConfigError, match="a multiple of accumulate \\* devices \\* nodes = 6"):
        TrainingConfig(iterations=1, batch_size=8, accumulate=3, devices=2)


@pytest.mark.parametrize(
    "field", [{"learning_rate": 0.0}, {"weight_decay": -1.0}, {"betas": (0.9, 1.0)}, {"epsilon": 0.0}], ids=str
)
def test_the_optimizer_checks_its_fields(field):
    with pytest.raises(ConfigError, match=next(iter(field))):
        AdamW(**field)


def test_the_optimizer_is_made_as_configured():
    optimizer = AdamW(3e-4, 0.1, (0.8, 0.95), 1e-6).build(parity().model.build())
    (group,) = optimizer.param_groups
    assert (group["lr"], group["weight_decay"], group["betas"], group["eps"]) == (3e-4, 0.1, (0.8, 0.95), 1e-6)
