"""CITATION.cff names this version, and the paper."""

from pathlib import Path

import yaml

import ctm

CITATION = Path(__file__).parents[1] / "CITATION.cff"


def test_the_citation_is_of_this_version_and_names_the_paper() -> None:
    citation = yaml.safe_load(CITATION.read_text(encoding="utf-8"))
    assert citation["version"] == ctm.__version__
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    (paper,) = citation["references"]
    assert [author["family-names"] for author in paper["authors"]] == ["Darlow", "Regan", "Risi", "Seely", "Jones"]
    assert (paper["year"], paper["url"]) == (2025, "https://arxiv.org/abs/2505.05522")
