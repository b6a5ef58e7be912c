import pytest

from ctm import DataError
from ctm.tasks.puzzles.published import encoded, read_test, read_train
from tasks.puzzles.folders import HEADER, folder, line, mazes

READERS = (lambda text: encoded(text, "# SG", 9), lambda text: encoded(text, "# SGo", 9))


def spelt(questions):
    return ["".join("# SG"[cell] for cell in question) for question in questions.tolist()]


def questions_of(numbers):
    return [line(number).split(",")[1] for number in numbers]


def test_test_puzzles_are_read_in_order(tmp_path):
    mazes(tmp_path)
    questions, answers = read_test(tmp_path, READERS, None)
    assert spelt(questions) == questions_of(range(100, 105))
    assert ["".join("# SGo"[cell] for cell in answer) for answer in answers.tolist()] == [
        line(number).split(",")[2] for number in range(100, 105)
    ]
    assert spelt(read_test(tmp_path, READERS, 2).inputs) == questions_of((100, 101))
    assert len(read_test(tmp_path, READERS, 99).inputs) == 5


def test_training_puzzles_are_chosen_by_the_seed_and_some_are_held_out(tmp_path):
    mazes(tmp_path)
    found = read_train(tmp_path, READERS, 7, 2, seed=0)
    learned, held_out = (set(spelt(found[split].inputs)) for split in ("train", "validation"))
    assert (len(learned), len(held_out)) == (7, 2)
    assert not learned & held_out
    assert learned | held_out < set(questions_of(range(30)))
    again, other = (read_train(tmp_path, READERS, 7, 2, seed) for seed in (0, 1))
    assert set(spelt(again["train"].inputs)) == learned
    assert set(spelt(other["train"].inputs)) != learned
    more = read_train(tmp_path, READERS, None, 99, seed=0)
    assert (len(more["train"].inputs), len(more["validation"].inputs)) == (27, 3)


def test_few_puzzles_still_make_two_splits(tmp_path):
    mazes(tmp_path, train=2)
    found = read_train(tmp_path, READERS, None, 5, seed=0)
    assert [len(found[split].inputs) for split in ("train", "validation")] == [1, 1]


def test_a_single_puzzle_is_too_few(tmp_path):
    mazes(tmp_path, train=1)
    with pytest.raises(DataError, match=r"train\.csv: 1 puzzles; expected at least 2"):
        read_train(tmp_path, READERS, None, 5, seed=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: '': expected the columns source,question,answer,rating"),
        ("question,answer\n", "line 1: 'question,answer': expected the columns source,"),
        (HEADER, "no puzzle; expected one in every line after the first"),
        (HEADER + line(1) + "made,S#G\n", "line 3: 2 columns; expected 4"),
        (HEADER + line(1) + "made,S  G,S  G,1\n", "line 3: question: 4 characters; expected 9, one for each cell"),
        (HEADER + "made,S.......G,S      oG,1\n", "line 2: question: '.'; expected one of '#', ' ', 'S', 'G'"),
        (HEADER + "made,S       G,S    xooG,1\n", "line 2: answer: 'x'; expected one of '#', ' ', 'S', 'G', 'o'"),
        (HEADER + 'made,"S', "cannot be read (unexpected end of data)"),
    ],
)
def test_broken_files_are_named_with_the_line(tmp_path, text, message):
    (tmp_path / "test.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        read_test(tmp_path, READERS, None)
    assert str(caught.value).startswith(f"{tmp_path / 'test.csv'}")
    assert message in str(caught.value)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"train\.csv: no such file; name a folder with train\.csv and test\.csv"):
        read_train(tmp_path, READERS, None, 1, seed=0)
    (tmp_path / "test.csv").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(DataError, match=r"test\.csv: cannot be read"):
        read_test(tmp_path, READERS, None)


def test_only_lines_that_are_used_are_looked_at(tmp_path):
    folder(tmp_path, [], [line(1), "made,broken,broken,0\n"])
    assert spelt(read_test(tmp_path, READERS, 1).inputs) == questions_of((1,))
