"""Diffusion models are osmosis of the density: B1–B3, N5, N6 by closed forms and dense matrices.

Random chains too. The reference densities are written with SciPy; the grids have an odd number of
points, so that 0 is one of them.
"""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.special
import torch
from reference import osmosis as dense
from reference import positive, random_drift
from scipy.stats import kstest, norm

import dpss
from dpss import osmosis
from dpss.measures import lyapunov

WEIGHTS, MEANS, STDS = np.array([0.3, 0.7]), np.array([-0.9, 0.5]), np.array([0.4, 0.45])
PHIS = {
    "KL": lambda x: x * np.log(x),
    "chi2": lambda x: (x - 1) ** 2,
    "TV": lambda x: abs(x - 1),
    "hockey": lambda x: np.maximum(x - 1.3, 0),
}


def grid(n, end=6.0):
    return np.linspace(-end, end, n), 2 * end / (n - 1)


def log_law(u, gain, level):
    """log density of gain·U_0 + level·ε, U_0 from the mixture."""
    parts = [
        math.log(w) + norm.logpdf(u, gain * m, math.hypot(gain * s, level))
        for w, m, s in zip(WEIGHTS, MEANS, STDS)
    ]
    return np.logaddexp(*parts)


def log_vp(u, tau):
    """p at the osmosis time τ = ½∫β: gain e^{−τ}."""
    return log_law(u, math.exp(-tau), math.sqrt(-math.expm1(-2 * tau)))


def vp_clock(t):
    return scipy.integrate.quad(lambda s: 0.5 * (0.1 + s * 19.9), 0, t)[0]


# --- B1 -------------------------------------------------------------------------------------------


def forward_error(tau, n, end=6.0):
    u, h = grid(n, end)
    wind = osmosis.canonical_drift(log_guidance=-(u[None] ** 2) / 2)
    p = osmosis.evolve(np.exp(log_vp(u, 0.0))[None], wind, tau, spacing=h)[0]
    assert math.isclose(p.sum() * h, np.exp(log_vp(u, 0.0)).sum() * h, rel_tol=1e-10)
    return np.abs(p - np.exp(log_vp(u, tau))).max()


@pytest.mark.parametrize("t", [0.1, 0.26, 0.5])
def test_osmosis_of_the_density_is_vp_with_second_order(t):
    tau = -dpss.vp().log_signal(t).item()
    assert math.isclose(tau, vp_clock(t), rel_tol=1e-10)  # the osmosis time is ½∫β
    errors = [forward_error(tau, n) for n in (301, 601, 1201)]
    assert errors[-1] < 1e-5
    # h = 0.04 with a narrowest std of 0.4: the error's next term is (h/std)² = 1 % of the first.
    np.testing.assert_allclose(-np.diff(np.log2(errors)), 2, atol=0.03)


def test_without_wind_it_is_ve():
    u, h = grid(1201)
    flat = osmosis.canonical_drift(np.ones((1, 1201)))
    t = 0.45
    level = 0.01 * math.sqrt(5000 ** (2 * t) - 1)
    assert math.isclose(level, dpss.ve().noise(t).item(), rel_tol=1e-12)
    p = osmosis.evolve(np.exp(log_law(u, 1, 0))[None], flat, 0.5 * level**2, spacing=h)[0]
    np.testing.assert_allclose(p, np.exp(log_law(u, 1, level)), atol=2e-5)
    assert np.abs(p - np.exp(log_vp(u, 0.5 * level**2))).max() > 0.02


def test_short_lines_and_coarse_grids_fail():
    assert forward_error(0.9, 161, end=2.0) > 0.01 > 1e-4 > forward_error(0.9, 321, end=4.0)
    assert forward_error(0.3, 13) > 0.02


def test_random_chains_have_the_density_that_the_filter_computes():
    """Distribution functions, so no histogram; 0.05 is 11 standard deviations of the chains."""
    rng, vp = np.random.default_rng(7), dpss.vp()
    which = rng.choice(2, 20000, p=WEIGHTS)
    first = torch.from_numpy(
        (MEANS[which] + STDS[which] * rng.standard_normal(20000))[:, None, None]
    )
    chains = (
        vp.path(first, [0.0, 0.1, 0.2, 0.3], generator=torch.Generator().manual_seed(7))[-1]
        .flatten()
        .numpy()
    )
    u, h = grid(601)
    wind = osmosis.canonical_drift(log_guidance=-(u[None] ** 2) / 2)
    p = osmosis.evolve(np.exp(log_vp(u, 0.0))[None], wind, vp_clock(0.3), spacing=h)[0]
    distribution = np.cumsum(p) * h - 0.5 * h * p
    result = kstest(chains, lambda x: np.interp(x, u, distribution))
    assert result.pvalue > 1e-3
    before = np.cumsum(np.exp(log_vp(u, 0.0))) * h
    assert kstest(chains, lambda x: np.interp(x, u, before)).pvalue < 1e-12


def test_two_pixels_are_osmosis_of_a_picture():
    """A correlated Gaussian in the plane: covariance α²C + (1 − α²)I, and the mean shrinks by α."""
    C, mean, tau = np.array([[0.5, 0.35], [0.35, 0.4]]), np.array([0.4, -0.2]), 0.5

    def density(points, a):
        cov = a**2 * C + (1 - a**2) * np.eye(2)
        r = points - a * mean
        return np.exp(-0.5 * np.einsum("...i,ij,...j", r, np.linalg.inv(cov), r)) / (
            2 * math.pi * math.sqrt(np.linalg.det(cov))
        )

    errors = []
    for n in (61, 121):
        x, h = grid(n, 5.0)
        points = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1)
        wind = osmosis.canonical_drift(log_guidance=-(points**2).sum(-1) / 2)
        found = osmosis.evolve(density(points, 1.0), wind, tau, spacing=h)
        errors.append(np.abs(found - density(points, math.exp(-tau))).max())
    assert errors[1] < 1e-3 and abs(math.log2(errors[0] / errors[1]) - 2) < 0.15


# --- B3 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PHIS)
def test_one_divergence_inequality_serves_pixels_and_grey_values(name):
    """Both arguments move: photograph-like arrays under a drift with whirls, laws under VP."""
    phi = PHIS[name]
    u, w = positive((4, 5), 1), positive((4, 5), 2)
    matrix = dense(*random_drift((4, 5), 3))
    pixels = [
        [(scipy.linalg.expm(t * matrix) @ x.ravel()).reshape(4, 5) for t in np.linspace(0, 3, 13)]
        for x in (u, w)
    ]
    x, h = grid(241, 5.0)
    wind = osmosis.canonical_drift(log_guidance=-(x[None] ** 2) / 2)
    laws = [
        [osmosis.evolve(p[None], wind, t, spacing=h) * h for t in np.linspace(0, 3, 13)]
        for p in (np.exp(log_vp(x, 0.0)), norm.pdf(x, 1.0, 0.8))
    ]
    for first, second in (pixels, laws):
        values = lyapunov(np.stack(first), np.stack(second), phi)
        own = [
            sum(y * phi(x / y) for x, y in zip(u.ravel(), w.ravel())) for u, w in zip(first, second)
        ]
        np.testing.assert_allclose(values, own, rtol=1e-9, atol=1e-12)  # w φ(u/w), not u φ(w/u)
        assert values[0] > 1e-3 and np.diff(values).max() < 1e-12 and values[-1] < 0.8 * values[0]
    fixed = lyapunov(np.stack(laws[1]), laws[1][0], phi)  # a reference that does not move
    assert fixed[-1] > 0.05


def test_the_canonical_drift_is_the_score():
    errors = []
    for n in (201, 401):
        x, h = grid(n, 2.5)
        y = x[:-1] + 0.5 * h
        score = sum(
            np.exp(math.log(w) + norm.logpdf(y, m, s)) * (m - y) / s**2
            for w, m, s in zip(WEIGHTS, MEANS, STDS)
        ) / np.exp(log_law(y, 1, 0))
        drifts = [
            osmosis.canonical_drift(np.exp(log_law(x, 1, 0))[None]),
            osmosis.canonical_drift(log_guidance=log_law(x, 1, 0)[None]),
        ]
        np.testing.assert_allclose(drifts[0].dx, drifts[1].dx, atol=1e-12)
        errors.append(np.abs(drifts[0].dx[0] / h - score).max())
    assert (
        errors[1] < 0.02 and abs(math.log2(errors[0] / errors[1]) - 2) < 0.05
    )  # scores up to 12 here


def test_reversibility_and_the_spectrum_of_gaussian_derivatives():
    x, h = grid(401)
    A = osmosis.operator(
        osmosis.canonical_drift(log_guidance=-(x[None] ** 2) / 2), spacing=h
    ).toarray()
    P, pi = scipy.linalg.expm(0.3 * A), norm.pdf(x)
    np.testing.assert_allclose(P * pi, (P * pi).T, atol=1e-12)
    gain, level = math.exp(-0.3), math.sqrt(-math.expm1(-0.6))
    kernel = norm.pdf(x[:, None], gain * x, level)
    inside = np.abs(x) < 3
    np.testing.assert_allclose(
        (P / h)[np.ix_(inside, inside)], kernel[np.ix_(inside, inside)], atol=5e-4
    )
    values = np.sort(-np.linalg.eigvals(A).real)[:5]
    np.testing.assert_allclose(values, np.arange(5), atol=5e-3)
    for k in range(5):  # (−1)^k He_k π
        mode = np.polynomial.hermite_e.hermeval(x, np.eye(5)[k]) * pi
        assert np.abs(A @ mode + k * mode).max() < 5e-3 * max(k, 1)


def modes_of_the_normal_density(x, count):
    """(−1)^k He_k π, k = 0, …, count − 1."""
    return [
        (-1) ** k * np.polynomial.hermite_e.hermeval(x, np.eye(count)[k]) * norm.pdf(x)
        for k in range(count)
    ]


def transition(u, x, t):
    """K_t(u|x) of VP on two grids."""
    vp = dpss.vp()
    return norm.pdf(u[:, None], vp.signal(t).item() * x, vp.noise(t).item())


@pytest.mark.parametrize("t", [0.1, 0.4])
def test_the_transition_of_vp_is_reversible_and_multiplies_the_mode_k_by_alpha_to_the_k(t):
    x, h = grid(961, 12.0)
    K, alpha = transition(x, x, t), math.exp(-vp_clock(t))
    np.testing.assert_allclose(K * norm.pdf(x), (K * norm.pdf(x)).T, atol=1e-12)
    for k, mode in enumerate(modes_of_the_normal_density(x, 6)):
        np.testing.assert_allclose(K @ mode * h, alpha**k * mode, atol=1e-10)


def test_chi_square_falls_like_alpha_squared_and_the_first_mode_attains_it():
    x, h = grid(961, 12.0)
    pi, t = norm.pdf(x), 0.3
    K, alpha = transition(x, x, t), math.exp(-vp_clock(t))
    chi2 = lambda p: np.sum((p - pi) ** 2 / pi) * h
    for p in (norm.pdf(x, 0.4, 0.9), norm.pdf(x, -1.0, 0.5)):
        assert chi2(K @ p * h) <= alpha**2 * chi2(p) * (1 + 1e-9)
    tilted = pi + 0.01 * modes_of_the_normal_density(x, 2)[1]
    assert math.isclose(chi2(K @ tilted * h), alpha**2 * chi2(tilted), rel_tol=1e-9)


def test_the_modes_are_orthogonal_and_complete():
    """Σ a_k π^(k), a_k = ∫q π^(k)/π / k!, converges to q in L²(1/π)."""
    x, h = grid(961, 12.0)
    modes, pi = modes_of_the_normal_density(x, 40), norm.pdf(x)
    gram = np.array([[np.sum(a * b / pi) * h for b in modes[:6]] for a in modes[:6]])
    np.testing.assert_allclose(gram, np.diag([math.factorial(k) for k in range(6)]), atol=1e-8)
    q, left = norm.pdf(x, 0.5, 0.8), []
    rest = q.copy()
    for k, mode in enumerate(modes):
        rest -= np.sum(q * mode / pi) * h / math.factorial(k) * mode
        left.append(np.sum(rest**2 / pi) * h)
    assert (np.diff(left) < 1e-12).all() and left[-1] < 1e-6 < 0.01 < left[0]


def test_a_heavy_tailed_density_approaches_the_normal_one_more_slowly():
    """q = 1F1(3/4; 1/2; −x²/2), eigenvalue −1/2: K q = √α q, and π − q/5 is a density."""
    x, h = grid(16001, 160.0)
    seen = np.linspace(-5, 5, 41)
    slow = lambda y: scipy.special.hyp1f1(0.75, 0.5, -(y**2) / 2)
    t = 0.3
    found = transition(seen, x, t) @ slow(x) * h
    np.testing.assert_allclose(found, math.exp(-0.5 * vp_clock(t)) * slow(seen), atol=1e-9)
    assert (norm.pdf(x) - 0.2 * slow(x)).min() > 0
    np.testing.assert_allclose(
        slow(x)[-1] * x[-1] ** 1.5, slow(x)[-4000] * x[-4000] ** 1.5, rtol=1e-3
    )


# --- N5 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "process, variance",
    [
        (dpss.sub_vp(), lambda t: 1 - math.exp(-4 * vp_clock(t))),  # 1 − α⁴
        (
            dpss.Process(
                dpss.Pixels(), lambda t: -t, lambda t: torch.sqrt(t) * torch.exp(-t), "mine"
            ),
            lambda t: 0.5 * math.exp(-2 * t),
        ),
        (
            dpss.Process(dpss.Pixels(), lambda t: -t, lambda t: torch.sqrt(t), "loud"),
            lambda t: 0.5 + t,
        ),
    ],
    ids=["sub-vp", "mine", "loud"],
)
def test_sub_vp_and_a_process_of_ones_own_are_osmosis_with_their_guidance(process, variance):
    start, end, n = 0.15, 0.4, 100
    u, h = grid(401)
    law = lambda t: np.exp(log_law(u, process.signal(t).item(), process.noise(t).item()))
    p = wrong = law(start)[None]
    for i in range(n):
        t, dt = start + (i + 0.5) * (end - start) / n, (end - start) / n
        f, g2 = (c.item() for c in process.sde(t))
        assert math.isclose(g2 / (-2 * f), variance(t), rel_tol=1e-8)
        p = osmosis.evolve(
            p,
            osmosis.canonical_drift(log_guidance=-(u[None] ** 2) / (2 * variance(t))),
            0.5 * g2 * dt,
            spacing=h,
        )
        wrong = osmosis.evolve(
            wrong,
            osmosis.canonical_drift(log_guidance=-(u[None] ** 2) / 2),
            0.5 * g2 * dt,
            spacing=h,
        )
    # Spacing 0.03 against a std of 0.4 in law and narrowest guidance: (h/std)²/12 is 5e-4.
    assert np.abs(p[0] - law(end)).max() < 5e-4
    assert np.abs(wrong[0] - law(end)).max() > 5e-3


# --- B2, N6 ---------------------------------------------------------------------------------------


CLOCK = np.concatenate([np.linspace(2.4, 0.4, 60), np.linspace(0.4, 0.0, 61)[1:]])  # falling


def way_back(eta, n=401, guidance=None, start=None):
    """Reverse osmosis with eta η: η² times the osmosis time.

    The guidance is p^((1+η²)/η²) π^(−1/η²) unless given.
    """
    u, h = grid(n)
    own = lambda tau: (1 + eta**2) / eta**2 * log_vp(u, tau) + u**2 / (2 * eta**2)
    p = np.exp(log_vp(u, 2.4)) if start is None else start(u)
    p = p[None]
    for a, b in zip(CLOCK, CLOCK[1:]):
        wind = osmosis.canonical_drift(log_guidance=(guidance or own)(0.5 * (a + b))[None])
        p = osmosis.evolve(p, wind, eta**2 * (a - b), spacing=h)
    return u, h, p[0]


def back_error(*args, **kwargs):
    u, _, p = way_back(*args, **kwargs)
    return np.abs(p - np.exp(log_law(u, 1, 0))).max()


def test_the_way_back_is_osmosis_with_the_squared_density_over_the_normal_one():
    u, _ = grid(401)
    squared = lambda tau: 2 * log_vp(u, tau) - norm.logpdf(u)
    assert back_error(1.0, guidance=squared) < 5e-4
    assert back_error(1.0, guidance=lambda tau: log_vp(u, tau)) > 0.1
    assert back_error(1.0, guidance=lambda tau: norm.logpdf(u)) > 0.2


@pytest.mark.parametrize("eta", [0.5, 1.0, 3.0])
def test_the_reverse_operator_is_minus_the_forward_one_at_the_present_density(eta):
    """η² (Δp − div(p∇log v)) = −(Δp − div(p∇log π)), v = p^((1+η²)/η²) π^(−1/η²), to order 2."""
    errors = []
    for n in (601, 1201):
        u, h = grid(n)
        log_p = log_vp(u, 0.2)
        apply = lambda log_v, h=h, log_p=log_p: (
            osmosis.operator(osmosis.canonical_drift(log_guidance=log_v[None]), spacing=h)
            @ np.exp(log_p)
        )
        forward = apply(-(u**2) / 2)
        assert np.abs(forward).max() > 0.2
        errors.append(
            np.abs(
                eta**2 * apply((1 + eta**2) / eta**2 * log_p + u**2 / (2 * eta**2)) + forward
            ).max()
        )
    assert errors[1] < 5e-3 and abs(math.log2(errors[0] / errors[1]) - 2) < 0.05


@pytest.mark.parametrize("eta", [0.5, 0.8, 2.0])
def test_every_noise_factor_has_its_guidance_and_the_density_returns(eta):
    assert back_error(eta) < 3e-3
    u, _ = grid(401)
    other = lambda tau: (
        2 * log_vp(u, tau) + u**2 / 2
    )  # the guidance of eta 1 with another time factor
    assert back_error(eta, guidance=other) > 0.03


def test_without_noise_the_family_is_transport():
    """The rate of another density tends to −div(q ∇log p/π) as η → 0, with an error of η²."""
    u, h = grid(1201)
    q, ratio = norm.pdf(u, 1.2, 0.6), log_vp(u, 0.2) - norm.logpdf(u)
    velocity = np.gradient(ratio, h)
    transport = -np.gradient(q * velocity, h)
    apart = []
    for eta in (0.8, 0.4):
        log_v = log_vp(u, 0.2) + ratio / eta**2
        wind = osmosis.canonical_drift(log_guidance=log_v[None])
        rate = eta**2 * (osmosis.operator(wind, spacing=h) @ q)
        apart.append(np.abs(rate - transport).max())
    assert abs(math.log2(apart[0] / apart[1]) - 2) < 0.05 and apart[1] > 0.01


def test_a_small_noise_factor_needs_a_fine_grid():
    assert back_error(0.05) > 0.1 > 20 * back_error(0.5)


def test_divergences_between_two_ways_back_never_grow():
    u, h = grid(301)
    both = np.stack([np.exp(log_vp(u, 2.4)), norm.pdf(u, 1.5, 0.5)])[:, None]
    values = []
    for a, b in zip(CLOCK[:-1:2], CLOCK[2::2]):
        wind = osmosis.canonical_drift(log_guidance=(2 * log_vp(u, 0.5 * (a + b)) + u**2 / 2)[None])
        both = np.maximum(osmosis.evolve(both, wind, a - b, spacing=h), 1e-300)
        values.append([lyapunov(both[0] * h, both[1] * h, phi) for phi in (PHIS["KL"], PHIS["TV"])])
    values = np.array(values)
    assert (
        np.diff(values, axis=0).max() < 1e-9 and values[-1, 1] > 0.02
    )  # a trace of the start is left


def test_as_much_noise_as_one_likes_makes_the_present_density_a_good_guidance():
    """The lag behind p_t is of order 1/η²; short steps at the end: each freezes the guidance."""
    u, h = grid(201)
    clock, lag = np.append(np.geomspace(0.6, 1e-4, 80), 0.0), []
    for eta in (4.0, 8.0):
        p = np.exp(log_vp(u, 0.6))[None]
        for a, b in zip(clock, clock[1:]):
            wind = osmosis.canonical_drift(log_guidance=log_vp(u, 0.5 * (a + b))[None])
            p = osmosis.evolve(p, wind, eta**2 * (a - b), spacing=h)
        lag.append(np.abs(p[0] - np.exp(log_law(u, 1, 0))).max())
    assert lag[1] > 1e-3 and abs(math.log2(lag[0] / lag[1]) - 2) < 0.3
