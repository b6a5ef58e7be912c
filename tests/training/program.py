"""A program that trains over several processes: `python -m training.program FOLDER DEVICES NODES ITERATIONS TICKS`."""

import sys
from pathlib import Path

import torch

from ctm.training import Run, train
from training.experiments import parity

if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    devices, nodes, iterations, ticks = map(int, sys.argv[2:])
    resumes = any((folder / "checkpoints").glob("0*"))
    experiment = parity(devices=devices, nodes=nodes, iterations=iterations)
    experiment = experiment.replace(model=experiment.model.replace(ticks=ticks))
    outcome = train(Run.open(folder) if resumes else Run.create(folder, experiment), quiet=True)
    sys.exit(0 if outcome.signal is None else 128 + outcome.signal)
