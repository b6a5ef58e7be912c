import subprocess
import sys
from dataclasses import FrozenInstanceError, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
import yaml

import ctm
from ctm.config import Config, load_yaml, to_yaml
from ctm.errors import ConfigError

# Made here, outside the package, whose dataclasses have their argument types checked by the test run itself.


class Shape(Config):
    """A family."""


@dataclass(frozen=True)
class Circle(Shape, kind="circle"):
    radius: float = 1.0


@dataclass(frozen=True)
class Square(Shape, kind="square"):
    side: int
    holes: tuple[int, ...] = ()

    def validate(self) -> None:
        self.require(self.side >= 1, "side", "at least 1")


@dataclass(frozen=True)
class Frame(Config):
    shape: Shape
    colour: Literal["red", "blue"] = "red"
    limits: tuple[float, float] = (0.0, 1.0)
    width: int | None = None
    filled: bool = False
    name: str = ""


@dataclass(frozen=True)
class Gallery(Config):
    frame: Frame
    rooms: int = 1

    def validate(self) -> None:
        if self.frame.width is not None and self.frame.width > self.rooms:
            raise ConfigError(f"frame.width = {self.frame.width}: expected at most rooms = {self.rooms}")


@pytest.mark.parametrize("name", ctm.presets())
def test_every_preset_survives_yaml(name):
    config = ctm.preset(name)
    text = yaml.safe_dump(config.to_dict(), sort_keys=False)
    assert type(config).from_dict(yaml.safe_load(text)) == config


def test_a_dictionary_is_plain_and_says_the_kind():
    config = Gallery(Frame(Square(2, holes=(1, 3)), width=1))
    assert config.to_dict() == {
        "frame": {
            "shape": {"kind": "square", "side": 2, "holes": [1, 3]},
            "colour": "red",
            "limits": [0.0, 1.0],
            "width": 1,
            "filled": False,
            "name": "",
        },
        "rooms": 1,
    }
    assert Gallery.from_dict(config.to_dict()) == config


def test_lists_become_tuples():
    square = Shape.from_dict({"kind": "square", "side": 1, "holes": [4, 5]})
    assert square == Square(1, (4, 5))
    assert isinstance(square.holes, tuple)
    assert hash(square) == hash(Square(1, (4, 5)))


@dataclass(frozen=True)
class Wall(Config):
    shapes: tuple[Shape, ...] = ()


def test_lists_of_parts_are_read_and_written_in_order():
    wall = Wall((Circle(2.0), Square(3), Circle(0.5)))
    data = {"shapes": [{"kind": "circle", "radius": 2.0}, {"kind": "square", "side": 3, "holes": []}]}
    assert Wall(wall.shapes[:2]).to_dict() == data
    assert Wall.from_dict(yaml.safe_load(to_yaml(wall))) == wall
    assert Wall.from_dict({"shapes": []}) == Wall()


def test_mappings_are_checked_and_copied():
    config = Anything(Frame(Circle()), table={"a": 1})
    config.to_dict()["table"]["a"] = 2
    assert config.table == {"a": 1}
    for table in ([1], {"a": "b"}, {1: 1}):
        with pytest.raises(ConfigError, match=r"^table = .*: expected a mapping of text to a whole number$"):
            Anything(Frame(Circle()), table=table)
    with pytest.raises(ConfigError, match=r"^options = 3: expected a mapping of text$"):
        Options(3)


def test_what_is_wrong_in_a_list_of_parts_is_found():
    for part, message in (
        ({"kind": "square", "side": 0}, r"^shapes\[1\]\.side = 0: expected at least 1$"),
        ({"kind": "square"}, r"^shapes\[1\]\.side: missing; it has no default$"),
        ({"kind": "cube"}, r"^shapes\[1\]: kind = 'cube': unknown; expected one of circle, square;"),
    ):
        with pytest.raises(ConfigError, match=message):
            Wall.from_dict({"shapes": [{"kind": "circle"}, part]})
    with pytest.raises(ConfigError, match=r"^shapes = \('round',\): expected a list of Shape$"):
        Wall(("round",))


@pytest.mark.parametrize(("written", "number"), [("1e-4", 1e-4), ("2", 2), ("0.5", 0.5), ("3E5", 3e5)])
def test_numbers_that_yaml_takes_for_text_are_read(written, number):
    assert Circle.from_dict(yaml.safe_load(f"radius: {written}")).radius == number


def test_defaults_may_be_missing():
    assert Frame.from_dict({"shape": {"kind": "circle"}}) == Frame(Circle(1.0))


def test_finished_parts_are_taken_as_they_are():
    shape = Square(3)
    assert Frame.from_dict({"shape": shape}).shape is shape


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            {"frame": {"shape": {"kind": "circle"}, "color": "red"}},
            "frame.color: no such field; did you mean 'colour'?",
        ),
        ({"frame": {"shape": {"kind": "circle"}}, "xyzzy": 1}, "xyzzy: no such field; there are frame, rooms"),
        ({"frame": {"shape": {"kind": "square"}}}, "frame.shape.side: missing; it has no default"),
        ({"rooms": 1}, "frame: missing; it has no default"),
        (
            {"frame": {"shape": {"kind": "cube"}}},
            "frame.shape: kind = 'cube': unknown; expected one of circle, square; "
            "if it is a part of your own, import the file or package that defines it first (--import)",
        ),
        (
            {"frame": {"shape": {"kind": ["cube"]}}},
            "frame.shape: kind = ['cube']: unknown; expected one of circle, square; "
            "if it is a part of your own, import the file or package that defines it first (--import)",
        ),
        ({"frame": {"shape": {"side": 1}}}, "frame.shape: kind: missing; expected one of circle, square"),
        ({"frame": {"shape": {"kind": "square", "side": 0}}}, "frame.shape.side = 0: expected at least 1"),
        ({"frame": {"shape": {"kind": "square", "side": "a"}}}, "frame.shape.side = 'a': expected a whole number"),
        ({"frame": {"shape": {"kind": "square", "side": 1.5}}}, "frame.shape.side = 1.5: expected a whole number"),
        ({"frame": {"shape": {"kind": "square", "side": True}}}, "frame.shape.side = True: expected a whole number"),
        ({"frame": {"shape": {"kind": "circle", "radius": "far"}}}, "frame.shape.radius = 'far': expected a number"),
        ({"frame": {"shape": {"kind": "circle", "radius": True}}}, "frame.shape.radius = True: expected a number"),
        (
            {"frame": {"shape": {"kind": "square", "side": 1, "holes": [1, "a"]}}},
            "frame.shape.holes = (1, 'a'): expected a list of a whole number",
        ),
        (
            {"frame": {"shape": {"kind": "square", "side": 1, "holes": 3}}},
            "frame.shape.holes = 3: expected a list of a whole number",
        ),
        (
            {"frame": {"shape": {"kind": "circle"}, "limits": [1.0]}},
            "frame.limits = (1.0,): expected a list of a number and a number",
        ),
        (
            {"frame": {"shape": {"kind": "circle"}, "colour": "green"}},
            "frame.colour = 'green': expected one of 'red', 'blue'",
        ),
        (
            {"frame": {"shape": {"kind": "circle"}, "width": "wide"}},
            "frame.width = 'wide': expected a whole number or nothing",
        ),
        ({"frame": {"shape": {"kind": "circle"}, "filled": 1}}, "frame.filled = 1: expected true or false"),
        ({"frame": {"shape": {"kind": "circle"}, "name": 7}}, "frame.name = 7: expected text"),
        ({"frame": {"shape": None}}, "frame.shape = None: expected Shape"),
        ({"frame": {"shape": {"kind": "circle"}, "width": 2}}, "frame.width = 2: expected at most rooms = 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors_say_where_what_and_what_is_allowed(data, message):
    with pytest.raises(ConfigError) as caught:
        Gallery.from_dict(data)
    assert str(caught.value) == message
    with pytest.raises(ConfigError) as caught:
        Gallery.from_dict(data, "art")
    assert str(caught.value) == f"art.{message}"


def test_construction_checks_types_and_values():
    with pytest.raises(ConfigError, match=r"^side = 1\.5: expected a whole number$"):
        Square(1.5)
    with pytest.raises(ConfigError, match=r"^side = 0: expected at least 1$"):
        Square(0)
    assert Circle(2).radius == 2  # a whole number is a number


def test_a_changed_copy_is_checked_again():
    square = Square(1, (2,))
    assert square.replace(side=3) == Square(3, (2,)) == replace(square, side=3)
    assert square.side == 1
    with pytest.raises(ConfigError, match="side = -1"):
        square.replace(side=-1)


def test_configurations_are_immutable():
    with pytest.raises(FrozenInstanceError):
        Square(1).side = 2


def test_a_member_builds_only_itself():
    assert Square.from_dict({"side": 1}) == Square(1)
    with pytest.raises(ConfigError, match="kind = 'circle': unknown; expected one of square"):
        Square.from_dict({"kind": "circle"})


def test_two_members_of_a_family_cannot_have_one_kind():
    with pytest.raises(ConfigError) as caught:

        class Ring(Circle, kind="square"):
            """Not a square."""

    here = f"{__name__}.test_two_members_of_a_family_cannot_have_one_kind.<locals>"
    assert str(caught.value) == (
        f"kind = 'square': {here}.Ring and {__name__}.Square have the same one; choose another for one of them"
    )
    assert Shape.from_dict({"kind": "square", "side": 1}) == Square(1)
    with pytest.raises(ConfigError, match=r"Mine and ctm\.pairings\.RandomPairs have the same one"):

        class Mine(ctm.Pairing, kind="random"):
            """Not the built-in one."""

    assert ctm.Pairing.from_dict({"kind": "random", "pairs": 3}) == ctm.RandomPairs(3)


def test_a_class_that_is_defined_again_replaces_the_one_before():
    """As in a notebook, or when a module is reloaded; under another kind, too."""

    def define(kind, base):
        @dataclass(frozen=True)
        class Star(base, kind=kind):
            points: int = 5

        return Star

    first, second = define("star", Circle), define("star", Shape)
    assert type(Shape.from_dict({"kind": "star"})) is second
    assert first is not second
    third = define("sun", Shape)
    assert type(Shape.from_dict({"kind": "sun"})) is third
    with pytest.raises(ConfigError, match="kind = 'star': unknown"):
        Shape.from_dict({"kind": "star"})


def test_a_kind_may_stand_in_the_class():
    @dataclass(frozen=True)
    class Dot(Shape):
        kind = "dot"

    assert Shape.from_dict(Dot().to_dict()) == Dot()


@pytest.mark.parametrize("base", [Square, ctm.Pairing, ctm.NeuronModels.Config], ids=lambda base: base.__qualname__)
def test_a_part_without_a_kind_is_refused(base):
    with pytest.raises(ConfigError, match=r'name it: class Mine\(\w+, kind="…"\)$'):

        class Mine(base):
            """A part that a file could not mean."""

            count = exclusive_neurons = 3

            def draw(self, neurons, role, generator):
                return torch.arange(3), torch.arange(3)


def test_bases_of_parts_need_no_kind():
    class Three(ctm.Pairing):
        """Still abstract."""

        count = exclusive_neurons = 3

    @dataclass(frozen=True)
    class First(Three, kind="first_three"):
        def draw(self, neurons, role, generator):
            return torch.arange(3), torch.arange(3)

    assert Three.from_dict({"kind": "first_three"}) == First()


@dataclass(frozen=True)
class Anything(Config):
    frame: Frame
    value: Any = None
    numbers: float = 0.0
    nested: tuple[tuple[int, ...], ...] = ()
    shapes: tuple[Shape, ...] = ()
    table: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Options(Config):
    options: dict[str, Any]


@pytest.mark.parametrize(
    "changes",
    [
        {"numbers": float("inf")},
        {"numbers": float("nan")},
        {"numbers": 1e-7},
        {"nested": ((1, 2), (), (3,))},
        {"shapes": (Circle(2.0), Square(1, (2,)))},
        {"table": {"a": 1}},
        {"value": "1e-4"},
        {"value": [1, None, True, "yes"]},
    ],
    ids=str,
)
def test_what_yaml_can_hold_comes_back(changes):
    config = Anything(**{"frame": Frame(Circle())} | changes)
    again = type(config).from_dict(yaml.safe_load(to_yaml(config)))
    assert repr(again) == repr(config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"numbers": np.float64(0.5)}, "numbers = np.float64(0.5): YAML cannot hold a numpy.float64; expected text"),
        ({"value": np.int64(3)}, "value = np.int64(3): YAML cannot hold a numpy.int64"),
        ({"value": Path("data")}, "value = PosixPath('data'): YAML cannot hold a pathlib"),
        ({"value": torch.float32}, "value = torch.float32: YAML cannot hold a torch.dtype"),
        ({"value": (1, 2)}, "value = (1, 2): YAML cannot hold a builtins.tuple"),
        ({"value": [(1, 2)]}, "value = [(1, 2)]: YAML cannot hold a builtins.list"),
        ({"frame": Frame(Circle(np.float64(1)))}, "frame.shape.radius = np.float64(1.0): YAML cannot hold"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value),
)
def test_what_yaml_cannot_hold_is_named(changes, message):
    with pytest.raises(ConfigError) as caught:
        to_yaml(Anything(**{"frame": Frame(Circle())} | changes))
    assert str(caught.value).startswith(message)


def test_a_part_that_its_field_does_not_know_is_not_written():
    @dataclass(frozen=True)
    class Blob(Shape):
        """Of a family without abstract methods, so that it could be a base as well."""

    with pytest.raises(ConfigError, match=r"^shape: kind: missing; expected one of circle, "):
        to_yaml(Frame(Blob()))


def test_a_file_is_read(tmp_path):
    path = tmp_path / "frame.yaml"
    path.write_text("shape: {kind: circle, radius: 1e-4}\nlimits: [0, 2]\n")
    assert load_yaml(Frame, path) == Frame(Circle(1e-4), limits=(0, 2))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"shape: {kind: circle}\ncolor: red", "color: no such field"),
        (b"shape: {kind: circle", "not YAML: "),
        (b"name: 2024-13-01", "not YAML: month must be in 1..12"),
        (b"\xff\xfe\xfa", "not a text in UTF-8"),
        (b"", "empty: expected the fields of a configuration"),
        (b"# nothing\n", "empty: expected the fields of a configuration"),
    ],
    ids=["unknown field", "not YAML", "not a date", "not text", "empty", "comment"],
)
def test_a_wrong_file_is_named_in_one_line(tmp_path, content, message):
    path = tmp_path / "frame.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_yaml(Frame, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: no such file$"):
        load_yaml(Frame, tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
        load_yaml(Frame, tmp_path)


def test_wrong_types_in_the_package_are_configuration_errors():
    """In a process of its own, where nothing but the configurations themselves checks types."""
    changes = [
        ("model", 3, "model = 3: expected a mapping of fields"),
        ("model.core.memory", "x", "model.core.memory = 'x': expected a whole number"),
        ("model.output.pairing.neurons", 2.5, "model.output.pairing.neurons = 2.5: expected a whole number"),
        ("training.precision", "fp8", "training.precision = 'fp8': expected one of 'fp32', 'bf16', 'fp16'"),
        ("training.iterations", None, "training.iterations = None: expected a whole number"),
        ("training.optimizer.betas", [1], "training.optimizer.betas = (1,): expected a list of a number and a number"),
        ("model.core.models.hidden", [], "model.core.models.hidden = []: expected a whole number or nothing"),
        ("", None, "configuration = None: expected a mapping of fields"),
        ("", [1], "configuration = [1]: expected a mapping of fields"),
    ]
    program = """
import copy, sys, yaml
import ctm
for path, value in yaml.safe_load(sys.stdin):
    data = ctm.preset("parity/quick").to_dict()
    *parts, last = path.split(".")
    inside = data
    for part in parts:
        inside = inside[part]
    inside[last] = value
    try:
        ctm.Experiment.from_dict(data if path else value)
        print("no error")
    except ctm.ConfigError as error:
        print(error)
"""
    cases = yaml.safe_dump([[path, value] for path, value, _ in changes])
    done = subprocess.run([sys.executable, "-c", program], input=cases, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [message for *_, message in changes], done.stderr
