import math

import numpy as np
import pytest
import torch

from ctm.analysis.people import (
    PEOPLE,
    Judged,
    agreement,
    difficulty_picture,
    judged_by_model,
    judged_by_people,
    uncertainty_picture,
)


def test_what_a_model_makes_of_samples(think):
    thoughts = think(batch=7, ticks=4, classes=6)
    targets = thoughts.at("most_certain").argmax(-1) * torch.tensor([1, 1, 1, 1, 1, 0, 0])
    judged = judged_by_model(thoughts, targets)
    probability = thoughts.logits.softmax(-1)
    for sample in range(7):
        chosen = int(thoughts.logits[sample, thoughts.certainty[sample].argmax()].argmax())
        assert judged.confidence[sample] == pytest.approx(
            np.mean([float(probability[sample, t, chosen]) for t in range(4)])
        )
        assert judged.right[sample] == (chosen == targets[sample])
        entropies = [-sum(p * math.log(p) for p in tick) / math.log(6) for tick in probability[sample].tolist()]
        assert judged.uncertainty[sample] == pytest.approx(np.mean(entropies), abs=1e-5)


def test_what_people_make_of_samples():
    labels = torch.tensor([[0.5, 0.25, 0.25, 0.0], [0.0, 0.0, 0.0, 1.0]], dtype=torch.float64)
    judged = judged_by_people(labels, torch.tensor([1, 3]))
    assert judged.confidence.tolist() == [0.5, 1.0]
    assert judged.right.tolist() == [False, True]
    assert judged.uncertainty.tolist() == pytest.approx([0.75, 0.0])  # 1.5 of 2 bits
    assert judged.calibration().error() == pytest.approx(0.25)


def everyone(samples=400):
    random = torch.Generator().manual_seed(0)
    difficulty = torch.rand(samples, generator=random)
    people = Judged(1 - difficulty / 2, difficulty < 0.9, difficulty)
    model = Judged(1 - difficulty / 2, difficulty < 0.5, torch.rand(samples, generator=random) + difficulty)
    return {"model": model, PEOPLE: people}, difficulty


def test_how_far_uncertainties_agree():
    (model, people), _ = (everyone()[0].values(), None)
    assert agreement(model, people) == pytest.approx(np.corrcoef(model.uncertainty, people.uncertainty)[0, 1])
    assert agreement(people, people) == pytest.approx(1)


def test_points_are_means_over_bins_of_difficulty():
    judged, difficulty = everyone()
    accuracy, uncertainty = difficulty_picture(judged, difficulty).axes
    edges = torch.linspace(difficulty.min(), difficulty.max(), 11)
    for axes, field in ((accuracy, "right"), (uncertainty, "uncertainty")):
        for (line, _, (bars,)), values in zip(axes.containers, judged.values(), strict=True):
            scores = getattr(values, field).double()
            for number, (x, y) in enumerate(line.get_xydata()):
                last = number == 9
                inside = (difficulty >= edges[number]) & ((difficulty < edges[number + 1]) | torch.tensor(last))
                assert x == pytest.approx(float(difficulty[inside].mean()), abs=1e-5)
                assert y == pytest.approx(float(scores[inside].mean()))
                (low, high) = bars.get_segments()[number][:, 1]
                assert (high - low) / 2 == pytest.approx(
                    1.96 * float(scores[inside].std()) / float(inside.sum()) ** 0.5
                )


def test_bins_of_few_samples_are_not_drawn():
    judged, _ = everyone(12)
    difficulty = torch.tensor([0.0] * 8 + [1.0] * 4)
    line, *_ = difficulty_picture(judged, difficulty).axes[0].containers[0]
    assert line.get_xdata().tolist() == [0.0]
    line, *_ = difficulty_picture(judged, torch.zeros(12)).axes[0].containers[0]
    assert line.get_xdata().tolist() == [0.0]  # all equally difficult


def test_models_against_people():
    judged, _ = everyone()
    (axes,) = uncertainty_picture(judged).axes
    (label,) = [text.get_text() for text in axes.get_legend().get_texts()]
    assert label == f"model  r = {agreement(*judged.values()):.2f}"
