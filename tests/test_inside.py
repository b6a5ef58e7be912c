"""The Python of docs/inside.md runs as it stands there, one block after the other."""

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "inside.md"
BLOCKS = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)


def test_the_code_of_the_documentation_runs() -> None:
    names: dict = {}
    for block in BLOCKS:
        exec(block, names)
    assert names["record"].attention.shape[:2] == (8, 15)
    assert names["record"].output is None
    assert names["matrix"].shape == (8, 15, 3, 3)
    assert len(names["speed"]) == 15
    assert not names["faded"].logits.equal(names["lesioned"].logits)
    assert names["direction"].grad.all()
    assert names["answers"].answers.shape == (8, 10)
    assert names["thoughts"].logits.shape == (2, 2, 10)
    assert names["stream"].state.ticks.tolist() == [10, 0]
