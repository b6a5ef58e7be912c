"""Finding longer ways than a model can say at once: walk, and think again from there (section 4.2, Figure 4b, 4c)."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ctm.tasks.mazes.grid import Grids, pictures, walk
from ctm.tasks.mazes.symmetry import VIEWS, moves_before, seen_from


class Journeys(NamedTuple):
    """How N mazes were walked, each in up to K applications of the model."""

    reached: Tensor  # (N,) bool, whether the goal was
    applications: Tensor  # (N,) int64, how often the model was applied
    places: Tensor  # (N, K, S + 1, 2), where each application began and its moves led; at rest once it is over
    lengths: Tensor  # (N,) int64, moves of the route from start to goal

    @property
    def moves(self) -> Tensor:
        """(N,) int64, how many were walked, those into a wall left out."""
        return (self.places[:, :, 1:] != self.places[:, :, :-1]).any(3).sum((1, 2))


@torch.inference_mode()
def reapply(
    model: nn.Module,
    mazes: Grids,
    inputs: Callable[[Tensor], Tensor],
    *,
    applications: int = 20,
    mistakes: int = 2,
    views: int = 1,
    ticks: int | None = None,
    batch: int = 64,
) -> Journeys:
    """Walks through mazes of any size with a model that says so many moves at a time.

    The moves of the most certain tick are walked, skipping those into a wall; then the start is put where the walk
    ended, and the model thinks again. A journey ends at the goal, and without it after the last application, or when
    the walk leads back to where an application began before, since the model would only repeat itself. With several
    views it goes on there, and the model sees the maze turned or mirrored, until it has begun there in all of them.

    Args:
        model: any model whose answers are moves, in evaluation mode.
        mazes: with their routes.
        inputs: from pictures (B, 3, S, S) to what the model takes, as `Mazes.Config.inputs`.
        applications: the most for a maze.
        mistakes: how many moves into a wall an application may have; its walk stops at the next one.
        views: in how many of the eight ways to turn and mirror it the model may see a maze from one place: as it is at
            first, and another one at each return.
        ticks: internal ticks of an application; by default the model's.
        batch: mazes thought about at a time.

    Raises:
        ValueError: if there are not so many views.
    """
    if not 1 <= views <= VIEWS:
        raise ValueError(f"views = {views}: expected 1 to {VIEWS}")
    device = next(model.parameters()).device
    place, began, legs = mazes.start, [], []
    applied = torch.zeros_like(mazes.lengths)
    for _ in range(applications):
        view = sum(((place == earlier).all(1) for earlier in began), torch.zeros_like(applied))  # (N,)
        going = (place != mazes.goal).any(1) & (view < views)
        if not going.any():
            break
        began.append(place)
        parts, moves = [], []
        for number in range(views):
            for part in (going & (view == number)).nonzero().squeeze(1).split(batch):
                if len(part):
                    seen = seen_from(pictures(mazes.open[part], place[part], mazes.goal[part]), number)
                    said = model(inputs(seen).to(device), ticks=ticks).at("most_certain").argmax(-1).cpu()
                    parts.append(part)
                    moves.append(moves_before(said, number))
        current = torch.cat(parts)
        steps = walk(mazes.open[current], place[current], torch.cat(moves), mazes.goal[current], mistakes).places
        leg = place.unsqueeze(1).repeat(1, steps.shape[1], 1)  # (N, S + 1, 2)
        leg[current] = steps
        legs.append(leg)
        place = leg[:, -1]
        applied[current] += 1
    places = torch.stack(legs, 1) if legs else mazes.start[:, None, None]
    return Journeys((place == mazes.goal).all(1), applied, places, mazes.lengths)
