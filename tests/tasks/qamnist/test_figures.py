import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba

import ctm
from ctm.analysis.style import GREEN, RED
from ctm.tasks.qamnist.figures import accuracy_of_numbers, numbers_picture, question_frames, question_picture


@pytest.fixture(scope="module")
def asked():
    experiment = ctm.preset("qamnist/quick")
    return experiment.task.build(), experiment.model.build().eval()


def thought_about(model, inputs):
    with torch.no_grad():
        return model(inputs, record=True)


@pytest.mark.parametrize(("digits", "operations"), [(1, 1), (2, 2), (3, 1)])
def test_frames_are_of_one_even_size(asked, digits, operations):
    task, model = asked
    inputs, _ = next(task.questions("test", digits, operations, 1, 1))
    thoughts = thought_about(model, inputs)
    frames = list(question_frames(thoughts, inputs[0][0], inputs[1][0]))
    assert len(frames) == thoughts.ticks
    assert {frame.shape for frame in frames} == {(360, 800, 3)}
    assert not np.array_equal(frames[0], frames[-1])


def test_what_is_shown_is_named_and_what_is_said_is_judged(asked):
    task, model = asked
    inputs = task.parse("0 - 1")
    thoughts = thought_about(model, inputs)
    answer, about = int(thoughts.logits[0, -1].argmax()), (thoughts, inputs[0][0], inputs[1][0])
    for target, colour in ((answer, GREEN), ((answer + 1) % 10, RED)):
        texts = {text.get_text(): text for text in question_picture(*about, target).texts}
        assert to_rgba(texts[f"{answer}, should be {target}"].get_color()) == to_rgba(colour)
    words = [[text.get_text() for axes in question_picture(*about, tick=tick).axes for text in axes.texts] for tick in
             (0, 3, 4, 6, 8, 10)]  # fmt: skip
    shown = ("picture 0", "picture 1", "index of a picture", "operator", "index of a picture", "nothing")
    for part, name in zip(words, shown, strict=True):
        assert any(text.startswith(name) for text in part), name


def test_nothing_after_the_tick_is_given_away(asked):
    task, model = asked
    inputs = task.parse("0 + 0")
    thoughts = thought_about(model, inputs)
    figure = question_picture(thoughts, inputs[0][0], inputs[1][0], tick=4)
    answers = next(axes for axes in figure.axes if axes.get_ylabel() == "answer").images[0].get_array()
    assert answers.shape == (10, thoughts.ticks)
    assert np.ma.count(answers, axis=0).tolist() == [10] * 5 + [0] * (thoughts.ticks - 5)


def test_accuracy_of_all_numbers_is_framed_where_it_was_trained(asked):
    task, model = asked
    accuracy = accuracy_of_numbers(model, task, most=3, count=5)
    assert accuracy.shape == (3, 3)
    for digits, operations in ((1, 3), (3, 2)):
        inputs, targets = next(task.questions("test", digits, operations, 5, 5))
        with torch.no_grad():
            expected = (model(inputs).at("most_certain").argmax(-1) == targets).float().mean()
        assert accuracy[digits - 1, operations - 1] == expected
    axes, _ = numbers_picture(accuracy, ((1, 2), (1, 3))).axes
    np.testing.assert_array_equal(axes.images[0].get_array(), accuracy.T)
    (frame,) = axes.patches
    assert frame.get_bbox().bounds == (-0.5, -0.5, 2.0, 3.0)  # in cells, counted from 0


def test_the_task_draws_its_pictures(asked):
    task, model = asked
    samples = next(task.evaluation("test", 2))
    figures = dict(task.figures(thought_about(model, samples.inputs), samples))
    assert figures.keys() == {"question"}
