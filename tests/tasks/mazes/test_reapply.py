import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ctm import Thoughts, build
from ctm.tasks.mazes.grid import DOWN, LEFT, RIGHT, UP, WAIT, padded
from ctm.tasks.mazes.published import parse
from ctm.tasks.mazes.reapply import reapply
from tasks.mazes.drawn import some


def same(seen):
    return seen


class Guide(nn.Module):
    """Says some moves of the right route at its second, most certain tick, with an error here and there."""

    def __init__(self, moves, errors=()):
        super().__init__()
        self.moves, self.errors = moves, errors
        self.weight = nn.Parameter(torch.zeros(()))
        self.calls = []

    def forward(self, seen, ticks=None):
        self.calls.append(len(seen))
        answers = torch.full((len(seen), 3, self.moves), WAIT)
        for index, picture in enumerate(seen):
            route = parse((picture.permute(1, 2, 0) * 255).byte().numpy(), "it").moves
            answers[index, 1] = padded(route, self.moves)[0]
            for place, move in self.errors:
                answers[index, 1, place] = move
        certainty = torch.tensor([0.1, 0.9, 0.5]).repeat(len(seen), 1)
        return Thoughts(nn.functional.one_hot(answers, 5).float(), certainty, None)


@given(seed=st.integers(0, 99), size=st.sampled_from([7, 9, 15, 19]), moves=st.integers(1, 40), batch=st.integers(1, 9))
def test_a_good_guide_reaches_the_goal_in_as_many_answers_as_it_takes(seed, size, moves, batch):
    mazes = some(5, size, seed)
    journeys = reapply(Guide(moves), mazes, same, applications=400, batch=batch)
    assert journeys.reached.all()
    assert journeys.applications.tolist() == [math.ceil(length / moves) for length in mazes.lengths.tolist()]
    assert torch.equal(journeys.lengths, mazes.lengths)
    assert torch.equal(journeys.places[:, 0, 0], mazes.start)
    assert torch.equal(journeys.places[:, -1, -1], mazes.goal)
    steps = (journeys.places[:, :, 1:] - journeys.places[:, :, :-1]).abs().sum((1, 2, 3))
    assert torch.equal(steps, mazes.lengths)
    assert torch.equal(journeys.moves, mazes.lengths)


def test_no_more_applications_than_allowed_and_none_for_those_that_are_there():
    mazes = some(20, 15)
    guide = Guide(10)
    journeys = reapply(guide, mazes, same, applications=2, batch=64)
    assert torch.equal(journeys.reached, mazes.lengths <= 20)
    assert guide.calls == [20, int((mazes.lengths > 10).sum())]
    assert journeys.places.shape == (20, 2, 11, 2)


def test_who_stands_still_or_walks_in_a_circle_is_stuck():
    mazes = some(6, 9)
    still = reapply(Guide(4, errors=[(place, WAIT) for place in range(4)]), mazes, same)
    assert still.applications.tolist() == [1] * 6
    assert not still.reached.any()

    class Pacing(Guide):
        """Goes wherever one can, and back at the next call."""

        def forward(self, seen, ticks=None):
            self.calls.append(len(seen))
            back = len(self.calls) % 2 == 0
            route = parse((seen[0].permute(1, 2, 0) * 255).byte().numpy(), "it").moves[0]
            move = self.first = {UP: DOWN, DOWN: UP, LEFT: RIGHT, RIGHT: LEFT}[self.first] if back else int(route[0])
            answer = torch.tensor([[[move]]])
            return Thoughts(nn.functional.one_hot(answer, 5).float(), torch.ones(1, 1), None)

    far = mazes.take((mazes.lengths > 4).nonzero()[:1, 0])
    journeys = reapply(Pacing(1), far, same)
    assert journeys.applications.tolist() == [2]
    assert not journeys.reached.any()


class Late(Guide):
    """Stands still when it is called for the first time, or the first few times."""

    def __init__(self, blind):
        super().__init__(80)
        self.blind, self.seen = blind, []

    def forward(self, seen, ticks=None):
        self.seen.append(seen)
        self.errors = [(place, WAIT) for place in range(80)] if len(self.calls) < self.blind else []
        return super().forward(seen, ticks)


@pytest.mark.parametrize("views", range(1, 9))
def test_who_comes_back_sees_the_maze_in_another_view(views):
    """A guide that knows the way in the last of the views reaches the goal, one that needs a view more does not."""
    mazes = some(3, 9, seed=1)
    guide = Late(views - 1)
    journeys = reapply(guide, mazes, same, views=views)
    assert journeys.reached.all()
    assert journeys.applications.tolist() == [views] * 3
    assert len(torch.stack(guide.seen)[:, 0].unique(dim=0)) == views
    journeys = reapply(Late(views), mazes, same, views=views)
    assert not journeys.reached.any()
    assert journeys.applications.tolist() == [views] * 3


def test_mazes_seen_in_different_views_at_a_time_keep_their_answers():
    class Upright(Guide):
        """Stands still where the start is in the upper half of a maze, as it is seen."""

        def forward(self, seen, ticks=None):
            thoughts = super().forward(seen, ticks)
            starts = (seen == torch.tensor([1.0, 0, 0]).view(3, 1, 1)).all(1)  # (B, S, S)
            upper = starts[:, : seen.shape[2] // 2].flatten(1).any(1)
            still = nn.functional.one_hot(torch.full_like(thoughts.logits[..., 0].long(), WAIT), 5).float()
            return thoughts._replace(logits=torch.where(upper.view(-1, 1, 1, 1), still, thoughts.logits))

    mazes = some(40, 9, seed=1)
    journeys = reapply(Upright(80), mazes, same, views=8, batch=7)
    assert journeys.reached.all()
    upper = mazes.start[:, 0] < 4
    assert 5 < upper.sum() < 35
    assert journeys.applications[~upper].eq(1).all()
    assert journeys.applications[upper].gt(1).all()


@pytest.mark.parametrize("views", [0, 9])
def test_there_are_eight_views(views):
    with pytest.raises(ValueError, match=f"views = {views}: expected 1 to 8"):
        reapply(Guide(4), some(1), same, views=views)


def test_moves_into_walls_are_skipped_until_there_are_too_many():
    """Routes through rooms two pixels apart have no room for a detour: an error into a wall costs a move, no more."""
    mazes = some(1, 9, seed=3)
    first = int(mazes.moves[0, 0])
    wall = next(
        move
        for move, (down, right) in enumerate(((-1, 0), (1, 0), (0, -1), (0, 1)))
        if move != first and not mazes.open[0, mazes.start[0, 0] + down, mazes.start[0, 1] + right]
    )
    for errors, reaches in ((1, True), (2, True), (3, False)):
        guide = Guide(8, errors=[(place, wall) for place in range(errors)])
        walked = reapply(guide, mazes, same, applications=1).places[0, 0]
        assert len(walked.unique(dim=0)) > 1 if reaches else len(walked.unique(dim=0)) == 1
    strict = reapply(Guide(8, errors=[(0, wall)]), mazes, same, applications=1, mistakes=0)
    assert len(strict.places[0, 0].unique(dim=0)) == 1


@pytest.mark.parametrize("size", [9, 13])
def test_any_trained_model_walks_mazes_of_any_size(size):
    model = build("mazes/quick").eval()
    journeys = reapply(model, some(4, size), same, applications=2, ticks=2)
    assert journeys.reached.shape == (4,)
    assert (journeys.applications >= 1).all()
    assert not torch.is_inference_mode_enabled()
