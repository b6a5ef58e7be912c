"""The benchmarks run and write what they document; how fast is not asked here."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import ctm
from control.agents import cartpole
from ctm.training import Run, train

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TINY = ("--ticks", "2", "--batch", "4")
TIMES = {"median", "lowest", "highest"}
needs_sb3 = pytest.mark.skipif(importlib.util.find_spec("sb3_contrib") is None, reason="needs sb3-contrib")


def run(script: str, *arguments: str) -> str:
    """Runs a benchmark as a user does, with this `ctm`."""
    packages = os.pathsep.join([str(Path(ctm.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(BENCHMARKS / script), *arguments]
    environment = {**os.environ, "PYTHONPATH": packages}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_speed_writes_every_number_and_a_table(tmp_path: Path) -> None:
    precisions = ("fp32", "bf16")
    printed = run("speed.py", "digits", *TINY, "--repeats", "1", "--precision", *precisions, "--out", str(tmp_path))
    report = json.loads((tmp_path / "speed.json").read_text())
    assert set(report["machine"]) == {"cpu", "cores", "threads", "gpu", "torch", "date"}
    assert [result["precision"] for result in report["results"]] == list(precisions)
    for result in report["results"]:
        assert (result["configuration"], result["batch"], result["ticks"]) == ("digits", 4, 2)
        for side in (result["oracle"], result["ours"]):
            assert set(side) == {"forward", "step", "memory", "operations"}
            assert set(side["forward"]) == set(side["step"]) == TIMES
        assert set(result["recomputing"]) == {"step", "memory"}
        recomputing = {"recomputing_memory", "recomputing_time"}
        ratios = {"forward", "step", "forward_to_fp32", "step_to_fp32", "memory", "operations"} | recomputing
        assert set(result["ratios"]) == ratios
        assert result["ratios"]["step"] == result["oracle"]["step"]["median"] / result["ours"]["step"]["median"]
        assert result["rate"] > 0
        assert result["product_rate"] > 0
    assert (tmp_path / "speed.md").read_text() == printed.removesuffix("\n")
    assert sum(line.startswith("| digits ") for line in printed.splitlines()) == len(precisions)


def test_speed_names_what_can_be_measured() -> None:
    with pytest.raises(AssertionError, match="expected digits"):
        run("speed.py", "digit")


def test_environments_have_a_line_each() -> None:
    printed = run("environments.py", "--count", "2", "--steps", "2", "--repeats", "1")
    assert re.findall(r"^\| (\w+).* \| [\d,]+ \|$", printed, re.M) == ["CartPole", "CartPole", "Acrobot", "FourRooms"]


def test_growth_writes_numbers_and_pictures(tmp_path: Path) -> None:
    run("growth.py", "--ticks", "1", "2", "--neurons", "64", "--batch", "2", "--repeats", "1", "--out", str(tmp_path))
    report = json.loads((tmp_path / "growth.json").read_text())
    assert [result["varied"] for result in report["results"]] == ["ticks", "ticks", "neurons", "batch"]
    assert all(set(result[side]) == {"time", "memory"} for result in report["results"] for side in ("oracle", "ours"))
    for cost in ("time", "memory"):
        assert (tmp_path / f"growth-{cost}.png").read_bytes().startswith(b"\x89PNG")


def test_kernels_are_compared_in_pairs(tmp_path: Path) -> None:
    printed = run("kernels.py", "--repeats", "1", "--out", str(tmp_path))
    rows = [line for line in printed.splitlines() if re.search(r": \d+\.\d\d \|.*: \d+\.\d\d \|", line)]
    assert len(rows) == 4
    assert (tmp_path / "kernels.md").read_text() == printed.removesuffix("\n")


def test_profile_lists_operators(tmp_path: Path) -> None:
    printed = run("profile_step.py", "digits", *TINY, "--out", str(tmp_path))
    shares = [float(share) for share in re.findall(r"\| +([\d.]+)% \| +\d+ \|", printed)]
    assert len(shares) >= 3
    assert shares == sorted(shares, reverse=True)
    assert 50 < sum(shares) <= 100.5  # those of less than a thousandth are left out
    assert "| total " in printed
    assert (tmp_path / "profile.md").read_text() == printed.removesuffix("\n")


def test_streams_are_compared_with_calls() -> None:
    printed = run("stream.py", "digits", "--ticks", "1", "--frames", "2", "--repeats", "1")
    assert re.search(r"\| digits \| 1 \| \d+\.\d\d \| \d+\.\d\d \| \d+\.\dx \|", printed)


def test_stopping_is_compared_with_thinking_to_the_end() -> None:
    printed = run("stopping.py", "digits", "--batch", "64", "--repeats", "1")
    number = r"[\d.,]+"
    pattern = rf"\| digits \| 64 \| {number} \| {number} → {number} % \| 15 → {number} \| {number} → {number} "
    assert re.search(pattern + rf"\| {number}x \| {number}x \|", printed)


def test_compiled_says_what_compiling_brings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHDYNAMO_DISABLE", "1")  # compiling itself takes a minute
    printed = run("compiled.py", "parity/quick", "--repeats", "1")
    side = r"\d+\.\d\d s the first step, \d+\.\d ms a later one"
    assert re.fullmatch(rf"parity/quick: as it is {side}, compiled {side}; \d+\.\d\d times as fast\n", printed)


def test_operations_of_parity_are_those_of_its_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from cases import case
    from work import operations

    parity = case("parity/paper-75").resized(batch=2, ticks=3)
    batch, ticks, tokens, width, neurons, memory, hidden, pairs, classes = 2, 3, 64, 512, 1024, 25, 16, 528, 128
    positions = tokens * 2 * width
    features = batch * tokens * width * width
    keys_and_values = 2 * features
    ask = batch * width * (pairs + width)  # two linear maps
    fold = width * width * pairs  # or their product; its bias, a matrix times a vector, is not counted
    ask_folded = batch * width * pairs
    attend = batch * 2 * tokens * width
    tell = batch * width * width
    synapses = batch * (width + neurons) * 2 * neurons
    models = batch * neurons * (memory * 2 * hidden + hidden * 2)
    answer = batch * pairs * classes
    every_tick = attend + tell + synapses + models + answer
    ours = features + keys_and_values + fold + ticks * (ask_folded + every_tick)
    oracle = features + ticks * (keys_and_values + ask + every_tick)
    biases = batch * neurons * (2 * hidden + 2)  # columns of ours, in all products but that for the inputs' gradient
    again = ticks * (models + 3 * biases)  # the models are computed again for the backward pass
    for machine, products, more in (("ours", ours, again), ("oracle", oracle, 0)):
        # forward, and backward for both factors, save that positions are no function of anything learned
        assert operations(parity, machine) == 2 * (3 * products + more + 2 * positions)


def test_augmentations_have_a_line_each() -> None:
    printed = run("augmentation.py", "--side", "8", "--batch", "4", "--repeats", "1")
    assert re.findall(r"^\| ([a-z_, ]+) \| [\d,]+ \|$", printed, re.MULTILINE) == [
        "crop",
        "flip",
        "crop, flip",
        "resized_crop",
        "auto_augment",
    ]


def test_samples_are_compared_with_more_ticks(tmp_path: Path) -> None:
    models, sizes = ("mazes/quick", "digits"), ("--samples", "2", "--seeds", "2", "--count", "6", "--size", "11")
    picture = tmp_path / "picture.png"
    printed = run("samples.py", *models, *sizes, "--out", str(tmp_path), "--picture", str(picture))
    report = json.loads((tmp_path / "samples.json").read_text())
    assert [result["model"] for result in report["results"]] == [*models]
    for result in report["results"]:
        checked = {"check", "more ticks, check"} if result["model"] == "mazes/quick" else set()
        assert set(result["ways"]) == {"more ticks", "surest", "vote", "mean"} | checked
        for way, found in result["ways"].items():
            assert [len(scores) for scores in found["scores"]] == [1 if "ticks" in way else 2] * 2
    reached = report["results"][0]["larger"]["reached"]
    assert {way: len(scores) for way, scores in reached.items()} == {
        **dict.fromkeys(("one thought", "more ticks"), 1),
        **dict.fromkeys(("surest", "vote", "mean"), 2),
    }
    assert (tmp_path / "samples.md").read_text() == printed.removesuffix("\n")
    assert picture.read_bytes().startswith(b"\x89PNG")


@needs_sb3
def test_agents_are_compared_with_recurrent_ppo(tmp_path: Path) -> None:
    printed = run("recurrent_ppo.py", "cartpole/quick", "--steps", "1600", "--out", str(tmp_path))
    assert re.findall(r"^\| (\w+) +\| +0 \| +68,\d{3} \| +\d+\.\d", printed, re.M) == ["ours", "RecurrentPPO"]
    report = json.loads((tmp_path / "recurrent_ppo.json").read_text())
    for result in report["results"]:
        assert [point["steps"] for point in result["curve"]] == [1600]
        assert set(result["seconds"]) == set(result["steps_per_second"]) == {"wall", "processor"}
    assert (tmp_path / "recurrent_ppo.md").read_text() == printed.removesuffix("\n")
    assert (tmp_path / "recurrent_ppo.png").read_bytes().startswith(b"\x89PNG")


@needs_sb3
def test_a_run_is_compared_with_recurrent_ppo_for_several_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import recurrent_ppo

    finished = Run.create(tmp_path / "run", cartpole())
    train(finished, quiet=True)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)  # of this process, which runs other tests
    arguments = ["--run", str(finished.path), "--seeds", "3", "4", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["recurrent_ppo.py", *arguments])
    recurrent_ppo.main()
    results = json.loads((tmp_path / "recurrent_ppo.json").read_text())["results"]
    assert [(result["learner"], result["seed"]) for result in results] == [
        ("ours", 0),
        ("RecurrentPPO", 3),
        ("RecurrentPPO", 4),
    ]
    assert results[0]["seconds"] is results[0]["steps_per_second"] is None
    lines = [line for line in finished.metrics() if "split" not in line and line["episodes"]]
    assert [point["return"] for point in results[0]["curve"]] == [line["return"] for line in lines]


@needs_sb3
def test_recurrent_ppo_learns_as_ours_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import recurrent_ppo

    experiment = cartpole(time_limit=4, iterations=4)
    learner = recurrent_ppo.recurrent_ppo(experiment)
    monkeypatch.setattr(recurrent_ppo, "recurrent_ppo", lambda _: learner)
    rates, update = [], learner.train

    def noted() -> None:
        update()
        rates.append(learner.policy.optimizer.param_groups[0]["lr"])

    monkeypatch.setattr(learner, "train", noted)
    result = recurrent_ppo.yardstick(experiment)
    config = experiment.training
    assert rates == pytest.approx([config.schedule.learning_rate(step, 4, 1e-3) for step in range(4)])
    assert (learner.batch_size, learner.n_epochs, learner.vf_coef) == (12, 2, config.value_weight / 2)
    seen = torch.as_tensor(learner.rollout_buffer.observations)
    assert not seen[..., [1, 3]].any()
    assert seen[..., [0, 2]].all()
    assert result["return"] == 4  # of every episode, with rewards as they are and the time limit
    assert sum(point["episodes"] for point in result["curve"]) == 4 * 6
