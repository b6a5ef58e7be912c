from ctm.baselines import lstm
from ctm.comparison.settings import differing, leaves
from training.experiments import parity


def test_values_by_their_paths():
    assert leaves({"a": 1, "b": {"c": [2, {"d": 3}], "e": {}, "f": {"g": None}}}) == {
        "a": 1,
        "b.c": [2, {"d": 3}],
        "b.f.g": None,
    }


def test_only_what_differs():
    assert differing([parity(), parity()]) == [{}, {}]
    plain, long = differing([parity(), parity(iterations=20)])
    assert (plain, long) == ({"training.iterations": 12}, {"training.iterations": 20})


def test_a_field_that_another_kind_of_part_lacks_is_nothing():
    plain = parity()
    machine, other = differing([plain, plain.replace(model=lstm(plain.model))])
    assert machine.keys() == other.keys()
    assert (machine["model.core.kind"], machine["model.core.memory"]) == (plain.model.core.kind, 3)
    assert (other["model.core.kind"], other["model.core.memory"]) == (lstm(plain.model).core.kind, None)
