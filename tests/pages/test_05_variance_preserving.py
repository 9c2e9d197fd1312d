"""Page 05, variance-preserving diffusion: claims V1 to V9 by recursions, chains and grids."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matrices import asymmetry, gain_and_covariance
from reference import (
    bell,
    bells,
    cosine_matrix,
    image,
    moments_agree,
    orthogonal,
    permutation,
    schedule,
    slope,
)

from dpss import measures
from dpss.bases import Pixels
from dpss.families import gaussian_scale_space, vp, vp_cosine, vp_discrete
from dpss.processes import Gaussian

SHAPE = (4, 5)


# --- V1 -------------------------------------------------------------------------------------------


def test_a_chain_of_given_betas_has_the_closed_form():
    """Chains with fresh noise in every step against N(α_i u_0, (1 − α_i²) I), pixels jointly."""
    betas, u, n = [0.1, 0.02, 0.3, 0.05], image((2, 3)), 20000
    rng, process = np.random.default_rng(1), vp_discrete(betas)
    states = np.tile(u.ravel(), (n, 1))
    for i, beta in enumerate(betas, 1):
        states = math.sqrt(1 - beta) * states + math.sqrt(beta) * rng.standard_normal((n, 6))
        left = math.prod(1 - b for b in betas[:i])  # α_i²
        moments_agree(states, math.sqrt(left) * u.ravel(), (1 - left) * np.eye(6))
        law = process.marginal(u, i / 4)
        np.testing.assert_allclose(law.mean, math.sqrt(left) * u, rtol=1e-12)
        assert math.isclose(float(law.std) ** 2, 1 - left, rel_tol=1e-12)


def test_one_noise_image_in_all_steps_is_far_too_loud():
    reused = variance = 0.0  # what multiplies the one image; the variance with fresh ones
    for beta in np.linspace(1e-4, 0.02, 1000):
        reused = math.sqrt(1 - beta) * reused + math.sqrt(beta)
        variance = (1 - beta) * variance + beta
    assert reused**2 > 100 and variance < 1


# --- V2 -------------------------------------------------------------------------------------------


CHAINS = {
    "vp": (vp(), lambda t: schedule("vp", t, (1, 1))[0].item()),
    "vp_cosine": (vp_cosine(), lambda t: schedule("vp_cosine", t, (1, 1))[0].item()),
    "vp_discrete": (
        vp_discrete([0.1, 0.02, 0.3]),
        lambda t: math.sqrt([1, 0.9, 0.9 * 0.98, 0.9 * 0.98 * 0.7][round(3 * t)]),
    ),
}


@pytest.mark.parametrize("name", CHAINS)
@given(st.lists(st.integers(0, 3), min_size=3, max_size=3).map(sorted))
def test_transitions_of_vp_have_the_ratio_of_the_gains_and_compose(name, thirds):
    """N(α_{t|s} u_s, (1 − α_{t|s}²) I); at thirds, which are the steps of the given list."""
    process, alpha = CHAINS[name]
    r, s, t = (i / 3 for i in thirds)
    early, late, whole = process.kernel(r, s), process.kernel(s, t), process.kernel(r, t)
    for kernel, ratio in (
        (early, alpha(s) / alpha(r)),
        (late, alpha(t) / alpha(s)),
        (whole, alpha(t) / alpha(r)),
        (late @ early, alpha(t) / alpha(r)),
    ):
        assert math.isclose(float(kernel.gain), ratio, rel_tol=1e-12, abs_tol=1e-15)
        assert math.isclose(float(kernel.std) ** 2, 1 - ratio**2, abs_tol=1e-13)


def test_one_noise_image_for_all_times_has_another_covariance_of_two_times():
    (_, early), (gain, late) = (schedule("vp", t, (1, 1)) for t in (0.3, 0.6))
    chain = float(vp().kernel(0.3, 0.6).gain) * early.item() ** 2
    assert early.item() * late.item() - chain > 0.25


# --- V3 -------------------------------------------------------------------------------------------


def test_given_betas_chain_and_continuous_vp_agree_in_the_limit():
    """Ho's chain with β_i = β(i/m)/m: ∏(1 − β_j), which tends to exp(−∫β) with order 1/m."""
    errors = []
    for m in (1000, 2000, 4000):
        betas = (0.1 + 19.9 * np.arange(1, m + 1) / m) / m
        errors.append(abs(np.prod(1 - betas[: m // 2]) - float(vp().signal(0.5)) ** 2))
    np.testing.assert_allclose(-np.diff(np.log2(errors)), 1, atol=0.05)


def test_gains_of_the_chain_obey_the_bound():
    """|log α_i² + ∫β| ≤ (½ L + b²)/m with b = max β = 20 and L = max |β'| = 19.9, at every step."""
    for m in (40, 400, 4000):
        t = np.arange(1, m + 1) / m
        logs = np.log1p(-(0.1 + 19.9 * t) / m).cumsum()
        assert np.abs(logs + 0.1 * t + 9.95 * t**2).max() <= (0.5 * 19.9 + 20.0**2) / m


def test_mean_and_variance_of_vp_solve_their_equations():
    """μ' = −½βμ and v' = β (1 − v)."""
    for t in (0.1, 0.4, 0.8):
        beta = 0.1 + 19.9 * t
        mean, variance = float(vp().signal(t)), float(vp().noise(t)) ** 2
        rates = slope(vp().signal, t), slope(lambda s: vp().noise(s) ** 2, t)
        assert math.isclose(float(rates[0]), -0.5 * beta * mean, rel_tol=1e-7)
        assert math.isclose(float(rates[1]), beta * (1 - variance), rel_tol=1e-7, abs_tol=1e-8)


# --- V4 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [vp, vp_cosine])
def test_mixture_density_solves_the_fokker_planck_equation(family):
    """∂_t p = −∂_u (f u p) + ½ g² ∂²_u p for the closed-form density of a mixture, on a grid."""
    process, t, h, dt = family(), 0.35, 1e-3, 1e-4
    u = np.linspace(-3, 3, 61)

    def density(u, t):
        parts = ((0.3, -0.8, 0.2), (0.7, 0.5, 0.2))
        return bells(u, parts, float(process.signal(t)), float(process.noise(t)) ** 2)

    f, g2 = (float(c) for c in process.sde(t))
    left = (density(u, t + dt) - density(u, t - dt)) / (2 * dt)
    transport = ((u + h) * density(u + h, t) - (u - h) * density(u - h, t)) / (2 * h)
    curvature = (density(u + h, t) - 2 * density(u, t) + density(u - h, t)) / h**2
    # Second-order differences: h², dt² times derivatives of order 100, so about 1e-4.
    np.testing.assert_allclose(left, -f * transport + g2 / 2 * curvature, atol=1e-3)
    assert np.abs(left).max() > 0.1  # the equation is not 0 = 0
    assert np.abs(left - (-f * transport + g2 * curvature)).max() > 0.05  # nor blind to a factor 2


# --- V5 -------------------------------------------------------------------------------------------


def test_vp_reaches_the_standard_normal_up_to_the_stated_divergence():
    u = torch.as_tensor(image(SHAPE))
    normal = Gaussian(torch.zeros(SHAPE, dtype=torch.float64), 1.0, Pixels())
    a2 = math.exp(-10.05)
    assert math.isclose(a2, 4.3e-5, rel_tol=0.01)
    expected = a2 / 2 * float((u**2).sum()) - 20 / 2 * (a2 + math.log1p(-a2))
    assert math.isclose(float(vp().marginal(u, 1.0).kl(normal)), expected, rel_tol=1e-8)
    assert float(vp_cosine().marginal(u, 1.0).kl(normal)) < 1e-14
    white = torch.ones(SHAPE, dtype=torch.float64)  # the worst of all images in [−1, 1]
    assert vp().marginal(u, 1.0).kl(normal) < vp().marginal(white, 1.0).kl(normal)
    assert float(vp(beta_max=1.0).marginal(white, 1.0).kl(normal)) / 20 > 0.1


# --- V6 -------------------------------------------------------------------------------------------


def test_vp_trace_of_the_covariance_moves_monotonically_to_n(generator):
    """tr Cov U_t = α² tr Cov U_0 + (1 − α²) N, measured on samples."""
    n, images = 20000, 0.5 * torch.randn(20000, 2, 3, dtype=torch.float64, generator=generator)
    traces = []
    for t in (0.0, 0.2, 0.5, 1.0):
        sample = vp().sample(images, t, generator=generator)
        traces.append(float(sample.var(dim=0).sum()))
        expected = 6 + float(vp().signal(t)) ** 2 * (6 * 0.25 - 6)
        # A variance estimated from n normals errs by √(2/n) relative; six of them, and five
        # standard deviations.
        assert abs(traces[-1] - expected) < 5 * math.sqrt(2 / n * 6) * max(1, expected / 6)
    assert all(np.diff(traces) > 0)


# --- V7 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [vp, vp_cosine])
def test_vp_commutes_with_every_orthogonal_map(family):
    law = gain_and_covariance(family(), 0.6, SHAPE)
    shuffled = permutation(SHAPE, lambda a: np.random.default_rng(0).permuted(a.ravel()))
    for R in (*(orthogonal(20, seed) for seed in range(3)), cosine_matrix(*SHAPE)):
        assert asymmetry(*law, R) < 1e-13
    for R in (-np.eye(20), np.diag((-1.0) ** np.arange(20)), shuffled):
        assert asymmetry(*law, R) < 1e-14
    assert asymmetry(*law, 2 * np.eye(20)) > 0.1  # the noise does not scale
    blurred = gain_and_covariance(gaussian_scale_space(SHAPE, 1.0), 0.6, SHAPE)
    assert asymmetry(*blurred, shuffled) > 0.1


# --- V8 -------------------------------------------------------------------------------------------


U = np.linspace(-8, 8, 4001)
CELL = U[1] - U[0]


def course(process, times, parts):
    """Density of a mixture of (weight, mean, std) at each time on the grid, (len(times), 1, n)."""
    return np.array(
        [[bells(U, parts, float(process.signal(t)), float(process.noise(t)) ** 2)] for t in times]
    )


@pytest.mark.parametrize("family", [vp, vp_cosine])
def test_vp_divergence_between_any_two_densities_never_increases(family):
    times = np.linspace(0.15, 1, 40)  # late enough for no density to underflow on the grid
    p = course(family(), times, ((0.3, -0.8, 0.3), (0.7, 0.6, 0.3)))
    q = course(family(), times, ((0.5, -0.2, 0.4), (0.5, 0.9, 0.4)))
    normal = np.broadcast_to(bell(U, 0, 1), p.shape)
    for pair in ((p, q), (q, p), (p, normal), (q, normal)):
        apart = np.asarray(measures.kl_grid(*pair, CELL))
        # Riemann sums on 4001 points are exact to rounding: the narrowest bump is 90 cells wide.
        assert (np.diff(apart) <= 1e-12).all() and apart[0] > 0.05 and apart[-1] < 1e-3


# --- V9 -------------------------------------------------------------------------------------------


def test_vp_entropy_of_a_mixture_rises_iff_its_variance_is_at_most_one():
    times = np.linspace(0.0, 1, 60)

    def entropies(mean, spread):
        p = course(vp(), times, ((0.5, -mean, spread), (0.5, mean, spread)))
        return -(p * np.log(np.maximum(p, 1e-300))).sum((-2, -1)) * CELL

    inside = entropies(0.9, 0.3)  # variance 0.81 + 0.09 = 0.9
    assert (np.diff(inside) >= -1e-12).all() and inside[-1] > inside[0] + 0.1
    outside = entropies(1.5, 1.0)  # variance 3.25
    assert np.diff(outside).min() < -1e-3


def test_vp_entropy_of_a_gaussian_rises_iff_its_variance_is_at_most_one():
    def steps(variance):
        t = torch.linspace(0.0, 1.0, 200, dtype=torch.float64)
        std = (vp().signal(t) ** 2 * variance + vp().noise(t) ** 2).sqrt()
        return Gaussian(torch.zeros_like(std), std, Pixels()).entropy().diff()

    assert (steps(0.4) >= -1e-12).all() and (steps(1.0).abs() < 1e-12).all()
    assert (steps(1.5) <= 1e-12).all() and steps(1.5).min() < -1e-4
    assert steps(1.5).sum() < -0.19
