"""A tiny experiment that trains in seconds."""

from typing import Any

import ctm
from ctm.tasks.parity import Parity
from ctm.training import AdamW, Cosine, Experiment, QuantileClipping, TrainingConfig


def parity(*, dropout: float = 0.0, **training: Any) -> Experiment:
    """Parity of five signs; `training` changes fields of its training."""
    return Experiment(
        task=Parity.Config(length=5, evaluation_samples=20),
        model=ctm.MachineConfig(
            ticks=4,
            backbone=ctm.TokenEmbedding.Config(8),
            observer=ctm.CrossAttention.Config(8, 2, ctm.RotationalPositions.Config(1), dropout),
            core=ctm.NeuronCore.Config(
                neurons=16,
                memory=3,
                synapses=ctm.SynapseMLP.Config(dropout=dropout),
                models=ctm.NeuronModels.Config(hidden=4),
            ),
            action=ctm.Synchronization.Config(ctm.SemiDense(4)),
            output=ctm.Synchronization.Config(ctm.SemiDense(4)),
            readout=ctm.ClassReadout.Config(classes=2, answer=(5,)),
        ),
        training=TrainingConfig(
            **{
                "iterations": 12,
                "batch_size": 8,
                "optimizer": AdamW(learning_rate=1e-2, weight_decay=0.01),
                "schedule": Cosine(warmup=3),
                "clipping": QuantileClipping(history=5),
                "accelerator": "cpu",
                "log_every": 2,
                "evaluate_every": 6,
                "checkpoint_every": 3,
                **training,
            }
        ),
    )
