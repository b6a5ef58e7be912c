import sys
import types

import numpy as np
import pytest

from ctm import DataError
from ctm.tasks.arrays.files import read
from tasks.arrays.data import samples, save

NAMES = ("x", "y")


def table(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("labels", "kept"),
    [
        (np.array([3, 1]), [3, 1]),
        (np.array([True, False]), [1, 0]),
        (np.array([b"a", "ä".encode()]), ["a", "ä"]),
        (np.array([["a", "b"], ["b", "b"]]), [["a", "b"], ["b", "b"]]),
    ],
)
def test_arrays_are_read(tmp_path, labels, kept):
    found = read(
        tmp_path / save(tmp_path / "a.npz", np.ones((2, 3), int), labels, names=("in", "out")), ("in", "out"), None
    )
    assert (found.inputs.dtype, found.inputs.shape) == (np.float32, (2, 3))
    assert found.targets.tolist() == kept


def test_a_table_is_read(tmp_path):
    path = table(tmp_path / "a.csv", '\ufeff"width, cm",kind,height', '1.5,"big, red",2', "-1e2,small,3", "")
    found = read(path, NAMES, "kind")
    assert found.columns == ("width, cm", "height")
    assert found.inputs.tolist() == [[1.5, 2], [-100, 3]]
    assert found.targets.tolist() == ["big, red", "small"]


@pytest.mark.parametrize(
    ("cells", "kept"), [(["10", "9"], [10, 9]), (["007", "1"], ["007", "1"]), (["1", "x"], ["1", "x"])]
)
def test_labels_of_a_table_are_whole_numbers_if_all_of_them_are(tmp_path, cells, kept):
    path = table(tmp_path / "a.csv", "a,b", *(f"1,{cell}" for cell in cells))
    assert read(path, NAMES, "b").targets.tolist() == kept


def test_parquet_is_read_with_pyarrow(tmp_path, monkeypatch):
    path = table(tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        DataError,
        match=r"a\.parquet: to read Parquet takes pyarrow: pip install 'continuous-thought-machines\[parquet\]'$",
    ):
        read(path, NAMES, "kind")

    class Column(list):
        to_pylist = list.copy

    class Table(dict):
        column_names = property(list)

    def read_table(path):
        if path.name == "b.parquet":
            raise pyarrow.ArrowException("no magic")
        return Table(a=Column([1, 2.5]), kind=Column(["x", "y"]))

    pyarrow = types.ModuleType("pyarrow")
    pyarrow.ArrowException = type("ArrowException", (Exception,), {})
    pyarrow.parquet = types.SimpleNamespace(read_table=read_table)
    monkeypatch.setitem(sys.modules, "pyarrow", pyarrow)
    found = read(path, NAMES, "kind")
    assert (found.inputs.tolist(), found.targets.tolist()) == ([[1], [2.5]], ["x", "y"])
    with pytest.raises(DataError, match=r"b\.parquet: not a Parquet file that can be read \(no magic\)$"):
        read(table(tmp_path / "b.parquet"), NAMES, "kind")


X, Y = samples(count=4)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X[:3], Y, "x has 3 samples and y 4: expected equally many"),
        (X[:0], Y[:0], r"x \(0, 5\), y \(0,\): expected at least one sample"),
        (X[:, 0], Y, r"x: shape \(4,\): expected \(N, features\) for vectors, .* for series, .* for maps"),
        (X, Y[:, None, None], r"y: shape \(4, 1, 1\): expected \(N,\) for a label a sample, .* each position"),
        (np.where(np.eye(4, 5), np.nan, 1), Y, r"x: nan in row 0: expected finite numbers \(float32\)"),
        (np.where(np.eye(4, 5, -2), 1e300, 1), Y, r"x: 1e\+300 in row 2: expected finite numbers \(float32\)"),
        (X.astype(str), Y, r"x: values of type <U32: expected numbers"),
        (X, np.ones(4), r"y: values of type float64: expected whole numbers or text, as of \.astype\(int\) or str"),
        (X, np.array([1, None, 2, 3], dtype=object), "y: expected an array of numbers or text, .*Object arrays"),
    ],
)
def test_broken_arrays_are_refused(tmp_path, x, y, message):
    save(tmp_path / "a.npz", x, y)
    with pytest.raises(DataError, match=rf"a\.npz: {message}"):
        read(tmp_path / "a.npz", NAMES, None)


@pytest.mark.parametrize(
    ("lines", "target", "message"),
    [
        (["a,b", "1,x", "two,y"], "b", r"column 'a': 'two' in row 1: expected a number$"),
        (["a,b", "1,x", "inf,y"], "b", r"column 'a': inf in row 1: expected a finite number$"),
        (["a,b", "1,x", ",y"], "b", r"column 'a': '' in row 1: expected a number$"),
        (["a,b", "1,x", "2,"], "b", r"column 'b': nothing in row 1: expected a label$"),
        (["a,b", "1,x", "2"], "b", r"row 1 has 1 cells: expected 2, as the header$"),
        (["a,a", "1,x"], "a", r"header a, a: expected a different name for each column$"),
        (["a,b", "1,x"], "c", r"no column 'c': name that of the labels with --task\.target; the columns are a, b$"),
        (["a,b", "1,x"], None, r"name that of the labels with --task\.target; the columns are a, b$"),
        (["b", "x"], "b", r"has no column but b: expected features, too$"),
        (["a,b"], "b", r"features \(0, 1\), b \(0,\): expected at least one sample$"),
        (["a,b", '"1,x'], "b", r"not a CSV file in UTF-8 \(unexpected end of data\)$"),
    ],
)
def test_broken_tables_are_refused(tmp_path, lines, target, message):
    with pytest.raises(DataError, match=rf"a\.csv: {message}"):
        read(table(tmp_path / "a.csv", *lines), NAMES, target)


def test_files_that_are_missing_or_of_another_kind_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.npz: no such file$"):
        read(tmp_path / "a.npz", NAMES, None)
    with pytest.raises(DataError, match=r"a\.xls: expected a file that ends in \.npz, \.csv, \.parquet$"):
        read(tmp_path / "a.xls", NAMES, None)
    with pytest.raises(DataError, match=r"b\.npz: x: expected an array of numbers or text, as np\.savez writes it"):
        read(table(tmp_path / "b.npz", "text"), NAMES, None)
    save(tmp_path / "c.npz", X, Y)
    with pytest.raises(DataError, match=r"c\.npz: no array 'labels': there are x, y; --task\.inputs-name and"):
        read(tmp_path / "c.npz", ("x", "labels"), None)
