import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ctm.analysis.neuron_map import neuron_map, neuron_map_frames, neuron_map_picture

PLACES = np.random.default_rng(0).normal(size=(6, 2))


@pytest.fixture(name="activity")
def _activity():
    return torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(0))  # (N, T, D)


@pytest.mark.filterwarnings("ignore:Tensorflow not installed:ImportWarning")
def test_neurons_that_are_active_alike_are_neighbours():
    random = torch.Generator().manual_seed(0)
    kinds = torch.randn(8, 5, 2, generator=random)
    activity = kinds.repeat_interleave(12, -1) + 0.05 * torch.randn(8, 5, 24, generator=random)
    places = neuron_map(activity)
    assert places.shape == (24, 2)
    centres = places[:12].mean(0), places[12:].mean(0)
    distances = np.stack([np.linalg.norm(places - centre, axis=1) for centre in centres])
    assert distances.argmin(0).tolist() == [0] * 12 + [1] * 12
    np.testing.assert_array_equal(places, neuron_map(activity))


def test_what_tells_neurons_apart_is_their_activity_at_all_ticks_for_all_inputs(activity, monkeypatch):
    seen = []

    class UMAP:
        def __init__(self, **settings):
            seen.append(settings)

        def fit_transform(self, features):
            seen.append(features)
            return PLACES

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=UMAP))
    assert neuron_map(activity, seed=3) is PLACES
    assert (seen[0]["random_state"], seen[0]["n_neighbors"]) == (3, 5)
    np.testing.assert_array_equal(seen[1][4], activity[:, :, 4].flatten())


def test_without_the_library_it_says_what_to_install(activity, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ModuleNotFoundError, match=r"umap-learn: pip install 'continuous-thought-machines\[umap\]'"):
        neuron_map(activity)


def test_too_few_neurons(activity):
    with pytest.raises(ValueError, match="3 neurons: expected at least 4"):
        neuron_map(activity[..., :3])


def test_a_neuron_is_coloured_by_its_own_range(activity):
    activity[..., 2] = 7.0  # dead
    activity[..., 3] *= 100
    panels = neuron_map_picture(PLACES, activity, sample=1).axes
    assert [axes.get_title("left") for axes in panels] == [f"tick {tick}" for tick in (1, 2, 3, 4)]
    for tick, axes in enumerate(panels):
        (points,) = axes.collections
        np.testing.assert_allclose(points.get_offsets(), PLACES)
        values = activity[..., 3].numpy()
        low, high = np.quantile(values, (0.01, 0.99))
        assert points.get_array()[3] == pytest.approx(np.clip((values[1, tick] - low) / (high - low), 0, 1))
        assert points.get_array()[2] == 0


@pytest.mark.parametrize(("ticks", "frames"), [(1, 1), (3, 5)])
def test_frames_go_from_the_first_tick_to_the_last(activity, ticks, frames):
    found = list(neuron_map_frames(PLACES, activity[:, :ticks]))
    assert len(found) == frames
    assert {frame.shape for frame in found} == {(500, 480, 3)}
