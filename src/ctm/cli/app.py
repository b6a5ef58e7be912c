"""The command line: the commands, each in a file of its own, and what becomes of errors.

Heavy imports happen inside the commands, so that `ctm --help` answers at once.
"""

import os
import signal
import sys

from cyclopts import App, CycloptsError, Parameter

import ctm
from ctm.cli.calibrate import calibrate
from ctm.cli.compare import compare
from ctm.cli.convert import convert
from ctm.cli.evaluate import evaluate
from ctm.cli.export import export
from ctm.cli.figures import figures
from ctm.cli.humans import humans
from ctm.cli.presets import presets
from ctm.cli.push import push
from ctm.cli.reapply import reapply
from ctm.cli.show import show
from ctm.cli.think import think
from ctm.cli.train import train
from ctm.errors import ConfigError, CTMError

app = App(
    name="ctm",
    help="""Continuous Thought Machines: networks that think, tick by tick, and answer when they are sure.

    Every command takes `--import my_task.py` or `--import my_package`, several times perhaps, to know the tasks, parts
    and presets in it.""",
    version=f"ctm {ctm.__version__}",
    default_parameter=Parameter(negative_iterable=()),
    suppress_keyboard_interrupt=False,
)
for command in (
    train,
    compare,
    evaluate,
    calibrate,
    figures,
    humans,
    think,
    show,
    reapply,
    presets,
    convert,
    push,
    export,
):
    app.command(command)


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; a user's mistake is one line on standard error and exit code 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = run(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # whoever reads has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be flushed at the end
        return 128 + signal.SIGPIPE
    except Exception as error:
        if not _is_the_users(error):
            raise
        print(f"ctm: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def run(arguments: list[str]) -> int:
    """Runs a command and lets its errors through."""
    arguments = _import(arguments)
    called = app, arguments
    resumes = any(word.partition("=")[0] == "--resume" for word in arguments)
    if arguments[:1] == ["train"] and not resumes and not all(word.startswith("-") for word in arguments[1:]):
        from ctm.cli.options import training_app

        called = training_app(arguments[1], arguments[2:]), arguments[2:]
    result = called[0](called[1], exit_on_error=False, print_error=False, result_action="return_value")
    return result if isinstance(result, int) else 0


def _import(arguments: list[str]) -> list[str]:
    """Imports what the arguments name as `--import FILE_OR_PACKAGE`, and returns the others."""
    others, sources, waiting = [], [], iter(arguments)
    for argument in waiting:
        if argument == "--import":
            sources.append(next(waiting, ""))
        elif argument.startswith("--import="):
            sources.append(argument.removeprefix("--import="))
        else:
            others.append(argument)
    for source in sources:
        if not source or source.startswith("-"):
            raise ConfigError("--import: expected a Python file or the name of a package after it")
        from ctm.plugins import load

        load(source)
    return others


def _is_the_users(error: Exception) -> bool:
    """Whether an error is a mistake in what was asked, and not one of this program."""
    return isinstance(error, CycloptsError | CTMError | OSError)
