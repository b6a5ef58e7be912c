"""Agents on the command line: trained, scored, watched and compared, with an environment of one's own."""

import shutil
from pathlib import Path

import pytest

from cli.commands import refused, said
from ctm.cli import main

OWN = """
import gymnasium
import numpy as np


class Corridor(gymnasium.Env):
    metadata = {"render_modes": ["rgb_array"]}
    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, breaks_after=None, render_mode=None):
        self.breaks_after, self.render_mode, self.total = breaks_after, render_mode, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.seen(), {}

    def step(self, action):
        self.steps, self.total = self.steps + 1, self.total + 1
        if self.breaks_after is not None and self.total > self.breaks_after:
            raise OverflowError("the wall is gone")
        return self.seen(), float(action), self.steps == 4, False, {}

    def seen(self):
        return self.np_random.uniform(-1, 1, 2).astype(np.float32)

    def render(self):
        return np.full((8, 8, 3), 20 * self.steps, np.uint8)


class Unseen(Corridor):
    metadata = {"render_modes": []}


class Texts(Corridor):
    observation_space = gymnasium.spaces.Text(3)


for kind in (Corridor, Unseen, Texts):
    gymnasium.register(f"Own{kind.__name__}-v0", kind)
"""
TINY = [
    *("--task.episodes", "2", "--task.test-episodes", "2", "--model.core.neurons", "16", "--model.backbone.width", "8"),
    *("--model.output.pairing.neurons", "4", "--model.readout.hidden", "8", "--training.iterations", "2"),
    *("--training.environments", "4", "--training.steps", "6", "--training.epochs", "1"),
    *("--training.checkpoint-every", "1", "--training.accelerator", "cpu", "--quiet"),
]


@pytest.fixture(scope="session")
def own(tmp_path_factory):
    """A file of environments, and where they are known again afterwards."""
    import gymnasium

    path = tmp_path_factory.mktemp("own") / "corridors.py"
    path.write_text(OWN)
    before = dict(gymnasium.registry)
    yield path
    gymnasium.registry.clear()
    gymnasium.registry.update(before)


def train(own, run, environment="OwnCorridor-v0", *more):
    options = ("--import", own, "--task.environment.id", environment, "--run", run)
    return ["train", "control", *map(str, options), *TINY, *more]


@pytest.fixture(scope="session")
def trained_agent(tmp_path_factory, own):
    """A finished run of an environment of one's own, only to be read."""
    run = tmp_path_factory.mktemp("agents") / "agent"
    assert main(train(own, run)) == 0
    return run


@pytest.fixture
def agent(trained_agent, tmp_path):
    return shutil.copytree(trained_agent, tmp_path / "agent")


@pytest.fixture
def forgotten(own, new_process, monkeypatch):
    """Nobody has imported the file yet, as in another process."""
    import gymnasium

    from ctm import plugins

    monkeypatch.delitem(plugins._FILES, own.resolve())
    for name in [name for name in gymnasium.registry if name.startswith("Own")]:
        monkeypatch.delitem(gymnasium.registry, name)


def test_own_environments_are_found_again_without_importing_them(capsys, agent, forgotten):
    assert said(capsys, "train", "--resume", agent, "--iterations", "3", "--quiet").startswith("trained")
    assert said(capsys, "evaluate", agent, "--episodes", "3").endswith("ticks: 2\nepisodes: 3\n")


def test_a_seed_says_which_episodes_score_an_agent(capsys, tmp_path):
    run, options = tmp_path / "agent", ("--episodes", "9", "--seed")
    assert main(["train", "cartpole/quick", "--run", str(run), *TINY]) == 0
    first, again, others = (said(capsys, "evaluate", run, *options, seed) for seed in ("0", "0", "1"))
    assert first.endswith(again)
    assert again == said(capsys, "evaluate", run, "--episodes", "9") != others


def test_an_episode_is_watched(capsys, agent, tmp_path):
    output = tmp_path / "last.png"
    lines = said(capsys, "think", agent, "--seed", "3", "--output", output).splitlines()
    assert lines[1:] == ["length: 4", f"animation: {output}"]
    assert output.is_file()


def test_figures_show_how_an_agent_learned_and_an_episode(capsys, agent):
    written = [Path(line).name for line in said(capsys, "figures", agent).splitlines()]
    assert written == ["training.png", "episode.png", "neurons.png", "episode.gif", "episode.mp4"]
    assert all((agent / "figures" / name).stat().st_size > 0 for name in written)


def test_figures_of_what_cannot_be_drawn_are_the_others(capsys, own, tmp_path):
    run = tmp_path / "agent"
    assert main(train(own, run, "OwnUnseen-v0")) == 0
    first, *written = said(capsys, "figures", run).splitlines()[-3:]
    assert "the episode is left out: environment.id = 'OwnUnseen-v0': cannot be drawn" in first
    assert [Path(line).name for line in written] == ["training.png", "neurons.png"]


def test_agents_are_compared(capsys, tmp_path):
    out = tmp_path / "compared"
    options = ("--model.ticks", "1", "2", "--seeds", "0", "--out", str(out), *TINY)
    assert main(["compare", "cartpole/quick", *options]) == 0
    header, _, *models = (out / "results.md").read_text().splitlines()
    assert header.split(" | ")[3:] == ["return", "length", "last return", "minutes |"]
    assert len(models) == 2
    for name in ("comparison.png", "by-setting.png", "neurons.png"):
        assert (out / name).stat().st_size > 0


def test_the_environment_in_the_docs_is_learned_in(capsys, own, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "control.md").read_text(encoding="utf-8")
    file = tmp_path / "recall.py"
    file.write_text(page.partition("```python\n")[2].partition("```")[0])
    assert main(train(file, tmp_path / "agent", "Recall-v0")) == 0
    assert "length: 3\n" in said(capsys, "evaluate", tmp_path / "agent")


def test_parts_of_a_mapping_are_no_options(capsys, own, tmp_path):
    message = refused(capsys, *train(own, tmp_path / "run"), "--task.environment.options.breaks_after", "3")
    assert "Did you mean --task.environment.options?" in message
    assert not (tmp_path / "run").exists()


def test_an_environment_that_fails_leaves_the_last_checkpoint(capsys, own, tmp_path):
    """It fails in the second iteration; once it is repaired, the run goes on from the first one."""
    run = tmp_path / "run"
    more = ("--task.environment.options", "{breaks_after: 8}", "--training.evaluate-every", "9")
    message = refused(capsys, *train(own, run, "OwnCorridor-v0", *more))
    assert "'OwnCorridor-v0' failed (corridors.py, line 22: OverflowError: the wall is gone)" in message
    assert (run / "checkpoints" / "00000001").is_dir()
    settings = run / "config.yaml"
    settings.write_text(settings.read_text().replace("breaks_after: 8", "breaks_after: 80"))
    assert said(capsys, "train", "--resume", run, "--quiet") == f"trained: {run}\n"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ("OwnCorridr-v0", "no such environment; did you mean 'OwnCorridor-v0'"),
        ("OwnTexts-v0", "observation space Text"),
    ],
)
def test_environments_that_cannot_be_used_are_refused(capsys, own, tmp_path, environment, message):
    assert message in refused(capsys, *train(own, tmp_path / "run", environment))
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_drawn_is_trained_but_not_watched(capsys, own, tmp_path):
    assert main(train(own, tmp_path / "run", "OwnUnseen-v0")) == 0
    capsys.readouterr()
    assert "cannot be drawn" in refused(capsys, "think", tmp_path / "run")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "--episodes", "0"), "episodes = 0: expected at least 1"),
        (("evaluate", "--ways"), "acts; it takes --episodes"),
        (("evaluate", "--until", "0.5"), "acts; it takes --episodes"),
        (("evaluate", "--samples", "2", "--noise", "0.5"), "acts; it takes --episodes"),
        (("evaluate", "--whole"), "acts; it takes --episodes"),
        (("evaluate", "--batch-norm", "3"), "acts; it takes --episodes"),
        (("think", "--index", "1"), "--seed says which episode"),
        (("think", "--text", "1 2"), "--seed says which episode"),
        (("think", "--seed", "-1"), "--seed -1: expected 0 or more"),
        (("reapply",), "expected a run that learned mazes"),
    ],
)
def test_what_an_agent_cannot_do_is_refused(capsys, trained_agent, arguments, message):
    command, *options = arguments
    assert message in refused(capsys, command, trained_agent, *options)


def test_what_only_agents_can_do_is_refused_of_others(capsys, trained):
    for option in ("--episodes", "--seed"):
        assert "learns from samples" in refused(capsys, "evaluate", trained, option, "3")
    assert "has learned from samples" in refused(capsys, "think", trained, "--seed", "3")


def test_agents_and_others_are_not_compared(capsys, tmp_path):
    message = refused(capsys, "compare", "cartpole/quick", "parity/quick", "--out", tmp_path / "out", "--seeds", "0")
    assert "their scores cannot be compared" in message
