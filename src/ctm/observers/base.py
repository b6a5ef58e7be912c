"""What every observer offers: `prepare`, once per forward pass, and `step`, once per tick (section 3.4)."""

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

from jaxtyping import Int
from torch import Tensor, nn

from ctm.config import Config
from ctm.inputs import Inputs, as_tuple


class Observation(NamedTuple):
    """What the machine sees at one tick."""

    seen: Tensor  # o (B, E)
    attention: Any  # (B, heads, L), where there is attention, or nothing


class PreparedFeatures(NamedTuple):
    """Features that an observer goes back to at every tick; what `Observer.prepare` gives if it keeps one tensor."""

    features: Tensor  # (B, …)
    grid: tuple[int, ...] = ()

    @property
    def samples(self) -> tuple[Tensor]:
        """The features."""
        return (self.features,)

    def of(self, samples: tuple[Tensor]) -> "PreparedFeatures":
        """The same for other samples."""
        return self._replace(features=samples[0])


class ObserverConfig(Config):
    """Base of the observers."""

    uses_query: ClassVar[bool]
    """Whether the observer is driven by an action representation."""

    def check(self, dimensions: int) -> None:
        """Raises `ConfigError` if features with a grid of so many dimensions cannot be observed."""

    @abstractmethod
    def width(self, channels: int) -> int:
        """E, the width of an observation of features with `channels` channels."""

    @abstractmethod
    def build(self, channels: int, query: int) -> "Observer":
        """Makes the observer for features with `channels` channels and queries from `query` numbers."""


class Observer(nn.Module):
    """Base of the observers."""

    def shown(self, inputs: Inputs) -> int:
        """For how many ticks something of the inputs is still to be shown, before an answer is due: by default none.

        Raises:
            ValueError: if there are more or fewer tensors than the observer takes.
        """
        if (tensors := len(as_tuple(inputs))) != 1:
            raise ValueError(
                f"{tensors} tensors: expected one, since this machine does not show its input part by part"
            )
        return 0

    def prepare_weights(self) -> Any:
        """What depends on weights alone; where it is something, `prepare` gets it as a second argument."""

    def prepare(self, features: Any) -> Any:
        """What no tick changes, given to every `step`.

        Args:
            features: (B, C, *grid) what the backbone made of the inputs; where these are several tensors, a tuple of
                what it made of the first and the others as they are.

        It has a `grid`, the shape of the map of features, and can change its samples: `samples` are its tensors with a
        row for each, all (B, …), and `of(samples)` is the same for others. `PreparedFeatures` has all of that.
        """
        raise NotImplementedError

    def step(self, query: Any, prepared: Any, ticks: Int[Tensor, " B"]) -> Observation:
        """Looks once.

        Args:
            query: the action representation, where the observer takes one.
            prepared: what `prepare` gave.
            ticks: how many ticks each sample has thought already.
        """
        raise NotImplementedError


def require_samples(state: int, prepared: int) -> None:
    """Raises `ValueError` unless a state has as many samples as were prepared."""
    if state != prepared:
        raise ValueError(f"state of {state} samples: expected {prepared}, as many as were prepared")
