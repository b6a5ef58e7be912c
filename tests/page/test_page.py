"""The page in a real browser: it answers what PyTorch answers, stops when sure, and says what is wrong."""

import json
import math
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import ctm
from ctm.page.site import SAMPLES
from ctm.randomness import generator
from ctm.tasks.mazes.generate import draw as draw_mazes
from ctm.tasks.mazes.reapply import reapply
from page.conftest import needs_browser
from page.drawing import DRAWN, draw

pytestmark = [needs_browser, pytest.mark.timeout(600)]

THINK = """async ([name, folder, silenced, ticks]) => {
    const { Machine } = await import("/page/machine.js");
    const machine = await Machine.load(folder);
    const thought = await machine.begin(window.page.view.inputs(), silenced);
    for (let tick = 0; tick < ticks; tick++) await thought.tick();
    const plain = (values) => values && Array.from(values);
    const inputs = Object.values(window.page.view.inputs()).map(({ data, shape }) => [Array.from(data, Number), shape]);
    return { inputs, ticks: thought.ticks.map((tick) => ({ ...tick, logits: plain(tick.logits),
        attention: plain(tick.attention), neurons: plain(tick.neurons) })) };
}"""


@pytest.mark.parametrize(("name", "silenced"), [("digits", []), ("digits", list(range(60))), ("mazes/quick", [])])
def test_its_numbers_are_those_of_pytorch(opened, name, silenced):
    page = opened(name).ready().page
    found = page.evaluate(THINK, [name, "model/0", silenced, 6])
    model = ctm.load(name)
    inputs = [torch.tensor(data, dtype=torch.float32).view(shape) for data, shape in found["inputs"]]
    with torch.no_grad():
        if silenced:
            with model.intervene(neurons=silenced, value=0.0):
                expected = model(*inputs, ticks=6, record=True)
        else:
            expected = model(*inputs, ticks=6, record=True)
    for key, tensor in {
        "logits": expected.logits,
        "certainty": expected.certainty,
        "neurons": expected.record.post_activations,
        "attention": expected.record.attention,
    }.items():
        numbers = torch.tensor([tick[key] for tick in found["ticks"]])
        torch.testing.assert_close(numbers.flatten(), tensor[0].flatten(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("digit", sorted(DRAWN))
def test_a_drawn_digit_is_recognised(opened, digit):
    shown = opened("digits").ready()
    draw(shown.page, digit)
    assert shown.finished() == f"It says {digit}."
    assert shown.errors == []
    assert shown.local()
    if digit == 3:
        shown.picture("page-digits")


def test_it_stops_when_sure_and_says_what_that_saved(opened):
    shown = opened("digits").ready()
    shown.page.locator("#threshold").fill("0.8")
    shown.finished()
    taken = shown.page.evaluate("window.page.ticks.map((tick) => tick.certainty)")
    assert taken[-1] >= 0.8 > max(taken[:-1])
    assert len(taken) < 15
    saved = math.floor(100 * (1 - len(taken) / 15) + 0.5)
    assert shown.page.inner_text("#saved") == f"Sure after {len(taken)} of 15 ticks: {saved} % of the thinking saved."
    shown.page.locator("#halting").uncheck()
    shown.page.wait_for_function("window.page.ticks.length === 15 && window.page.finished")
    assert shown.page.inner_text("#saved") == ""
    shown.page.locator("#ticks").fill("40")
    shown.page.wait_for_function("window.page.ticks.length === 40")


def test_play_pause_step_and_scrub(opened):
    page = opened("digits").ready().page
    page.locator("#halting").uncheck()
    page.locator("#speed").fill("1")
    page.locator("#again").click()
    page.locator("#play").click()
    assert page.locator("#play").get_attribute("aria-label") == "Play"
    before = page.evaluate("window.page.at")
    page.locator("#step").click()
    page.wait_for_function(f"window.page.at === {before + 1}")
    page.locator("#step").click()
    page.wait_for_function(f"window.page.at === {before + 2}")
    page.locator("#back").click()
    assert page.evaluate("window.page.at") == before + 1
    page.locator("#tick").fill("0")
    assert page.inner_text("#tick-value") == "1 of 15"
    page.locator("#speed").fill("60")
    page.locator("#play").click()
    page.wait_for_function("window.page.at === 14 && window.page.finished")


def test_silenced_neurons_change_the_answer_and_can_be_restored(opened):
    shown = opened("digits").ready()
    page, first = shown.page, shown.finished()
    page.locator("#map").focus()
    for key in ("ArrowRight", "ArrowRight", " "):
        page.keyboard.press(key)
    assert page.evaluate("[...window.page.map.silenced]") == [1]
    assert "at neuron 1, silenced" in page.locator("#map").get_attribute("aria-label")
    for _ in range(12):
        page.locator("#silence").click()
    assert page.evaluate("window.page.map.silenced.size") == 121
    shown.finished()
    page.wait_for_function("document.getElementById('map-state').textContent.includes('With all of them')")
    assert page.inner_text("#map-state") == f"121 of 128 silenced. With all of them: {first}"
    neurons = page.evaluate("Array.from(window.page.tick.neurons)")
    assert sum(value != 0 for value in neurons) <= 7
    assert page.inner_text("#words") != first
    page.locator("#restore").click()
    page.wait_for_function("window.page.finished && !window.page.map.silenced.size")
    assert page.inner_text("#words") == first


def test_a_maze_is_edited_and_solved(opened):
    """A wall across the only way is seen by the page's own walk, and the way is found again without it."""
    shown = opened("mazes/quick").ready()
    page = shown.page
    assert shown.finished().startswith("It finds the goal in ")
    box = page.locator("#view canvas").first.bounding_box()
    x = page.evaluate("window.page.view.inputs().x.data.length")
    assert x == 3 * 81
    seen = np.array(page.evaluate("Array.from(window.page.view.inputs().x.data)")).reshape(3, 9, 9)
    open_cells = np.argwhere(seen.min(0) > 0.5)
    row, column = open_cells[0]
    page.mouse.click(box["x"] + (column + 0.5) * box["width"] / 9, box["y"] + (row + 0.5) * box["height"] / 9)
    after = np.array(page.evaluate("Array.from(window.page.view.inputs().x.data)")).reshape(3, 9, 9)
    assert after[:, row, column].tolist() == [0, 0, 0]
    assert np.abs(after - seen).sum() == 3
    shown.finished()
    page.locator("#new-maze").click()
    shown.finished()
    shown.picture("page-mazes")
    assert shown.errors == []
    assert shown.local()


def test_larger_mazes_are_walked_as_python_walks_them(opened):
    """The same mazes are solved, each by as many thoughts."""
    mazes = draw_mazes(SAMPLES, 19, generator("page", 0, 19)).take(slice(12))
    expected = reapply(ctm.load("mazes/quick"), mazes, lambda seen: seen)
    page = opened("mazes/quick").ready().page
    page.locator("#halting").uncheck()
    page.select_option("select", index=1)
    found = []
    for _ in expected.reached:
        page.wait_for_function("window.page.finished && !window.page.playing", timeout=60_000)
        found.append(page.inner_text("#words"))
        page.locator("#new-maze").click()
    assert set(expected.reached.tolist()) == {True, False}
    for words, reached, applications in zip(found, expected.reached, expected.applications, strict=True):
        assert words.startswith("It finds the goal" if reached else "It does not reach the goal"), found
        times = f" after thinking {applications} times" if applications > 1 else ""
        assert times in words, (found, expected.applications)


def test_a_picture_from_a_file_and_a_file_that_is_none(opened, tmp_path):
    shown = opened("digits").ready()
    digits = torch.cat([batch.inputs for batch in ctm.preset("digits").task.build().evaluation("test", 1000)])
    pixels = ((digits[11, 0] / 2 + 0.5) * 255).round().numpy().astype(np.uint8)
    dark_on_bright = Image.fromarray(255 - np.kron(np.pad(pixels, 2), np.ones((10, 10), np.uint8)))
    dark_on_bright.save(tmp_path / "digit.png")
    with torch.no_grad():
        expected = int(ctm.load("digits")(digits[11:12]).at("most_certain").argmax(-1))
    shown.page.locator("input[type=file]").set_input_files(tmp_path / "digit.png")
    shown.page.get_by_text("digit.png.").wait_for()
    assert shown.finished() == f"It says {expected}."
    seen = torch.tensor(shown.page.evaluate("Array.from(window.page.view.inputs().x.data)"))
    alike = torch.corrcoef(torch.stack([seen, digits[11].flatten()]))[0, 1]
    assert alike > 0.9  # inverted, and moved and scaled a little
    (tmp_path / "broken.png").write_bytes(b"no picture")
    shown.page.locator("input[type=file]").set_input_files(tmp_path / "broken.png")
    shown.page.get_by_text("broken.png: not a picture that can be read").wait_for()
    assert shown.finished() == f"It says {expected}."  # the last one stays


def test_a_model_that_does_not_fit_is_said(opened, sites, tmp_path):
    site = shutil.copytree(sites("digits"), tmp_path / "site")
    path = site / "model" / "0" / "machine.json"
    description = json.loads(path.read_text())
    description["inputs"]["x"]["shape"] = ["batch", 1, 9, 9]
    path.write_text(json.dumps(description))
    page = opened(site).page
    page.get_by_text("the model does not fit: x is 1 × 8 × 8, and it takes 1 × 9 × 9").wait_for()
    path.write_text(json.dumps(description | {"format": 1}))
    page.reload()
    page.get_by_text("format 1, expected 2; export it again").wait_for()


def test_every_control_has_a_name_and_nothing_is_wider_than_a_phone(opened):
    shown = opened("digits", color_scheme="dark").ready()
    page = shown.page
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, canvas")].filter((each) => !(
            each.getAttribute("aria-label") || each.getAttribute("aria-labelledby") || each.textContent.trim() ||
            each.labels?.[0]?.textContent.trim())).map((each) => each.outerHTML)"""
    )
    assert nameless == []
    shown.finished()
    shown.picture("page-phone")


def test_text_has_enough_contrast_in_dark_and_light(opened):
    page = opened("digits").ready().page
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        pairs = page.evaluate(
            """() => [...document.querySelectorAll("h1, h2, h3, p, .note, #words, #saved, button:enabled, .share")]
                .map((each) => [getComputedStyle(each).color, background(each)]);
            function background(each) {
                const found = getComputedStyle(each).backgroundColor;
                return found !== "rgba(0, 0, 0, 0)" ? found : background(each.parentElement);
            }"""
        )
        assert min(contrast(*pair) for pair in pairs) >= 4.5, scheme


def contrast(first: str, second: str) -> float:
    """As the guidelines for accessible pages define it."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)
