"""Files made to do harm, to take all memory, or at random: nothing runs, and one line says what they asked for."""

import copyreg
import os
import pickle
import random
import struct
import subprocess
import sys
import zipfile

import numpy
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from ctm.reference import CheckpointError, files, from_state_dict, load, pickles
from ctm.reference.pickles import interpret
from reference.files import arguments, checkpoint, pickled, weights, with_entries


def text(words):
    """Pushes text."""
    encoded = words.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def called(name, *instructions):
    """Calls a function of a module by GLOBAL and REDUCE."""
    return b"c" + name.rsplit(".", 1)[0].encode() + b"\n" + name.rsplit(".", 1)[1].encode() + b"\n(" + b"".join(
        instructions
    ) + b"tR"  # fmt: skip


def mapped(path):
    """Calls `os.mkdir` as soon as somebody counts it out."""
    return called("builtins.map", b"cos\nmkdir\n", b"]" + text(path) + b"a")


ATTACKS = {
    "os.system": lambda path: called("os.system", text(f"mkdir {path}")) + b".",
    "builtins.eval": lambda path: called("builtins.eval", text(f"__import__('os').mkdir({path!r})")) + b".",
    "builtins.exec": lambda path: called("builtins.exec", text(f"import os; os.mkdir({path!r})")) + b".",
    "posix.system": lambda path: b"\x80\x04\x8c\x05posix\x8c\x06system\x93" + text(f"mkdir {path}") + b"\x85R.",
    "os.mkdir": lambda path: b"(" + text(path) + b"ios\nmkdir\n.",  # INST
    "posix.mkdir": lambda path: b"(cposix\nmkdir\n" + text(path) + b"o.",  # OBJ
    "builtins.getattr": lambda path: (
        called("builtins.getattr", called("importlib.import_module", text("os")), text("mkdir"))
        + b"(" + text(path) + b"tR."
    ),
    "functools.partial": lambda path: called("functools.partial", b"cos\nmkdir\n", text(path)) + b")R.",
    "subprocess.Popen": lambda path: called("subprocess.Popen", b"](", text("mkdir"), text(path), b"e") + b".",
    "operator.methodcaller": lambda path: (
        called("operator.methodcaller", text("mkdir")) + b"(" + called("pathlib.Path", text(path)) + b"tR."
    ),
    "builtins.tuple": lambda path: b"cbuiltins\ntuple\n(" + mapped(path) + b"t\x81.",  # NEWOBJ
    "copyreg.__newobj__": lambda path: called("copyreg.__newobj__", b"cbuiltins\ntuple\n", mapped(path)) + b".",
    "pickle.loads": lambda path: called("pickle.loads", pickle.dumps(ATTACKS["os.system"](path), 3)[2:-1]) + b".",
    "torch.load": lambda path: called("torch.load", text(path)) + b".",
    "torch.serialization.load": lambda path: called("torch.serialization.load", text(path)) + b".",
    "torch.hub.load": lambda path: called("torch.hub.load", text(path), text("any")) + b".",
    "numpy.load": lambda path: called("numpy.load", text(path)) + b".",
    "torch._tensor._rebuild_from_type_v2": lambda path: (
        called("torch._tensor._rebuild_from_type_v2", b"cos\nmkdir\n", b"N(" + text(path) + b"tN") + b"."
    ),
    "torch._utils._rebuild_wrapper_subclass": lambda path: (
        called("torch._utils._rebuild_wrapper_subclass", text(path)) + b"."
    ),
    "harmful.anything": lambda path: b"charmful\nanything\n.",  # a module that does harm when imported
    "EXT1 77": lambda path: b"\x82\x4d(" + text(path) + b"tR.",
}  # fmt: skip
"""What each asks for, and a pickle that makes a folder if Python's unpickler reads it (where it names no reader)."""

READERS = ("torch.", "numpy.")


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """A folder for attacks, with a module that does harm when imported, and a registered extension."""
    (tmp_path / "harmful.py").write_text("import os\nos.mkdir('harm')\nanything = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    copyreg.add_extension("os", "mkdir", 77)
    yield tmp_path
    copyreg.remove_extension("os", "mkdir", 77)
    sys.modules.pop("harmful", None)


@pytest.mark.parametrize("name", ATTACKS)
def test_what_a_pickle_asks_for_is_named_and_not_run(prepared, name):
    harm = prepared / "harm"
    pickled(prepared / "attack.pt", ATTACKS[name](str(harm)))
    with pytest.raises(CheckpointError) as caught:
        load(prepared / "attack.pt", {})
    said = str(caught.value)
    wanted = "importlib.import_module" if name == "builtins.getattr" else name
    assert said.startswith(f"{prepared / 'attack.pt'}: refused, only weights and plain values are read: it ")
    assert name in said or wanted in said
    assert "\n" not in said
    assert not harm.exists()


@pytest.mark.parametrize("name", [name for name in ATTACKS if not name.startswith(READERS)])
def test_the_attacks_are_real(prepared, name):
    """Python's own unpickler does what they ask for."""
    made = pickle.loads(ATTACKS[name](str(prepared / "harm")))
    if isinstance(made, subprocess.Popen):
        made.wait()
    assert (prepared / "harm").exists()


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce_ex__(self, protocol):
        return os.mkdir, (str(self.path),)


def among_arguments(content, harm):
    content["args"].extra = [{"deep": (harm,)}]


def in_an_array(content, harm):
    content["train_accuracies"] = [numpy.array([1, harm], dtype=object)]


def among_weights(content, harm):
    content["model_state_dict"]["start_trace"] = harm


def as_name(content, harm):
    content[harm] = 1


def in_the_optimizer(content, harm):
    content["optimizer_state_dict"]["state"][0]["step"] = harm


@pytest.mark.parametrize("place", [among_arguments, in_an_array, among_weights, as_name, in_the_optimizer])
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_harm_in_any_place_is_refused(tmp_path, place, protocol):
    content = checkpoint("sort")
    place(content, Malicious(tmp_path / "harm"))
    torch.save(content, tmp_path / "checkpoint.pt", pickle_protocol=protocol)
    with pytest.raises(CheckpointError, match=r"it asks for (os|posix|nt)\.mkdir$"):
        load(tmp_path / "checkpoint.pt")
    assert not (tmp_path / "harm").exists()


def test_archives_that_are_none_are_refused(tmp_path):
    """Zipped twice, in another archive, as programs, and as PyTorch wrote before 1.6."""
    harm = ATTACKS["os.system"](str(tmp_path / "harm"))
    pickled(tmp_path / "inner.pt", harm)
    with zipfile.ZipFile(tmp_path / "outer.pt", "w") as archive:
        archive.write(tmp_path / "inner.pt", "inner.pt")
    with pytest.raises(CheckpointError, match=r"an archive with 0 data\.pkl; it holds inner\.pt$"):
        load(tmp_path / "outer.pt", {})
    with zipfile.ZipFile(tmp_path / "two.pt", "w") as archive:
        archive.writestr("a/data.pkl", b"N.")
        archive.writestr("b/data.pkl", harm)
    with pytest.raises(CheckpointError, match=r"an archive with 2 data\.pkl"):
        load(tmp_path / "two.pt", {})
    pickled(tmp_path / "program.pt", harm)
    with zipfile.ZipFile(tmp_path / "program.pt", "a") as archive:
        archive.writestr("archive/constants.pkl", b"N.")
    with pytest.raises(CheckpointError, match="it is a TorchScript program"):
        load(tmp_path / "program.pt", {})
    (tmp_path / "bare.pt").write_bytes(harm)
    torch.save(checkpoint("sort"), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("bare.pt", "old.pt"):
        with pytest.raises(CheckpointError, match=r"no checkpoint; expected an archive such as torch\.save writes"):
            load(tmp_path / name, {})
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"ccollections\nOrderedDict\n}b.", "it sets the state of collections.OrderedDict"),
        (b"]}b.", "it sets the state of a list"),
        (b"K\x05)R.", "it calls a int"),
        (b"ctorch\nFloatStorage\n)R.", "it calls a dtype"),
        (b"cargparse\nNamespace\n(K\x01t\x81.", "it calls argparse.Namespace with other arguments than the authors'"),
        (b"ccollections\nOrderedDict\n](K\x01K\x02\x86e\x85R.", "it calls collections.OrderedDict with other arg"),
        (b"}K\x01a.", "it uses the instruction APPEND on a dict"),
        (b"]K\x01K\x02s.", "it uses the instruction SETITEM on a list"),
        (b"cargparse\nNamespace\n(K\x01K\x02u.", "it uses the instruction SETITEMS on argparse.Namespace"),
        (b"})K\x02s.", "it has a tuple as the key of a dictionary"),
        (b"Pevil\n.", "it uses the instruction PERSID evil"),
        (b"U\x06moduleQ.", "it asks for a persistent object, named by a str"),
        (text("module") + text("evil") + b"\x86Q.", "it asks for the persistent object module"),
        (b"\x83\x01\x02.", "it uses the instruction EXT2 513"),
        (b"\x84\x01\x02\x03\x04.", "it uses the instruction EXT4 67305985"),
        (b"N)}\x92.", "it uses the instruction NEWOBJ_EX"),
        (b"\x8f.", "it uses the instruction EMPTY_SET"),
        (b"\x8b\x01\x00\x00\x00\x05.", "it uses the instruction LONG4 5"),
        (b"cev\x1bil\n" + b"name" * 50 + b"\n.", r"it asks for ev\\x1bil\.namename.*…$"),
        (b"cos\nsystem\n(N", "it asks for os.system"),
        (b"", "a broken pickle"),
        (b"N", "a broken pickle"),
        (b".", "a broken pickle"),
        (b"h\x05.", "a broken pickle"),
        (b"t.", "a broken pickle"),
        (b"\x86.", "a broken pickle"),
        (b"}(K\x01u.", "a broken pickle"),
        (b"\xff.", "a broken pickle"),
        (b"\x8e" + struct.pack("<Q", 2**62) + b"x", "a broken pickle"),
        (b"X\xff\xff\xff\xffx", "a broken pickle"),
        (b"I" + b"9" * 5000 + b"\n.", "a broken pickle"),
    ],
)
def test_everything_else_is_refused(data, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        interpret(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**500), 2**500) | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
        max_leaves=20,
    )
)
@settings(deadline=None, max_examples=30)
def test_plain_values_mean_what_they_mean_to_python(protocol, value):
    assert interpret(pickle.dumps(value, protocol)) == value


def test_long_pickles_are_refused_before_they_are_read(monkeypatch):
    monkeypatch.setattr(pickles, "MOST_BYTES", 100)
    monkeypatch.setattr(pickles, "MOST_INSTRUCTIONS", 10)
    assert interpret(b"]" * 9 + b".") == []
    with pytest.raises(CheckpointError, match="a pickle of 101 bytes; expected at most 100"):
        interpret(b"]" * 100 + b".")
    with pytest.raises(CheckpointError, match="a pickle of more than 10 instructions"):
        interpret(b"]" * 10 + b".")


LAUGHS = b"N" + 60 * b"q\x00h\x00\x86"
"""A pair of pairs of pairs …, by memo: 2^60 elements if they were counted."""


def test_lists_that_double_and_nest_cost_nothing(tmp_path):
    assert len(interpret(LAUGHS + b".")) == 2
    deep = interpret(b")" + b"\x85" * 20_000 + b".")
    while deep:  # nor is the stack of the processor needed
        (deep,) = deep
    with pytest.raises(CheckpointError, match="it has a tuple as the key"):
        interpret(b"})" + b"\x85" * 20_000 + b"Ns.")
    for name in ("d_model", "neuron_select_type", "prediction_reshaper", "dropout", "deep_memory", "backbone_type"):
        values = text("d_model") + b"K\x30" + text(name) + LAUGHS
        state = b"cargparse\nNamespace\n)\x81}(" + values + b"ub"
        pickled(tmp_path / "laughs.pt", b"}(" + text("state_dict") + b"}" + text("args") + state + b"u.")
        _, said = files.read(tmp_path / "laughs.pt")
        with pytest.raises(CheckpointError) as caught:
            from_state_dict(weights("sort"), arguments("sort") | said)
        assert len(str(caught.value)) < 200


def saved(path, **changes):
    torch.save(checkpoint("sort") | changes, path)


@pytest.mark.parametrize(
    ("storage", "tensor", "message"),
    [
        (("data", 3), (0, (4,), (1,)), "storage 0: 8 bytes; expected 3 numbers of torch.float32"),
        (("data", 10**12), (0, (4,), (1,)), "storage 0: 8 bytes; expected 1000000000000 numbers"),
        (("data", 2), (0, (3,), (1,)), "storage 0: a tensor that reaches beyond its 2 numbers"),
        (("data", 2), (1, (2,), (1,)), "reaches beyond"),
        (("data", 2), (0, (2,), (2,)), "reaches beyond"),
        (("data", 2), (0, (10**6, 10**6), (0, 0)), "reaches beyond"),
        (("data", 2), (0, (-1,), (1,)), "reaches beyond"),
        (("data", 2), (1, (2,), (-1,)), "reaches beyond"),
        (("data", 2), (0, (2,), ()), "reaches beyond"),
        (("data", 2), (0, (1,) * 9, (1,) * 9), "reaches beyond"),
        (("data", 2), (0, ("a",), (1,)), "reaches beyond"),
        (("data", 2), (0, 2, 1), "reaches beyond"),
        (("../../../etc/passwd", 2), (0, (2,), (1,)), r"storage \.\./\.\./\.\./etc/passwd: not in the file"),
        (("../version", 1), (0, (1,), (1,)), r"storage \.\./version: not in the file"),
    ],
)
def test_tensors_lie_within_what_is_stored(tmp_path, storage, tensor, message):
    key, count = storage
    identity = (
        b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key.replace("data", "0")) + text("cpu")
        + pickle.dumps(count, 2)[2:-1] + b"tQ"
    )  # fmt: skip
    parts = b"".join(pickle.dumps(part, 2)[2:-1] for part in tensor)
    made = called("torch._utils._rebuild_tensor_v2", identity, parts, b"\x89N")
    pickled(tmp_path / "model.pt", b"}" + text("state_dict") + b"}" + text("w") + made + b"ss.")
    with zipfile.ZipFile(tmp_path / "model.pt", "a") as archive:
        archive.writestr("archive/data/0", b"\0" * 8)
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path / "model.pt")


def test_a_tensor_needs_a_storage():
    with pytest.raises(CheckpointError, match="a tensor without a storage"):
        interpret(called("torch._utils._rebuild_tensor_v2", b"K\x01K\x00))\x89N") + b".")


def test_archives_do_not_grow(tmp_path):
    """Compressed entries, and entries that claim more than there is."""
    saved(tmp_path / "checkpoint.pt")
    with zipfile.ZipFile(tmp_path / "checkpoint.pt") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        archive.writestr("checkpoint/data/999", b"\0" * 10_000_000)
    with pytest.raises(
        CheckpointError, match=r"refused: checkpoint/data\.pkl is compressed, as torch\.save never does"
    ):
        load(tmp_path / "bomb.pt")
    data = bytearray((tmp_path / "checkpoint.pt").read_bytes())
    start = data.rindex(b"PK\x01\x02")  # the last entry of the directory
    data[start + 24 : start + 28] = struct.pack("<I", 2**31 - 1)
    (tmp_path / "claim.pt").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"refused: its entries claim 2,147,\d+,\d+ bytes of a file that has"):
        load(tmp_path / "claim.pt")


def test_other_byte_orders_are_refused(tmp_path):
    saved(tmp_path / "checkpoint.pt")
    with_entries(tmp_path / "checkpoint.pt", lambda name, old: b"big" if name.endswith("byteorder") else old)
    with pytest.raises(CheckpointError, match="its numbers are not little-endian"):
        load(tmp_path / "checkpoint.pt")


def test_changed_numbers_are_noticed(tmp_path):
    saved(tmp_path / "checkpoint.pt")
    data = bytearray((tmp_path / "checkpoint.pt").read_bytes())
    trace = weights("sort")["start_trace"].numpy().tobytes()
    data[data.index(trace) + 5] ^= 1
    (tmp_path / "checkpoint.pt").write_bytes(data)
    with pytest.raises(CheckpointError, match="no checkpoint, or a broken one: Bad CRC-32"):
        load(tmp_path / "checkpoint.pt")


FORBIDDEN = {"exec", "compile", "import", "os.system", "os.mkdir", "os.posix_spawn", "os.fork", "subprocess.Popen"}
FORBIDDEN |= {"pickle.find_class", "socket.connect", "os.remove", "os.rename"}
WATCHED: list | None = None


def _watch(event, _):
    if WATCHED is not None and event in FORBIDDEN:
        WATCHED.append(event)


sys.addaudithook(_watch)


def tried(read, *given):
    """Reads, or fails as it should."""
    try:
        return read(*given)
    except CheckpointError as error:
        said = str(error)
    assert "\n" not in said
    assert len(said) < 1000
    return None


def watched(read, *given):
    """The same, where nothing may run."""
    global WATCHED
    WATCHED = happened = []
    try:
        return tried(read, *given)
    finally:
        WATCHED = None
        assert not happened


FILES = ("benign.pt", "harmful.pt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With a small checkpoint that has every kind of value, and the same with harm."""
    folder, content = tmp_path_factory.mktemp("mutated"), checkpoint("sort")
    content["model_state_dict"] = {
        name: content["model_state_dict"][name] for name in ("start_trace", "synapses.1.bias")
    }
    torch.save(content, folder / FILES[0])
    torch.save(content | {"extra": Malicious(folder / "harm")}, folder / FILES[1])
    files.read(folder / FILES[0])
    return folder


MANY = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(which=st.sampled_from([0, 1]), part=st.floats(0, 1, exclude_max=True))
@example(0, 0.0)
@MANY
def test_truncated_files_are_refused(folder, which, part):
    data = (folder / FILES[which]).read_bytes()
    (folder / "cut.pt").write_bytes(data[: int(part * len(data))])
    assert watched(files.read, folder / "cut.pt") is None
    assert not (folder / "harm").exists()


@given(
    which=st.sampled_from([0, 1]), seed=st.integers(0, 2**32), count=st.integers(1, 4), where=st.sampled_from([0, 1, 2])
)
@MANY
def test_flipped_bytes_never_run(folder, which, seed, count, where):
    """Anywhere, in the pickle, or in the directory at the end."""
    data, chance = bytearray((folder / FILES[which]).read_bytes()), random.Random(seed)
    spans = [(0, len(data)), (0, 4000), (data.index(b"PK\x01\x02"), len(data))]
    for _ in range(count):
        data[chance.randrange(*spans[where])] = chance.randrange(256)
    (folder / "flipped.pt").write_bytes(data)
    watched(files.read, folder / "flipped.pt")
    assert not (folder / "harm").exists()


@given(which=st.sampled_from([0, 1]), seed=st.integers(0, 2**32), count=st.integers(1, 30))
@settings(MANY, max_examples=300)
def test_changed_pickles_never_run(folder, which, seed, count):
    """Without the checksums of archives in between."""
    with zipfile.ZipFile(folder / FILES[which]) as archive:
        data = bytearray(archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl"))))
    chance = random.Random(seed)
    for _ in range(count):
        place = chance.randrange(len(data))
        length = chance.choice([0, 1, 1, 1, 5])
        data[place : place + length] = chance.randbytes(chance.choice([0, 1, 1, 2]))
    watched(interpret, bytes(data))
    assert not (folder / "harm").exists()


@given(data=st.binary(max_size=200))
@settings(MANY, max_examples=300)
def test_any_bytes_are_read_or_refused(data):
    watched(interpret, data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@pytest.mark.parametrize("case", ["sort", "image_random_pairing", "qamnist", "lstm_parity", "rl_classic"])
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_any_arguments_are_used_or_refused(case, data):
    config = arguments(case)
    name = data.draw(st.sampled_from(sorted(config)))
    value = data.draw(JSON | st.integers(-1, 100) | st.sampled_from(["none", "random", "resnet34-2", 2**18]))
    tried(from_state_dict, weights(case), config | {name: value})


@given(seed=st.integers(0, 2**32), count=st.integers(1, 4))
@settings(MANY, max_examples=60)
def test_flipped_bytes_of_safetensors(folder, seed, count):
    data, chance = bytearray(save(weights("sort"))), random.Random(seed)
    for _ in range(count):
        data[chance.randrange(4000)] = chance.randrange(256)
    (folder / "flipped.safetensors").write_bytes(data)
    if found := watched(files.read, folder / "flipped.safetensors"):
        tried(from_state_dict, found[0], arguments("sort"))
