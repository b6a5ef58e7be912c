"""Showing how far a run is: a bar for people, lines of JSON for programs."""

import json
import sys
from typing import Any


class Progress:
    """A bar on stderr if that is a terminal; otherwise every line of metrics on stdout.

    Args:
        done: iterations done so far.
        iterations: of the whole run.
        quiet: show nothing.
    """

    def __init__(self, done: int, iterations: int, quiet: bool) -> None:
        self._quiet = quiet
        self._bar = None
        if not quiet and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=iterations, initial=done, unit="it", dynamic_ncols=True)

    def close(self) -> None:
        """Finishes."""
        if self._bar is not None:
            self._bar.close()

    def advance(self) -> None:
        """One more iteration is done."""
        if self._bar is not None:
            self._bar.update()

    def show(self, line: dict[str, Any]) -> None:
        """Shows a line of metrics."""
        if self._bar is not None:
            words = [f"{name} {value:.3g}" for name, value in line.items() if isinstance(value, float)]
            if "split" in line:
                self._bar.write(f"{line['iteration']} {line['split']}: {', '.join(words)}", file=sys.stderr)
            else:
                self._bar.set_postfix_str(", ".join(words))
        elif not self._quiet:
            print(json.dumps(line), flush=True)
