import numpy as np
import pytest

from ctm.analysis.maps import colour_bar, table_of_shares, tick_map
from ctm.analysis.style import canvas


@pytest.mark.parametrize(
    ("look", "extent", "first_row"),
    [
        ({}, [0.5, 3.5, 2.5, 0.5], 1),
        ({"first": 0}, [0.5, 3.5, 1.5, -0.5], 0),
        ({"upwards": True}, [0.5, 3.5, 0.5, 2.5], 1),
    ],
)
def test_rows_are_where_they_are_called(look, extent, first_row):
    axes = canvas().add_subplot()
    values = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]], dtype=np.float32)
    image = tick_map(axes, values, "viridis", **look)
    assert list(image.get_extent()) == extent
    top = image.origin == "upper"
    assert axes.yaxis_inverted() == top
    np.testing.assert_array_equal(image.get_array()[0], values[:, 0])  # the first row, which begins at its number
    assert (image.get_extent()[3] if top else image.get_extent()[2]) + 0.5 == first_row


def test_shares_are_written_into_their_cells():
    axes = canvas().add_subplot()
    image = table_of_shares(axes, np.array([[0.0, 0.25], [0.5, 1.0]]), "{:.0%}".format, 8.0)
    assert {text.get_position(): text.get_text() for text in axes.texts} == {
        (0, 0): "0%",
        (1, 0): "25%",
        (0, 1): "50%",
        (1, 1): "100%",
    }
    colour_bar(image)
    assert len(axes.figure.axes) == 2
