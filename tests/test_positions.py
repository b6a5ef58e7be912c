import itertools
import math

import pytest
import torch

from ctm import ConfigError, FourierPositions, NoPositions, RotationalPositions
from ctm.positions import PositionConfig


def rotated(vector, length, position):
    """`vector` after `position` of `length` - 1 even steps through half a turn."""
    angle = math.pi * position / max(length - 1, 1)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return turn @ torch.as_tensor(vector)


def randomised(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    return module


def test_no_positions():
    assert NoPositions().build(8) is None


@pytest.mark.parametrize("length", [1, 2, 9])
def test_rotation_of_a_sequence(length):
    positions = randomised(RotationalPositions.Config(dimensions=1).build(6))
    found = positions(torch.zeros(3, 6, length))
    assert found.shape == (6, length)
    for place in range(length):
        angle = math.pi * place / max(length - 1, 1)
        expected = positions.project(torch.tensor([-math.sin(angle), math.cos(angle)]))
        torch.testing.assert_close(found[:, place], expected)


@pytest.mark.parametrize("grid", [(4, 4), (3, 5), (5, 2), (1, 4), (1, 1)])
def test_rotation_of_a_map_need_not_be_square(grid):
    positions = randomised(RotationalPositions.Config(dimensions=2).build(6))
    found = positions(torch.zeros(1, 6, *grid))
    assert found.shape == (6, *grid)
    for row in range(grid[0]):
        for column in range(grid[1]):
            vectors = [rotated(positions.start, grid[0], row), rotated(positions.start, grid[1], column)]
            torch.testing.assert_close(found[:, row, column], positions.project(torch.cat(vectors)))


@pytest.mark.parametrize("grid", [(9,), (3, 5)])
def test_harmonics_turn_as_many_times_as_far_and_are_shorter(grid):
    positions = randomised(RotationalPositions.Config(len(grid), harmonics=3).build(6))
    found = positions(torch.zeros(1, 6, *grid))
    assert found.shape == (6, *grid)
    for place in itertools.product(*map(range, grid)):
        vectors = [
            rotated(positions.start, length, number * step) * math.sqrt(3 / number)
            for length, step in zip(grid, place, strict=True)
            for number in (1, 2, 3)
        ]
        torch.testing.assert_close(found[(slice(None), *place)], positions.project(torch.cat(vectors)))


@pytest.mark.parametrize(("harmonics", "drop"), [(1, 0.0012), (16, 0.049)])
def test_neighbours_are_told_apart_better_with_harmonics(harmonics, drop):
    positions = RotationalPositions.Config(1, harmonics).build(2 * harmonics)
    torch.nn.init.eye_(positions.project.weight)
    torch.nn.init.zeros_(positions.project.bias)
    vectors = positions(torch.zeros(1, 2 * harmonics, 64)).T  # (64, 2 harmonics)
    here, following = vectors[20], vectors[21]
    assert 1 - (here @ following / here.square().sum()).item() == pytest.approx(drop, rel=0.05)


def test_the_start_vector_is_learned_for_maps_only():
    assert [name for name, _ in RotationalPositions.Config(1).build(6).named_parameters()] == [
        "project.weight",
        "project.bias",
    ]
    positions = RotationalPositions.Config(2).build(6)
    torch.testing.assert_close(positions.start.data, torch.tensor([0.0, 1.0]))
    positions(torch.zeros(1, 6, 3, 3)).square().sum().backward()
    assert positions.start.grad.abs().sum() > 0


def fourier(scale, x, y):
    """One scale at one point, term by term."""
    phases = [float(fx) * x + float(fy) * y for fx, fy in scale.frequencies.weight.detach()]
    waves = torch.tensor([math.cos(p) for p in phases] + [math.sin(p) for p in phases]) / math.sqrt(256)
    first, gate, second, norm = scale.project
    assert isinstance(gate, torch.nn.GLU)
    value, sluice = first(waves).chunk(2)
    return norm(second(value * sluice.sigmoid()))


@pytest.mark.parametrize("scales", [1, 10])
def test_fourier_features(scales):
    positions = FourierPositions.Config(scales=scales).build(6)
    if scales > 1:
        torch.nn.init.normal_(positions.mixture)
    found = positions(torch.zeros(2, 6, 3, 4))
    assert found.shape == (6, 3, 4)
    for row in range(3):
        for column in range(4):
            each = torch.stack([fourier(scale, x=column / 3, y=row / 2) for scale in positions.scales])
            weights = torch.ones(1) if scales == 1 else positions.mixture.softmax(0)
            torch.testing.assert_close(found[:, row, column], weights @ each, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("scales", [1, 10])
@pytest.mark.parametrize("grid", [(1, 1), (1, 5), (5, 1)])
def test_fourier_features_of_narrow_maps_are_numbers(scales, grid):
    assert FourierPositions.Config(scales=scales).build(6)(torch.zeros(1, 6, *grid)).isfinite().all()


def test_frequencies_start_with_the_deviation_of_their_scale():
    (single,) = FourierPositions.Config(scales=1).build(6).scales
    assert single.frequencies.weight.std().item() == pytest.approx(6.25, rel=0.2)
    first, *_, last = FourierPositions.Config(scales=10).build(6).scales
    assert first.frequencies.weight.std().item() == pytest.approx(1, rel=0.2)
    assert last.frequencies.weight.std().item() == pytest.approx(100, rel=0.2)


def test_scales_start_with_equal_weight():
    assert torch.equal(FourierPositions.Config(scales=10).build(6).mixture.data, torch.ones(10))
    assert FourierPositions.Config(scales=1).build(6).mixture is None


@pytest.mark.parametrize(
    "config",
    [NoPositions(), FourierPositions.Config(3), RotationalPositions.Config(1), RotationalPositions.Config(2)],
    ids=["none", "fourier", "sequence", "map"],
)
def test_every_kind_survives_a_dictionary(config):
    assert PositionConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FourierPositions.Config(scales=0), "scales = 0: expected at least 1"),
        (lambda: RotationalPositions.Config(dimensions=3), "dimensions = 3: expected 1 or 2"),
        (lambda: RotationalPositions.Config(harmonics=0), "harmonics = 0: expected at least 1"),
    ],
)
def test_wrong_configurations_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
