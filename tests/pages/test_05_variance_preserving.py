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
from dpss.processes import Gaussian, Kernel, Process

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


@given(st.lists(st.floats(1e-4, 0.5), min_size=1, max_size=6))
def test_given_betas_make_gain_and_variance_of_the_recursion(betas):
    """Both by the recursion of one step, and nothing else; the law of the library at i/m."""
    gain, variance, u = 1.0, 0.0, image((2, 3))
    for i, beta in enumerate(betas, 1):
        gain, variance = math.sqrt(1 - beta) * gain, (1 - beta) * variance + beta
        law = vp_discrete(betas).marginal(u, i / len(betas))
        np.testing.assert_allclose(law.mean, gain * u, rtol=1e-10)
        assert math.isclose(float(law.std) ** 2, variance, rel_tol=1e-10)


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


@pytest.mark.parametrize("family", [vp, vp_cosine])
def test_paths_of_vp_are_a_chain_from_each_time_to_the_next(family, generator):
    """Three times jointly, pixel by pixel: Cov(U_s, U_t) = α_{t|s} σ_s² given u_0."""
    times, u = (0.2, 0.35, 0.6), torch.as_tensor(image((1, 2)))
    path = family().path(u.expand(40000, 1, 2), times, generator=generator)
    alpha = [schedule(family().name, t, (1, 1))[0].item() for t in times]
    cov = np.array([[max(a, b) for b in alpha] for a in alpha])  # the earlier of both
    late = np.array([[min(a, b) for b in alpha] for a in alpha])
    cov = late / cov * (1 - cov**2)
    for pixel in range(2):
        mean = np.array(alpha) * float(u[0, pixel])
        moments_agree(path[:, :, 0, pixel].T.numpy(), mean, cov)


def test_one_noise_image_for_all_times_has_another_covariance_of_two_times():
    (_, early), (gain, late) = (schedule("vp", t, (1, 1)) for t in (0.3, 0.6))
    chain = float(vp().kernel(0.3, 0.6).gain) * early.item() ** 2
    assert early.item() * late.item() - chain > 0.5


# --- V3 -------------------------------------------------------------------------------------------


POINTS = {  # where β is read off in each of m steps
    "left ends": lambda m: np.arange(m) / m,
    "right ends": lambda m: np.arange(1, m + 1) / m,
    "from end to end": lambda m: np.arange(m) / (m - 1),  # the schedule of Ho et al.
}


@pytest.mark.parametrize("points", POINTS)
def test_given_betas_chain_and_continuous_vp_agree_in_the_limit(points):
    """β_i = β(s_i)/m: log α_i² tends to −∫β with order 1, within (½ L + b²)/m at every step."""
    largest = []
    for m in (1000, 2000, 4000):
        chain = vp_discrete((0.1 + 19.9 * POINTS[points](m)) / m)
        t = torch.arange(1, m + 1, dtype=torch.float64) / m
        gaps = 2 * (chain.log_signal(t) + 0.05 * t[:, None, None] + 4.975 * t[:, None, None] ** 2)
        continuous = 2 * (chain.log_signal(t) - vp().log_signal(t))
        np.testing.assert_allclose(continuous, gaps, atol=1e-12)
        largest.append(float(gaps.abs().max()))
        assert largest[-1] <= (0.5 * 19.9 + 20.0**2) / m  # L = max |β'| = 19.9, b = max β = 20
    np.testing.assert_allclose(-np.diff(np.log2(largest)), 1, atol=0.02)


def test_a_thousand_steps_from_1e_4_to_002_are_the_linear_schedule():
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    np.testing.assert_allclose(betas, (0.1 + 19.9 * POINTS["from end to end"](1000)) / 1000)
    gap = vp_discrete(betas).log_signal(1.0) - vp().log_signal(1.0)
    assert math.isclose(
        2 * float(gap), -0.0677, abs_tol=1e-4
    )  # ½ ∫ β² / m = 0.0670, ⅓ ∫ β³ / m² = 0.0007


def test_the_equation_of_vp_has_its_gain_and_its_variance():
    """f = −½β, g² = β; and from f and g² by quadrature: α = exp ∫f, σ² = α² ∫ g²/α²."""
    s = torch.linspace(0, 0.8, 8001, dtype=torch.float64)
    f, g2 = (c.flatten().numpy() for c in vp().sde(s))
    beta = 0.1 + 19.9 * s.numpy()
    np.testing.assert_allclose(f, -beta / 2, rtol=1e-9)
    np.testing.assert_allclose(g2, beta, rtol=1e-9)
    gain = np.exp(np.concatenate([[0], np.cumsum((f[1:] + f[:-1]) / 2) * 1e-4]))
    inner = g2 / gain**2
    variance = gain[-1] ** 2 * ((inner[1:] + inner[:-1]) / 2).sum() * 1e-4
    assert math.isclose(gain[-1], float(vp().signal(0.8)), rel_tol=1e-6)
    assert math.isclose(variance, float(vp().noise(0.8)) ** 2, rel_tol=1e-6)


def test_euler_maruyama_settles_beyond_variance_one():
    """Constant β: v = (1 − ½βh)² v + βh has the fixed point 1/(1 − βh/4)."""
    f, g2 = (float(c) for c in vp(40.0, 40.0).sde(0.5))
    for step in (0.02, 0.2, 0.8):
        h, v = step / 40, 0.0
        for _ in range(5000):
            v = (1 + f * h) ** 2 * v + g2 * h
        assert math.isclose(v, 1 / (1 - step / 4), rel_tol=1e-9)


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


@pytest.mark.parametrize("family", [vp, vp_cosine])
def test_density_of_a_data_set_solves_the_fokker_planck_equation_in_two_pixels(family):
    """p_0: three points, no density. ∂_t p = ½β (Δp + div(u p)), β = −2 α'/α from the schedule."""
    process, t, h = family(), 0.3, 1e-3
    data = torch.tensor([[[0.9, -0.8]], [[-0.5, 0.1]], [[0.2, 0.7]]], dtype=torch.float64)
    axis = torch.linspace(-2, 2, 21, dtype=torch.float64)
    u = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 1, 1, 2)

    def density(dy=0.0, dx=0.0, dt=0.0):
        moved = u + torch.tensor([[dy, dx]], dtype=torch.float64)
        return process.marginal(data, t + dt).log_prob(moved).exp().mean(-1)

    p, left = density(), (density(dt=h) - density(dt=-h)) / (2 * h)
    right = 0.0
    for axis, step in enumerate(((h, 0.0), (0.0, h))):
        ahead, behind = density(*step), density(-step[0], -step[1])
        x = u[..., 0, 0, axis]
        right = right + (ahead - 2 * p + behind) / h**2
        right = right + ((x + h) * ahead - (x - h) * behind) / (2 * h)
    alphas = [schedule(process.name, t + d, (1, 1))[0].item() for d in (-h, 0, h)]
    beta = -2 * (alphas[2] - alphas[0]) / (2 * h * alphas[1])
    assert float((left - beta / 2 * right).abs().max()) < 1e-3 < 0.1 < float(left.abs().max())


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


@pytest.mark.parametrize("family", [vp, vp_cosine])
def test_standard_normal_is_steady_and_divergence_from_it_falls_strictly(family):
    fresh = Kernel(0.0, 1.0, Pixels())  # forgets its argument, draws from N(0, I)
    for t in (0.1, 0.5, 0.9):
        assert math.isclose(float((family().kernel(0.0, t) @ fresh).std), 1, rel_tol=1e-12)
    t, u = torch.linspace(0.01, 0.99, 99, dtype=torch.float64), torch.as_tensor(image(SHAPE))
    normal = Gaussian(torch.zeros(SHAPE, dtype=torch.float64), 1.0, Pixels())
    apart = family().marginal(u.expand(99, *SHAPE), t).kl(normal)
    assert (apart.diff() < 0).all() and (apart > 0).all()


def test_divergence_of_data_in_the_range_is_below_the_bound_and_beyond_it_above():
    u = torch.linspace(-9, 9, 6001, dtype=torch.float64)

    def share(data, t):
        points = [w * vp().marginal([[x]], t).log_prob(u.view(-1, 1, 1)).exp() for x, w in data]
        normal = torch.exp(-(u**2) / 2) / math.sqrt(2 * math.pi)
        kl = float((sum(points) * (sum(points) / normal).log()).sum()) * 18 / 6000
        return kl / (-0.5 * math.log1p(-(schedule("vp", t, (1, 1))[0].item() ** 2)))

    for t in (0.2, 0.5, 0.9):
        assert 0.8 < share([(1.0, 0.97), (-1.0, 0.03)], t) < 1
        assert share([(1.0, 0.5), (-0.4, 0.5)], t) < 1
        assert share([(2.0, 1.0)], t) > 2


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


@pytest.mark.parametrize("family", [vp, vp_cosine])
def test_vp_covariance_of_data_that_are_not_gaussian(family, generator):
    """Cov U_t = α² Cov U_0 + (1 − α²) I and E U_t = α E U_0; at Cov U_0 = I nothing changes."""
    patterns, t = orthogonal(6, 4) * np.array([0.2, 0.5, 1.0, 1.5, 0.1, 0.7]), 0.3
    for mixing in (patterns, np.eye(6)):
        coin = torch.rand(20000, 6, generator=generator, dtype=torch.float64).sub(0.5).sign()
        data = (coin @ torch.as_tensor(mixing).T + 0.3).reshape(-1, 2, 3)
        states = family().sample(data, t, generator=generator).reshape(-1, 6).numpy()
        alpha = schedule(family().name, t, (1, 1))[0].item()
        covariance = alpha**2 * mixing @ mixing.T + (1 - alpha**2) * np.eye(6)
        moments_agree(states, np.full(6, alpha * 0.3), covariance)


def test_vp_total_variance_above_the_number_of_pixels_falls(generator):
    data = 3 * (torch.rand(20000, 2, 3, generator=generator).double() > 0.5) - 1.5
    traces = [float(vp().sample(data, t, generator).var(dim=0).sum()) for t in (0.1, 0.3, 0.6)]
    assert 12 < traces[0] < 13.5 and (np.diff([13.5, *traces]) < -0.5).all() and traces[-1] > 5.9


@pytest.mark.parametrize("family", [vp, vp_cosine])
def test_vp_conditional_entropy_rises_strictly(family):
    t = torch.linspace(0.001, 0.99, 200, dtype=torch.float64)
    found = family().marginal(torch.zeros(200, *SHAPE, dtype=torch.float64), t).entropy()
    levels = np.array([schedule(family().name, float(x), (1, 1))[1].item() for x in t])
    np.testing.assert_allclose(found, 10 * np.log(2 * math.pi * math.e * levels**2), rtol=1e-9)
    assert (found.diff() > 0).all() and found[0] < -40


# --- V7 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [vp, vp_cosine])
def test_vp_commutes_with_every_orthogonal_map(family):
    law = gain_and_covariance(family(), 0.6, SHAPE)
    shuffled = permutation(SHAPE, lambda a: np.random.default_rng(0).permuted(a.ravel()))
    for R in (*(orthogonal(20, seed) for seed in range(3)), cosine_matrix(*SHAPE)):
        assert asymmetry(*law, R) < 1e-13
    for R in (-np.eye(20), np.diag((-1.0) ** np.arange(20)), shuffled):
        assert asymmetry(*law, R) < 1e-14
    for R in (2 * np.eye(20), np.eye(20) + np.eye(20, k=1)):  # the noise does not follow
        assert asymmetry(*law, R) > 0.1
    blurred = gain_and_covariance(gaussian_scale_space(SHAPE, 1.0), 0.6, SHAPE)
    assert asymmetry(*blurred, shuffled) > 0.1


def test_turned_paths_of_vp_are_paths_from_the_turned_start(generator):
    """R U at two times, jointly, against the VP chain from R u_0."""
    R, u, (s, t) = orthogonal(4, 5), torch.as_tensor(image((2, 2))), (0.15, 0.4)
    path = vp().path(u.expand(40000, 2, 2), (s, t), generator=generator).flatten(2).numpy() @ R.T
    early, late = (schedule("vp", x, (1, 1))[0].item() for x in (s, t))
    cross = late / early * (1 - early**2)
    covariance = np.kron([[1 - early**2, cross], [cross, 1 - late**2]], np.eye(4))
    turned = R @ u.numpy().ravel()
    moments_agree(np.hstack(path), np.concatenate([early * turned, late * turned]), covariance)


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


@pytest.mark.parametrize("family", [vp, vp_cosine])
def test_vp_divergence_from_the_normal_law_never_increases_at_variance_one(family):
    """Less noise than VP has would lower the variance first, and the divergence would rise."""
    p = course(family(), np.linspace(0.05, 0.95, 40), ((1.0, 0.1, 1.0),))  # N(0.1, 1)
    normal = np.broadcast_to(bell(U, 0, 1), p.shape)
    apart = np.asarray(measures.kl_grid(p, normal, CELL))
    assert (np.diff(apart) <= 1e-12).all() and apart[0] > 0.004


def test_without_transitions_divergence_from_the_normal_law_may_rise():
    """σ² = 1 − α² at all times, but the gain falls to 0.1 and rises to 0.9."""
    log_gain = lambda t: torch.log(0.55 + 0.45 * torch.cos(2 * math.pi * t))
    process = Process(
        Pixels(), log_gain, lambda t: torch.sqrt(-torch.expm1(2 * log_gain(t))), "returning"
    )
    normal = Gaussian(torch.zeros(1, 1, dtype=torch.float64), 1.0, Pixels())
    low, high = (float(process.marginal([[1.0]], t).kl(normal)) for t in (0.5, 0.9))
    assert low < 0.006 and high > 0.8
    with pytest.raises(ValueError, match="not Markov"):
        process.kernel(0.5, 0.9)


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


@pytest.mark.parametrize("family", [vp, vp_cosine])
def test_vp_entropy_of_two_grey_values_rises_iff_their_variance_is_at_most_one(family):
    """Bounded data, without density; the entropy starts at −∞ and, above variance 1, overshoots."""
    times = np.linspace(0.1, 0.98, 100)

    def steps(size):
        p = course(family(), times, ((0.5, -size, 0.0), (0.5, size, 0.0)))
        return np.diff(-(p * np.log(np.maximum(p, 1e-300))).sum((-2, -1)) * CELL)

    assert steps(0.9).min() >= -1e-12 and steps(0.9).sum() > 0.3
    assert steps(1.5).max() > 1e-3 and steps(1.5).min() < -1e-4


def test_vp_entropy_of_a_gaussian_rises_iff_its_variance_is_at_most_one():
    def steps(variance):
        t = torch.linspace(0.0, 1.0, 200, dtype=torch.float64)
        std = (vp().signal(t) ** 2 * variance + vp().noise(t) ** 2).sqrt()
        return Gaussian(torch.zeros_like(std), std, Pixels()).entropy().diff()

    assert (steps(0.4) >= -1e-12).all() and (steps(1.0).abs() < 1e-12).all()
    assert (steps(1.5) <= 1e-12).all() and steps(1.5).min() < -1e-4
    assert steps(1.5).sum() < -0.19
