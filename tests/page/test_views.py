"""The view of each task in a real browser: what is changed there is what is asked, and answered as PyTorch does."""

import re

import numpy as np
import pytest
import torch

import ctm
from ctm.page.site import write
from ctm.tasks.sort.emissions import emissions
from page.conftest import needs_browser
from training.experiments import parity

pytestmark = [needs_browser, pytest.mark.slow, pytest.mark.timeout(600)]

INPUTS = (
    """() => Object.values(window.page.view.inputs()).map(({ data, shape }) => [Array.from(data, Number), shape])"""
)


def asked(page, *kinds):
    """What the machine is asked, as tensors."""
    return [
        torch.tensor(data, dtype=kind).view(shape)
        for (data, shape), kind in zip(page.evaluate(INPUTS), kinds, strict=True)
    ]


def test_signs_are_flipped(opened):
    page = opened("parity/quick").ready().page
    page.locator("#halting").uncheck()
    page.get_by_text("All plus").click()
    page.get_by_label("Sign 3: plus").click()
    page.wait_for_function("window.page.finished")
    (signs,) = asked(page, torch.float32)
    assert signs.tolist() == [[1, 1, -1, 1, 1, 1, 1, 1, 1]]
    with torch.no_grad():
        odd = ctm.load("parity/quick")(signs).at("most_certain").argmax(-1)[0]
    assert page.locator(".parity").all_inner_texts() == ["odd" if each else "even" for each in odd]
    assert page.inner_text("#words") == "All 9 answers are right."


def test_bars_are_dragged_and_sorted(opened):
    shown = opened("sort/quick").ready()
    page = shown.page
    box = page.locator("#view canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 16, box["y"] + 0.1 * box["height"])
    shown.finished()
    (numbers,) = asked(page, torch.float32)
    assert numbers[0, 0].item() == pytest.approx(2.4, abs=0.05)
    assert page.locator(".halting").first.is_hidden()
    with torch.no_grad():
        found = emissions(ctm.load("sort/quick")(numbers).logits, 8)
    order = [int(place) for place, tick in zip(found.classes[0], found.ticks[0], strict=True) if tick]
    assert page.locator(".emitted li").all_inner_texts() == [f"{numbers[0, place]:.2f}" for place in order]


def test_a_question_is_composed(opened):
    shown = opened("qamnist/quick").ready()
    page = shown.page
    page.locator("#halting").uncheck()
    page.select_option("select[aria-label='Digit A']", "8")
    page.select_option("select[aria-label='Digit B']", "2")
    page.locator("select[aria-label='Sign']").first.select_option("-2")
    page.wait_for_function("window.page.finished")
    pictures, question = asked(page, torch.float32, torch.int64)
    assert question.tolist() == [[0, -2, 1, -1, 0]]
    with torch.no_grad():
        said = int(ctm.load("qamnist/quick")(pictures, question).at("most_certain").argmax(-1))
    right = (8 - 2 + 8) % 10
    expected = f"It says {said}, which is right." if said == right else f"It says {said}; {right} is right."
    assert page.inner_text("#words") == expected


def test_the_pole_stands_and_moves_as_in_gymnasium(opened):
    import gymnasium

    page = opened("cartpole/quick").ready().page
    page.wait_for_function("window.page.trail.length >= 60", timeout=60_000)
    assert re.search(r"Step \d+ of 200", page.inner_text("#view"))
    assert page.locator(".halting").first.is_hidden()
    moved = page.evaluate(
        """async () => {
            const { CartPole } = await import("/tasks/control/cartpole.js");
            const world = new CartPole({ mask: [1, 3], time_limit: 200 });
            world.state = [0.01, -0.02, 0.03, 0.04];
            const states = [];
            for (const action of [1, 1, 0, 1, 0, 0, 1]) { world.act(action); states.push([...world.state]); }
            return { states, seen: world.observation() };
        }"""
    )
    environment = gymnasium.make("CartPole-v1").unwrapped
    environment.reset(seed=0)
    environment.state = np.array([0.01, -0.02, 0.03, 0.04])
    for action, state in zip([1, 1, 0, 1, 0, 0, 1], moved["states"], strict=True):
        environment.step(action)
        np.testing.assert_allclose(state, environment.state, rtol=1e-6)
    assert (moved["seen"][1], moved["seen"][3]) == (0, 0)


def test_it_goes_on_thinking_from_observation_to_observation(opened):
    """The neurons after two observations are those of PyTorch's agent, which kept its state."""
    page = opened("cartpole/quick").ready().page
    observations = [[0.1, 0.0, 0.02, 0.0], [0.09, 0.0, -0.03, 0.0]]
    found = page.evaluate(
        """async (observations) => {
            const { Machine } = await import("/page/machine.js");
            const machine = await Machine.load("model/0");
            let state = null, thought;
            for (const seen of observations) {
                thought = await machine.begin({ x: { data: Float32Array.from(seen), shape: [1, 4] } }, [], state);
                await thought.tick();
                await thought.tick();
                state = thought.state;
            }
            return Array.from(thought.ticks[1].neurons);
        }""",
        observations,
    )
    model, state = ctm.load("cartpole/quick"), None
    with torch.no_grad():
        for seen in observations:
            state = model(torch.tensor([seen]), ticks=2, state=state).state
    torch.testing.assert_close(torch.tensor(found), state.core.post_activations[0], rtol=1e-4, atol=1e-4)


def test_any_other_task_has_the_general_view(opened, tmp_path, monkeypatch):
    """A run whose task has no page of its own; its test samples are answered as PyTorch answers them."""
    site = tmp_path / "site"
    run = ctm.Run.create(tmp_path / "run", parity(iterations=6))
    ctm.training.train(run, quiet=True)
    monkeypatch.setattr("ctm.page.site.view_of", lambda task: None)
    import jaxtyping

    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    write(run.path, site)
    shown = opened(site).ready()
    shown.page.locator("#halting").uncheck()
    shown.page.locator("#example").click()
    shown.page.get_by_text("Example 2 of").wait_for()
    shown.page.wait_for_function("window.page.finished")
    (x,) = asked(shown.page, torch.float32)
    with torch.no_grad():
        answer = ctm.load(run.path)(x).at("most_certain").argmax(-1)[0]
    assert shown.page.inner_text("#words") == f"It says {' '.join(map(str, answer.tolist()))}."
    assert shown.errors == []
