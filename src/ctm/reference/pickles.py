"""What a pickle says, read as data.

Python's unpickler imports and calls whatever a file names. This one calls nothing of the file's choosing: it knows the
few instructions and names that the authors' checkpoints consist of, gives plain values and where tensors are stored,
and refuses everything else by its name.
"""

import argparse
import pickletools
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from ctm.reference.names import CheckpointError, shown

MOST_BYTES = 2**26
"""How long a pickle may be: 64 MiB; those of the authors, without the tensors, have less than one."""

MOST_INSTRUCTIONS = 10**7
"""How many instructions a pickle may have; none makes more than some hundred bytes."""


class Storage(NamedTuple):
    """Numbers in a file of their own."""

    dtype: torch.dtype
    key: str
    """The name of the file in the archive."""
    count: int
    """How many numbers there are, as the pickle has it."""


class StoredTensor(NamedTuple):
    """A tensor as a pickle describes it, not checked."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class Unread:
    """What is of no use here: metrics and random states of NumPy, counters, devices."""


class _Known(NamedTuple):
    """A name that a pickle may ask for and call, and what is made in its stead."""

    name: str
    make: Callable[..., Any]


_UNREAD = Unread()

_TYPES = {
    f"torch.{name}Storage": dtype
    for name, dtype in {
        "Float": torch.float32,
        "Double": torch.float64,
        "Half": torch.float16,
        "BFloat16": torch.bfloat16,
        "Long": torch.int64,
        "Int": torch.int32,
        "Short": torch.int16,
        "Char": torch.int8,
        "Byte": torch.uint8,
        "Bool": torch.bool,
    }.items()
}


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> StoredTensor:
    if not isinstance(storage, Storage):
        raise CheckpointError("a tensor without a storage")
    return StoredTensor(storage, offset, size, stride)


_MAKERS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "collections.OrderedDict": lambda: dict[Any, Any](),
    "argparse.Namespace": lambda: argparse.Namespace(),
}
_MAKERS |= dict.fromkeys(
    (
        "numpy.ndarray",
        "numpy.dtype",
        *(f"{module}.{name}" for module in ("numpy.core.multiarray", "numpy._core.multiarray")  # NumPy 1, and 2
          for name in ("_reconstruct", "scalar")),
        "_codecs.encode",
        *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("bytes", "set")),
        "collections.Counter",
        "torch.Size",
        "torch.device",
    ),
    lambda *_: _UNREAD,
)  # fmt: skip

_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "INT", "LONG", "BINFLOAT", "FLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_FRESH: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def interpret(data: bytes) -> Any:
    """The content of a pickle: numbers, text, containers, `argparse.Namespace`, `StoredTensor` and `Unread`.

    Raises:
        CheckpointError: for anything else, which the message names, for a broken pickle, and for one over the limits.
    """
    if len(data) > MOST_BYTES:
        raise CheckpointError(f"a pickle of {len(data):,} bytes; expected at most {MOST_BYTES:,}")
    interpreter = _Interpreter()
    try:
        for count, (instruction, argument, _) in enumerate(pickletools.genops(data)):
            if count == MOST_INSTRUCTIONS:
                raise CheckpointError(f"a pickle of more than {MOST_INSTRUCTIONS:,} instructions")
            interpreter.step(instruction.name, argument)
        return interpreter.stack[-1]
    except CheckpointError:
        raise
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, struct.error) as error:
        raise CheckpointError(f"a broken pickle: {shown(str(error))}") from None


def _described(value: Any) -> str:
    return value.name if isinstance(value, _Known) else f"a {type(value).__name__}"


def _refused(what: str) -> CheckpointError:
    return CheckpointError(f"refused, only weights and plain values are read: it {what}")


class _Interpreter:
    """The stack, marks and memo of a pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Obeys one instruction, the commonest first."""
        stack = self.stack
        if name in _VALUES:
            stack.append(argument)
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self.memo[argument])
        elif name in _TUPLES:
            stack.append(tuple(self._pop(_TUPLES[name])))
        elif name in ("REDUCE", "NEWOBJ"):
            made, arguments = self._pop(2)
            stack.append(_make(made, arguments))
        elif name in _FRESH:
            stack.append(_FRESH[name]())
        elif name == "MARK":
            self.outer.append(stack)
            self.stack = []
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif name == "TUPLE":
            items = self._after_mark()
            self.stack.append(tuple(items))
        elif name in ("APPEND", "APPENDS"):
            items = self._pop(1) if name == "APPEND" else self._after_mark()
            self._top(list, name).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = self._pop(2) if name == "SETITEM" else self._after_mark()
            _set(self._top(dict, name), items)
        elif name == "BUILD":
            state = stack.pop()
            _build(stack[-1], state)
        elif name == "GLOBAL":
            stack.append(_known(argument.replace(" ", ".", 1)))
        elif name == "STACK_GLOBAL":
            stack.append(_known(".".join(map(str, self._pop(2)))))
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name == "INST":
            raise _refused(f"asks for {shown(argument.replace(' ', '.', 1))}")
        elif name not in ("PROTO", "FRAME", "STOP"):
            about = "" if argument is None else f" {shown(str(argument))}"
            raise _refused(f"uses the instruction {name}{about}")

    def _pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError("too little on the stack")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def _after_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.outer.pop()
        return items

    def _top(self, expected: type, name: str) -> Any:
        if type(self.stack[-1]) is not expected:
            raise _refused(f"uses the instruction {name} on {_described(self.stack[-1])}")
        return self.stack[-1]


def _known(name: str) -> Any:
    if name in _TYPES:
        return _TYPES[name]
    if name not in _MAKERS:
        raise _refused(f"asks for {shown(name)}")
    return _Known(name, _MAKERS[name])


def _make(made: Any, arguments: Any) -> Any:
    if not isinstance(made, _Known):
        raise _refused(f"calls {_described(made)}")
    try:
        return made.make(*arguments)
    except TypeError:
        raise _refused(f"calls {made.name} with other arguments than the authors' files") from None


def _storage(identity: Any) -> Storage:
    match identity:
        case ("storage", torch.dtype() as dtype, str(key), str(), int(count)):
            return Storage(dtype, key, count)
        case (str(what), *_):
            raise _refused(f"asks for the persistent object {shown(what)}")
    raise _refused(f"asks for a persistent object, named by {_described(identity)}")


def _set(target: dict[Any, Any], items: list[Any]) -> None:
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, (str, int)):  # hashing a deep tuple would overflow the stack of the processor
            raise _refused(f"has {_described(key)} as the key of a dictionary")
        target[key] = value


def _build(target: Any, state: Any) -> None:
    """What a pickle adds to an object: the arguments; of a state dict only versions, which are dropped."""
    if isinstance(target, argparse.Namespace) and isinstance(state, dict):
        vars(target).update({str(name): value for name, value in state.items()})
    elif not isinstance(target, (dict, Unread)):
        raise _refused(f"sets the state of {_described(target)}")
