"""Page 06, variance-exploding and sub-VP diffusion: claims E1 to E8 by chains and on grids."""

import math

import numpy as np
import pytest
import torch
from catalogue import default
from hypothesis import given
from hypothesis import strategies as st
from matrices import asymmetry, gain_and_covariance
from reference import bells, image, moments_agree, noise, orthogonal, schedule

from dpss.bases import Pixels
from dpss.diffusion import homogeneous
from dpss.families import sub_vp, ve, vp, vp_cosine
from dpss.processes import Gaussian, Process

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
    errors = []
    for h in (0.02, 0.01):
        u = np.arange(-12, 12 + h / 2, h)
        variance = float(ve().noise(t)) ** 2
        filtered = homogeneous(bells(u, LUMPS)[None], variance / 2 / h**2)[0]
        errors.append(np.abs(filtered - bells(u, LUMPS, variance=variance)).max())
    assert errors[1] < 1e-3 and 3.7 < errors[0] / errors[1] < 4.3  # second order in the spacing
    variance = float(vp().noise(t)) ** 2
    shrunk = bells(u, LUMPS, float(vp().signal(t)), variance)
    filtered = homogeneous(bells(u, LUMPS)[None], variance / 2 / h**2)[0]
    assert np.abs(filtered - shrunk).max() > 0.05


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


# --- E6 -------------------------------------------------------------------------------------------


def test_scalar_processes_commute_with_orthogonal_maps_and_ve_with_shifts():
    u, c = torch.as_tensor(image(SHAPE)), torch.as_tensor(noise(SHAPE, 2))
    for process in (ve(), vp(), sub_vp()):
        law = gain_and_covariance(process, 0.6, SHAPE)
        for seed in range(3):
            assert asymmetry(*law, orthogonal(20, seed)) < 1e-12 * max(1, law[1].max())
        assert asymmetry(*law, 2 * np.eye(20)) > 0.1
        moved = process.marginal(u + c, 0.4).mean - process.marginal(u, 0.4).mean - c
        assert (moved.abs().max() < 1e-12) == (process.name == "ve")


# --- E7 -------------------------------------------------------------------------------------------


def test_sub_vp_dips_to_three_quarters_of_the_variance():
    t = torch.linspace(0, 1, 2001, dtype=torch.float64)
    v = (sub_vp().signal(t) ** 2 + sub_vp().noise(t) ** 2).flatten()
    assert abs(float(v.min()) - 0.75) < 1e-5 and abs(float(t[v.argmin()]) - 0.2589) < 1e-3
    kl = 0.5 * (v - 1 - v.log())
    assert (
        abs(float(kl.max()) - 0.5 * (math.log(4 / 3) - 0.25)) < 1e-6
        and kl[0] == 0
        and kl[-1] < 1e-4
    )
    entropy = 0.5 * v.log()  # up to a constant
    assert abs(float(entropy.min()) + 0.1438) < 1e-4 and entropy[0] == 0


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
