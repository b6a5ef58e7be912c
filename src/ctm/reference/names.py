"""Where each of our tensors is in a state dict of the authors: one rule per family of names."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ctm import windowed
from ctm.backbones.resnet import published_name
from ctm.errors import CheckpointError
from ctm.pairings import upper_triangle
from ctm.synchronization import MAXIMUM_DECAY

Shape = tuple[int, ...]


def shown(text: str) -> str:
    """Text from a file, fit for a message: short, and without what a terminal obeys."""
    return ascii(text[:100])[1:-1] + ("…" if len(text) > 100 else "")


class Rule(NamedTuple):
    """The authors' name and layout for some tensors of ours."""

    ours: str
    """A regular expression for whole names of ours."""
    theirs: str | Callable[[re.Match[str]], str]
    """Their name: a template for the expression's groups, or a function of its match."""
    convert: Callable[[Tensor], Tensor] = lambda theirs: theirs
    """From their tensor to ours; raises `ValueError` saying what it expected."""
    shape: Callable[[Shape], Shape] = lambda ours: ours
    """From our shape to theirs."""

    def name(self, match: re.Match[str]) -> str:
        """Their name, for a match of ours."""
        return match.expand(self.theirs) if isinstance(self.theirs, str) else self.theirs(match)


RESNET = (
    Rule(r"backbone\.colours\.(\w+)", r"initial_rgb.\1"),
    Rule(r"backbone\.((stem|stages)\..+)", lambda match: f"backbone.{published_name(match[1])}"),
)

TOKEN_EMBEDDING = (Rule(r"backbone\.table\.weight", "backbone.embedding.weight"),)

ROTATION_OF_SEQUENCE = (Rule(r"observer\.positions\.project\.(\w+)", r"positional_embedding.projection.\1"),)

ROTATION_OF_MAP = (
    Rule(r"observer\.positions\.start", "positional_embedding.start_vector"),
    Rule(r"observer\.positions\.project\.(\w+)", r"positional_embedding.projection.0.\1"),
)

FOURIER = (
    Rule(r"observer\.positions\.scales\.0\.frequencies\.weight", "positional_embedding.Wr.weight"),
    Rule(r"observer\.positions\.scales\.0\.project\.(.+)", r"positional_embedding.mlp.\1"),
)

FOURIER_OF_MANY_SCALES = (
    Rule(r"observer\.positions\.mixture", "positional_embedding.combination"),
    Rule(
        r"observer\.positions\.scales\.(\d+)\.frequencies\.weight",
        r"positional_embedding.embedders.\1.Wr.weight",
    ),
    Rule(r"observer\.positions\.scales\.(\d+)\.project\.(.+)", r"positional_embedding.embedders.\1.mlp.\2"),
)

CROSS_ATTENTION = (
    Rule(r"observer\.(?:look\.)?features\.(.+)", r"kv_proj.\1"),
    Rule(r"observer\.(?:look\.)?query\.(\w+)", r"q_proj.\1"),
    Rule(r"observer\.(?:look\.)?attention\.(.+)", r"attention.\1"),
)

SYNAPSES = (
    Rule(r"core\.synapses\.(\d+)\.(\w+)", r"synapses.\1.\2"),
    Rule(r"core\.synapses\.first\.1\.(\w+)", r"synapses.first_projection.0.\1"),
    Rule(r"core\.synapses\.first\.2\.(\w+)", r"synapses.first_projection.1.\1"),
    Rule(r"core\.synapses\.(down|up)\.(.+)", r"synapses.\1_projections.\2"),
    Rule(r"core\.synapses\.norms\.(.+)", r"synapses.skip_lns.\1"),
)


def _neuron_layer(name: str) -> Callable[[re.Match[str]], str]:
    """Their name in the layer that a match's first group counts: every other module of a sequence."""
    return lambda match: f"trace_processor.0.{2 * int(match[1])}." + match.expand(name)


NEURON_MODELS = (
    Rule(
        r"core\.models\.layers\.(\d)\.weight",
        _neuron_layer("w1"),
        convert=lambda weight: weight.permute(2, 1, 0),  # (in, out, D) -> (D, out, in)
        shape=lambda ours: ours[::-1],
    ),
    Rule(
        r"core\.models\.layers\.(\d)\.bias",
        _neuron_layer("b1"),
        convert=lambda bias: bias.squeeze(0),  # (1, D, out) -> (D, out)
        shape=lambda ours: (1, *ours),
    ),
    Rule(
        r"core\.models\.layers\.(\d)\.temperature",
        _neuron_layer("T"),
        convert=lambda temperature: temperature.squeeze(0),  # (1) -> ()
        shape=lambda ours: (1, *ours),
    ),
    Rule(r"core\.models\.layers\.(\d)\.norm\.(\w+)", _neuron_layer(r"layernorm.\2")),
)

START = (
    Rule(r"core\.start_post_activations", "start_activated_state"),
    Rule(r"core\.start_history", "start_trace"),
)

LSTM = (
    Rule(r"core\.start_(hidden|cell)", r"start_\1_state"),
    Rule(r"core\.lstm\.(\w+)", r"lstm.\1"),
)

LSTM_CELL = (
    Rule(
        r"core\.start_(hidden|cell)",
        r"start_\1_state",
        convert=lambda state: state.unsqueeze(0),  # (D) -> (1, D)
        shape=lambda ours: ours[1:],
    ),
    Rule(r"core\.lstm\.(\w+)_l0", r"lstm_cell.\1"),
)

QUESTIONS = (
    Rule(r"backbone\.backbone\.(.+)", r"backbone_digit.\1"),
    Rule(r"observer\.indices", "index_backbone.embedding"),
    Rule(r"observer\.operators\.weight", "operator_backbone.embedding.weight"),
    *CROSS_ATTENTION,
)

FEED_FORWARD = (
    Rule(r"core\.layers\.0\.(\w+)", r"output_projector.3.\1"),
    Rule(r"readout\.linear\.(\w+)", r"output_projector.6.\1"),
)

LINEAR_READOUT = (Rule(r"readout\.linear\.(\w+)", r"output_projector.0.\1"),)


GATED_PERCEPTRON = (
    Rule(r"backbone\.layers\.(\d+)\.(\w+)", lambda match: f"backbone.input_projector.{int(match[1]) + 1}.{match[2]}"),
)

GRID_CELLS = (
    Rule(r"backbone\.symbols\.(object|state)\.weight", r"backbone.\1_embedding.weight"),
    Rule(r"backbone\.symbols\.colour\.weight", "backbone.color_embedding.weight"),
    Rule(r"backbone\.places\.weight", "backbone.position_embedding.weight"),
    Rule(r"backbone\.layers\.(.+)", r"backbone.project_to_d_projection.\1"),
)

ACTOR_CRITIC = (Rule(r"readout\.(actor|critic)\.(.+)", r"\1.\2"),)


def below(prefix: str, rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules of a model of theirs that is part of another one."""

    def prefixed(rule: Rule) -> Rule:
        return rule._replace(theirs=lambda match: f"{prefix}.{rule.name(match)}")

    return tuple(map(prefixed, rules))


def cells_seen(ours: str, theirs: str, cells: int, width: int) -> Rule:
    """A rule for weights (out, in) whose first inputs are the features of all cells: theirs cell by cell, ours channel
    by channel.

    Args:
        ours, theirs: names.
        cells: how many cells there are.
        width: how many features each has.
    """

    def convert(weight: Tensor) -> Tensor:
        seen, others = weight.tensor_split([cells * width], dim=1)
        return torch.cat([seen.unflatten(1, (cells, width)).transpose(1, 2).flatten(1), others], dim=1)

    return Rule(ours, theirs, convert)


def windowed_synchronization(neurons: int, window: int) -> tuple[Rule, ...]:
    """Rules for the synchronization of their agents, and for its start, of which z^1 is the newest column.

    They store the indices of the first J neurons, and use the last J.

    Args:
        neurons: D.
        window: M.
    """

    def last(side: int) -> Callable[[Tensor], Tensor]:
        return lambda stored: upper_triangle(*2 * [torch.arange(neurons - len(stored), neurons)])[side]

    def whole(ours: Shape) -> Shape:
        return neurons, window

    def chosen(pairs: Shape) -> Shape:
        return (math.isqrt(2 * pairs[0]),)

    maximum = windowed.MAXIMUM_DECAY
    return (
        Rule(r"core\.start_post_activations", "start_activated_trace", lambda trace: trace[:, -1], whole),
        Rule(r"output\.start_window", "start_activated_trace", lambda trace: trace[:, :-1], whole),
        Rule(r"output\.decay", "decay_params_out", lambda decay: decay.clamp(0, maximum)),
        Rule(r"output\.left", "out_neuron_indices_left", last(0), chosen),
        Rule(r"output\.right", "out_neuron_indices_right", last(1), chosen),
    )


def synchronization(ours: str, theirs: str, neurons: int, triangle: bool) -> tuple[Rule, ...]:
    """Rules for one of the two synchronizations.

    Args:
        ours: "action" or "output".
        theirs: the authors' word for it.
        neurons: D, for the check of the stored indices.
        triangle: whether they store J neurons for J (J + 1) / 2 pairs, rather than a neuron per pair.
    """

    def convert(side: int) -> Callable[[Tensor], Tensor]:
        def pairs(chosen: Tensor) -> Tensor:
            if chosen.is_floating_point() or chosen.min() < 0 or chosen.max() >= neurons:
                raise ValueError(f"expected whole numbers from 0 to {neurons - 1}")
            return upper_triangle(chosen, chosen)[side] if triangle else chosen

        return pairs

    def shape(pairs: Shape) -> Shape:
        return (math.isqrt(2 * pairs[0]),) if triangle else pairs

    return (
        Rule(rf"{ours}\.decay", f"decay_params_{theirs}", convert=lambda decay: decay.clamp(0, MAXIMUM_DECAY)),
        Rule(rf"{ours}\.left", f"{theirs}_neuron_indices_left", convert(0), shape),
        Rule(rf"{ours}\.right", f"{theirs}_neuron_indices_right", convert(1), shape),
    )


def their_name(ours: str, rules: Iterable[Rule]) -> tuple[str, Rule]:
    """What the authors call a tensor of ours, and the rule that says so.

    Raises:
        KeyError: if no rule knows it.
    """
    for rule in rules:
        if match := re.fullmatch(rule.ours, ours):
            return rule.name(match), rule
    raise KeyError(ours)


def translate(
    theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor], rules: Iterable[Rule], unused: Iterable[str] = ()
) -> dict[str, Tensor]:
    """Their tensors in our layout, under our names.

    Args:
        theirs: their state dict.
        ours: our state dict, for names and shapes.
        rules: how one becomes the other.
        unused: names of theirs that say nothing.

    Raises:
        CheckpointError: unless every tensor of ours is there in the right shape, and no other.
    """
    found, known, problems = {}, set(unused), []
    for name, like in ours.items():
        source, rule = their_name(name, rules)
        known.add(source)
        tensor, expected = theirs.get(source), rule.shape(tuple(like.shape))
        if not isinstance(tensor, torch.Tensor):
            problems.append(f"{source}: {'no tensor' if source in theirs else 'missing'}; expected {expected}")
        elif tuple(tensor.shape) != expected:
            problems.append(f"{source}: shape {tuple(tensor.shape)}; expected {expected}")
        elif like.is_floating_point() and not tensor.is_floating_point():
            problems.append(f"{source}: {tensor.dtype}; expected floating-point numbers")
        else:
            try:
                found[name] = rule.convert(tensor.float() if like.is_floating_point() else tensor)
            except ValueError as error:
                problems.append(f"{source}: {error}")
    others = [shown(name) for name in theirs if name not in known]
    problems += [f"{name}: unexpected; the configured model has no such tensor" for name in others]
    if problems:
        more = [f"and {len(problems) - 5} more"] if len(problems) > 5 else []
        raise CheckpointError(f"weights that do not fit their configuration: {'; '.join([*problems[:5], *more])}")
    return found
