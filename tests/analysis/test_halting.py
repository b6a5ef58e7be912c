from ctm.analysis.halting import THRESHOLDS, Stopping, stopping, stopping_picture
from ctm.registry import preset


def test_every_threshold_is_tried():
    experiment = preset("parity/quick")
    task = experiment.task.replace(evaluation_samples=9).build()
    tried = stopping(experiment.model.replace(ticks=3).build().eval(), task, batch_size=4, thresholds=(1e-6, 1.0))
    assert tried.score == "whole_accuracy"
    assert tried.ticks == [1.0, 3.0]
    assert tried.full[1] == 3.0
    assert tried.scores[1] == tried.full[0]
    assert all(speed > 0 for speed in tried.speed)


def test_the_picture_shows_all_that_was_measured():
    rising = [float(value) for value in range(len(THRESHOLDS))]
    tried = Stopping("whole_accuracy", THRESHOLDS, rising, rising, rising, (0.9, 15.0, 100.0))
    figure = stopping_picture(tried)
    assert [axes.get_title("left") for axes in figure.axes] == [
        "Whole accuracy",
        "Ticks per sample",
        "Samples per second",
    ]
    for axes, full in zip(figure.axes, tried.full, strict=True):
        dashed, line = axes.lines
        assert list(dashed.get_ydata()) == [full, full]
        assert list(line.get_xdata()) == list(THRESHOLDS)
        assert list(line.get_ydata()) == rising
