import sys

import numpy as np
import pytest
import torch

from ctm.analysis.calibration import ERROR_BINS, Calibration, calibration_over_ticks, calibration_side_by_side


def collected(samples=300, ticks=3, batch=70):
    random = torch.Generator().manual_seed(0)
    confidence = 0.999 * torch.rand(samples, ticks, generator=random)
    right = torch.rand(samples, ticks, generator=random) < confidence**2
    calibration = Calibration()
    for part in zip(confidence.split(batch), right.split(batch), strict=True):
        calibration.add(*part)
    return calibration, confidence, right


def naive(confidence, right, bins):
    """Mean probability, accuracy and number of the samples of each bin, one sample after the other."""
    members = [[] for _ in range(bins)]
    for probable, correct in zip(confidence.tolist(), right.tolist(), strict=True):
        members[int(probable * bins)].append((probable, correct))
    return [(*np.mean(member, axis=0), len(member)) if member else (np.nan, np.nan, 0) for member in members]


@pytest.mark.parametrize("samples", [300, 4])
def test_bins_of_a_diagram(samples):
    calibration, confidence, right = collected(samples)
    for tick in (0, -1):
        known = torch.tensor(naive(confidence[:, tick], right[:, tick], 9), dtype=torch.float64).T  # (3, bins)
        for found, expected in zip(calibration.reliability(tick), known, strict=True):
            torch.testing.assert_close(found, expected, equal_nan=True)


def test_the_expected_calibration_error():
    calibration, confidence, right = collected()
    for tick, found in enumerate(calibration.errors()):
        bins = naive(confidence[:, tick], right[:, tick], ERROR_BINS)
        known = sum(count / 300 * abs(accuracy - probable) for probable, accuracy, count in bins if count)
        assert found == pytest.approx(known, abs=1e-5)


def test_probabilities_that_rounding_made_larger_than_one_are_one():
    """Above 1 they would all be taken for logits by the library."""
    calibration = Calibration()
    calibration.add(torch.tensor([[1 + 1e-6], [0.25]]), torch.tensor([[True], [False]]))
    assert calibration.error() == pytest.approx(0.125)
    assert calibration.reliability().samples.tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 1]


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.classification", None)
    with pytest.raises(ModuleNotFoundError, match="torchmetrics: pip install 'continuous-thought-machines\\[train\\]'"):
        collected()[0].error()


@pytest.mark.parametrize("ticks", [1, 3, 20])
def test_ticks_have_the_same_colours_in_both_panels(ticks):
    calibration, _, _ = collected(ticks=ticks)
    diagram, error = calibration_over_ticks(calibration).axes
    assert error.lines[0].get_ydata().tolist() == calibration.errors()
    _, *lines = diagram.lines  # the diagonal comes first
    assert len(lines) == min(ticks, 6)
    for line, point in zip(lines, error.collections, strict=True):
        np.testing.assert_array_equal(line.get_color(), point.get_facecolor()[0])
    found = calibration.reliability(-1)
    np.testing.assert_allclose(lines[-1].get_xydata(), torch.stack(found[:2], 1)[found.samples >= 5])


def test_several_models_side_by_side():
    one, two = collected()[0], collected(ticks=1)[0]
    diagram, error = calibration_side_by_side({"one": one, "two": two}).axes
    assert [bar.get_width() for bar in error.patches] == [one.error(), two.error()]
    assert [text.get_text() for text in error.texts] == [f"one  {one.error():.3f}", f"two  {two.error():.3f}"]
    assert len(diagram.lines) == 3
