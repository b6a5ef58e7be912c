"""MNIST on a laptop, after the authors' notebook."""

import ctm
from ctm.recipes import training
from ctm.registry import register
from ctm.tasks.mnist.task import Mnist
from ctm.tasks.picture_presets import small_picture_machine


@register("mnist")
def mnist() -> ctm.Experiment:
    """MNIST: a few minutes on a laptop; needs --task.folder or a network."""
    return ctm.Experiment(
        task=Mnist.Config(),
        model=small_picture_machine(widths=(16, 32), pools=(True, True), embedding=32, dropout=0.0),
        training=training(2500, learning_rate=2e-3, warmup=100, evaluate_every=500, checkpoint_every=250),
    )
