"""Page 06, variance-exploding and sub-VP diffusion: claims E1 to E8 by chains and on grids."""

import math

import numpy as np
import pytest
import torch
from catalogue import default
from hypothesis import given
from hypothesis import strategies as st
from matrices import asymmetry, gain_and_covariance
from reference import bells, image, moments_agree, noise, orthogonal, schedule, slope

from dpss.bases import Pixels
from dpss.diffusion import homogeneous
from dpss.families import sub_vp, ve, vp, vp_cosine
from dpss.processes import Gaussian, Kernel, Process

SHAPE = (4, 5)
LUMPS = ((0.3, -0.8, 0.2), (0.7, 0.5, 0.15))  # weight, mean and std of the parts of a law


# --- E1 -------------------------------------------------------------------------------------------


def scalar(rate, power):
    """α = exp(−rate t), σ = 0.3 t^power: gains may grow and noise may fade."""
    return Process(Pixels(), lambda t: -rate * t, lambda t: 0.3 * t**power, "scalar")


@given(st.floats(-1, 2), st.floats(-1, 2), st.tuples(*3 * [st.floats(0.05, 0.95)]))
def test_steps_of_a_scalar_process_exist_exactly_if_the_ratio_does_not_rise(rate, power, times):
    """Gain α_t/α_s, variance σ_t² − (α_t/α_s)² σ_s²: typed in anew; and two steps make one."""
    process, (r, s, t) = scalar(rate, power), sorted(times)
    steps = {}
    for a, b in ((r, s), (s, t), (r, t)):
        gain = math.exp(-rate * (b - a))
        added = 0.09 * (b ** (2 * power) - gain**2 * a ** (2 * power))
        if added < -1e-9:
            with pytest.raises(ValueError, match="not Markov"):
                process.kernel(a, b)
        elif added > 1e-9:
            steps[a, b] = step = process.kernel(a, b)
            assert math.isclose(float(step.gain), gain, rel_tol=1e-12)
            assert math.isclose(float(step.std) ** 2, added, rel_tol=1e-6)
    if len(steps) == 3:
        two = steps[s, t] @ steps[r, s]
        assert two.isclose(steps[r, t], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("rate, power", [(1.0, 0.5), (-0.5, 1.5), (0.0, 1.0)])
def test_paths_of_a_scalar_process_are_the_chain_of_its_steps(rate, power, generator):
    """Given u_0, Cov(U_s, U_t) = (α_t/α_s) σ_s²: one pixel, three times jointly."""
    times, u = np.array([0.2, 0.5, 0.9]), 0.7
    start = torch.full((40000, 1, 1), u, dtype=torch.float64)
    states = scalar(rate, power).path(start, times, generator=generator)[:, :, 0, 0]
    alpha, variance = np.exp(-rate * times), 0.09 * times ** (2 * power)
    early = np.minimum.outer(np.arange(3), np.arange(3))
    late = np.maximum.outer(np.arange(3), np.arange(3))
    covariance = alpha[late] / alpha[early] * variance[early]
    moments_agree(states.T.numpy(), alpha * u, covariance)


def test_a_pause_of_the_noise_would_need_a_negative_variance():
    """α = 1, σ = sin πt between t = 0.6 and 0.9."""
    assert math.sin(0.9 * math.pi) ** 2 - math.sin(0.6 * math.pi) ** 2 < -0.8
    process = Process(Pixels(), lambda t: 0 * t, lambda t: torch.sin(math.pi * t), "pause")
    with pytest.raises(ValueError, match="not Markov"):
        process.kernel(0.6, 0.9)


@pytest.mark.parametrize("family", [ve, vp, sub_vp])
def test_covariance_of_noisy_data(family, generator):
    """Cov U_t = α² Cov U_0 + σ² I, for data that are not Gaussian: a sum of uniform patterns."""
    n, t, process = 20000, 0.4, family()
    mixing = torch.as_tensor(noise((6, 6), 3)) / 2
    parts = torch.rand(n, 6, dtype=torch.float64, generator=generator) - 0.5
    state = process.sample((parts @ mixing.T).reshape(n, 2, 3), t, generator=generator)
    alpha, sigma = (c.item() for c in schedule(process.name, t, (1, 1)))
    expected = alpha**2 * (mixing @ mixing.T).numpy() / 12 + sigma**2 * np.eye(6)
    moments_agree(state.reshape(n, 6).numpy(), np.zeros(6), expected)


# --- E2 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vp", "sub_vp", "ve"])
def test_euler_maruyama_tends_to_the_process_with_order_one(name):
    process, errors = default(name, (1, 1)), []
    for m in (1000, 2000):
        f, g2 = (
            c.flatten().numpy() / m for c in process.sde(torch.arange(m, dtype=torch.float64) / m)
        )
        gain, variance = 1.0, 0.0
        for rate, added in zip(f, g2):
            gain, variance = (1 + rate) * gain, (1 + rate) ** 2 * variance + added
        errors.append(
            (
                abs(gain - float(process.signal(1.0))),
                abs(variance / float(process.noise(1.0)) ** 2 - 1),
            )
        )
    assert 1.9 < errors[0][1] / errors[1][1] < 2.1
    assert errors[1][0] == 0 if name == "ve" else 1.9 < errors[0][0] / errors[1][0] < 2.1


@pytest.mark.parametrize("name", ["vp", "sub_vp", "ve"])
def test_coefficients_are_the_rates_of_gain_and_noise(name):
    """f = α'/α, g² = (σ²)' − 2 f σ² = −σ² (log SNR)', and they integrate back to α and σ."""
    process = default(name, (1, 1))
    alpha, sigma = (lambda t, i=i: schedule(name, t, (1, 1))[i].item() for i in (0, 1))
    for t in (0.2, 0.5, 0.8):
        f, g2 = (float(c) for c in process.sde(t))
        growth, variance = slope(lambda x: sigma(x) ** 2, t), sigma(t) ** 2
        assert math.isclose(f, slope(alpha, t) / alpha(t), rel_tol=1e-6, abs_tol=1e-9)
        assert math.isclose(g2, growth - 2 * f * variance, rel_tol=1e-6)
        ratio = slope(lambda x: 2 * math.log(alpha(x) / sigma(x)), t)
        assert math.isclose(g2, -variance * ratio, rel_tol=1e-6)
    s = torch.linspace(0, 0.7, 14001, dtype=torch.float64)
    f, g2 = (c.flatten().numpy() for c in process.sde(s))
    gain = np.exp(np.concatenate([[0], np.cumsum((f[1:] + f[:-1]) / 2) * 5e-5]))
    inner = g2 / gain**2
    variance = gain[-1] ** 2 * ((inner[1:] + inner[:-1]) / 2).sum() * 5e-5
    assert math.isclose(gain[-1], alpha(0.7), rel_tol=1e-6)
    assert math.isclose(variance, sigma(0.7) ** 2, rel_tol=1e-6)


@pytest.mark.parametrize("name", ["vp", "sub_vp", "ve"])
def test_euler_maruyama_is_within_a_constant_over_m_at_every_step(name):
    process, largest = default(name, (1, 1)), []
    for m in (500, 1000, 2000):
        s = torch.arange(m, dtype=torch.float64) / m
        f, g2 = (c.flatten().numpy() / m for c in process.sde(s))
        gain, variance, gaps = 1.0, 0.0, []
        for i in range(m):
            gain, variance = (1 + f[i]) * gain, (1 + f[i]) ** 2 * variance + g2[i]
            alpha, sigma = (c.item() for c in schedule(name, (i + 1) / m, (1, 1)))
            gaps.append(abs(gain - alpha) + abs(variance - sigma**2))
        largest.append(max(gaps))
    np.testing.assert_allclose(-np.diff(np.log2(largest)), 1, atol=0.05)


def test_euler_maruyama_never_arrives_where_the_drift_is_infinite():
    """The cosine schedule, singular at t = 1: the last step adds h g² ≈ 2, whatever h is."""
    for m in (100, 5000):
        f, g2 = (
            c.flatten().numpy() / m
            for c in vp_cosine().sde(torch.arange(m, dtype=torch.float64) / m)
        )
        variance = 0.0
        for rate, added in zip(f, g2):
            variance = (1 + rate) ** 2 * variance + added
        assert abs(variance - 2) < 1e-2


# --- E3 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [0.35, 0.5, 0.6])
def test_ve_is_homogeneous_diffusion_of_the_density(t):
    errors, variance = [], schedule("ve", t, (1, 1))[1].item() ** 2
    for h in (0.02, 0.01):
        u = np.arange(-12, 12 + h / 2, h)
        filtered = homogeneous(bells(u, LUMPS)[None], float(ve().noise(t)) ** 2 / 2 / h**2)[0]
        errors.append(np.abs(filtered - bells(u, LUMPS, variance=variance)).max())
    assert errors[1] < 1e-3 and 3.7 < errors[0] / errors[1] < 4.3  # second order in the spacing
    variance = float(vp().noise(t)) ** 2
    shrunk = bells(u, LUMPS, float(vp().signal(t)), variance)
    filtered = homogeneous(bells(u, LUMPS)[None], variance / 2 / h**2)[0]
    assert np.abs(filtered - shrunk).max() > 0.05


def test_density_of_ve_solves_the_equation_of_diffusion_in_two_pixels():
    """∂_t p = ½ (σ²)' Δp for a data set of three points, which has no density itself."""
    t, h = 0.55, 1e-3
    data = torch.tensor([[[0.9, -0.8]], [[-0.5, 0.1]], [[0.2, 0.7]]], dtype=torch.float64)
    axis = torch.linspace(-2, 2, 21, dtype=torch.float64)
    u = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 1, 1, 2)

    def density(dy=0.0, dx=0.0, dt=0.0):
        moved = u + torch.tensor([[dy, dx]], dtype=torch.float64)
        return ve().marginal(data, t + dt).log_prob(moved).exp().mean(-1)

    steps = [(h, 0.0), (-h, 0.0), (0.0, h), (0.0, -h)]
    laplace = (sum(density(*step) for step in steps) - 4 * density()) / h**2
    left = (density(dt=1e-5) - density(dt=-1e-5)) / 2e-5
    growth = slope(lambda x: schedule("ve", x, (1, 1))[1].item() ** 2, t)
    assert float((left - growth / 2 * laplace).abs().max()) < 1e-4 < 0.1 < float(left.abs().max())
    assert math.isclose(float(ve().sde(t)[1]), growth, rel_tol=1e-6)


# --- E4 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [ve, vp, sub_vp])
@pytest.mark.parametrize("t", [0.3, 0.5, 0.6])
def test_de_bruijn_entropy_changes_by_the_drift_and_half_the_fisher_information(family, t):
    """dH/dt = N f + ½ g² J (theory N3); for VE f = 0."""
    process, u = family(), np.linspace(-12, 12, 48001)

    def density(t):
        gain, level = float(process.signal(t)), float(process.noise(t))
        return np.maximum(bells(u, LUMPS, gain, level**2), 1e-300)

    def entropy(t):
        return -(density(t) * np.log(density(t))).sum() * 24 / 48000

    p = density(t)
    fisher = (np.gradient(p, u) ** 2 / p).sum() * 24 / 48000
    f, g2 = (float(c) for c in process.sde(t))
    rate = (entropy(t + 1e-4) - entropy(t - 1e-4)) / 2e-4
    assert math.isclose(rate, f + g2 * fisher / 2, rel_tol=1e-4, abs_tol=1e-5)
    if family is ve:
        assert rate > 0.1


# --- E5 -------------------------------------------------------------------------------------------


def test_ve_ends_at_the_stated_divergence_and_has_no_limit():
    u = torch.as_tensor(image((28, 28)))
    for sigma_max in (5.0, 50.0):
        law = ve(sigma_max=sigma_max).marginal(u, 1.0)
        apart = float(law.kl(Gaussian(torch.zeros_like(u), law.std, Pixels())))
        assert math.isclose(apart, float((u**2).sum()) / (2 * (sigma_max**2 - 1e-4)), rel_tol=1e-9)
        assert apart <= 784 / (2 * (sigma_max**2 - 1e-4))
    peaks = [float(ve(sigma_max=s).marginal(u, 1.0).log_prob(u)) for s in (5.0, 50.0, 500.0)]
    assert peaks[0] > peaks[1] > peaks[2]  # the largest density falls without bound
    for width in (0.1, 3.0, 40.0):  # no Gaussian is steady: every step makes it wider
        start = Kernel(0.0, width, Pixels())  # forgets its argument, draws from N(0, width² I)
        wider = (ve().kernel(0.0, 0.8) @ start).std.item()
        assert math.isclose(wider**2, width**2 + schedule("ve", 0.8, (1, 1))[1].item() ** 2)


def test_ve_of_data_in_the_range_ends_within_the_bound_and_looks_like_noise():
    """KL ≤ N/2σ² for mixtures; a bounded set loses all probability; U_t/σ_t tends to N(0, 1)."""
    for sigma_max, shares in ((2.0, (0.97, 0.03)), (5.0, (0.9, 0.1))):
        variance = sigma_max**2 - 1e-4
        u = torch.linspace(-12, 12, 8001, dtype=torch.float64) * sigma_max
        process, line = ve(sigma_max=sigma_max), u.view(-1, 1, 1)
        points = [process.marginal([[x]], 1.0).log_prob(line).exp() for x in (1.0, -1.0)]
        p = shares[0] * points[0] + shares[1] * points[1]
        normal = torch.exp(-(u**2) / 2 / variance) / math.sqrt(2 * math.pi * variance)
        cell = float(u[1] - u[0])
        kl = float((p * (p / normal).log()).sum()) * cell
        assert 0.5 / (2 * variance) < kl <= 1 / (2 * variance)
        inside = float(p[u.abs() <= 1].sum()) * cell
        assert inside <= 2 * (2 * math.pi * variance) ** -0.5 * 1.01
        distribution = p.cumsum(0) * cell - torch.special.ndtr(u / sigma_max)
        assert float(distribution.abs().max()) < 0.5 / sigma_max


# --- E6 -------------------------------------------------------------------------------------------


def test_scalar_processes_commute_with_orthogonal_maps_and_ve_with_shifts():
    u, c = torch.as_tensor(image(SHAPE)), torch.as_tensor(noise(SHAPE, 2))
    for process in (ve(), vp(), sub_vp()):
        law = gain_and_covariance(process, 0.6, SHAPE)
        for seed in range(3):
            assert asymmetry(*law, orthogonal(20, seed)) < 1e-12 * max(1, law[1].max())
        for R in (2 * np.eye(20), np.eye(20) + np.eye(20, k=1)):
            assert asymmetry(*law, R) > 0.1
        moved = process.marginal(u + c, 0.4).mean - process.marginal(u, 0.4).mean - c
        assert (moved.abs().max() < 1e-12) == (process.name == "ve")


@pytest.mark.parametrize("family, shift", [(ve, 0.8), (vp, 0.0), (sub_vp, 0.0)])
def test_moved_paths_are_paths_from_the_moved_start(family, shift, generator):
    """R U + c at two times, jointly, against the process from R u_0 + c."""
    R, u, (s, t) = orthogonal(4, 5), image((2, 2)), (0.35, 0.6)
    start = torch.as_tensor(u).expand(40000, 2, 2)
    moved = family().path(start, (s, t), generator=generator).flatten(2).numpy() @ R.T + shift
    early, late = ([c.item() for c in schedule(family().name, x, (1, 1))] for x in (s, t))
    cross = late[0] / early[0] * early[1] ** 2
    covariance = np.kron([[early[1] ** 2, cross], [cross, late[1] ** 2]], np.eye(4))
    begin = R @ u.ravel() + shift
    moments_agree(np.hstack(moved), np.concatenate([early[0] * begin, late[0] * begin]), covariance)


# --- E7 -------------------------------------------------------------------------------------------


def test_sub_vp_has_a_falling_ratio_and_its_coefficients():
    t = torch.linspace(0.01, 1, 100, dtype=torch.float64)
    f, g2 = (c.flatten().numpy() for c in sub_vp().sde(t))
    beta, alpha = 0.1 + 19.9 * t.numpy(), np.exp(-0.05 * t.numpy() - 4.975 * t.numpy() ** 2)
    np.testing.assert_allclose(f, -beta / 2, rtol=1e-9)
    np.testing.assert_allclose(g2, beta * (1 - alpha**4), rtol=1e-9)
    assert (sub_vp().log_snr(t).flatten().diff() < 0).all()
    expected = 2 * np.log(alpha / (1 - alpha**2))
    np.testing.assert_allclose(sub_vp().log_snr(t).flatten(), expected, atol=1e-9)


def test_sub_vp_dips_to_three_quarters_of_the_variance():
    """Started in N(0, 1), through the transitions of the library."""
    t = torch.linspace(0, 1, 2001, dtype=torch.float64)
    fresh = Kernel(0.0, 1.0, Pixels())  # forgets its argument, draws from N(0, I)
    law = Gaussian(0 * t.view(-1, 1, 1), (sub_vp().kernel(0 * t, t) @ fresh).std, Pixels())
    v = (law.std**2).flatten()
    assert abs(float(v.min()) - 0.75) < 1e-5 and abs(float(t[v.argmin()]) - 0.2589) < 1e-3
    kl = law.kl(Gaussian(0 * t.view(-1, 1, 1), 1.0, Pixels()))
    assert abs(float(kl.max()) - 0.5 * (math.log(4 / 3) - 0.25)) < 1e-6
    assert kl[0] == 0 and kl[-1] < 1e-4
    rising = t <= t[v.argmin()]
    assert (kl[rising].diff() >= -1e-12).all() and (kl[~rising].diff() <= 1e-12).all()
    entropy = law.entropy() - law.entropy()[0]
    assert abs(float(entropy.min()) + 0.5 * math.log(4 / 3)) < 1e-6
    short = sub_vp(beta_max=0.5)  # α_1² = e^{−0.3} > ½: it never gets there
    assert float((short.kernel(0.0, 1.0) @ fresh).std) ** 2 > 0.8


# --- E8 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [ve, sub_vp, vp_cosine])
def test_equal_log_snr_makes_scalar_processes_equal_up_to_scale(family):
    other = family()

    def when(log_snr):
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if float(other.log_snr(middle)) > log_snr else (low, middle)
        return high

    times = [0.05, 0.2, 0.5]
    theirs = [when(float(vp().log_snr(t))) for t in times]
    scale = [float(other.signal(b) / vp().signal(a)) for a, b in zip(times, theirs)]
    for i in range(2):
        mine, step = vp().kernel(times[i], times[i + 1]), other.kernel(theirs[i], theirs[i + 1])
        assert math.isclose(
            scale[i + 1] / scale[i] * float(mine.gain), float(step.gain), rel_tol=1e-9
        )
        assert math.isclose(scale[i + 1] * float(mine.std), float(step.std), rel_tol=1e-9)


@pytest.mark.parametrize("family", [vp, ve, sub_vp, vp_cosine])
def test_the_ratios_fix_the_correlations_of_several_times(family, generator):
    """Given u_0, the noise at two times correlates by √(SNR_t/SNR_s), on every clock."""
    process, marks, times = family(), (3.0, 1.0, -1.0), []
    for mark in marks:
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            alpha, sigma = (c.item() for c in schedule(process.name, middle, (1, 1)))
            ahead = sigma == 0 or 2 * math.log(alpha / sigma) > mark
            low, high = (middle, high) if ahead else (low, middle)
        times.append(high)
    assert np.allclose([float(process.log_snr(t)) for t in times], marks, atol=1e-9)
    start = torch.full((40000, 1, 1), 0.5, dtype=torch.float64)
    states = process.path(start, times, generator=generator)[:, :, 0, 0]
    gains = process.signal(times).flatten()[:, None]
    scaled = (states / gains).T.numpy()  # U_0 plus noise of variance 1/SNR
    earlier = np.maximum.outer(marks, marks)  # the larger ratio of two times
    moments_agree(scaled, np.full(3, 0.5), np.exp(-earlier))
    single = torch.randn(40000, generator=generator, dtype=torch.float64)
    fixed = process.noise(times).flatten()[:, None] * single  # no chain: the same noise image
    assert np.corrcoef(fixed)[0, 2] - math.exp(-2) > 0.8
