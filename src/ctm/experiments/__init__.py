"""The presets, a file for each kind of data: functions without arguments, whose first line says what they make."""

from ctm.experiments import (  # isort: skip  # in the order of `ctm presets`
    pictures,
    parity,
    sort,
    qamnist,
    mazes,
    images,
    baselines,
)

__all__ = ["baselines", "images", "mazes", "parity", "pictures", "qamnist", "sort"]
