import pytest
import torch
from torch import nn

import ctm
from ctm import BackboneConfig, ConfigError, GridCells
from machines import perturbed


def cells(batch, view, dtype=torch.int64):
    return torch.stack([torch.randint(count, (batch, view, view)) for count in (11, 6, 3)], dim=-1).to(dtype)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
def test_every_cell_is_what_it_holds_and_where_it_is(dtype):
    config = GridCells.Config(width=4, view=3)
    backbone, x = perturbed(config.build()).double(), cells(2, 3, dtype)
    features = backbone(x)
    assert features.shape == (2, config.channels, 3, 3)
    tables = [backbone.symbols[name].weight for name in ("object", "colour", "state")]
    for sample in range(2):
        for row in range(3):
            for column in range(3):
                held = [table[int(s)] for table, s in zip(tables, x[sample, row, column], strict=True)]
                joined = torch.cat([*held, backbone.places.weight[3 * row + column]])
                torch.testing.assert_close(features[sample, :, row, column], backbone.layers(joined))


def test_pooled_cells_stay_in_their_places():
    """A change of one cell changes what is seen of that cell alone."""
    backbone, x = GridCells.Config(width=4, view=3).build(), cells(1, 3)
    other = x.clone()
    other[0, 1, 2, 0] = (x[0, 1, 2, 0] + 1) % 11
    look = ctm.Pooling.Config(cells=9).build(4, 0)
    changed = look.prepare(backbone(x)).features != look.prepare(backbone(other)).features
    assert changed.view(4, 9).nonzero()[:, 1].unique().tolist() == [5]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (0, 11, "symbol 11: expected object 0 to 10"),
        (1, 6, "symbol 6: expected colour 0 to 5"),
        (2, -1, "symbol -1: expected state 0 to 2"),
        (2, 0.5, "symbol 0.5: expected state 0 to 2"),
    ],
)
def test_what_is_no_symbol_is_refused(place, value, message):
    x = cells(2, 7, torch.float32)
    x[1, 2, 3, place] = value
    with pytest.raises(ValueError, match=f"^{message}$"):
        GridCells.Config(width=4).build()(x)


def test_what_is_no_symbol_answers_nothing_where_looking_costs_time(monkeypatch):
    monkeypatch.setattr("ctm.inputs.on_host", lambda tensor: False)
    x = cells(2, 3)
    x[1, 0, 2, 1] = 99
    unknown = GridCells.Config(width=4, view=3).build()(x).isnan()
    assert unknown[1, :, 0, 2].all()
    assert unknown.sum() == 4


def test_sizes_and_wrong_configurations():
    backbone = GridCells.Config().build()
    assert {name: table.num_embeddings for name, table in backbone.symbols.items()} == {
        "object": 11,
        "colour": 6,
        "state": 3,
    }
    assert [type(layer) for layer in backbone.layers] == 2 * [nn.Linear, nn.GLU, nn.LayerNorm]
    assert (GridCells.Config().dimensions, GridCells.Config().adapted((3, 7, 7))) == (2, None)
    config = GridCells.Config(8, view=5)
    assert BackboneConfig.from_dict(config.to_dict()) == config
    for field in ("width", "view"):
        with pytest.raises(ConfigError, match=f"{field} = 0: expected at least 1"):
            GridCells.Config(**{field: 0})
    with pytest.raises(ValueError, match=r"cells of shape \(2, 7, 7, 3\): expected \(B, 5, 5, 3\), object, colour"):
        config.build()(cells(2, 7))
