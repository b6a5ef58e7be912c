"""Less time by compiling the tick: one graph, however many ticks, samples and passes there are.

The loop over ticks stays Python; what `torch.compile` makes of a tick is differentiable by itself, so the hand-written
gradients of `ctm.kernels.deferred` and `ctm.kernels.neuron_pass` are not used.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ctm.errors import RunError
from ctm.inputs import tree_map
from ctm.kernels.deferred import SharedProduct
from ctm.machine import ContinuousThoughtMachine, Prepared, State
from ctm.observers.base import Observation

GRAPHS = 64
"""How many graphs there may be of all models of a process, at least; PyTorch's own limit is made for one model."""


def compile_tick(model: ContinuousThoughtMachine, backend: str = "inductor") -> None:
    """Compiles the ticks of a model, when the first one comes.

    Another one is compiled for passes without gradients, for batches of a single sample, for samples of another shape,
    and for the samples of different ages of `ctm.think`; none for other numbers of samples or ticks. Numbers and
    gradients are the same up to rounding, but Inductor draws other random numbers, so dropout drops others. Inside
    `model.intervene` it is the tick as it was before.

    Args:
        model: changed in place; its weights and their names are not.
        backend: of `torch.compile`.

    Raises:
        RunError: at the first tick, if it cannot be compiled; where there is no C++ compiler, for instance.
    """
    model.step = _CompiledTick(model, backend)


class _CompiledTick:
    """The tick of a model, compiled when it is called first. In a copy of the model it is the copy's tick."""

    def __init__(self, model: ContinuousThoughtMachine, backend: str) -> None:
        self.model, self.tick, self.backend = model, model.step, backend  # all copied together
        self._compiled: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_compiled": None}

    def __call__(self, state: State, prepared: Prepared) -> tuple[State, Observation]:
        from torch._dynamo import maybe_mark_dynamic  # takes seconds
        from torch._dynamo.exc import TorchDynamoException

        if self.model.interventions:
            return self.tick(state, prepared)
        if self._compiled is None:
            self._compiled = _compiled(self.tick, self.backend)
        state = tree_map(_uniform, state)
        for tensor in [*_tensors(state), *_per_sample(prepared.observer, len(state.ticks))]:
            maybe_mark_dynamic(tensor, 0)
        try:
            return self._compiled(state, prepared)
        except TorchDynamoException as error:
            reason = str(error).strip().split("\n")[0]
            raise RunError(
                f"training.compile: the tick cannot be compiled here: {reason}; "
                "on a CPU it needs a C++ compiler, such as g++; without training.compile nothing is compiled"
            ) from None


def _compiled(tick: Callable[..., Any], backend: str) -> Callable[..., Any]:
    from torch._dynamo import config

    config.recompile_limit = max(config.recompile_limit, GRAPHS)  # ty: ignore[invalid-assignment]

    def step(state: State, prepared: Prepared) -> tuple[State, Observation]:
        state, observation = tick(state, prepared)
        return tree_map(Tensor.contiguous, state), observation

    return torch.compile(step, backend=backend, fullgraph=True)


def _uniform(tensor: Tensor) -> Tensor:
    """The same numbers in one form at every tick, the first one included, so that one graph fits all."""
    if tensor._is_view() or not tensor.is_contiguous():
        tensor = tensor.clone(memory_format=torch.contiguous_format)
    tensor = tensor.view_as(tensor)  # an object of its own, also where two parts remember the same
    asks = torch.is_grad_enabled() and tensor.is_floating_point()
    return tensor if tensor.requires_grad or not asks else tensor.requires_grad_()


def _tensors(tree: Any) -> list[Tensor]:
    """The tensors of nested tuples."""
    if isinstance(tree, Tensor):
        return [tree]
    return [tensor for part in tree for tensor in _tensors(part)] if isinstance(tree, tuple) else []


def _per_sample(prepared: Any, batch: int) -> list[Tensor]:
    """The tensors with rows for each sample among those that an observer prepared."""
    if isinstance(prepared, SharedProduct):
        return [prepared.weight] if prepared.weight.dim() == 3 else []
    if isinstance(prepared, Tensor):
        return [prepared] if len(prepared) == batch else []
    return [tensor for part in prepared for tensor in _per_sample(part, batch)] if isinstance(prepared, tuple) else []
