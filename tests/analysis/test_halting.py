from ctm.analysis.halting import HaltingCurve, halting_picture

THRESHOLDS = (0.5, 0.8, 0.9)


def test_the_picture_shows_all_that_was_measured():
    rising = [float(value) for value in range(len(THRESHOLDS))]
    tried = HaltingCurve("whole_accuracy", THRESHOLDS, rising, rising, rising, (0.9, 15.0, 100.0))
    figure = halting_picture(tried)
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
