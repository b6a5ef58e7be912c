import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from ctm.analysis.similarity import (
    dead,
    similarity_across_data,
    similarity_across_neurons,
    similarity_picture,
    variation,
)


@pytest.fixture(name="activity")
def _activity():
    return torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(0))  # (N, T, D)


def test_matched_neurons_of_two_inputs(activity):
    naive = []
    for one in range(5):
        for other in range(one + 1, 5):
            cosines = [cosine_similarity(activity[one, :, d], activity[other, :, d], dim=0) for d in range(6)]
            naive.append(sum(cosines) / 6)
    torch.testing.assert_close(similarity_across_data(activity), torch.stack(naive))


def test_two_neurons_of_the_same_inputs(activity):
    naive = []
    for one in range(6):
        for other in range(one + 1, 6):
            cosines = [cosine_similarity(activity[n, :, one], activity[n, :, other], dim=0) for n in range(5)]
            naive.append(sum(cosines) / 5)
    torch.testing.assert_close(similarity_across_neurons(activity), torch.stack(naive))


def test_neurons_that_hardly_vary_are_dead(activity):
    activity[..., 2] = 0.7
    activity[..., 3] *= 0.001
    assert dead(activity).tolist() == [False, False, True, True, False, False]
    assert dead(torch.ones(2, 3, 4)).all()
    naive = [math.sqrt(float(((activity[..., d] - activity[..., d].mean()) ** 2).mean())) for d in range(6)]
    assert variation(activity).tolist() == pytest.approx(naive, abs=1e-6)


@pytest.mark.parametrize("same", [False, True])
def test_a_histogram_for_every_model(activity, same):
    activity = torch.zeros_like(activity) if same else activity
    data, neurons, varying = similarity_picture({"one": [activity], "two": [activity[:1]]}).axes
    for axes in (neurons, varying):
        for patch in axes.patches:
            assert patch.get_data().values.sum() == pytest.approx(1)
    assert [patch.get_data().values.sum() for patch in data.patches] == pytest.approx([1, 1, 0, 0])  # no pair of inputs
    share = "100.0%" if same else "0.0%"
    assert [text.get_text() for text in varying.get_legend().get_texts()] == [
        f"{name}: {share} dead" for name in ("one", "two")
    ]
    values, edges, _ = data.patches[0].get_data()
    np.testing.assert_allclose(values, np.histogram(similarity_across_data(activity), edges)[0] / 10)
