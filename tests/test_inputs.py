import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm.inputs import as_tuple, concatenate, count, shapes, slice_batch, split, tree_map


@given(samples=st.integers(0, 9), size=st.integers(1, 4), single=st.booleans())
def test_samples_are_split_and_joined_again(samples, size, single):
    numbers = torch.arange(samples * 2).view(samples, 2)
    inputs = numbers if single else (numbers, -numbers[:, 0])
    batches = list(split(inputs, size))
    assert [count(batch) for batch in batches] == [min(size, samples - start) for start in range(0, samples, size)]
    if batches:
        assert all(map(torch.equal, as_tuple(concatenate(batches)), as_tuple(inputs)))
    assert shapes(inputs) == ([(2,)] if single else [(2,), ()])


def test_rows_of_nested_tuples_keep_their_form():
    batch = (torch.arange(5), (torch.arange(5) * 2, None))
    first, (second, nothing) = slice_batch(batch, 1, 3)
    assert (first.tolist(), second.tolist(), nothing) == ([1, 2], [2, 4], None)
    assert tree_map(torch.add, batch, batch)[1][0].tolist() == [0, 4, 8, 12, 16]
