"""Whether a wheel has what it should have, and works where nothing else of the repository is: `make wheel`.

python -I tools/check_wheel.py WHEEL [FILE_OF_THE_AUTHORS …]       # in an environment where the wheel is installed
"""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "src"
THEIRS = Path(__file__).parents[1] / "tests" / "fixtures" / "parity_semidense"
"""A model of the authors: `model.safetensors`, and its arguments."""
LARGEST = 12_000_000

USE = """
import sys, ctm, torch
from pathlib import Path
assert "site-packages" in ctm.__file__, ctm.__file__
model = ctm.load("digits")
thoughts = model(torch.zeros(2, 1, 8, 8))
assert thoughts.logits.shape == (2, 15, 10), thoughts.logits.shape
model.save("mine.safetensors")
assert torch.equal(ctm.load("mine.safetensors")(torch.zeros(2, 1, 8, 8)).logits, thoughts.logits)
"""

COMMANDS = (
    "ctm --version",
    "ctm presets",
    "ctm think digits --index 3",
    "ctm evaluate digits",
    "ctm think cartpole/quick --output episode.png",
    "ctm convert digits copy",
    "ctm export digits exported",
    "ctm show digits --out site",
)


def contents(wheel: Path) -> None:
    """Compares the files of a wheel with those of the sources."""
    with zipfile.ZipFile(wheel) as opened:
        found = {name for name in opened.namelist() if ".dist-info/" not in name}
    files = (path for path in (SOURCES / "ctm").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    expected = {path.relative_to(SOURCES).as_posix() for path in files}
    assert found == expected, f"only in one of wheel and sources: {sorted(found ^ expected)}"
    assert wheel.stat().st_size < LARGEST, f"{wheel.stat().st_size} bytes"


def main() -> None:
    wheel = Path(sys.argv[1]).resolve()
    contents(wheel)
    programs = Path(sys.executable).parent
    quiet = {"cwd": tempfile.mkdtemp(), "check": True, "env": {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}}
    subprocess.run([sys.executable, "-I", "-c", USE], **quiet)
    for command in COMMANDS:
        print(f"$ {command}", flush=True)
        subprocess.run(command.split(), **quiet)
    arguments = json.dumps(json.loads((THEIRS / "config.json").read_text())["config"])
    print("$ ctm convert model.safetensors theirs --config …", flush=True)
    subprocess.run(["ctm", "convert", str(THEIRS / "model.safetensors"), "theirs", "--config", arguments], **quiet)
    print(f"{wheel.name}: {wheel.stat().st_size} bytes, complete, and works alone")


if __name__ == "__main__":
    main()
