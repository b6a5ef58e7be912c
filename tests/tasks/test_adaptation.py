import pytest

import ctm
from ctm import ConfigError
from ctm.tasks.adaptation import adapted
from tasks.arrays.data import experiment

MACHINE = experiment().model


def test_a_backbone_that_takes_such_inputs_stays():
    model = MACHINE.replace(backbone=ctm.ResNet.Config(depth=34))
    found = adapted(model, (5, 8, 8), (4, 7))
    assert found.backbone == ctm.ResNet.Config(depth=34, input_channels=5)
    assert found.readout == ctm.ClassReadout.Config(7, (4,))
    assert (found.observer, found.core) == (model.observer, model.core)


@pytest.mark.parametrize(
    ("shape", "kind", "positions"),
    [((5,), "feature_tokens", "none"), ((2, 9), "conv_net", "rotational"), ((3, 8, 8), "conv_net", "fourier")],
)
def test_another_one_is_replaced_and_positions_for_another_grid_with_it(shape, kind, positions):
    maps = MACHINE.replace(
        backbone=ctm.ResNet.Config(), observer=ctm.CrossAttention.Config(8, 2, ctm.FourierPositions.Config())
    )
    signs = maps.replace(backbone=ctm.TokenEmbedding.Config(8), observer=ctm.CrossAttention.Config(8, 2))
    for model in (maps, signs) if len(shape) < 3 else (signs,):
        found = adapted(model, shape, (3,))
        assert (found.backbone.kind, found.backbone.adapted(shape)) == (kind, found.backbone)
        same_grid = found.backbone.dimensions == model.backbone.dimensions
        assert found.observer.positions.kind == ("none" if same_grid else positions)


def test_a_machine_that_sees_a_vector_as_a_whole_still_does():
    model = MACHINE.replace(
        backbone=ctm.Identity.Config(channels=3, dimensions=0),
        observer=ctm.Direct.Config(),
        action=ctm.NoRepresentation.Config(),
    )
    assert adapted(model, (5,), (3,)) == model.replace(
        backbone=ctm.Identity.Config(channels=5, dimensions=0), readout=ctm.ClassReadout.Config(3)
    )
    with pytest.raises(ConfigError, match=r"^kind = 'direct': expected an observer of 1-dimensional features$"):
        adapted(model, (2, 9), (3,))


def test_inputs_shown_in_turn_are_refused():
    with pytest.raises(ConfigError, match=r"^model\.observer: scheduled: expected one that sees its input as a whole"):
        adapted(ctm.preset("qamnist/quick").model, (3, 8, 8), (3,))
