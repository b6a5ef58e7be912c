"""The pages of the documentation, taken apart into what can be run.

- Blocks of ```python run in order, in one namespace and one folder a page. One whose first line is `# name.py` is a
  file of that name in this folder.
- Lines of ```sh blocks, and of blocks indented by four spaces, are commands; `$ ` in front of one makes what follows
  its output.
- `<!-- not run: REASON -->` before a block: it is not run; the arguments of its commands are checked all the same.
- `<!-- python: CODE -->`: code that readers do not see.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
WITH_BLOCKS = ["README.md", *sorted(str(page.relative_to(ROOT)) for page in DOCS.glob("*.md"))]

NOT_CODE = {"text", "bibtex"}
"""Languages of blocks that are only to be read."""

HIDDEN = re.compile(r"<!-- python:(.*?)-->", re.DOTALL)
MARKER = re.compile(r"<!-- not run: (\S.*?) -->", re.DOTALL)
ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")


@dataclass(frozen=True)
class Block:
    """A block of code."""

    line: int
    """Its first line in the page, from 1."""
    language: str
    """What stands after the fence; "indented" without a fence."""
    text: str
    reason: str | None
    """Why it is not run."""

    @property
    def commands(self) -> list[str]:
        """The lines of a shell, without comments at their ends being taken away."""
        lines = self.text.replace("\\\n", " ").splitlines()
        if any(line.startswith("$ ") for line in lines):
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return [line for line in lines if line.strip() and not line.startswith("#")]


def blocks(text: str) -> Iterator[Block]:
    """All blocks of a page, in order."""
    lines = [*text.splitlines(), ""]
    place, before = 0, ""
    while place < len(lines):
        line, begin = lines[place], place
        if line.startswith("<!--"):
            while "-->" not in lines[place]:
                place += 1
            comment = "\n".join(lines[begin : place + 1])
            if hidden := HIDDEN.match(comment):
                yield Block(begin + 1, "python", hidden[1].strip(), None)
            before, place = comment, place + 1
        elif fence := re.match(r"( *)```(\w*)", line):
            place += 1
            while lines[place].strip() != "```":
                place += 1
            content = "\n".join(text.removeprefix(fence[1]) for text in lines[begin + 1 : place])
            yield Block(begin + 2, fence[2], content + "\n", _reason(before))
            before, place = "", place + 1
        elif line.startswith("    ") and not _in_a_list(lines, place):
            while any(text.startswith("    ") for text in lines[place : place + 1 + (not lines[place])]):
                place += 1
            content = "\n".join(text[4:] for text in lines[begin:place])
            yield Block(begin + 1, "indented", content + "\n", _reason(before))
            before = ""
        else:
            before, place = line if line.strip() else before, place + 1


def _reason(before: str) -> str | None:
    marker = MARKER.match(before)
    return marker and " ".join(marker[1].split())


def _in_a_list(lines: list[str], place: int) -> bool:
    """Whether an indented line goes on with an item of a list."""
    above = next((line for line in reversed(lines[:place]) if line and not line.startswith("  ")), "")
    return bool(re.match(r"[-*] |\d+\. ", above))


def words_of(command: str) -> list[str]:
    """The program and its arguments: without settings of the environment, comments, and what follows a pipe."""
    words = shlex.split(command.replace("$(which ctm)", "ctm"), comments=True)
    while words and ASSIGNMENT.fullmatch(words[0]):
        words = words[1:]
    ends = [words.index(word) for word in ("|", ">", "&&", "&") if word in words]
    return words[: min(ends, default=len(words))]
