"""Inpainting: B7a–B7e by dense matrices, finite laws and recursions of their own."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import torch
from reference import laplacian, positive
from reference import osmosis as dense

import dpss
from dpss import diffusion, measures, osmosis, reverse

RNG = np.random.default_rng(20)
VP = dpss.vp()
STRETCHES = [((4, 5), 0), ((1, 7), 1), ((6, 3), 2)]


def mask_of(shape, seed, share=0.4):
    known = np.random.default_rng(seed).random(shape) < share
    known.flat[seed % known.size] = True
    known.flat[-1 - seed % known.size] = False
    return known


def conditional(C, known, x):
    """Mean and covariance of the missing pixels of N(0, C), by the inverse."""
    Q = np.linalg.inv(C)
    S = np.linalg.inv(Q[np.ix_(~known, ~known)])
    return -S @ Q[np.ix_(~known, known)] @ x[known], S


def levels(steps):
    """Gains and noise levels of VP at equal angles."""
    angle = np.linspace(math.pi / 2, 0, steps + 1)
    times = [1.0]
    for gain in np.cos(angle[1:-1]):  # β from 0.1 to 20: −2 log α = 0.1 t + 9.95 t²
        times.append((-0.1 + math.sqrt(0.01 - 4 * 9.95 * 2 * math.log(gain))) / (2 * 9.95))
    times = [t for t in times if t <= 1] + [0.0]
    a = np.array([math.exp(-0.5 * (0.1 * t + 9.95 * t * t)) for t in times])
    return times, a, np.sqrt(1 - a**2)


def law(rule, C, known, x, steps, repeats=1):
    """Mean and covariance of what the rule returns, in scores: u_s = (u − σ²_{t|s} P u)/α_{t|s}."""
    _, a, sigma = levels(steps)
    n, K = len(x), np.diag(known.astype(float))
    m, V = a[0] * np.where(known, x, x[known].mean()), sigma[0] ** 2 * np.eye(n)
    for i in range(len(a) - 1):
        gain, new = a[i] / a[i + 1], sigma[i + 1]
        std2 = sigma[i] ** 2 - gain**2 * new**2
        P = np.linalg.inv(a[i] ** 2 * C + sigma[i] ** 2 * np.eye(n))
        Y, y = (np.eye(n) - std2 * P) / gain, np.zeros(n)
        Z = std2 * new**2 / sigma[i] ** 2 * np.eye(n)
        if rule == "estimate":
            kept = gain * new**2 / sigma[i] ** 2
            Y = Y - K @ Y + kept * K
            y = K @ x * (a[i + 1] - kept * a[i])
        elif rule == "replacement":
            Y, y, Z = Y - K @ Y, a[i + 1] * K @ x, Z - K @ Z + new**2 * K
        times = repeats if i < len(a) - 2 else 1
        for j in range(times):
            m, V = Y @ m + y, Y @ V @ Y.T + Z
            if j < times - 1:
                m, V = gain * m, gain**2 * V + std2 * np.eye(n)
    return m, V


def affine(C):
    """The exact denoiser of N(0, C) under VP, for images of one row."""

    def D(u, t):
        a, s = VP.signal(t).item(), VP.noise(t).item()
        M = a * C @ np.linalg.inv(a * a * C + s * s * np.eye(len(C)))
        return u @ torch.as_tensor(M, dtype=u.dtype).T

    return D


def spread_out(n, seed):
    root = np.random.default_rng(seed).normal(0, 1, (n, n))
    return root @ root.T / n + 0.3 * np.eye(n)


# --- B7a ------------------------------------------------------------------------------------------


def test_errors_of_draws_and_of_their_averages():
    """Pictures that agree where they are known; truths and draws from the posterior."""
    images = torch.tensor([[[1.0, 0, 0]], [[1, 1, 0]], [[1, 0, 2]], [[1, 3, 1]]]).double()
    posterior = dpss.Empirical(images)
    generator, n = torch.Generator().manual_seed(0), 40000
    least = (images - images.mean(0)).square().sum((1, 2)).mean().item()
    draws = posterior.sample(5 * n, generator).reshape(5, n, 1, 3)
    truth = posterior.sample(n, generator)
    for count in (1, 2, 4):
        found = (draws[:count].mean(0) - truth).square().sum((1, 2)).mean().item()
        # Deviation of the mean of 40,000 squares: below 1 %.
        assert abs(found / least - 1 - 1 / count) < 0.04
    apart = (draws[0] - draws[4]).square().sum((1, 2)).mean().item()
    assert abs(apart / least - 2) < 0.04


def test_false_draws_pass_the_test_of_distances():
    E, b2 = 1.7, 0.9
    truth, noise = RNG.normal(0, math.sqrt(E), 200000), RNG.normal(0, 1, (2, 200000))
    first, second = math.sqrt(b2) + math.sqrt(E + b2) * noise
    apart, off = np.mean((first - second) ** 2), np.mean((first - truth) ** 2)
    assert abs(apart / off - 1) < 0.02 and off > 1.4 * 2 * E


# --- B7b ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "seed"), STRETCHES)
def test_harmonic_inpainting_is_the_posterior_mean_of_one_law(shape, seed):
    known, f = mask_of(shape, seed), np.random.default_rng(seed).normal(0, 1, shape)
    basis = dpss.Cosines(shape)
    gaps, kappa = [], 0.3
    h = diffusion.inpaint(f, known)
    L = -laplacian(*shape)
    missing = ~known.ravel()
    block = L[np.ix_(missing, missing)]
    for large in (1e3, 1e4):
        power = kappa / basis.eigenvalues
        power[0, 0] = large
        n = f.size
        rows = basis.synthesise(torch.eye(n, dtype=torch.float64).reshape(n, *shape))
        rows = rows.reshape(n, n).numpy()
        C = (rows.T * power.numpy().ravel()) @ rows
        mean, S = conditional(C, known.ravel(), f.ravel())
        gaps.append(np.abs(mean - h[~known]).max())
        np.testing.assert_allclose(S, kappa * np.linalg.inv(block), atol=20 / large)
    assert gaps[0] > 1e-6 and abs(math.log10(gaps[0] / gaps[1]) - 1) < 0.05
    by_hand = -np.linalg.solve(block, L[np.ix_(missing, ~missing)] @ f.ravel()[~missing])
    np.testing.assert_allclose(h[~known], by_hand, atol=1e-10)


def test_no_other_law_has_harmonic_inpainting_for_all_single_pixels():
    """Whoever inpaints single pixels by the mean of the neighbours has a multiple of −Δ."""
    L = -laplacian(3, 4)
    n = len(L)
    fitting = []  # of all symmetric Q, those with Q_ij L_ii = L_ij Q_ii: a linear system
    pairs = [(i, j) for i in range(n) for j in range(i, n)]
    for i in range(n):
        for j in range(n):
            if i != j:
                row = np.zeros(len(pairs))
                row[pairs.index((min(i, j), max(i, j)))] += L[i, i]
                row[pairs.index((i, i))] -= L[i, j]
                fitting.append(row)
    kernel = scipy.linalg.null_space(np.array(fitting))
    assert kernel.shape[1] == 1
    Q = np.zeros((n, n))
    for (i, j), value in zip(pairs, kernel[:, 0]):
        Q[i, j] = Q[j, i] = value
    np.testing.assert_allclose(Q / Q[0, 0] * L[0, 0], L, atol=1e-9)


@pytest.mark.parametrize(("shape", "seed"), STRETCHES)
def test_the_filter_makes_draws_and_their_roughness(shape, seed):
    known, f = mask_of(shape, seed), np.random.default_rng(seed).normal(0, 1, shape)
    L, kappa, n = -laplacian(*shape), 0.7, f.size
    root = scipy.linalg.sqrtm(kappa * np.linalg.pinv(L)).real
    w = root.reshape(n, *shape) + 5.0  # any mean
    moved = w - 5 - diffusion.inpaint(w - 5, known)
    missing = ~known.ravel()
    S = kappa * np.linalg.inv(L[np.ix_(missing, missing)])
    flat = moved.reshape(n, n)
    np.testing.assert_allclose((flat.T @ flat)[np.ix_(missing, missing)], S, atol=1e-9)
    one = w[0] + diffusion.inpaint(f - w[0], known)
    again = w[0] - 5 + diffusion.inpaint(f - w[0] + 5, known)
    np.testing.assert_allclose(one, again, atol=1e-9)
    np.testing.assert_allclose(one[known], f[known], atol=1e-12)
    h = diffusion.inpaint(f, known)
    draws = np.random.default_rng(seed).normal(0, 1, (20000, n)) @ root
    draws = draws.reshape(-1, *shape)
    draws = draws + diffusion.inpaint(f - draws, known)
    rough = sum((np.diff(draws, axis=axis) ** 2).sum((-2, -1)).mean() for axis in (-2, -1))
    expected = sum((np.diff(h, axis=axis) ** 2).sum() for axis in (-2, -1))
    # Five standard deviations are about 5 √(2/20000) = 5 % of the second term.
    assert abs(rough - expected - kappa * missing.sum()) < 0.05 * kappa * missing.sum()


# --- B7c ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "seed"), STRETCHES)
def test_osmosis_inpaints_the_ratio(shape, seed):
    known, v, f = mask_of(shape, seed), positive(shape, seed), positive(shape, seed + 5)
    u = osmosis.inpaint(f, known, v)
    drifts = [2 * np.diff(v, axis=k) / (np.delete(v, 0, k) + np.delete(v, -1, k)) for k in (0, 1)]
    A = dense(*drifts)
    np.testing.assert_allclose((A @ u.ravel())[~known.ravel()], 0, atol=1e-10)
    np.testing.assert_array_equal(u[known], f[known])
    # The precision of the Gaussian law of part 3, built edge by edge.
    n, index = f.size, np.arange(f.size).reshape(shape)
    Q, flat = np.zeros((n, n)), v.ravel()
    for near, far in ((index[:-1], index[1:]), (index[:, :-1], index[:, 1:])):
        for i, j in zip(near.flat, far.flat):
            q = np.zeros(n)
            q[i], q[j] = 1 / flat[i], -1 / flat[j]
            Q += 2 * flat[i] * flat[j] / (flat[i] + flat[j]) * np.outer(q, q)
    M = ~known.ravel()
    mean = -np.linalg.solve(Q[np.ix_(M, M)], Q[np.ix_(M, ~M)] @ f.ravel()[~M])
    np.testing.assert_allclose(u[~known], mean, rtol=1e-8)


def test_ratios_stay_between_the_known_ones():
    for seed in range(5):
        shape = (5, 6)
        known, v, f = mask_of(shape, seed), positive(shape, seed), positive(shape, seed + 9)
        u = osmosis.inpaint(f, known, v)
        ratio, bounds = u / v, (f / v)[known]
        assert bounds.min() * (1 - 1e-9) <= ratio.min() and ratio.max() <= bounds.max() * (1 + 1e-9)
        np.testing.assert_allclose(osmosis.inpaint(f, known, 3 * v), u, rtol=1e-9)
        np.testing.assert_allclose(osmosis.inpaint(2 * v, known, v), 2 * v, rtol=1e-9)
        np.testing.assert_allclose(
            osmosis.inpaint(f, known, np.ones(shape)), diffusion.inpaint(f, known), rtol=1e-9
        )
        assert np.abs(osmosis.inpaint(f + 1, known, v + 1) - 1 - u).max() > 1e-3


# --- B7d ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("process", [dpss.vp(), dpss.ve(0.1, 3.0), dpss.flow_matching()])
def test_the_denoiser_that_knows_is_the_gradient_more(process):
    images = torch.as_tensor(RNG.integers(0, 2, (40, 3, 3))).double()
    fits = images[(images[:, 0, :2] == images[0, 0, :2]).all(1)]
    assert 3 < len(fits) < 30
    t = 0.4
    u = process.sample(images[:1], t, torch.Generator().manual_seed(1)).requires_grad_()
    alpha, sigma = process.signal(t).item(), process.noise(t).item()

    def log_p(data):
        return torch.logsumexp(-0.5 * ((u - alpha * data) / sigma).square().sum((1, 2)), 0)

    slope = torch.autograd.grad(log_p(fits) - log_p(images), u)[0]
    knows, general = (dpss.Empirical(data).denoiser(process) for data in (fits, images))
    found = knows(u.detach(), t)
    torch.testing.assert_close(
        found, general(u.detach(), t) + sigma**2 / alpha * slope, atol=1e-9, rtol=0
    )
    other = u.detach().clone()
    other[0, 0, :2] += 1.0  # the noisy known pixels
    torch.testing.assert_close(knows(other, t), found, atol=1e-9, rtol=0)
    assert (general(other, t) - general(u.detach(), t)).abs().max() > 1e-3


def test_the_denoiser_that_knows_leads_to_the_posterior_with_order_one():
    """One missing pixel of three: posterior N(m, s), by the library's ancestral steps."""
    C, known, x = spread_out(3, 1), np.array([True, True, False]), np.array([0.7, -0.4, 0.0])
    mean, S = conditional(C, known, x)
    s, generator = S[0, 0], torch.Generator().manual_seed(0)

    def knows(u, t):
        a, sigma = VP.signal(t).item(), VP.noise(t).item()
        fixed = torch.as_tensor(x).expand(u.shape).clone()
        gain = a * s / (a * a * s + sigma**2)
        fixed[..., 2] = mean[0] + gain * (u[..., 2] - a * mean[0])
        return fixed

    lost = []
    for steps in (25, 50):
        times, *_ = levels(steps)
        start = torch.randn(200000, 1, 3, dtype=torch.float64, generator=generator)
        found = reverse.sample(VP, knows, start, times, 1.0, generator)[:, 0]
        torch.testing.assert_close(found[:, :2], torch.as_tensor(x[:2]).expand(200000, 2))
        # Deviations of mean and variance of 200,000 draws: 0.0022 √s, 0.0032 s.
        assert abs(found[:, 2].mean().item() - mean[0]) < 0.01 * math.sqrt(s)
        lost.append(1 - found[:, 2].var().item() / s)
    assert lost[0] > 0.03 and 1.5 < lost[0] / lost[1] < 2.7


# --- B7e ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["estimate", "replacement"])
@pytest.mark.parametrize("repeats", [1, 3])
def test_replacement_has_the_law_of_the_recursion(rule, repeats):
    C = 0.9 + 0.1 * np.eye(4)  # so strong that the noise of the known pixels shows
    known, x, n = np.array([True, False, True, False]), np.array([1.2, 0.0, -0.8, 0.0]), 100000
    times, *_ = levels(6)
    found = reverse.inpaint(
        VP,
        affine(C),
        torch.as_tensor(x).expand(n, 1, 4),
        known[None],
        times,
        1.0,
        torch.Generator().manual_seed(3),
        rule=rule,
        repeats=repeats,
    )[:, 0].numpy()
    m, V = law(rule, C, known, x, 6, repeats)
    # Five standard deviations of means and covariances of 100,000 draws.
    assert np.abs(found.mean(0) - m).max() < 5 * math.sqrt(V.max() / n)
    assert np.abs(np.cov(found.T) - V).max() < 5 * math.sqrt(2 / n) * V.max()
    np.testing.assert_array_equal(found[:, known], np.broadcast_to(x[known], (n, 2)))


@pytest.mark.parametrize(("rho", "repeats"), [(0.1, 1), (0.5, 2), (0.9, 1), (-0.5, 3)])
def test_two_pixels_tend_to_the_integrals(rho, repeats):
    T, r = rho / math.sqrt(1 - rho**2), repeats
    slope = scipy.integrate.quad(
        lambda x: r * x ** (r - 1) * T * x / math.sqrt(1 + (T * x) ** 2), 0, 1
    )[0]
    variance = scipy.integrate.quad(
        lambda x: (2 * r - 1) * x ** (2 * r - 2) / math.sqrt(1 + (T * x) ** 2), 0, 1
    )[0] * math.sqrt(1 - rho**2)
    C, known, f = np.array([[1, rho], [rho, 1]]), np.array([True, False]), np.array([1.0, 0.0])
    gaps = []
    for steps in (200, 400, 800):
        m, V = law("replacement", C, known, f, steps, repeats)
        gaps.append((abs(m[1] - slope), abs(V[1, 1] - variance)))
    assert gaps[2][0] < 2e-3 and gaps[2][1] < 0.02
    assert gaps[2][1] < 0.7 * gaps[1][1] < 0.5 * gaps[0][1]
    assert abs(slope) < abs(rho) and variance > 1 - rho**2
    if repeats == 1:
        assert math.isclose(slope, (1 - math.sqrt(1 - rho**2)) / rho)
        assert math.isclose(variance, (1 - rho**2) * math.atanh(rho) / rho)


def test_estimate_has_the_mean_of_replacement():
    C, known = spread_out(5, 4), np.array([True, False, True, False, False])
    x = np.array([0.3, 0.0, 1.5, 0.0, 0.0])
    for steps, repeats in ((5, 1), (20, 4)):
        means = [law(rule, C, known, x, steps, repeats)[0] for rule in ("estimate", "replacement")]
        np.testing.assert_allclose(*means, atol=1e-12)
        assert np.abs(means[0][~known] - conditional(C, known, x)[0]).max() > 0.02


def test_repeats_tend_to_the_posterior_with_order_one():
    """The equations of the limit of short steps, solved with r = 50, 100 and 200."""
    C, known = spread_out(4, 6), np.array([True, False, False, True])
    x = np.array([1.0, 0.0, 0.0, -0.5])
    mean, S = conditional(C, known, x)

    def slopes(clock, state, r):  # clock: ∫β from t to 0 is what is left of it, going back
        a2 = math.exp(-clock)
        P = np.linalg.inv(a2 * C + (1 - a2) * np.eye(4))
        PM, PK = P[np.ix_(~known, ~known)], P[np.ix_(~known, known)]
        m, V = state[:2], state[2:].reshape(2, 2)
        dm = 0.5 * m - r * (PM @ m + math.sqrt(a2) * PK @ x[known])
        dV = V - r * (PM @ V + V @ PM) + (2 * r - 1) * np.eye(2)
        return np.concatenate([-dm, -dV.ravel()])

    gaps = []
    for r in (50, 100, 200):
        start = np.concatenate([np.zeros(2), np.eye(2).ravel()])
        end = scipy.integrate.solve_ivp(
            slopes, (10.05, 0), start, "Radau", args=(r,), rtol=1e-9, atol=1e-11
        ).y[:, -1]
        gaps.append(np.abs(end[:2] - mean).max() + np.abs(end[2:].reshape(2, 2) - S).max())
    assert gaps[0] > 1e-3
    for before, after in zip(gaps, gaps[1:]):
        assert abs(math.log2(before / after) - 1) < 0.1
    m, V = law("replacement", C, known, x, 2000, 4)
    start = np.concatenate([np.zeros(2), np.eye(2).ravel()])
    end = scipy.integrate.solve_ivp(slopes, (10.05, 0), start, "Radau", args=(4,), rtol=1e-9)
    end = end.y[:, -1]
    np.testing.assert_allclose(m[~known], end[:2], atol=2e-3)
    np.testing.assert_allclose(V[np.ix_(~known, ~known)], end[2:].reshape(2, 2), atol=0.02)
    exact = measures.gaussian_frechet(m[~known], V[np.ix_(~known, ~known)], mean, S)
    assert math.sqrt(exact) > 0.02
