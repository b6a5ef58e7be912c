"""Questions such as 1 + 2 - 1 about digits that are called by their place, counted from 0."""

import re

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from ctm.tasks.base import DataError

OPERATORS = {"+": -1, "-": -2}
"""The symbols of a question that are not places."""
SIGNS = {symbol: sign for sign, symbol in OPERATORS.items()}


def draw_questions(size: int, digits: int, operations: int, source: Generator) -> Int[Tensor, "{size} m"]:
    """Random questions: places in turn with operators, m = 2 operations + 1 symbols."""
    symbols = torch.randint(digits, (size, 2 * operations + 1), generator=source)
    symbols[:, 1::2] = -1 - torch.randint(2, (size, operations), generator=source)
    return symbols


def results(question: Int[Tensor, "B m"], labels: Int[Tensor, "B n"]) -> Int[Tensor, "B k"]:
    """What the digits at the places give after each operation, modulo 10: (B, operations + 1)."""
    values = labels.gather(1, question[:, ::2])  # (B, operations + 1)
    signs = torch.where(question[:, 1::2] == OPERATORS["-"], -1, 1)  # (B, operations)
    return (values * torch.cat([torch.ones_like(values[:, :1]), signs], dim=1)).cumsum(1) % 10


def parse_question(text: str, digits: int) -> Int[Tensor, "1 m"]:
    """A question as a person writes it.

    Raises:
        DataError: if it is none, or about a digit that is not there.
    """
    if not re.fullmatch(r"\s*\d+(\s*[+-]\s*\d+)*\s*", text):
        raise DataError(f"{text!r}: expected places of digits with + and - between, such as '1 + 2 - 1'")
    symbols = [OPERATORS[word] if word in OPERATORS else int(word) for word in re.findall(r"\d+|[+-]", text)]
    if (most := max(symbols)) >= digits:
        raise DataError(f"{text!r}: there is no digit {most}; {digits} are shown, 0 to {digits - 1}")
    return torch.tensor([symbols])


def format_question(question: Int[Tensor, " m"]) -> str:
    """The question as a person would write it."""
    return " ".join(SIGNS.get(symbol, str(symbol)) for symbol in question.tolist())
