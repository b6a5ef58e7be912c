"""scikit-learn's digits on a laptop, after the authors' notebook for MNIST."""

import ctm
from ctm.recipes import training
from ctm.registry import register
from ctm.tasks.digits.task import Digits
from ctm.tasks.picture_presets import small_picture_machine


@register("digits")
def digits() -> ctm.Experiment:
    """Handwritten digits of 8x8 pixels, no download: a minute or two on a laptop."""
    return ctm.Experiment(
        task=Digits.Config(shift=1),
        model=small_picture_machine(widths=(32, 64), pools=(False, True), embedding=64, dropout=0.2),
        training=training(1500, learning_rate=1e-3, warmup=50, every=100, weight_decay=0.2),
    )
