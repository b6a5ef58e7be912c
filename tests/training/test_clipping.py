import pytest
import torch
from torch import nn

from ctm.errors import ConfigError
from ctm.training import NoClipping, NormClipping, QuantileClipping


def parameters(*gradients: list[float]) -> list[nn.Parameter]:
    made = [nn.Parameter(torch.zeros(len(gradient))) for gradient in gradients]
    for parameter, gradient in zip(made, gradients, strict=True):
        parameter.grad = torch.tensor(gradient)
    return made


def test_no_clipping_only_measures():
    several = parameters([3.0, 0.0], [4.0])
    assert NoClipping().build(several).clip() == pytest.approx(5)
    assert several[0].grad.tolist() == [3, 0]


def test_norm_clipping_scales_all_gradients_together():
    several = parameters([3.0, 0.0], [4.0])
    assert NormClipping(1.0).build(several).clip() == pytest.approx(5)
    assert torch.cat([p.grad for p in several]).tolist() == pytest.approx([0.6, 0, 0.8], abs=1e-5)


def test_quantile_clipping_bounds_every_tensor_by_its_own_past():
    several = parameters([1.0], [10.0])
    clipper = QuantileClipping(quantile=0.5, history=3).build(several)
    past = torch.tensor([[1.0, 10.0], [2.0, 20.0], [9.0, 90.0], [9.0, 5.0], [9.0, 5.0]])
    for step, norms in enumerate(past):
        for parameter, norm in zip(several, norms, strict=True):
            parameter.grad = norm.reshape(1).clone()
        assert clipper.clip() == pytest.approx(norms.norm().item())
        earlier = past[max(0, step - 3) : step]
        bounds = earlier.quantile(0.5, dim=0) if step else norms
        expected = torch.minimum(norms, bounds)
        torch.testing.assert_close(torch.cat([p.grad for p in several]), expected, rtol=1e-5, atol=0)


def test_a_gradient_that_is_not_finite_leaves_no_trace_in_the_past():
    several = parameters([1.0], [1.0])
    clipper = QuantileClipping(0.5).build(several)
    for norm in (float("inf"), 2.0, float("nan"), 8.0):
        several[0].grad = torch.tensor([norm])
        clipper.clip()
    assert several[0].grad.item() == pytest.approx(2)


def test_a_parameter_without_a_gradient_is_left_alone():
    several = parameters([1.0], [1.0])
    several[1].grad = None
    for clipping in (NoClipping(), NormClipping(10.0), QuantileClipping()):
        assert clipping.build(several).clip() == pytest.approx(1)


def test_quantile_clipping_goes_on_from_its_tensors():
    gradients = torch.rand(8, 1).tolist()

    def clipped(clipper, steps):
        for gradient in steps:
            clipper.parameters[0].grad = torch.tensor(gradient)
            clipper.clip()
        return clipper.parameters[0].grad.item()

    clipping = QuantileClipping(0.5, history=4)
    whole, half, rest = (clipping.build(parameters([0.0])) for _ in range(3))
    clipped(half, gradients[:5])
    rest.restore(half.tensors())
    assert clipped(rest, gradients[5:]) == clipped(whole, gradients)


@pytest.mark.parametrize(
    "make",
    [lambda: NormClipping(0.0), lambda: QuantileClipping(1.5), lambda: QuantileClipping(history=0)],
    ids=["norm", "quantile", "history"],
)
def test_what_cannot_work_is_refused(make):
    with pytest.raises(ConfigError):
        make()
