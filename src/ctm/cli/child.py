"""A run that another process trains side by side with others: `python -m ctm.cli.child RUN [--import=FILE …]`.

It stops as after SIGTERM when its standard input ends: when its parent closes it, or is gone, even killed.
"""

import os
import signal
import sys
import threading


def _stop_with_the_parent() -> None:
    while os.read(0, 1):  # waits; not sys.stdin, whose lock would be held when the interpreter ends
        pass
    signal.raise_signal(signal.SIGTERM)


if __name__ == "__main__":
    from ctm.cli import main

    threading.Thread(target=_stop_with_the_parent, daemon=True).start()
    sys.exit(main(["train", "--resume", *sys.argv[1:]]))
