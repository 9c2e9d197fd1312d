"""Exact denoisers as objects: bases judged at the times in use, copies, states, layouts."""

import copy
import pickle

import numpy as np
import pytest
import torch
from reference import image, noise, positive
from states import double_by_default

from dpss import families
from dpss.bases import Cosines, Pixels
from dpss.priors import Empirical, GaussianPrior, Mixture
from dpss.processes import Process

SHAPE = (3, 4)
PROCESSES = {
    "vp": lambda: families.vp(),
    "heat": lambda: families.heat(SHAPE, 1.5, sigma=0.3),
    "osmotic": lambda: families.osmotic(positive(SHAPE, 4, 5.0), 1.0, 0.3),
}
KINDS = {
    "gaussian": lambda basis: GaussianPrior(image(SHAPE, 14), 0.3 + image(SHAPE, 13) ** 2, basis),
    "empirical": lambda basis: Empirical(image((5, *SHAPE), 15)),
    "mixture": lambda basis: Mixture([1, 2], image((2, *SHAPE), 16), [0.3, 0.6], basis),
}


def test_bases_are_judged_at_the_times_in_use():
    """Modes that are alike at one time say nothing of another."""
    basis = Cosines(SHAPE)

    def log_signal(t):
        return -0.7 * t if t.numel() == 1 and t.item() == 0.5 else -basis.eigenvalues * t

    process = Process(basis, log_signal, lambda t: t)
    pixelwise = GaussianPrior(image(SHAPE), 0.3 + image(SHAPE) ** 2, Pixels())
    D, u = pixelwise.denoiser(process), torch.as_tensor(noise(SHAPE))
    assert torch.isfinite(D(u, 0.5)).all()
    for call in (
        lambda: D(u, 0.3),
        lambda: D(u, torch.tensor([0.5, 0.5])),
        lambda: pixelwise.log_density(process, u, 0.3),
        lambda: pixelwise.marginal(process, 0.3),
        lambda: pixelwise.reverse_kernel(process, 0.3, 0.5),
        lambda: pixelwise.reverse_kernel(process, 0.5, 0.7),
    ):
        with pytest.raises(ValueError, match="process has the basis"):
            call()


# --- copies, and the state of the caller --------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_denoisers_can_be_pickled_and_copied(kind):
    process = Process(Pixels(), torch.neg, torch.sqrt, "of functions that can be pickled")
    prior, u = KINDS[kind](process.basis), torch.as_tensor(noise((2, *SHAPE), 38))
    D = prior.denoiser(process)
    for twin in (pickle.loads(pickle.dumps(D)), copy.deepcopy(D), copy.copy(D)):
        assert torch.equal(twin(u, 0.4), D(u, 0.4))
    for twin in (pickle.loads(pickle.dumps(prior)), copy.deepcopy(prior)):
        assert torch.equal(twin.denoiser(process)(u, 0.4), D(u, 0.4))
    twin = copy.deepcopy(prior.denoiser(families.vp()))  # what a family holds may be a closure
    assert torch.equal(twin(u, 0.4), prior.denoiser(families.vp())(u, 0.4))


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("kind", KINDS)
def test_results_do_not_depend_on_the_state_of_the_caller(name, kind):
    def results(process, prior, kernels):
        u = torch.as_tensor(noise((2, *SHAPE), 39)).float()
        found = [prior.denoiser(process)(u, 0.4), prior.log_density(process, u, 0.4)]
        if kernels:
            found += [
                prior.marginal(process, 0.4).mean,
                prior.reverse_kernel(process, 0.2, 0.4)(u).mean,
            ]
        return found

    process = PROCESSES[name]()
    expected = results(process, KINDS[kind](process.basis), kind == "gaussian")

    def check():
        process = PROCESSES[name]()
        found = results(process, KINDS[kind](process.basis), kind == "gaussian")
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == other.dtype
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)

    with torch.autocast("cpu", torch.bfloat16):
        check()
    with np.errstate(all="raise"):
        check()
    with double_by_default():
        check()
    with torch.inference_mode():
        check()
        prior = KINDS[kind](process.basis)
    u = torch.as_tensor(noise(SHAPE, 40)).requires_grad_()  # made there, differentiated here
    prior.denoiser(process)(u, 0.4).sum().backward()
    assert torch.isfinite(u.grad).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_made_in_inference_mode_can_be_differentiated_later(dtype):
    with torch.inference_mode():
        data = torch.as_tensor(image((5, *SHAPE), 41).astype(dtype)) + 0
        found = [Empirical(data), GaussianPrior.fit(data, Cosines(SHAPE))]
        found.append(Mixture(torch.ones(5), data, 0.3 + data[0] ** 2, Pixels()))
    for prior in found:
        u = torch.as_tensor(noise(SHAPE, 42)).requires_grad_()
        prior.denoiser(families.vp())(u, 0.4).sum().backward()
        prior.log_density(families.vp(), u, 0.4).backward()
        assert torch.isfinite(u.grad).all()


LAYOUTS = {
    "fortran": np.asfortranarray,
    "flipped": lambda x: x[..., ::-1].copy()[..., ::-1],
    "big-endian": lambda x: x.astype(">f8"),
    "strided": lambda x: x.repeat(2, -1)[..., ::2],
    "tensor": torch.as_tensor,
    "transposed tensor": lambda x: torch.as_tensor(x.swapaxes(-1, -2).copy()).mT,
    "negative view": lambda x: torch.as_tensor(-1j * x).conj().imag,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_an_argument_is_the_same_argument(layout):
    laid, process = LAYOUTS[layout], families.vp()
    data, std, weights = image((5, *SHAPE), 43), 0.3 + image(SHAPE, 44) ** 2, np.arange(1.0, 6)
    u = noise((2, *SHAPE), 45)
    kinds = [
        lambda f: Empirical(f(data)),
        lambda f: GaussianPrior(f(data[0]), f(std), Pixels()),
        lambda f: GaussianPrior.fit(f(data), Cosines(SHAPE)),
        lambda f: Mixture(weights, f(data), f(data**2), Cosines(SHAPE)),
    ]
    for kind in kinds:
        expected, found = kind(lambda x: x), kind(laid)
        torch.testing.assert_close(
            found.denoiser(process)(laid(u), 0.4), expected.denoiser(process)(u, 0.4)
        )
        torch.testing.assert_close(
            found.log_density(process, laid(u), 0.4), expected.log_density(process, u, 0.4)
        )


@pytest.mark.parametrize(
    "call",
    [
        lambda x: Empirical(x),
        lambda x: GaussianPrior(x[0], 1.0, Pixels()),
        lambda x: GaussianPrior(np.zeros(SHAPE), x[0], Pixels()),
        lambda x: GaussianPrior.fit(x, Pixels()),
        lambda x: Mixture([1] * 5, x, 1.0, Pixels()),
        lambda x: Mixture([1] * 5, np.zeros((5, *SHAPE)), x, Pixels()),
        lambda x: Mixture(x[:, 0, 0], np.zeros((5, *SHAPE)), 1.0, Pixels()),
        lambda x: Empirical(np.zeros((5, *SHAPE))).denoiser(families.vp())(x, 0.5),
        lambda x: Empirical(np.zeros((5, *SHAPE))).log_density(families.vp(), x, 0.5),
    ],
)
def test_masked_arrays_are_refused(call):
    data = image((5, *SHAPE), 46) ** 2
    with pytest.raises(TypeError, match="masked array"):
        call(np.ma.masked_array(data, data > 0.5))
