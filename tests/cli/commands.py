"""Running commands as a user does, and looking at what they print."""

import re

from ctm.cli import main

TINY = [
    *("--task.length", "4", "--model.readout.answer", "4", "--task.evaluation-samples", "20"),
    *("--model.core.neurons", "20", "--model.ticks", "5", "--model.backbone.width", "8"),
    *("--model.observer.embedding", "8", "--training.iterations", "3", "--training.accelerator", "cpu", "--quiet"),
]


def said(capsys, *arguments):
    """What a successful command prints."""
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert (code, err) == (0, ""), err
    return out


def refused(capsys, *arguments):
    """The one line on standard error of a command that is refused."""
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert re.fullmatch(r"ctm: [^\n]+\n", err), err
    return err.strip()


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
