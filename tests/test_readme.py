"""The README's Python runs as it stands there."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("title", ["model = ctm.build", "config = ctm.MachineConfig"])
def test_the_code_of_the_readme_runs(title: str) -> None:
    import ctm

    (block,) = [block for block in BLOCKS if title in block]
    names: dict = {"ctm": ctm, "torch": __import__("torch")}
    exec(block, names)
    logits = names["thoughts"].logits
    assert logits.shape[1:] == (names["model"].config.ticks, 10)


def test_the_interventions_and_streams_of_the_readme_run() -> None:
    import torch

    import ctm

    (block,) = [block for block in BLOCKS if "model.intervene" in block]
    names: dict = {"ctm": ctm, "model": ctm.build("digits"), "images": torch.randn(8, 1, 8, 8)}
    exec(block, names)
    assert (names["lesioned"].record.post_activations[:, 5, [1, 2]] == 0).all()
    assert names["thoughts"].logits.shape == (8, 2, 10)


def test_the_baselines_of_the_readme_and_the_documentation_are_made() -> None:
    import ctm

    documented = (README.parent / "docs" / "baselines.md").read_text(encoding="utf-8")
    (block,) = [block for block in BLOCKS if "from ctm.baselines import" in block]
    (longer,) = re.findall(r"```python\n(.*?)```", documented, re.DOTALL)
    names: dict = {"ctm": ctm}
    exec(block, names)
    assert names["model"].config.core.layers == 1
    exec(longer, names)
    assert (names["baseline"].model.core.layers, names["baseline"].task.loss.second_tick) == (2, "last")
