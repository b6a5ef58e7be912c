import pytest
import torch

import ctm
from ctm import ConfigError

AGES = torch.zeros(2, dtype=torch.int64)


def test_the_mean_of_a_map():
    features = torch.randn(2, 3, 4, 5)
    observer = ctm.Pooling.Config().build(channels=3, query=0)
    prepared = observer.prepare(features)
    assert prepared.grid == (4, 5)
    observation = observer.step(None, prepared, AGES)
    torch.testing.assert_close(observation.seen, features.mean((2, 3)))
    assert observation.attention is None


def test_every_cell_of_a_map():
    features = torch.randn(2, 3, 4, 5)
    config = ctm.Pooling.Config(cells=20)
    observer = config.build(channels=3, query=0)
    seen = observer.step(None, observer.prepare(features), AGES).seen
    assert seen.shape == (2, config.width(3))
    assert torch.equal(seen, features.flatten(1))
    with pytest.raises(ValueError, match="features of 4 x 4 = 16 cells: expected 20, as configured"):
        observer.prepare(features[..., :4])


def test_what_cannot_work():
    with pytest.raises(ConfigError, match="cells = 0: expected at least 1, or nothing"):
        ctm.Pooling.Config(cells=0)
    with pytest.raises(ConfigError, match="kind = 'whole': expected 'direct'"):
        ctm.Pooling.Config().check(dimensions=0)
