"""The models in the package: small, whole, and as good as their cards say."""

import json
from pathlib import Path

import pytest
import torch
import yaml

import ctm
from ctm.comparison.settings import leaves
from ctm.hub import open_trained
from ctm.hub.zoo import FOLDER
from ctm.randomness import generator
from ctm.saving import CONFIG
from ctm.tasks.mazes.generate import draw
from ctm.tasks.mazes.random_walk import random_walk
from ctm.tasks.mazes.reapply import reapply
from ctm.training import evaluate

NAMES = (
    "cartpole/quick",
    "cifar10/quick",
    "digits",
    "mazes/mixed",
    "mazes/quick",
    "parity/quick",
    "qamnist/quick",
    "sort/quick",
)
WITH_DATA = ("digits", "mazes/mixed", "mazes/quick", "parity/quick", "qamnist/quick", "sort/quick")
"""Those that learned from samples, whose data are here."""


def test_these_are_in_the_package():
    assert ctm.zoo() == list(NAMES)
    assert set(NAMES) <= set(ctm.presets())


def test_they_are_small():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 8_000_000


@pytest.mark.parametrize("name", NAMES)
def test_each_is_of_its_preset_and_tells_nothing_of_the_machine_it_was_made_on(name):
    opened, preset = open_trained(name), ctm.preset(name)
    assert opened.experiment.model == preset.model
    assert opened.experiment.training.iterations == preset.training.iterations
    assert opened.saved.content["preset"] == name
    assert not [value for value in leaves(opened.saved.content).values() if Path(str(value)).is_absolute()]
    card = (FOLDER / name / "README.md").read_text()
    assert yaml.safe_load(card.split("---")[1])["license"] == "apache-2.0"
    assert "## Scores" in card
    assert not ctm.load(name).training


@pytest.mark.parametrize("name", WITH_DATA)
def test_each_reaches_the_score_of_its_card(name):
    opened = open_trained(name)
    stated = json.loads((FOLDER / name / CONFIG).read_text())["scores"]["accuracy"]
    assert stated > 0.97
    task = opened.experiment.task
    if hasattr(task, "evaluation_samples"):
        task = task.replace(evaluation_samples=min(task.evaluation_samples, 500))
    found = evaluate(opened.load_model(), task.build(), "test", 250)["accuracy"]
    assert found > stated - 0.015


def test_larger_mazes_than_those_learned_from_are_walked():
    opened = open_trained("mazes/mixed")
    mazes = draw(60, 19, generator("walked"))
    journeys = reapply(opened.load_model(), mazes, opened.experiment.task.inputs, views=8)
    assert journeys.reached.float().mean() > 0.85
    assert random_walk(mazes, journeys.moves, generator("walk")).mean() < 0.4


def test_the_agent_keeps_its_pole_up():
    opened = open_trained("cartpole/quick")
    with torch.inference_mode():
        scores = opened.experiment.task.build().scores(opened.load_model(), "test", 8, 8)
    assert scores["return"] >= 190


def test_the_pictures_are_told_apart(data):
    opened = open_trained("cifar10/quick")
    task = opened.experiment.task.replace(data=str(data / "cifar10")).build()
    batch = next(iter(task.evaluation("test", 500)))
    with torch.inference_mode():
        found = task.scores(opened.load_model()(batch.inputs), batch.targets)["accuracy"].mean()
    assert found > opened.saved.content["scores"]["accuracy"] - 0.05
