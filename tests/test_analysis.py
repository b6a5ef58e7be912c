"""The Python of docs/analysis.md runs as it stands there."""

import re
from pathlib import Path

from ctm.analysis.similarity import dead, similarity_across_data

DOCUMENT = Path(__file__).parents[1] / "docs" / "analysis.md"


def test_the_code_of_the_documentation_runs(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    exec(block, names)
    assert names["seen"].accuracy("mean", top=5).shape == (15,)
    assert (tmp_path / "accuracy.png").stat().st_size > 1000
    assert similarity_across_data(names["activity"]).shape == (28,)
    assert dead(names["activity"]).shape == (128,)
