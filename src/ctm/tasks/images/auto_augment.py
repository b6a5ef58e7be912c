"""AutoAugment: the policy that was found for CIFAR-10 (Cubuk et al. 2019), with which the paper trains on CIFAR."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Int64, UInt8
from torch import Generator, Tensor

from ctm.tasks.images import operations
from ctm.tasks.images.augmentation import Augmentation


class Operation(NamedTuple):
    """One of the operations that the policy is made of."""

    apply: Callable[[Tensor, Tensor], Tensor]
    """Changes pictures by amounts."""
    amount: Callable[[Tensor], Tensor] = torch.zeros_like
    """The amounts that strengths of 0 to 1 stand for."""
    signed: bool = False
    """Whether strengths are negative half of the time."""


OPERATIONS = {
    "invert": Operation(operations.invert),
    "autocontrast": Operation(operations.autocontrast),
    "equalize": Operation(operations.equalize),
    "solarize": Operation(operations.solarize, lambda strength: 255 * (1 - strength)),
    "posterize": Operation(operations.posterize, lambda strength: 8 - (4 * strength).round()),
    "brightness": Operation(operations.brightness, lambda strength: 1 + 0.9 * strength, signed=True),
    "contrast": Operation(operations.contrast, lambda strength: 1 + 0.9 * strength, signed=True),
    "colour": Operation(operations.colour, lambda strength: 1 + 0.9 * strength, signed=True),
    "sharpness": Operation(operations.sharpness, lambda strength: 1 + 0.9 * strength, signed=True),
    "rotate": Operation(operations.rotate, lambda strength: 30 * strength, signed=True),
    "shear_y": Operation(operations.shear_y, lambda strength: 0.3 * strength, signed=True),
    "translate_x": Operation(operations.translate_x, lambda strength: 150 / 331 * strength, signed=True),
    "translate_y": Operation(operations.translate_y, lambda strength: 150 / 331 * strength, signed=True),
}

POLICY = (
    (("invert", 0.1, 0), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.5, 0), ("equalize", 0.9, 0)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("colour", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 0), ("equalize", 0.5, 0)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("colour", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 0), ("autocontrast", 0.4, 0)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("colour", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 0)),
    (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
    (("equalize", 0.2, 0), ("equalize", 0.6, 0)),
    (("colour", 0.9, 9), ("equalize", 0.6, 0)),
    (("autocontrast", 0.8, 0), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("colour", 0.7, 0)),
    (("solarize", 0.4, 5), ("autocontrast", 0.9, 0)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.9, 0), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 0), ("invert", 0.1, 0)),
    (("translate_y", 0.7, 9), ("autocontrast", 0.9, 0)),
)
"""The sub-policies: two operations each, with how likely it is done, and its strength in ninths."""

_NUMBERS = {name: number for number, name in enumerate(OPERATIONS)}
_CHOSEN = torch.tensor([[_NUMBERS[name] for name, _, _ in pair] for pair in POLICY])  # (25, 2)
_PROBABILITIES = torch.tensor([[probability for _, probability, _ in pair] for pair in POLICY])  # (25, 2)
_STRENGTHS = torch.tensor([[ninths / 9 for _, _, ninths in pair] for pair in POLICY], dtype=torch.float64)  # (25, 2)


@dataclass(frozen=True)
class AutoAugment(Augmentation, kind="auto_augment"):
    """One of the policy's 25 sub-policies for each picture: up to two changes of its colours or its shape."""

    def draw(self, count: int, source: Generator) -> Int64[Tensor, "_count 5"]:
        """The sub-policy, then for both of its operations whether it is done, then for both whether it is reversed."""
        policy = torch.randint(len(POLICY), (count, 1), generator=source)
        done = torch.rand(count, 2, generator=source) < _PROBABILITIES[policy.squeeze(1)]
        reversed_ = torch.randint(2, (count, 2), generator=source)
        return torch.cat([policy, done.long(), reversed_], dim=1)

    def apply(self, pictures: UInt8[Tensor, "B C H W"], draws: Int64[Tensor, "B 5"]) -> UInt8[Tensor, "B C H W"]:
        pictures = pictures.clone()
        policy = draws[:, 0]
        for place in (0, 1):
            done, signs = draws[:, 1 + place].bool(), 1 - 2 * draws[:, 3 + place]
            for number, operation in enumerate(OPERATIONS.values()):
                rows = (done & (_CHOSEN[policy, place] == number)).nonzero().squeeze(1)  # all that have it here
                if len(rows):
                    strengths = _STRENGTHS[policy[rows], place] * (signs[rows] if operation.signed else 1)
                    there = rows.to(pictures.device)
                    pictures[there] = operation.apply(pictures[there], operation.amount(strengths))
        return pictures
