"""Data of one's own on a laptop."""

import ctm
from ctm.pairings import Dense
from ctm.recipes import machine, training
from ctm.registry import register
from ctm.synapses import SynapseMLP
from ctm.tasks.adaptation import SUITABLE
from ctm.tasks.arrays.task import Arrays


@register("arrays")
def arrays() -> ctm.Experiment:
    """Arrays or a table of yours, --task.train FILE: a minute or two on a laptop."""
    backbone, positions = SUITABLE[3]
    model = machine(
        ticks=10,
        backbone=backbone,
        observer=ctm.CrossAttention.Config(64, 4, positions, dropout=0.1),
        neurons=128,
        memory=10,
        hidden=8,
        synapses=SynapseMLP.Config(dropout=0.1),
        output=Dense(32),
        answer_shape=(2,),
    )
    return ctm.Experiment(
        task=Arrays.Config(),
        model=model,
        training=training(1000, learning_rate=1e-3, warmup=50, every=100, weight_decay=0.1),
    )
