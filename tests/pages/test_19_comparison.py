"""Comparison: B6f–B6j by sums over modes, dense matrices and integrals."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.special
import scipy.stats
import torch
from reference import osmosis as dense

import dpss
from dpss import diffusion, measures, osmosis

SHAPE = (5, 6)
PIXELS = 30
RNG = np.random.default_rng(19)
DATA = RNG.normal(0.2, 0.6, (40, *SHAPE)).cumsum(-1)  # pictures with a falling spectrum


def power(u):
    """Mean power of each mode but 0, by the library's basis."""
    found = dpss.Cosines(SHAPE).analyse(torch.as_tensor(u)).square().mean(0).numpy()
    found[0, 0] = 0
    return found


def less_mean(u):
    return u - u.mean((-2, -1), keepdims=True)


# --- B6f ------------------------------------------------------------------------------------------


PROCESSES = [
    dpss.vp_cosine(),
    dpss.ve(sigma_max=3.0),
    dpss.sub_vp(),
    dpss.heat(SHAPE, sigma=0.1),
    dpss.blurring(SHAPE),
]


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_variance_and_correlation_of_an_ensemble(process):
    u = np.tile(DATA, (50, 1, 1))
    states = process.sample(torch.from_numpy(u), 0.4, torch.Generator().manual_seed(1)).numpy()
    gain = np.broadcast_to(process.signal(0.4).numpy(), SHAPE)
    level = np.array(np.broadcast_to(process.noise(0.4).numpy(), SHAPE))
    level[0, 0] = 0
    whole = (gain**2 * power(DATA) + level**2).sum()
    # Two thousand pictures of 30 pixels: a standard error of about 0.6 %, and 1 % by the start.
    assert math.isclose(states.var((1, 2)).mean(), whole / PIXELS, rel_tol=0.04)
    a, b = less_mean(states), less_mean(u)
    rho = (a * b).sum() / math.sqrt((a**2).sum() * (b**2).sum())
    expected = (gain * power(DATA)).sum() / math.sqrt(power(DATA).sum() * whole)
    assert abs(rho - expected) < 0.02


def test_scalar_processes_at_equal_correlation_are_one_process_on_two_scales():
    variance = power(DATA).sum() / PIXELS
    vp, ve = dpss.vp_cosine(), dpss.ve(sigma_max=3.0)
    e = RNG.normal(0, 1, DATA.shape)
    for rho in (0.9, 0.5):
        ratio = (1 - 1 / PIXELS) / (variance * (rho**-2 - 1))
        states = []
        for process in (vp, ve):
            times = torch.linspace(0.001, 0.999, 20001, dtype=torch.float64)
            t = times[(process.snr(times).flatten() - ratio).abs().argmin()]
            noise = torch.full(SHAPE, float(process.noise(t)), dtype=torch.float64)
            noise[0, 0] = 0
            whole = float(process.signal(t)) ** 2 * power(DATA).sum() + noise.square().sum()
            found = float(process.signal(t)) * power(DATA).sum()
            found /= math.sqrt(power(DATA).sum() * whole)
            assert abs(found - rho) < 1e-3
            states.append((float(process.signal(t)) * DATA + float(process.noise(t)) * e, t))
        scaled = states[0][0] / float(vp.signal(states[0][1]))
        np.testing.assert_allclose(scaled, states[1][0], atol=0.01)


def correlation(gain, level, power):
    """By the theorem; mode 0 takes no part."""
    level = np.where(np.arange(gain.size).reshape(gain.shape) == 0, 0, level)
    now = (gain**2 * power + level**2).sum()
    return (gain * power).sum() / math.sqrt(power.sum() * now)


LEVELS = {
    "blur": lambda kept: 0 * kept,
    "heat": lambda kept: 0 * kept + 0.1 * np.eye(len(kept)),
    "osmosis": lambda kept: np.eye(len(kept)) - kept,
}


@pytest.mark.parametrize("kind", LEVELS)
def test_the_correlation_falls_under_blur_heat_and_osmosis(kind):
    laplacian, start = dense(np.zeros((4, 6)), np.zeros((5, 5))), less_mean(DATA).reshape(-1, 30)
    lam, found = dpss.Cosines(SHAPE).eigenvalues.numpy(), []
    for t in (0.1, 1.0, 10.0):
        kept = scipy.linalg.expm(t * laplacian)
        state, noise = start @ kept.T, LEVELS[kind](kept)
        noise = noise - noise.mean(0)  # without the mean grey value
        whole = (state**2).sum() / len(start) + (noise**2).sum()
        rho = (state * start).sum() / len(start) / math.sqrt((start**2).sum() / len(start) * whole)
        gain = np.exp(-lam * t)
        level = {"blur": 0 * gain, "heat": 0 * gain + 0.1, "osmosis": 1 - gain}[kind]
        assert math.isclose(correlation(gain, level, power(DATA)), rho, abs_tol=1e-9)
    for t in np.geomspace(0.01, 100, 60):
        gain = np.exp(-lam * t)
        level = {"blur": 0 * gain, "heat": 0 * gain + 0.1, "osmosis": 1 - gain}[kind]
        found.append(correlation(gain, level, power(DATA)))
    assert (np.diff(found) < 1e-12).all() and 0.9 < found[0] and found[-1] < 0.8


def test_homogeneous_diffusion_keeps_its_slowest_modes():
    a, b = less_mean(diffusion.homogeneous(DATA, 100.0)), less_mean(DATA)
    rho = (a * b).sum() / math.sqrt((a**2).sum() * (b**2).sum())
    assert math.isclose(rho, math.sqrt(power(DATA)[0, 1] / power(DATA).sum()), abs_tol=1e-6)


def test_the_correlation_may_rise():
    log_gain = torch.tensor([[0.0, 0.0, math.log(0.5)]])  # first mode 2 fades, then mode 1
    process = dpss.Process(
        dpss.Cosines((1, 3)),
        lambda t: torch.where(
            torch.arange(3) == 2,
            log_gain * (2 * t).clamp(max=1),
            math.log(0.5) * (2 * t - 1).clamp(min=0) * (torch.arange(3) == 1),
        ),
        lambda t: 0 * t,
    )
    found = []
    for t, gains in ((0.5, (1.0, 0.5)), (1.0, (0.5, 0.5))):
        np.testing.assert_allclose(process.signal(t)[0, 1:], gains, atol=1e-6)
        assert (process.signal(t) <= process.signal(t - 0.2) + 1e-12).all()
        gain, ones = process.signal(t).numpy(), np.array([[0.0, 1.0, 1.0]])
        found.append([correlation(gain, level, ones) for level in (0.0, 0.01)])
        found[-1].append(correlation(gain * np.exp(-0.01 * t), 0.01, ones))  # all ratios fall
    assert (np.subtract(found[1], found[0]) > 0.04).all()


# --- B6g ------------------------------------------------------------------------------------------


def test_the_histogram_of_few_pixels_has_too_few_bits_by_a_known_amount_at_most():
    edges = np.linspace(-4, 4, 65)
    law = np.diff(scipy.stats.norm.cdf(edges))
    law /= law.sum()
    S = scipy.stats.entropy(law, base=2)
    for pixels in (16, 64, 400):
        side = int(math.sqrt(pixels))
        drawn = RNG.choice(0.5 * (edges[1:] + edges[:-1]), (300, side, side), p=law)
        missing = S - measures.entropy(drawn, bins=64, range=(-4, 4)).mean()
        assert 0 < missing < math.log2(1 + 63 / pixels)


def test_the_law_has_at_most_the_entropy_of_its_grey_values():
    x, w, pixels = 0.3, 0.05, 12
    edges = np.arange(-8, 8 + w / 2, w)
    S = scipy.stats.entropy(np.diff(scipy.stats.norm.cdf(edges)))  # nats
    covariance = (1 - x**2) * np.ones((pixels, pixels)) + x**2 * np.eye(pixels)
    H = scipy.stats.multivariate_normal(np.zeros(pixels), covariance).entropy()
    assert H < pixels * (S + math.log(w)) - 5
    independent = scipy.stats.multivariate_normal(np.zeros(pixels), np.eye(pixels)).entropy()
    assert math.isclose(independent, pixels * (S + math.log(w)), abs_tol=0.01)


def test_the_two_entropies_go_opposite_ways():
    half = np.where(np.arange(24) < 12, -0.9, 0.8)[None].repeat(24, 0)
    half = half + 0.005 * RNG.normal(size=half.shape)
    rise = measures.entropy(diffusion.homogeneous(half, 5.0), range=(-6, 6))
    assert rise - measures.entropy(half, range=(-6, 6)) > 1
    laplacian = dense(np.zeros((23, 24)), np.zeros((24, 23)))
    _, log_det = np.linalg.slogdet(scipy.linalg.expm(5.0 * laplacian[:24, :24]))
    assert log_det < -1  # a part of the grid: blur makes volumes smaller
    loud = np.tile(np.linspace(-3, 3, 48), (48, 1))
    e = RNG.normal(size=loud.shape)
    bits = [
        float(measures.entropy(math.cos(x) * loud + math.sin(x) * e, range=(-9, 9)))
        for x in (0.6, 1.5)
    ]
    vp = dpss.vp_cosine()
    times = [2 * x / math.pi for x in (0.6, 1.5)]
    given = measures.conditional_entropy(vp, times, (48, 48))
    assert bits[0] > bits[1] + 0.2 and given[1] > given[0] + 100


# --- B6h ------------------------------------------------------------------------------------------


def expected_one(s, mean, n):
    root = math.sqrt(2 / (n - 1)) * math.exp(
        scipy.special.gammaln(n / 2) - scipy.special.gammaln((n - 1) / 2)
    )
    return mean**2 + s**2 / n + s**2 + 1 - 2 * s * root


def test_one_gaussian_feature_exactly():
    for s, n in ((1.0, 4), (0.6, 10)):
        x = RNG.normal(0.3, s, (20000, n, 1))
        reference = np.zeros(1), np.eye(1)
        found = [
            measures.gaussian_frechet(y.mean(0), np.cov(y, rowvar=False).reshape(1, 1), *reference)
            for y in x
        ]
        # Five standard errors of 20,000 repeats.
        error = 5 * np.std(found) / math.sqrt(len(found))
        assert abs(np.mean(found) - expected_one(s, 0.3, n)) < error
    n = 4000
    assert abs(n * (expected_one(0.8, 0, n) - 0.04) - (0.64 + 0.4)) < 1e-2
    assert expected_one(1.0, 0, 5) > expected_one(0.8, 0, 5) + 0.03  # and yet it is exact
    both = 2 * expected_one(0.8, 0, 2 * n) - expected_one(0.8, 0, n) - 0.04
    assert abs(both) * n**2 < 1


@pytest.mark.parametrize("kind", ["normal", "uniform", "equal", "dead"])
def test_the_bias_of_several_features(kind):
    """The term of first order has mean 0 and most of the variance: it is subtracted."""
    d, n, repeats = 4, 400, 1000
    mix = RNG.normal(size=(d, d)) + 2 * np.eye(d)
    mix[0] *= kind != "dead"  # a feature of the model that is constant
    C = mix @ mix.T
    C_0 = C if kind == "equal" else np.diag([1.0, 0.5, 2.0, 1.5])
    C_0[1] *= kind != "dead"  # and one of the data

    def draws(*count):
        if kind in ("normal", "dead"):
            return RNG.normal(size=(*count, d)) @ mix.T
        return RNG.uniform(-math.sqrt(3), math.sqrt(3), (*count, d)) @ mix.T

    values, vectors = np.linalg.eigh(C_0)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    m, Q = np.linalg.eigh(root @ C @ root)
    Q, r = Q[:, m > 1e-9], np.sqrt(m[m > 1e-9])
    assert len(r) == (2 if kind == "dead" else 4)
    y = draws(4 * 10**5) @ root @ Q
    var = (y**2).T @ y**2 / len(y) - np.diag(r**4)
    b = np.trace(C) + 0.5 * (var / np.outer(r, r) / np.add.outer(r, r)).sum()
    bell = np.trace(C) + 0.5 * (np.outer(r, r) / np.add.outer(r, r)).sum() + 0.25 * r.sum()
    assert math.isclose(b, bell, rel_tol=0.02) == (kind in ("normal", "dead"))
    limit = measures.gaussian_frechet(np.zeros(d), C, np.zeros(d), C_0)
    found = []
    for x in draws(repeats, n):
        cov = np.cov(x, rowvar=False)
        F = measures.gaussian_frechet(x.mean(0), cov, np.zeros(d), C_0)
        E = Q.T @ root @ (cov - C) @ root @ Q
        found.append(n * (F - limit - np.trace(cov - C) + (np.diag(E) / r).sum()))
    error = np.std(found) / math.sqrt(repeats)
    # Four errors, each below 4 % of b; and a hundredth for the next order and for b itself.
    assert abs(np.mean(found) - b) < 4 * error + 0.01 * b and error < 0.04 * b


# --- B6i ------------------------------------------------------------------------------------------


def test_pixels_as_features_never_come_nearer_under_vp_and_ve():
    mix = RNG.normal(size=(6, 6))
    C, mean = mix @ mix.T, RNG.normal(size=6)
    for process in (dpss.vp_cosine(), dpss.ve(sigma_max=3.0)):
        found = []
        for t in np.linspace(0, 1, 15):
            a, s = float(process.signal(t)), float(process.noise(t))
            found.append(measures.gaussian_frechet(a * mean, a**2 * C + s**2 * np.eye(6), mean, C))
            c = np.linalg.eigvalsh(C)
            by_modes = (1 - a) ** 2 * mean @ mean
            by_modes += np.square(np.sqrt(a**2 * c + s**2) - np.sqrt(c)).sum()
            assert math.isclose(found[-1], by_modes, abs_tol=1e-8)
        assert (np.diff(found) > -1e-9).all() and found[-1] > 0.5


def test_clipped_two_point_data_come_back():
    def variance(sigma):
        density = lambda z: np.clip(1 + sigma * z, -1, 1) ** 2 * scipy.stats.norm.pdf(z)  # noqa: E731
        kinks = [x for x in (-2 / sigma, 0.0) if x > -12]
        return scipy.integrate.quad(density, -12, 12, points=kinks, limit=200)[0]

    found = []
    for sigma in (0.05, 0.5, 1.0, 4.0, 40.0):
        q = sigma * math.sqrt(2 / math.pi) - sigma**2 * (scipy.stats.norm.cdf(2 / sigma) - 0.5)
        assert math.isclose(variance(sigma), 1 - q, abs_tol=1e-7)
        found.append((1 - math.sqrt(1 - q)) ** 2)
    assert found[0] < found[2] > 100 * found[-1]


# --- B6j ------------------------------------------------------------------------------------------


def drift_of(v):
    return tuple(
        2 * (far - near) / (far + near) for near, far in ((v[:-1], v[1:]), (v[:, :-1], v[:, 1:]))
    )


def test_one_noise_image_takes_two_nats_from_the_law_for_each_edge_and_time():
    edges = 4 * 6 + 5 * 5
    for a in (3.0, 50.0):
        v = RNG.uniform(-2, 2, SHAPE) + a
        unit = np.eye(PIXELS).reshape(PIXELS, *SHAPE)
        moved = osmosis.evolve(unit, osmosis.canonical_drift(v), 0.3).reshape(PIXELS, PIXELS)
        np.testing.assert_allclose(moved.T, scipy.linalg.expm(0.3 * dense(*drift_of(v))), atol=1e-9)
        assert math.isclose(np.linalg.slogdet(moved)[1], -2 * 0.3 * edges, abs_tol=1e-6)


def test_all_pictures_become_one_but_for_their_brightness():
    v = RNG.uniform(-2, 2, SHAPE) + 4
    end = osmosis.evolve(DATA + 20, osmosis.canonical_drift(v), 3000.0)
    C = np.cov(end.reshape(len(end), -1), rowvar=False)
    expected = (DATA.mean((1, 2))).var(ddof=1) * np.outer(v, v) / v.mean() ** 2
    np.testing.assert_allclose(C, expected, atol=1e-8)
    own = RNG.normal(0, 1, DATA.shape) + 20  # a noise image for each
    ends = osmosis.steady_state(DATA + 20, osmosis.canonical_drift(own)) - 20
    assert less_mean(ends).var(0).mean() > 0.5


def test_one_noise_image_keeps_divergences():
    drift = osmosis.canonical_drift(RNG.uniform(-2, 2, SHAPE) + 4)
    A = osmosis.evolve(np.eye(PIXELS).reshape(PIXELS, *SHAPE), drift, 0.2).reshape(PIXELS, -1).T

    def kl(m, C, n, D):  # of N(m, C) from N(n, D)
        gap = n - m
        trace = np.trace(np.linalg.solve(D, C)) + gap @ np.linalg.solve(D, gap) - len(m)
        return 0.5 * (trace + np.linalg.slogdet(D)[1] - np.linalg.slogdet(C)[1])

    m, n, C = RNG.normal(size=PIXELS), RNG.normal(size=PIXELS), np.diag(RNG.uniform(1, 2, PIXELS))
    before = kl(m, C, n, np.eye(PIXELS))
    assert before > 5
    assert math.isclose(kl(A @ m, A @ C @ A.T, A @ n, A @ A.T), before, rel_tol=1e-6)
