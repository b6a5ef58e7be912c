"""The authors' models as configurations of ours: one function for each of their classes."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import NoneType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ctm.backbones import (
    BackboneConfig,
    ConvNet,
    GatedPerceptron,
    GridCells,
    Identity,
    PerFrame,
    ResNet,
    TokenEmbedding,
)
from ctm.cores.base import CoreConfig
from ctm.cores.lstm import LSTMCore
from ctm.cores.memoryless import FeedForwardCore
from ctm.cores.neuron import NeuronCore
from ctm.machine import MachineConfig
from ctm.neurons import NeuronModels
from ctm.observers.attention import CrossAttention
from ctm.observers.fixed import Direct, Pooling
from ctm.observers.scheduled import Scheduled
from ctm.pairings import Dense, Pairing, RandomPairs, SemiDense
from ctm.positions import FourierPositions, NoPositions, PositionConfig, RotationalPositions
from ctm.readouts import ActorCritic, ClassReadout
from ctm.reference import names
from ctm.reference.names import CheckpointError, Rule
from ctm.synapses import SynapseConfig, SynapseMLP, SynapseUNet
from ctm.synchronization import NoRepresentation, RepresentationConfig, Snapshot, Synchronization
from ctm.windowed import WindowedSynchronization

_SAME = {"deep_memory": "deep_nlms", "do_normalisation": "do_layernorm_nlm"}
"""Arguments that their training scripts call otherwise than their constructors."""

_DEFAULTS = {
    "neuron_select_type": "first-last",
    "n_random_pairing_self": 0,
    "do_layernorm_nlm": False,
    "dropout": 0.0,
    "dropout_nlm": None,
}
"""What older checkpoints, which do not store it, mean."""

_TYPES: dict[str, type | tuple[type, ...]] = dict.fromkeys(
    (
        *(
            "iterations",
            "d_model",
            "d_input",
            "heads",
            "n_synch_out",
            "n_synch_action",
            "synapse_depth",
            "memory_length",
        ),
        *("memory_hidden_dims", "out_dims", "n_random_pairing_self", "num_layers", "iterations_for_answering"),
        *("parity_sequence_length", "maze_route_length"),
    ),
    int,
)
_TYPES |= dict.fromkeys(
    ("backbone_type", "positional_embedding_type", "neuron_select_type", "resnet_type", "dataset"), str
)
_TYPES |= dict.fromkeys(("prediction_reshaper", "resnet_feature_scales"), (list, tuple))
_TYPES |= dict.fromkeys(("deep_nlms", "do_layernorm_nlm"), bool)
_TYPES |= {"dropout": float, "dropout_nlm": (float, NoneType)}
"""Of the arguments that are looked at."""

_MOST = 2**18
"""What no size may exceed."""

_CLASSES = (10, 100, 1000)
"""Numbers of classes of the authors' data sets of labelled pictures."""

_SIGNS = {
    "lstm-rl": r"recurrent_model\.lstm_cell\.",
    "rl": r"recurrent_model\.",
    "lstm-qamnist": r"lstm_cell\.",
    "qamnist": r"backbone_digit\.",
    "lstm": r"lstm\.",
    "ff": r"output_projector\.[36]\.",
    "ctm": r"(attention|q_proj|kv_proj)\.",
    "sort": r"start_trace$",
}
"""How the names of each kind of model begin, and not those of the kinds after it."""

_POSITIONS: dict[str, tuple[PositionConfig, tuple[Rule, ...]]] = {
    "none": (NoPositions(), ()),
    "custom-rotational-1d": (RotationalPositions.Config(dimensions=1), names.ROTATION_OF_SEQUENCE),
    "custom-rotational": (RotationalPositions.Config(dimensions=2), names.ROTATION_OF_MAP),
    "learnable-fourier": (FourierPositions.Config(scales=1), names.FOURIER),
    "multi-learnable-fourier": (FourierPositions.Config(scales=10), names.FOURIER_OF_MANY_SCALES),
}

_CORE_RULES = names.START + names.SYNAPSES + names.NEURON_MODELS


class Translation(NamedTuple):
    """One of the authors' models in our terms."""

    config: MachineConfig
    """The machine it is."""
    rules: tuple[Rule, ...]
    """Where its tensors are in their state dict."""
    unused: tuple[str, ...] = ()
    """Tensors of theirs that say nothing."""

    def their_name(self, ours: str) -> str:
        """What the authors call a parameter or buffer of ours."""
        return names.their_name(ours, self.rules)[0]


class _Arguments(dict[str, Any]):
    """The authors' constructor arguments, under one set of names and with what older checkpoints mean."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(_DEFAULTS | {_SAME.get(name, name): value for name, value in given.items()})
        for name in ("dropout", "dropout_nlm"):
            if self[name] in (0, 1) and not isinstance(self[name], bool):
                self[name] = float(self[name])
        for name, expected in _TYPES.items():
            if name in self:
                self._check(name, expected)
        if "backbone_type" not in self and "resnet_type" in self:
            self["backbone_type"] = f"{self['resnet_type']}-{self['resnet_feature_scales'][-1]}"

    def _check(self, name: str, expected: type | tuple[type, ...]) -> None:
        value = self[name]
        if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
            words = expected.__name__ if isinstance(expected, type) else " or ".join(kind.__name__ for kind in expected)
            raise CheckpointError(f"config: {name} is a {type(value).__name__}; expected {words}")
        if isinstance(value, int) and value > _MOST:
            raise CheckpointError(f"config: {name} is too large; expected at most {_MOST:,}")
        if isinstance(value, str) and len(value) > 100:
            raise CheckpointError(f"config: {name} is text of {len(value):,} letters; expected a name")
        if isinstance(value, (list, tuple)) and not (0 < len(value) <= 8 and all(type(part) is int for part in value)):
            raise CheckpointError(f"config: {name}: expected a list of 1 to 8 whole numbers")

    def answer(self) -> list[int]:
        """The shape of an answer: `prediction_reshaper`, which only constructors have, or as the task has it."""
        if "prediction_reshaper" in self:
            return self["prediction_reshaper"]
        if "maze_route_length" in self:
            return [self["maze_route_length"], 5]
        if "parity_sequence_length" in self:
            return [self["parity_sequence_length"], 2]
        if self["backbone_type"] == "parity_backbone":
            return [-1, 2]
        if self.get("dataset", "").startswith("mazes"):
            return [-1, 5]
        if "dataset" in self or self["out_dims"] in _CLASSES:
            return [-1]
        expected = "[-1] for one label, [out_dims // 5, 5] for mazes, [length, 2] for parity"
        raise CheckpointError(
            f"config: prediction_reshaper is missing, and nothing tells the task; expected {expected}"
        )

    def __missing__(self, name: str) -> Any:
        raise CheckpointError(f"config: {name} is missing; it is an argument of the authors' model")

    def unsupported(self, name: str, supported: str) -> CheckpointError:
        return CheckpointError(f"config: {name} = {self[name]!r} is not supported; expected {supported}")


def kind_of(state_dict: Iterable[str], claimed: str | None = None) -> str:
    """Which of the authors' models has such names.

    Args:
        state_dict: names of all the weights.
        claimed: what they are said to be.

    Raises:
        CheckpointError: if no name tells and nothing is claimed, or something else is.
    """
    found = next((kind for kind, sign in _SIGNS.items() if any(re.match(sign, name) for name in state_dict)), claimed)
    if found is None:
        raise CheckpointError("no weights of the authors: none of the names is theirs")
    if claimed not in (None, found) and claimed in _KINDS:
        raise CheckpointError(f"kind = {claimed!r}: these are weights of kind {found!r}")
    return claimed or found


def translation(config: Mapping[str, Any], state_dict: Mapping[str, Tensor], kind: str | None = None) -> Translation:
    """Finds our machine for one of the authors' models.

    Args:
        config: their constructor arguments, or the arguments of their training scripts.
        state_dict: their weights, for sizes that no argument tells.
        kind: which of their models it is; by default, what the names of the weights tell.

    Raises:
        CheckpointError: for an unknown kind, or an argument that is missing or not supported.
        ConfigError: for sizes that cannot work.
    """
    kind = kind_of(state_dict) if kind is None else kind
    if kind not in _KINDS:
        raise CheckpointError(f"kind = {kind!r}: expected one of {', '.join(_KINDS)}")
    return _KINDS[kind](_Arguments(config), state_dict)


def _ctm(arguments: _Arguments, state_dict: Mapping[str, Tensor]) -> Translation:
    """`ContinuousThoughtMachine`: parity, mazes and images."""
    backbone, backbone_rules = _backbone(arguments, state_dict)
    observer, observer_rules = _cross_attention(arguments)
    core = _core(arguments)
    action, action_rules = _synchronization(arguments, "action", "action", core.neurons)
    output, output_rules = _synchronization(arguments, "output", "out", core.neurons)
    config = MachineConfig(
        ticks=arguments["iterations"],
        backbone=backbone,
        observer=observer,
        core=core,
        output=output,
        readout=_readout(arguments, arguments.answer()),
        action=action,
    )
    rules = backbone_rules + observer_rules + _CORE_RULES + action_rules + output_rules + names.LINEAR_READOUT
    return Translation(config, rules)


def _sort(arguments: _Arguments, state_dict: Mapping[str, Tensor]) -> Translation:
    """`ContinuousThoughtMachineSORT`: numbers seen directly, one class for each and a blank."""
    core = _core(arguments)
    output, output_rules = _synchronization(arguments, "output", "out", core.neurons)
    readout = ClassReadout.Config(arguments["out_dims"])
    config = MachineConfig(
        ticks=arguments["iterations"],
        backbone=Identity.Config(channels=readout.classes - 1, dimensions=0),
        observer=Direct.Config(),
        core=core,
        output=output,
        readout=readout,
    )
    return Translation(config, _CORE_RULES + output_rules + names.LINEAR_READOUT)


def _lstm(arguments: _Arguments, state_dict: Mapping[str, Tensor]) -> Translation:
    """`LSTMBaseline`: parity, mazes and images."""
    backbone, backbone_rules = _backbone(arguments, state_dict)
    observer, observer_rules = _cross_attention(arguments)
    layers = arguments["num_layers"] if "num_layers" in arguments else _sizes(state_dict, "start_hidden_state")[0]
    config = MachineConfig(
        ticks=arguments["iterations"],
        backbone=backbone,
        observer=observer,
        core=LSTMCore.Config(arguments["d_model"], layers),
        output=Snapshot.Config(),
        readout=_readout(arguments, arguments.answer()),
        action=Snapshot.Config(),
    )
    return Translation(config, backbone_rules + observer_rules + names.LSTM + names.LINEAR_READOUT)


def _feed_forward(arguments: _Arguments, state_dict: Mapping[str, Tensor]) -> Translation:
    """`FFBaseline`: images."""
    backbone, backbone_rules = _backbone(arguments, state_dict)
    config = MachineConfig(
        ticks=1,
        backbone=backbone,
        observer=Pooling.Config(),
        core=FeedForwardCore.Config(arguments["d_model"], dropout=arguments["dropout"]),
        output=Snapshot.Config(),
        readout=_readout(arguments, arguments.answer()),
        action=NoRepresentation.Config(),
    )
    return Translation(config, backbone_rules + names.FEED_FORWARD)


def _qamnist(arguments: _Arguments, state_dict: Mapping[str, Tensor]) -> Translation:
    """`ContinuousThoughtMachineQAMNIST`: pictures and questions, each part given for every tick it is shown."""
    core = _core(arguments)
    action, action_rules = _synchronization(arguments, "action", "action", core.neurons)
    output, output_rules = _synchronization(arguments, "output", "out", core.neurons)
    config = _questions(arguments, state_dict, core, action, output, projected=False)
    rules = names.QUESTIONS + _CORE_RULES + action_rules + output_rules + names.LINEAR_READOUT
    return Translation(config, rules)


def _lstm_qamnist(arguments: _Arguments, state_dict: Mapping[str, Tensor]) -> Translation:
    """`LSTMBaseline` of the questions: one cell, symbols projected like features."""
    core, look = LSTMCore.Config(arguments["d_model"]), Snapshot.Config()
    config = _questions(arguments, state_dict, core, look, look, projected=True)
    return Translation(config, names.QUESTIONS + names.LSTM_CELL + names.LINEAR_READOUT)


def _questions(
    arguments: _Arguments,
    state_dict: Mapping[str, Tensor],
    core: CoreConfig,
    action: RepresentationConfig,
    output: RepresentationConfig,
    projected: bool,
) -> MachineConfig:
    width = arguments["d_input"]
    look = CrossAttention.Config(width, arguments["heads"], dropout=arguments["dropout"])
    channels = _inputs_of(state_dict, "backbone_digit.layers.0.weight")
    return MachineConfig(
        ticks=arguments["iterations_for_answering"],
        backbone=PerFrame.Config(ConvNet.Config((width, width), (True, True), channels)),
        observer=Scheduled.Config(look, projected=projected),
        core=core,
        action=action,
        output=output,
        readout=_readout(arguments, arguments.get("prediction_reshaper", [-1])),
    )


_AGENT = "recurrent_model"
"""What their agents call the model between observation and actor."""


def _rl(arguments: _Arguments, state_dict: Mapping[str, Tensor]) -> Translation:
    """`ContinuousThoughtMachineRL` and the agent around it."""
    if arguments["neuron_select_type"] != "first-last":
        raise arguments.unsupported("neuron_select_type", "first-last")
    if arguments["synapse_depth"] != 1:
        raise arguments.unsupported("synapse_depth", "1")
    core = _core(arguments)
    core = core.replace(synapses=SynapseMLP.Config(blocks=2, dropout=arguments["dropout"]))
    output = WindowedSynchronization.Config(Dense(arguments["n_synch_out"]), window=core.memory)
    rules = names.windowed_synchronization(core.neurons, output.window) + _CORE_RULES
    found = _acting(arguments, state_dict, core, output, rules, (r"core\.synapses\.1\.weight", "synapses.1.weight"))
    return found._replace(unused=(f"{_AGENT}.diagonal_mask_out",))


def _lstm_rl(arguments: _Arguments, state_dict: Mapping[str, Tensor]) -> Translation:
    """`LSTMBaseline` of control and the agent around it: one cell."""
    core, output = LSTMCore.Config(arguments["d_model"]), Snapshot.Config()
    first = r"core\.lstm\.weight_ih_l0", "lstm_cell.weight_ih"
    return _acting(arguments, state_dict, core, output, names.LSTM_CELL, first)


def _acting(
    arguments: _Arguments,
    state_dict: Mapping[str, Tensor],
    core: CoreConfig,
    output: RepresentationConfig,
    rules: tuple[Rule, ...],
    first: tuple[str, str],
) -> Translation:
    """An agent, by its recurrence; `first` is our name and theirs of the weight that meets the features."""
    width, places = arguments["d_input"], f"{_AGENT}.backbone.position_embedding.weight"
    if places not in state_dict:
        features = _sizes(state_dict, f"{_AGENT}.backbone.input_projector.1.weight")[1]
        backbone, observer = GatedPerceptron.Config(features, width), Direct.Config()
        rules = names.GATED_PERCEPTRON + rules
    else:
        backbone = GridCells.Config(width, view=math.isqrt(_sizes(state_dict, places)[0]))
        observer = Pooling.Config(cells=backbone.view**2)
        rules = (*names.GRID_CELLS, names.cells_seen(*first, backbone.view**2, width), *rules)
    hidden, actions = (_sizes(state_dict, f"actor.{layer}.weight")[0] for layer in (0, 4))
    readout = ActorCritic.Config(actions, hidden=hidden)
    config = MachineConfig(arguments["iterations"], backbone, observer, core, output, readout)
    return Translation(config, names.below(_AGENT, rules) + names.ACTOR_CRITIC)


_KINDS: dict[str, Callable[[_Arguments, Mapping[str, Tensor]], Translation]] = {
    "ctm": _ctm,
    "sort": _sort,
    "lstm": _lstm,
    "ff": _feed_forward,
    "qamnist": _qamnist,
    "lstm-qamnist": _lstm_qamnist,
    "rl": _rl,
    "lstm-rl": _lstm_rl,
}


def _backbone(arguments: _Arguments, state_dict: Mapping[str, Tensor]) -> tuple[BackboneConfig, tuple[Rule, ...]]:
    name = arguments["backbone_type"]
    if match := re.fullmatch(r"resnet(18|34|50|101|152)-([1-4])", name):
        channels = _inputs_of(state_dict, "initial_rgb.weight")
        return ResNet.Config(int(match[1]), int(match[2]), channels), names.RESNET
    if name == "parity_backbone":
        return TokenEmbedding.Config(width=arguments["d_input"], symbols=(-1, 1)), names.TOKEN_EMBEDDING
    if name == "none":
        return Identity.Config(channels=_inputs_of(state_dict, "kv_proj.0.weight")), ()
    raise arguments.unsupported("backbone_type", "resnet18-1 to resnet152-4, parity_backbone or none")


def _inputs_of(state_dict: Mapping[str, Tensor], name: str) -> int:
    """How many inputs a linear map or a convolution has, (out, in, …)."""
    return _sizes(state_dict, name)[1]


def _sizes(state_dict: Mapping[str, Tensor], name: str) -> tuple[int, int]:
    """How many outputs and inputs a linear map or a convolution has, (out, in, …)."""
    tensor = state_dict.get(name)
    if not isinstance(tensor, Tensor) or tensor.dim() < 2:
        raise CheckpointError(f"{name}: expected a weight (out, in, …), to see how many of them there are")
    outputs, inputs, *_ = tensor.shape
    return outputs, inputs


def _cross_attention(arguments: _Arguments) -> tuple[CrossAttention.Config, tuple[Rule, ...]]:
    if arguments["positional_embedding_type"] not in _POSITIONS:
        raise arguments.unsupported("positional_embedding_type", f"one of {', '.join(_POSITIONS)}")
    positions, rules = _POSITIONS[arguments["positional_embedding_type"]]
    config = CrossAttention.Config(arguments["d_input"], arguments["heads"], positions, arguments["dropout"])
    return config, names.CROSS_ATTENTION + rules


def _core(arguments: _Arguments) -> NeuronCore.Config:
    dropout = arguments["dropout"] if arguments["dropout_nlm"] is None else arguments["dropout_nlm"]
    models = NeuronModels.Config(
        hidden=arguments["memory_hidden_dims"] if arguments["deep_nlms"] else None,
        layer_norm=arguments["do_layernorm_nlm"],
        dropout=dropout,
    )
    return NeuronCore.Config(arguments["d_model"], arguments["memory_length"], _synapses(arguments), models)


def _synapses(arguments: _Arguments) -> SynapseConfig:
    depth, dropout = arguments["synapse_depth"], arguments["dropout"]
    if depth == 1:
        return SynapseMLP.Config(dropout=dropout)
    return SynapseUNet.Config(levels=depth, dropout=dropout)


def _synchronization(
    arguments: _Arguments, ours: str, theirs: str, neurons: int
) -> tuple[Synchronization.Config, tuple[Rule, ...]]:
    size, kind = arguments[f"n_synch_{theirs}"], arguments["neuron_select_type"]
    pairings: dict[str, Callable[[], Pairing]] = {
        "first-last": lambda: Dense(size),
        "random": lambda: SemiDense(size),
        "random-pairing": lambda: RandomPairs(size, arguments["n_random_pairing_self"]),
    }
    if kind not in pairings:
        raise arguments.unsupported("neuron_select_type", f"one of {', '.join(pairings)}")
    rules = names.synchronization(ours, theirs, neurons, triangle=kind != "random-pairing")
    return Synchronization.Config(pairings[kind]()), rules


def _readout(arguments: _Arguments, shape: Sequence[int]) -> ClassReadout.Config:
    outputs = arguments["out_dims"]
    try:  # -1 stands for what is left
        *answer, classes = torch.empty(outputs, device="meta").view(*shape).shape
    except (RuntimeError, TypeError):
        expected = f"a shape of out_dims = {outputs!r} numbers"
        raise CheckpointError(f"config: prediction_reshaper = {shape!r}: expected {expected}") from None
    return ClassReadout.Config(classes, tuple(answer))
