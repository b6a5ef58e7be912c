import itertools

import pytest
import torch

from ctm.randomness import generator
from ctm.tasks.images.augmentation import Augmentation
from ctm.tasks.images.auto_augment import OPERATIONS, POLICY, AutoAugment

STRENGTH = {name: operation.amount(torch.linspace(0, 1, 10).double()) for name, operation in OPERATIONS.items()}


def noise(*shape):
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def test_strengths_are_those_that_the_policy_was_found_with():
    ninths = torch.arange(10).double() / 9
    for name in ("brightness", "contrast", "colour", "sharpness"):
        torch.testing.assert_close(STRENGTH[name], 1 + 0.9 * ninths)
    torch.testing.assert_close(STRENGTH["rotate"], 30 * ninths)
    torch.testing.assert_close(STRENGTH["shear_y"], 0.3 * ninths)
    torch.testing.assert_close(STRENGTH["translate_x"] * 331, 150 * ninths)
    torch.testing.assert_close(STRENGTH["translate_y"] * 331, 150 * ninths)
    torch.testing.assert_close(STRENGTH["solarize"], 255 * (1 - ninths))
    assert STRENGTH["posterize"].tolist() == [8, 8, 7, 7, 6, 6, 5, 5, 4, 4]
    unsigned = {name for name, operation in OPERATIONS.items() if not operation.signed}
    assert unsigned == {"invert", "autocontrast", "equalize", "solarize", "posterize"}


def test_sub_policies_operations_and_signs_are_as_frequent_as_they_should_be():
    count = 100_000
    policy, done, reversed_ = AutoAugment().draw(count, generator(0)).split((1, 2, 2), dim=1)
    policy = policy.squeeze(1)
    assert len(POLICY) == 25
    for number, pair in enumerate(POLICY):
        chosen = policy == number
        assert chosen.sum() / count == pytest.approx(1 / 25, abs=0.004)
        for place, (_, probability, _) in enumerate(pair):
            assert done[chosen, place].float().mean() == pytest.approx(probability, abs=0.04)
            assert reversed_[chosen, place].float().mean() == pytest.approx(0.5, abs=0.04)
        both = (done[chosen, 0] & done[chosen, 1]).float().mean()
        assert both == pytest.approx(pair[0][1] * pair[1][1], abs=0.04)  # independent
    assert {name for pair in POLICY for name, _, _ in pair} == set(OPERATIONS)


@pytest.mark.parametrize("policy", range(25))
def test_a_sub_policy_does_its_operations_one_after_the_other(policy):
    picture = noise(1, 3, 32, 32)
    for *done, first, second in itertools.product((0, 1), repeat=4):
        expected = picture
        for does, reverse, (name, _, ninths) in zip(done, (first, second), POLICY[policy], strict=True):
            operation = OPERATIONS[name]
            strength = torch.tensor([ninths / 9], dtype=torch.float64)
            amount = operation.amount(-strength if reverse and operation.signed else strength)
            expected = operation.apply(expected, amount) if does else expected
        draws = torch.tensor([[policy, *done, first, second]])
        assert torch.equal(AutoAugment().apply(picture, draws), expected)


def test_the_policy_is_the_published_one():
    """How often each operation stands in it, the sum of its probabilities in tenths, and that of its strengths."""
    found = dict.fromkeys(OPERATIONS, (0, 0, 0))
    for name, probability, ninths in itertools.chain(*POLICY):
        count, tenths, strengths = found[name]
        found[name] = (count + 1, tenths + round(10 * probability), strengths + ninths)
    assert found == {
        "invert": (3, 2, 0),
        "autocontrast": (7, 50, 0),
        "equalize": (9, 47, 0),
        "solarize": (4, 19, 18),
        "posterize": (1, 3, 7),
        "brightness": (4, 23, 25),
        "contrast": (2, 8, 13),
        "colour": (5, 29, 27),
        "sharpness": (5, 28, 24),
        "rotate": (1, 7, 2),
        "shear_y": (2, 7, 15),
        "translate_x": (2, 8, 17),
        "translate_y": (5, 34, 39),
    }


def test_translations_are_whole_pixels_of_small_pictures():
    """The strongest ones, of pictures of 32 pixels, by 14."""
    picture = noise(1, 3, 32, 32)
    moved = AutoAugment().apply(picture, torch.tensor([[1, 0, 1, 0, 0], [1, 0, 1, 0, 1]]).narrow(0, 0, 1))
    assert torch.equal(moved[..., 14:], picture[..., :-14])
    assert not moved[..., :14].any()


def test_it_has_a_name():
    assert Augmentation.from_dict({"kind": "auto_augment"}) == AutoAugment()
