"""The models of Tables 7 to 9."""

import pytest
import torch

import ctm
from ctm import baselines
from ctm.control import control_lstm, control_machine

CARTPOLE = {"backbone": ctm.GatedPerceptron.Config(4, width=128), "actions": 2}
ACROBOT = {"backbone": ctm.GatedPerceptron.Config(6, width=64), "actions": 3}
FOUR_ROOMS = {"backbone": ctm.GridCells.Config(width=128), "actions": 7, "cells": 49}


@pytest.mark.parametrize(
    ("task", "ticks", "memory", "neurons", "hidden", "listening", "count"),
    [
        (CARTPOLE, 1, 10, 128, 4, 16, 175_437),
        (CARTPOLE, 2, 20, 128, 4, 16, 188_237),
        (CARTPOLE, 5, 50, 128, 4, 16, 226_637),
        (ACROBOT, 1, 5, 256, 4, 16, 350_094),
        (ACROBOT, 2, 10, 256, 4, 16, 362_894),
        (ACROBOT, 5, 25, 256, 4, 16, 401_294),
        (FOUR_ROOMS, 1, 10, 512, 16, 32, 7_802_690),
        (FOUR_ROOMS, 2, 20, 512, 16, 32, 7_976_770),
    ],
)
def test_published_parameter_counts(task, ticks, memory, neurons, hidden, listening, count):
    sizes = {"ticks": ticks, "memory": memory, "neurons": neurons, "hidden": hidden, "listening": listening}
    assert baselines.parameters(control_machine(**task, **sizes)) == count


@pytest.mark.parametrize(
    ("task", "ticks", "neurons", "count"),
    [
        (CARTPOLE, 1, 118, 175_855),
        (CARTPOLE, 2, 126, 188_863),
        (CARTPOLE, 5, 148, 227_275),
        (ACROBOT, 1, 243, 350_118),
        (ACROBOT, 2, 249, 364_290),
        (ACROBOT, 5, 265, 403_490),
        (FOUR_ROOMS, 1, 294, 7_813_692),
        (FOUR_ROOMS, 2, 300, 7_979_304),
    ],
)
def test_published_parameter_counts_of_lstms(task, ticks, neurons, count):
    assert baselines.parameters(control_lstm(**task, ticks=ticks, neurons=neurons)) == count


@pytest.mark.parametrize(
    ("backbone", "cells", "shape"),
    [
        (ctm.GatedPerceptron.Config(4, width=6), None, (4,)),
        (ctm.GridCells.Config(width=6, view=3), 9, (3, 3, 3)),
        (ctm.ConvNet.Config((6,), (True,), input_channels=3), 16, (3, 8, 8)),
        (ctm.ConvNet.Config((6,), (True,), input_channels=3), None, (3, 8, 8)),
    ],
)
def test_they_act_on_vectors_cells_and_pictures(backbone, cells, shape):
    sizes = {"ticks": 2, "memory": 3, "neurons": 8, "hidden": 2, "listening": 3}
    machine = control_machine(backbone, 2, cells=cells, continuous=True, **sizes)
    lstm = control_lstm(backbone, 2, cells=cells, continuous=True, ticks=2, neurons=8)
    for config in (machine, lstm):
        assert ctm.MachineConfig.from_dict(config.to_dict()) == config
        agent = ctm.Agent(config.build())
        numbers, value, _ = agent(torch.ones(2, *shape), agent.initial_state(2))
        assert (numbers.shape, value.shape) == ((2, 4), (2,))
