"""The command line, a file for each command."""

from ctm.cli.app import main

__all__ = ["main"]
