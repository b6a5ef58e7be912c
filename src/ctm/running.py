"""Mean and variance of numbers that come little by little, and inputs in units of them."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def with_more(statistics: Float[Tensor, "3 *shape"], values: Float[Tensor, "n *shape"]) -> Float[Tensor, "3 *shape"]:
    """Statistics after some more numbers, all at once (Chan et al. 1979).

    Args:
        statistics: how many numbers there were, their mean, and their variance.
        values: at least one more.
    """
    count, mean, variance = statistics.unbind()
    values = values.to(statistics)
    more = len(values)
    total = count + more
    apart = values.mean(0) - mean
    squares = variance * count + values.var(0, unbiased=False) * more + apart**2 * count * more / total
    return torch.stack([total, mean + apart * more / total, squares / total])


class RunningNorm(nn.Module):
    """Inputs less their mean so far, divided by their deviation so far, within -10 and 10.

    What has been seen is told by `take_in`, never by a forward pass: so all passes of an iteration see the same. It
    begins as if there had been one input of mean 0 and variance 1.

    Args:
        shape: of an input.

    Attributes:
        statistics: (3, *shape) how many inputs there were, their mean, their variance; a buffer, saved like weights.
    """

    statistics: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        start = torch.tensor([1.0, 0.0, 1.0]).view(3, *[1] * len(shape))
        self.register_buffer("statistics", start.repeat(1, *shape))

    def forward(self, x: Float[Tensor, "B *shape"]) -> Float[Tensor, "B *shape"]:
        _, mean, variance = self.statistics.to(x.dtype)
        return ((x - mean) / (variance + 1e-8).sqrt()).clamp(-10, 10)

    @torch.no_grad()
    def take_in(self, x: Float[Tensor, "n *shape"]) -> None:
        """Counts more inputs in."""
        self.statistics.copy_(with_more(self.statistics, x))
