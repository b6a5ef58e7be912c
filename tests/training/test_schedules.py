import pytest

from ctm.errors import ConfigError
from ctm.training import Cosine, LinearDecay, Multistep, Schedule


def rates(schedule: Schedule, iterations: int) -> list[float]:
    return [schedule.learning_rate(iteration, iterations, 1.0) for iteration in range(iterations + 1)]


def test_the_warm_up_rises_in_a_line_to_the_peak_at_its_last_step():
    assert rates(Cosine(warmup=5), 20)[:6] == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1])


def test_the_cosine_is_half_way_in_the_middle_and_ends_at_the_floor():
    falling = rates(Cosine(warmup=4, final=0.1), 24)
    assert falling[14] == pytest.approx(0.55)
    assert falling[24] == pytest.approx(0.1)
    assert falling[4:] == sorted(falling[4:], reverse=True)


@pytest.mark.parametrize("schedule", [Cosine(warmup=0), Cosine(warmup=1), Multistep(warmup=0)], ids=str)
def test_without_a_warm_up_the_first_step_is_at_the_peak(schedule):
    assert rates(schedule, 10)[0] == 1


def test_a_run_no_longer_than_its_warm_up_has_a_last_learning_rate():
    assert rates(Cosine(warmup=3), 3)[:3] == pytest.approx([0, 0.5, 1])


def test_multistep_warms_up_and_drops_at_its_milestones():
    expected = [0, 0.5, 1, 1, 0.1, 0.1, 0.01]
    assert rates(Multistep(warmup=2, milestones=(4, 6)), 6) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Cosine(warmup=-1), "warmup"),
        (lambda: Cosine(final=-1e-3), "final"),
        (lambda: Multistep(warmup=-1), "warmup"),
        (lambda: Multistep(milestones=(5, 3)), "milestones"),
        (lambda: Multistep(gamma=0.0), "gamma"),
    ],
    ids=["cosine-warmup", "final", "multistep-warmup", "milestones", "gamma"],
)
def test_what_cannot_work_is_refused_by_name(make, field):
    with pytest.raises(ConfigError, match=f"^{field} = "):
        make()


def test_linear_decay_is_at_the_peak_first_and_comes_to_nothing():
    assert rates(LinearDecay(), 4) == [1.0, 0.75, 0.5, 0.25, 0.0]
