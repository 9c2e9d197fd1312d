"""Samplers: dense algebra, quadrature and runs, claim by claim."""

import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import torch
from catalogue import mild
from matrices import covariance, gain_and_covariance, matrix, units
from reference import image, noise

from dpss import families, reverse
from dpss.bases import Cosines, Pixels
from dpss.priors import Empirical, GaussianPrior, Mixture

SHAPE = (2, 3)
NAMES = ("vp", "sub_vp", "ve", "heat", "blurring")


def tensor(array):
    return torch.as_tensor(np.asarray(array, dtype=np.float64))


def lumps():
    return Mixture([0.4, 0.6], tensor([-0.7, 0.5]).reshape(2, 1, 1), [0.1, 0.2], Pixels())


# --- N7 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_exact_step_back_of_a_training_set_has_the_mean_of_the_step_and_more_covariance(name):
    """The exact step mixes five Gaussians, written with full matrices in pixels."""
    process, (s, t), data = mild(name, SHAPE), (0.35, 0.6), image((5, *SHAPE), 1)
    (Gs, Ss), (Gt, St) = (gain_and_covariance(process, x, SHAPE) for x in (s, t))
    u = Gt @ data[1].ravel() + np.linalg.cholesky(St) @ noise(6, 2)
    across = Ss @ (Gt @ np.linalg.inv(Gs)).T
    fit = np.array([scipy.stats.multivariate_normal(Gt @ x.ravel(), St).logpdf(u) for x in data])
    weight = np.exp(fit - np.logaddexp.reduce(fit))
    centres = np.array(
        [Gs @ x.ravel() + across @ np.linalg.solve(St, u - Gt @ x.ravel()) for x in data]
    )
    rest = centres - weight @ centres
    within = Ss - across @ np.linalg.solve(St, across.T)
    exact = within + rest.T @ (weight[:, None] * rest)
    # the library: deterministic part of the step from two equal seeds, and the covariance of D2
    D, state = Empirical(tensor(data)).denoiser(process), tensor(u.reshape(SHAPE))
    many = state.expand(40_000, *SHAPE)
    guess = D(state, t)
    draws = reverse.step(
        process, guess.expand_as(many), many, s, t, 1.0, torch.Generator().manual_seed(3)
    ).reshape(-1, 6)
    bound = 5 * np.sqrt(np.diag(within) / len(draws))
    assert (np.abs(draws.mean(0).numpy() - weight @ centres) < bound).all()
    found = np.cov(draws.numpy().T)
    np.testing.assert_allclose(found, within, atol=0.03 * np.diag(within).max())
    jacobian = torch.autograd.functional.jacobian(
        lambda x: D(x.reshape(SHAPE), t).flatten(), state.flatten()
    ).numpy()
    doubt = jacobian @ St @ np.linalg.inv(Gt).T
    b = matrix(process.posterior(units(SHAPE), 0 * units(SHAPE), s, t).mean)
    std = process.posterior(guess, state, s, t).std
    lost = b @ doubt @ b.T
    assert np.abs(lost).max() > 0.02 * np.abs(exact).max()
    np.testing.assert_allclose(
        covariance(process.basis, std, SHAPE) + lost, exact, rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_of_a_step_is_of_second_order_and_below_its_bound(name):
    process, s = mild(name, SHAPE), 0.4
    prior = GaussianPrior(torch.zeros(SHAPE), 0.3 + tensor(image(SHAPE, 4)) ** 2, process.basis)

    def lost(h):
        """Exact minus drawn variance per mode, from the two kernels, and the bound."""
        t = s + h
        exact, zero = prior.reverse_kernel(process, s, t).std, torch.zeros(SHAPE).double()
        drawn, step = process.posterior(zero, zero, s, t).std, process.kernel(s, t)
        return exact**2 - drawn**2, step.std**4 / (step.gain * process.noise(t)) ** 2

    for h in (0.02, 0.2):
        loss, bound = lost(h)
        assert (loss >= -1e-12).all() and (loss <= bound * (1 + 1e-9) + 1e-15).all()
    ratio = lost(0.002)[0].expand(SHAPE) / lost(0.001)[0].expand(SHAPE)
    moving = process.kernel(s, s + 0.2).std.expand(SHAPE) > 1e-6  # heat never moves the mean
    assert moving.sum() >= 5
    np.testing.assert_allclose(torch.log2(ratio[moving]).numpy(), 2, atol=0.05)


def test_what_the_plug_in_step_loses_and_the_nearest_gaussian():
    """Exact law of U_s given U_t on a grid, by Bayes' rule between s and t, against the step."""
    process, s, t, state = families.vp(), 0.08, 0.16, -0.15
    x = np.linspace(-3, 3, 6001)
    alpha_s, sigma_s, alpha_t, sigma_t = (
        float(f(z)) for z in (s, t) for f in (process.signal, process.noise)
    )
    gain, fresh = alpha_t / alpha_s, sigma_t**2 - (alpha_t / alpha_s * sigma_s) ** 2
    normal, parts = scipy.stats.norm.pdf, ((0.4, -0.7, 0.1), (0.6, 0.5, 0.2))
    density = lambda y, a, v: sum(
        w * normal(y, a * m, math.sqrt((a * d) ** 2 + v)) for w, m, d in parts
    )
    law = density(x, alpha_s, sigma_s**2) * normal(state, gain * x, math.sqrt(fresh))
    law /= np.trapezoid(law, x)
    mean = np.trapezoid(law * x, x)
    variance = np.trapezoid(law * (x - mean) ** 2, x)
    u = torch.full((200_000, 1, 1), state, dtype=torch.float64)
    D = lumps().denoiser(process)
    guess, one = D(u[:1], t), u[0]
    found = reverse.step(
        process, guess.expand_as(u), u, s, t, 1.0, torch.Generator().manual_seed(5)
    )
    assert abs(found.mean().item() - mean) < 3e-3
    plug = found.var().item()
    assert plug < 0.7 * variance
    # the best variance: from the derivative of the denoiser, and by minimising the divergence
    slope = torch.autograd.functional.jacobian(lambda y: D(y, t), one).item()
    drawn = process.posterior(guess[0], one, s, t)
    b = alpha_s * fresh / sigma_t**2
    best = drawn.std.item() ** 2 + b**2 * sigma_t**2 / alpha_t * slope
    assert abs(drawn.mean.item() - mean) < 1e-9 and abs(best - variance) < 1e-9

    def divergence(shift, y):
        log_q = scipy.stats.norm.logpdf(x, mean + shift, math.sqrt(y))
        return np.trapezoid(np.where(law > 1e-290, law * (np.log(law + 1e-300) - log_q), 0), x)

    nearest = scipy.optimize.minimize_scalar(
        lambda y: divergence(0.0, y), bounds=(0.3 * best, 3 * best), method="bounded"
    ).x
    assert nearest == pytest.approx(best, rel=1e-3)
    assert divergence(0.0, plug) > 1.2 * divergence(0.0, best)
    for shift in (-0.05, 0.05):
        assert divergence(shift, best) > divergence(0.0, best)
    # one noise image for both times is no chain, and has another variance
    start = density(x, 1.0, 0.0) * normal(state, alpha_t * x, sigma_t)
    start /= np.trapezoid(start, x)
    early = (alpha_s - sigma_s / sigma_t * alpha_t) * x
    other = np.trapezoid(start * early**2, x) - np.trapezoid(start * early, x) ** 2
    assert abs(other - variance) > 0.2 * variance


@pytest.mark.parametrize("name", NAMES)
def test_for_gaussian_data_the_best_variance_is_that_of_the_exact_step(name):
    process, (s, t) = mild(name, SHAPE), (0.3, 0.65)
    c = (0.3 + image(SHAPE, 6) ** 2) ** 2
    prior = GaussianPrior(torch.zeros(SHAPE), tensor(np.sqrt(c)), process.basis)
    zero, one = torch.zeros(SHAPE).double(), process.basis.synthesise(torch.ones(SHAPE).double())
    alpha, sigma = (np.broadcast_to(f(t).numpy(), SHAPE) for f in (process.signal, process.noise))
    slope = process.basis.analyse(prior.denoiser(process)(one, t)).numpy()
    b = process.basis.analyse(process.posterior(one, zero, s, t).mean).numpy()
    tilde = np.broadcast_to(process.posterior(zero, zero, s, t).std.numpy(), SHAPE)
    best = tilde**2 + b**2 * sigma**2 / alpha * slope
    exact = np.broadcast_to(prior.reverse_kernel(process, s, t).std.numpy(), SHAPE) ** 2
    np.testing.assert_allclose(best, exact, rtol=1e-8, atol=1e-15)  # 0 for the mean of heat
    assert (tilde**2 < exact).sum() >= 5


# --- N8 -------------------------------------------------------------------------------------------


def followed(process, c, times, eta):
    """Variance at the end of a sampler for N(0, c): slopes and noises of `reverse.step`."""
    prior = GaussianPrior(torch.zeros(1, 1), math.sqrt(c), Pixels())
    D, one, V = prior.denoiser(process), torch.ones(1, 1).double(), None
    V = process.signal(times[0]).item() ** 2 * c + process.noise(times[0]).item() ** 2
    for t, s in zip(times[:-1], times[1:]):
        seed = lambda: torch.Generator().manual_seed(0)
        moved = reverse.step(process, D(one, t), one, s, t, eta, seed()).item()
        drawn = reverse.step(process, 0 * one, 0 * one, s, t, eta, seed()).item()
        unit = torch.randn(1, 1, generator=seed(), dtype=torch.float64).item()
        V = (moved - drawn) ** 2 * V + (drawn / unit) ** 2
    return V


def angles(process, c, times):
    rising = times.flip(0)
    alpha, sigma = (f(rising).numpy().ravel() for f in (process.signal, process.noise))
    return np.arctan2(sigma, alpha * math.sqrt(c))


def down(m):
    return torch.linspace(1, 0, m + 1, dtype=torch.float64)


@pytest.mark.parametrize("name", ("vp", "sub_vp", "ve", "vp_discrete", "pixel of heat"))
def test_variance_of_gaussian_data_through_a_sampler_in_angles(name):
    process = mild("heat", (1, 1)) if name == "pixel of heat" else mild(name, (1, 1))
    for c, m in ((0.6, 1), (0.6, 7), (3.0, 20)):
        theta = angles(process, c, down(m))
        z = np.sin(theta) ** 2
        deterministic = c * np.prod(np.cos(np.diff(theta)) ** 2)
        assert followed(process, c, down(m), 0.0) == pytest.approx(deterministic, rel=1e-9)
        ancestral = c * (1 - np.sum(np.diff(z) ** 2 / z[1:]))
        assert followed(process, c, down(m), 1.0) == pytest.approx(ancestral, rel=1e-9)
        assert max(deterministic, ancestral) <= c * (1 + 1e-12)


def of_vp(theta, c):
    """Falling times of linear VP at which data of variance c have the angles θ."""
    integral = np.log1p(c * np.tan(theta) ** 2)
    return torch.as_tensor(np.minimum((np.sqrt(0.01 + 39.8 * integral) - 0.1) / 19.9, 1))


def test_equal_angles_are_the_best_of_ddim_and_rates_of_both_samplers():
    process, c, m = families.vp(), 0.6, 12
    end = angles(process, c, down(1))[-1]
    best = followed(process, c, of_vp(np.linspace(end, 0, m + 1), c), 0.0)
    assert best == pytest.approx(c * math.cos(end / m) ** (2 * m), rel=1e-9)
    assert c - best <= c * end**2 / m
    rng = np.random.default_rng(7)
    for _ in range(20):
        theta = np.sort(np.r_[0, rng.uniform(0, end, m - 1), end])[::-1]
        assert followed(process, c, of_vp(theta, c), 0.0) < best
    m = 400
    lost = {
        (eta, kind): c - followed(process, c, of_vp(theta, c), eta)
        for eta in (0.0, 1.0)
        for kind, theta in (
            ("angles", np.linspace(end, 0, m + 1)),
            ("sines", np.arcsin(np.linspace(math.sin(end), 0, m + 1))),
        )
    }
    assert m * lost[0.0, "angles"] == pytest.approx(c * end**2, rel=0.01)
    limit = c * end * (2 * end + math.sin(2 * end))
    assert m * lost[1.0, "angles"] == pytest.approx(limit, rel=0.03)
    assert 3.7 * c < m * lost[1.0, "sines"] < 4 * c


def test_runs_of_samplers_have_the_variance_of_the_page():
    """Data of variance 0.6: numbers of the page, by runs; what is lost shrinks with the steps."""
    process, prior = families.vp(), GaussianPrior(torch.zeros(1, 1), math.sqrt(0.6), Pixels())
    generator = torch.Generator().manual_seed(6)
    start = process.sample(prior.sample(60_000, generator), 1.0, generator)
    for eta, expected in ((1.0, (0.199, 0.408, 0.545)), (0.0, (0.242, 0.484, 0.575))):
        found = [
            reverse.sample(process, prior.denoiser(process), start, down(m), eta, generator)
            .var()
            .item()
            for m in (5, 20, 100)
        ]
        np.testing.assert_allclose(found, expected, rtol=0.025)
        assert found[0] < found[1] < found[2] < 0.6


def test_every_mode_of_an_image_has_its_own_angles():
    process, basis, m = families.blurring((4, 5), 1.0), Cosines((4, 5)), 15
    std = 0.3 + tensor(image((4, 5), 8)) ** 2
    prior = GaussianPrior(tensor(image((4, 5), 9)), std, basis)
    times = torch.linspace(0.9, 0, m + 1, dtype=torch.float64)
    mean = prior.marginal(process, 0.9).mean
    change = tensor(noise((4, 5), 10))
    ends = [
        reverse.sample(process, prior.denoiser(process), u, times, 0.0)
        for u in (mean, mean + change)
    ]
    torch.testing.assert_close(ends[0], prior.mean)
    slope = (basis.analyse(ends[1] - ends[0]) / basis.analyse(change)).numpy()
    rising = times.flip(0)
    alpha, sigma = process.signal(rising).numpy(), process.noise(rising).numpy()
    theta = np.arctan2(sigma, alpha * std.numpy())
    v = (process.signal(0.9) ** 2 * std**2 + process.noise(0.9) ** 2).numpy()
    expected = std.numpy() ** 2 * np.prod(np.cos(np.diff(theta, axis=0)) ** 2, axis=0)
    np.testing.assert_allclose(slope**2 * v, expected, rtol=1e-8)
