"""A program that trains over several processes: `python -m training.program FOLDER DEVICES NODES ITERATIONS`."""

import sys
from pathlib import Path

import torch

from ctm.training import Run, train
from training.experiments import parity

if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    devices, nodes, iterations = map(int, sys.argv[2:])
    experiment = parity(devices=devices, nodes=nodes, iterations=iterations)
    outcome = train(Run.create(folder, experiment), quiet=True)
    sys.exit(0 if outcome.signal is None else 128 + outcome.signal)
