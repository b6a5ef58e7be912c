"""bf16: what is summed over ticks stays float32, and the answers stay near those of float32."""

import torch

import ctm
from ctm.losses.two_tick import cross_entropy_over_ticks, two_tick_loss
from machines import perturbed

SIGNS = torch.randint(2, (4, 9), generator=torch.Generator().manual_seed(0)) * 2.0 - 1


def test_sums_over_ticks_entropies_and_losses_are_float32() -> None:
    model = ctm.build("parity/quick")
    with torch.autocast("cpu", torch.bfloat16):
        thoughts = model(SIGNS, record=True)
        loss = two_tick_loss(cross_entropy_over_ticks(thoughts.logits, torch.zeros(4, 9).long()), thoughts.certainty)
    assert thoughts.record is not None
    assert thoughts.record.post_activations.dtype == torch.bfloat16
    summed = (thoughts.state.action.numerator, thoughts.state.output.normaliser, thoughts.record.output)
    assert {tensor.dtype for tensor in (*summed, thoughts.certainty, thoughts.record.attention, loss)} == {
        torch.float32
    }


def test_bf16_drifts_little_over_400_ticks() -> None:
    """Rounding to 8 bits at every tick must not add up: the answers of the last ticks stay near those of float32."""
    model = perturbed(ctm.build("parity/quick")).eval()
    with torch.no_grad():
        exact = model(SIGNS, ticks=400)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model(SIGNS, ticks=400)
    scale = exact.logits.std()
    drift = (rounded.logits.float() - exact.logits).abs().amax((0, 2, 3)) / scale  # (T,)
    assert drift.max() < 0.1
    assert drift[-20:].mean() < 2 * drift[:20].mean() + 0.02
    assert (rounded.certainty - exact.certainty).abs().max() < 0.02


def test_gradients_of_bf16_point_the_same_way() -> None:
    model = perturbed(ctm.build("parity/quick"))
    targets = torch.zeros(4, 9).long()
    gradients = []
    for enabled in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            thoughts = model(SIGNS)
            loss = two_tick_loss(cross_entropy_over_ticks(thoughts.logits, targets), thoughts.certainty, "last")
        loss.backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99


def test_a_model_without_storage_thinks_too() -> None:
    with torch.device("meta"):
        model = ctm.build("digits")
    assert model.to("meta")(torch.empty(2, 1, 8, 8, device="meta")).logits.shape == (2, 15, 10)
