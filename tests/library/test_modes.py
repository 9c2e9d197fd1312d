"""Results do not depend on torch's modes: inference, no gradients, short types.

Gradients pass where a docstring says so.
"""

import numpy as np
import pytest
import torch
from reference import image, noise, positive

from dpss import _cosines, claims, diffusion, families, reverse
from dpss.bases import Cosines, Pixels
from dpss.certificate import certify
from dpss.priors import GaussianPrior

SHAPE = (5, 6)
FAMILIES = {
    "vp": families.vp,
    "vp_cosine": families.vp_cosine,
    "vp_discrete": lambda: families.vp_discrete([0.1, 0.2, 0.3]),
    "sub_vp": families.sub_vp,
    "ve": families.ve,
    "heat": lambda: families.heat(SHAPE, sigma=0.2),
    "blurring": lambda: families.blurring(SHAPE),
    "osmotic": lambda: families.osmotic(positive(SHAPE), 1.0, 0.2),
}


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
@pytest.mark.parametrize("name", FAMILIES)
def test_modes_of_torch_change_nothing(name, mode):
    """Samplers run in inference mode, without derivatives: those of the schedule must be there."""

    def all_of_it(process):
        prior = GaussianPrior(image(SHAPE), 0.5, process.basis)
        D, u, times = (
            prior.denoiser(process),
            torch.as_tensor(noise(SHAPE)),
            [0.4, 0.39, 0.38, 0.37],
        )
        return (
            *process.sde(0.5),
            *process.flow(0.5),
            reverse.flow(process, D, u, times),
            reverse.sde(process, D, u, times, generator=torch.Generator().manual_seed(0)),
            *(torch.tensor(float(row.defect)) for row in certify(process, SHAPE).values()),
        )

    outside = FAMILIES[name]()
    expected = all_of_it(outside)
    with mode():
        found = all_of_it(outside)
        inside = all_of_it(FAMILIES[name]())  # the process made there as well
    for values in (found, inside):
        for one, two in zip(values, expected):
            torch.testing.assert_close(one, two)
    torch.testing.assert_close(
        expected[4], all_of_it(FAMILIES[name]())[4]
    )  # and what was kept from there serves outside


def test_what_was_kept_in_inference_mode_serves_gradients_later():
    _cosines.matrix.cache_clear()
    with torch.inference_mode():
        diffusion.homogeneous(torch.rand(19, 19), 2.0)
        Cosines((20, 20)).analyse(torch.rand(20, 20, dtype=torch.float64))
    for make in (lambda u: diffusion.homogeneous(u, 2.0), lambda u: Cosines((19, 19)).analyse(u)):
        u = torch.rand(19, 19, requires_grad=True)
        make(u).sum().backward()
        assert torch.isfinite(u.grad).all()
    u = torch.rand(20, 20, dtype=torch.float64, requires_grad=True)
    Cosines((20, 20)).analyse(u).sum().backward()


@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_pass_through_a_sample_and_not_through_a_path(name):
    process, u = FAMILIES[name](), torch.as_tensor(noise((2, *SHAPE))).requires_grad_()
    process.sample(u, 0.4, torch.Generator().manual_seed(0)).sum().backward()
    unit = torch.ones(SHAPE, dtype=torch.float64)
    expected = process.basis.pull_back(
        process.signal(0.4) * _transposed(process, unit)
    )  # Bᵀ α B⁻ᵀ 1
    torch.testing.assert_close(u.grad[0], expected)
    assert not process.path(u, [0.1, 0.5]).requires_grad


def _transposed(process, unit):
    modes = torch.zeros_like(unit, requires_grad=True)
    (process.basis.synthesise(modes) * unit).sum().backward()
    return modes.grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("side", [16, 128])
def test_short_types_come_back_from_every_size(dtype, side):
    u = torch.as_tensor(image((side, side))).to(dtype)
    for process in (families.vp(), families.blurring((side, side), 2.0)):
        found = process.sample(u, 0.5, torch.Generator().manual_seed(0))
        assert found.dtype == dtype and torch.isfinite(found).all()
    modes = Cosines((side, side)).analyse(u)
    assert modes.dtype == dtype
    torch.testing.assert_close(Cosines((side, side)).synthesise(modes), u, atol=0.1, rtol=0)


def test_short_arrays_come_back():
    assert Cosines((8, 8)).analyse(image((8, 8)).astype(np.float16)).dtype == np.float16


def test_a_time_with_a_gradient_is_a_time():
    for side in (8, 130):
        u = torch.as_tensor(image((2, side, 5)))
        times = torch.tensor([0.1, 0.4], dtype=torch.float64, requires_grad=True)
        torch.testing.assert_close(
            diffusion.homogeneous(u, times), diffusion.homogeneous(u, times.detach())
        )


def test_a_check_sees_imaginary_parts():
    with pytest.raises(AssertionError):
        claims.check("X1", "a complex number", 1j, below=0.5)


def test_pixels_are_kept_as_they_are():
    u = torch.as_tensor(image(SHAPE))
    assert families.vp().basis == Pixels() and torch.equal(families.vp().path(u, [0.0])[0], u)
