"""The paper's listings, transcribed naively: the oracle that tests and benchmarks compare with.

One tick after the other, nothing shared between ticks, with the costs of the original: the attention module is called
with the unchanged keys and values at every tick, histories are concatenated, neuron-level models are an einsum, and
predictions are written tick by tick. Listing 1 drops the wrong end of the history and Listing 4 takes the argmax of
the losses; here both follow the equations. A part of one's own, which is in no listing, is called as the machine calls
it, with nothing kept between ticks.

    oracle = ctm.literal.from_model(model)      # shares the model's parameters
    oracle(x, ticks=10).logits                  # the same numbers as model(x, ticks=10).logits
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ctm import windowed
from ctm.cores.lstm import LSTMCore, LSTMState
from ctm.cores.memoryless import FeedForwardCore, MemorylessState, SynapseCore
from ctm.cores.neuron import NeuronCore, NeuronState
from ctm.inputs import Inputs, as_tuple
from ctm.kernels.neuron_pass import dropout
from ctm.machine import ContinuousThoughtMachine, State
from ctm.neurons import NeuronModels
from ctm.observers.attention import CrossAttention
from ctm.observers.scheduled import Scheduled
from ctm.readouts import ClassReadout, Readout
from ctm.synapses import SynapseMLP, SynapseUNet
from ctm.synchronization import MAXIMUM_DECAY, Synchronization, SynchronizationState, within_bounds
from ctm.thoughts import Record, Thoughts
from ctm.windowed import WindowedSynchronization


def from_model(model: ContinuousThoughtMachine) -> "LiteralMachine":
    """The oracle of a model: shares its parameters, and gives the same results more slowly."""
    return LiteralMachine(model)


class LiteralMachine(nn.Module):
    """Listing 1. Takes and returns what `ContinuousThoughtMachine.forward` does."""

    def __init__(self, model: ContinuousThoughtMachine) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, x: Inputs, *others: Tensor, ticks: int | None = None, state: State | None = None, record: bool = False
    ) -> Thoughts:
        model: Any = self.model
        inputs = (*as_tuple(x), *others)
        batch, age = len(inputs[0]), 0 if state is None else int(state.ticks.min())
        shown = max(model.observer.shown(inputs) - age, 0)
        ticks = ticks or shown + model.config.ticks
        features = model.backbone(inputs[0])
        look = model.observer.look if type(model.observer) is Scheduled else model.observer
        tokens = embed(look, features) if type(look) is CrossAttention else None
        state = model.start(batch) if state is None else state
        remembered: Any = state.core
        action, output, ages = state.action, state.output, state.ticks
        z = remembered.post_activations
        logits = z.new_zeros(batch, math.prod(model.readout.shape), ticks)
        certainties = z.new_zeros(batch, ticks)
        notes: list[list[Any]] = [[] for _ in range(5)]
        for tick in range(ticks):
            query: Any = synchronization(model.action, action)
            if tokens is None:
                seen = (features, *inputs[1:]) if len(inputs) > 1 else features
                observed, attention = model.observer.step(query, model.observer.prepare(seen), ages)
            elif look is model.observer:
                observed, attention = attend(look, query, tokens)
            else:
                turns, (_, question), pictures = ages // model.observer.repeats, inputs, features.shape[2]
                observed, attention = attend_in_turn(model.observer, query, tokens, pictures, question, turns)
            remembered = recur(model.core, remembered, observed)
            z = remembered.post_activations
            action, output = accumulate(model.action, action, z), accumulate(model.output, output, z)
            ages = ages + 1
            read = synchronization(model.output, output)
            answer = say(model.readout, read)
            logits[:, :, tick] = answer.flatten(1)
            certainties[:, tick] = certainty(model.readout, answer)
            for column, value in zip(notes, (remembered.pre_activations, z, query, attention, read), strict=True):
                column.append(value)
        stacked: list[Any] = [None if column[0] is None else torch.stack(column, dim=1) for column in notes]
        return Thoughts(
            logits.permute(0, 2, 1).unflatten(-1, model.readout.shape),
            certainties,
            State(remembered, action, output, ages),
            Record(*stacked, tuple(features.shape[2:])) if record else None,
            shown,
        )


def embed(observer: CrossAttention, features: Tensor) -> Tensor:
    """The tokens to look at, (B, L, E): features with their positions, projected and normalised."""
    if observer.positions is not None:
        features = features + observer.positions(features)
    return observer.features(features.flatten(2).transpose(1, 2))


def attend(
    observer: CrossAttention, query: Tensor, tokens: Tensor, hidden: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Listing 1: multi-head attention, weights and all, from one query to all tokens that are not hidden (B, L)."""
    query = observer.query(query).unsqueeze(1)  # (B, 1, E)
    observed, attention = observer.attention(query, tokens, tokens, hidden, average_attn_weights=False)
    return observed.squeeze(1), attention.squeeze(2)  # (B, E), (B, heads, L)


def attend_in_turn(
    observer: Any, query: Tensor, tokens: Tensor, pictures: int, question: Tensor, turns: Tensor
) -> tuple[Tensor, Tensor]:
    """Appendix G.5, sample by sample: the picture whose turn it is, or the symbol, or nothing."""
    hidden = torch.zeros(tokens.shape[:2], dtype=torch.bool, device=tokens.device)  # (B, L)
    for sample, turn in enumerate(turns.tolist()):
        if turn < pictures:
            hidden[sample] = True
            hidden[sample].view(pictures, -1)[turn] = False
    looked, attention = attend(observer.look, query, tokens, hidden)
    observed = []
    for sample, turn in enumerate(turns.tolist()):
        if turn < pictures:
            observed.append(looked[sample])
            continue
        attention = attention.index_fill(0, torch.tensor(sample, device=tokens.device), 0)
        if turn - pictures < question.shape[1]:
            symbol = int(question[sample, turn - pictures])
            embedding = observer.indices[symbol] if symbol >= 0 else observer.operators.weight[-1 - symbol]
            observed.append(observer.look.features(embedding) if observer.projected else embedding)
        else:
            observed.append(torch.zeros_like(looked[sample]))
    return torch.stack(observed), attention


def recur(core: Any, state: Any, observed: Tensor) -> Any:
    """Listing 1: synapses, histories and neuron-level models; or the baseline that stands in their place."""
    if isinstance(core, FeedForwardCore):
        return MemorylessState(core.layers(observed))
    if not isinstance(core, LSTMCore | SynapseCore | NeuronCore):
        return core.step(state, observed, core.prepare(0))
    joined = torch.cat([observed, state.post_activations], dim=1)
    if isinstance(core, LSTMCore):
        before = tuple(part.transpose(0, 1).contiguous() for part in (state.hidden, state.cell))  # (layers, B, D)
        _, (hidden, cell) = core.lstm((joined if core.joined else observed).unsqueeze(0), before)
        return LSTMState(hidden[-1], hidden.transpose(0, 1), cell.transpose(0, 1))
    pre_activations = synapses(core.synapses, joined)
    if isinstance(core, SynapseCore):
        return MemorylessState(pre_activations)
    if type(core.models) is not NeuronModels:
        return NeuronState(*core.models.prepare(0)(state.history, pre_activations))
    history = torch.cat([state.history[:, :, 1:], pre_activations.unsqueeze(-1)], dim=-1)
    return NeuronState(neuron_level_models(core.models, history), history)


def synapses(model: Any, x: Tensor) -> Tensor:
    """Appendix C.1."""
    if type(model) is SynapseMLP:
        for layer in model:
            x = layer(x)
        return x
    if type(model) is not SynapseUNet:
        return model.prepare()(x)
    levels = [model.first(x)]
    for down in model.down:
        levels.append(down(levels[-1]))
    x = levels[-1]
    for level in reversed(range(len(model.up))):
        x = model.norms[level](model.up[level](x) + levels[level])
    return x


def neuron_level_models(models: Any, history: Tensor) -> Tensor:
    """Listing 2, with the gates, biases and temperatures of the trained models."""
    x = history  # (B, D, M)
    for layer in models.layers:
        if models.training and layer.dropout:
            x = dropout(x.permute(1, 2, 0), layer.dropout).permute(2, 0, 1)  # the machine's masks
        x = x if layer.norm is None else layer.norm(x)
        weight = layer.weight.permute(2, 1, 0)  # (in, out, D), as the authors keep it
        x = (torch.einsum("BDM,MHD->BDH", x, weight) + layer.bias) / layer.temperature
        x = F.glu(x, dim=-1)  # (B, D, out)
    return x.squeeze(-1)


def say(readout: Any, representation: Tensor) -> Tensor:
    """Equation 6: an answer (B, *answer, C)."""
    if type(readout) is not ClassReadout:
        return readout(representation)
    return readout.linear(representation).unflatten(-1, readout.shape)


def certainty(readout: Any, logits: Tensor) -> Tensor:
    """How sure a tick's answers are, (B,)."""
    if type(readout).certainty is not Readout.certainty:
        return readout.certainty(logits)
    return 1 - normalised_entropy(logits)


def accumulate(part: Any, state: Any, z: Tensor) -> Any:
    """Appendix H, one tick, for every sample by itself."""
    if type(part) not in (Synchronization, WindowedSynchronization):
        return part.step(state, z, part.prepare())
    product = z[:, part.left] * z[:, part.right]  # (B, P)
    if isinstance(part, WindowedSynchronization):
        return torch.cat([state[:, :, 1:], product.unsqueeze(-1)], dim=-1)
    forget = torch.exp(-within_bounds(part.decay, 0.0, MAXIMUM_DECAY)).expand(len(z), -1)  # (B, P)
    return SynchronizationState(forget * state.numerator + product, forget * state.normaliser + 1)


def synchronization(part: Any, state: Any) -> Any:
    """Equation 10; over a window, entry by entry."""
    if type(part) is WindowedSynchronization:
        rate = within_bounds(part.decay, 0.0, windowed.MAXIMUM_DECAY)  # (P,)
        weights = [torch.exp(-rate * age) for age in range(state.shape[-1])]
        products = [weight * state[:, :, -1 - age] for age, weight in enumerate(weights)]
        return torch.stack(products).sum(0) / torch.sqrt(torch.stack(weights).sum(0))
    if type(part) is not Synchronization:
        return part.read(state)
    return state.numerator / torch.sqrt(state.normaliser)


def normalised_entropy(logits: Tensor) -> Tensor:
    """Entropy of the answer over log C, averaged over its positions: (B, *answer, C) to (B,)."""
    probability = F.softmax(logits, dim=-1)
    entropy = -(probability * F.log_softmax(logits, dim=-1)).sum(-1) / math.log(logits.shape[-1])
    return entropy.reshape(len(logits), -1).mean(-1)


def loss(thoughts: Thoughts, targets: Tensor) -> Tensor:
    """Listing 4, sample by sample: half the loss of the tick that has the least, half that of the most certain tick."""
    chosen = []
    for logits, certainty, target in zip(thoughts.logits, thoughts.certainty, targets, strict=True):
        losses = [F.cross_entropy(tick.reshape(-1, tick.shape[-1]), target.reshape(-1)) for tick in logits]
        least = min(range(len(losses)), key=lambda tick: losses[tick].item())
        surest = max(range(len(losses)), key=lambda tick: certainty[tick].item())
        chosen.append((losses[least] + losses[surest]) / 2)
    return torch.stack(chosen).mean()
