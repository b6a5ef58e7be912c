"""Folders of puzzles in the form in which they are published, small enough to write down."""

HEADER = "source,question,answer,rating\n"


def folder(path, train, test):
    """Writes lines after the header to the two files."""
    for name, lines in (("train.csv", train), ("test.csv", test)):
        (path / name).write_text(HEADER + "".join(lines))
    return path


def mazes(path, train=30, test=5):
    """A folder of 3x3 mazes that all differ: number n has the bits of n for walls."""
    return folder(path, [line(number) for number in range(train)], [line(number) for number in range(100, 100 + test)])


def line(number):
    """A maze with start and goal at its ends and a path along the last row; source and rating mean nothing."""
    walls = f"{number:07b}".translate(str.maketrans("01", " #"))
    return f"made,S{walls}G,S{walls[:5]}ooG,{number}\n"
