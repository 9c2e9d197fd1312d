"""Reverse samplers: exact laws for Gaussian data, orders of convergence, other implementations.

And bad denoisers.
"""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from catalogue import MILD, mild
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
)
from reference import image, noise

from dpss import _coefficients, clock, families, reverse
from dpss.bases import Cosines, Pixels
from dpss.priors import Empirical, GaussianPrior, Mixture
from dpss.processes import Process

SHAPE = (3, 4)
NAMES = [name for name in MILD if name not in ("vp_discrete", "pixelwise by hand")]


def gaussian(process, shape=SHAPE):
    return GaussianPrior(image(shape, 6), 0.5 + image(shape, 5) ** 2, process.basis)


def moments(process, prior, t):
    law = prior.marginal(process, t)
    return law.mean, law.std


# --- the start ------------------------------------------------------------------------------------

STARTS = {  # name: (process, whether it forgets its image)
    "vp": (families.vp(), True),
    "ve": (families.ve(), True),
    "heat": (families.heat(SHAPE, sigma=0.02), False),
    "blurring": (families.blurring(SHAPE), True),
}


@pytest.mark.parametrize("name", STARTS)
def test_a_sampler_starts_from_noise_or_from_what_heat_left_of_an_image(name):
    process, forgets = STARTS[name]
    u, basis = torch.as_tensor(image((2, *SHAPE), 7)), process.basis
    one, two = (
        reverse.start(process, v.expand(4000, *SHAPE), torch.Generator().manual_seed(8)) for v in u
    )
    assert torch.equal(one, two) == forgets
    left = 0 if forgets else process.signal(1.0) * basis.analyse(u)
    means = torch.stack([basis.analyse(x).mean(0) for x in (one, two)])
    sigma = process.noise(1.0).expand(SHAPE)
    assert ((means - left).abs() < 5 * sigma / math.sqrt(4000)).all()
    torch.testing.assert_close(basis.analyse(one).std(0), sigma, rtol=0.06, atol=0)


@pytest.mark.parametrize("kept, forgets", [(2e-3, False), (0.5e-3, True)])
def test_one_mode_that_is_not_forgotten_is_enough(kept, forgets):
    """SNR_1 is `kept` in one mode and 10⁻⁹ in all others."""
    snr = torch.full(SHAPE, 1e-9, dtype=torch.float64)
    snr[1, 2] = kept
    process = Process(Cosines(SHAPE), lambda t: 0.5 * t * snr.log(), lambda t: t, "by hand")
    u = torch.as_tensor(image((2, *SHAPE), 9))
    one, two = (reverse.start(process, v, torch.Generator().manual_seed(8)) for v in u)
    assert torch.equal(one, two) == forgets


@pytest.mark.parametrize("name", [name for name, (_, forgets) in STARTS.items() if forgets])
def test_noise_alone_is_as_far_from_the_law_of_states_as_the_docstring_says(name):
    process, _ = STARTS[name]
    prior = gaussian(process)
    found = prior.marginal(process, 1.0).kl(process.steady_state(SHAPE, torch.float64)).item()
    power = process.basis.analyse(torch.as_tensor(prior.mean)) ** 2 + prior.std**2
    bound = 0.5 * (process.snr(1.0) * power).sum().item()
    assert 0 <= found <= bound * (1 + 1e-9) < 1e-2


def test_a_start_keeps_the_kind_of_the_images_and_no_gradient():
    for process, _ in STARTS.values():
        for dtype in (torch.float32, torch.float64):
            u = torch.as_tensor(image((2, 3, *SHAPE), 10)).to(dtype).requires_grad_()
            found = reverse.start(process, u)
            assert found.dtype == dtype and found.shape == u.shape and not found.requires_grad


# --- one step -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_step_at_eta_1_draws_from_the_posterior(name):
    process = mild(name, SHAPE)
    u, denoised = torch.as_tensor(noise((2, *SHAPE), 1)), torch.as_tensor(image((2, *SHAPE), 2))
    for s, t in ((0.1, 0.15), (0.3, 0.9), (0.0, 0.4)):
        found = reverse.step(process, denoised, u, s, t, 1.0, torch.Generator().manual_seed(3))
        expected = process.posterior(denoised, u, s, t).sample(torch.Generator().manual_seed(3))
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", NAMES)
def test_a_step_follows_the_formula(name, eta):
    process = mild(name, SHAPE)
    u, denoised = torch.as_tensor(noise(SHAPE, 4)), torch.as_tensor(image(SHAPE, 5))
    s, t = 0.4, 0.7
    found = reverse.step(process, denoised, u, s, t, eta, torch.Generator().manual_seed(6))
    alpha_s, alpha_t, sigma_s, sigma_t = (
        process.signal(s),
        process.signal(t),
        process.noise(s),
        process.noise(t),
    )
    between = sigma_t**2 - (alpha_t / alpha_s * sigma_s) ** 2
    tilde = torch.sqrt(between) * sigma_s / sigma_t
    direction = (process.basis.analyse(u) - alpha_t * process.basis.analyse(denoised)) / sigma_t
    fresh = torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    modes = (
        alpha_s * process.basis.analyse(denoised)
        + torch.sqrt(sigma_s**2 - eta**2 * tilde**2) * direction
        + eta * tilde * fresh
    )
    torch.testing.assert_close(found, process.basis.synthesise(modes), rtol=1e-9, atol=1e-9)


def test_a_step_takes_one_time_per_image_and_keeps_the_dtype():
    process = families.vp()
    u, denoised = (
        torch.as_tensor(noise((2, 1, *SHAPE), 7)).float(),
        torch.as_tensor(image((2, 1, *SHAPE), 8)).float(),
    )
    s, t = torch.tensor([0.1, 0.3]), torch.tensor([0.2, 0.9])
    both = reverse.step(process, denoised, u, s, t, 0.0)
    assert both.dtype == torch.float32
    for i in range(2):
        torch.testing.assert_close(
            both[i], reverse.step(process, denoised[i], u[i], s[i], t[i], 0.0)
        )


def test_without_noise_a_step_shows_the_estimate():
    process = families.gaussian_scale_space(SHAPE, 2.0)
    denoised = torch.as_tensor(image(SHAPE))
    torch.testing.assert_close(
        reverse.step(process, denoised, denoised * 0, 0.3, 0.6),
        process.marginal(denoised, 0.3).mean,
    )


def test_heat_keeps_eight_digits_at_eta_1():
    """σ_s² − σ̃² is a small difference of equal numbers for heat; the mean mode shows it."""
    process = families.heat(SHAPE, 1.5, sigma=1e-4)
    u = torch.as_tensor(noise(SHAPE, 9))
    found = reverse.step(process, u * 0, u, 0.5, 0.5 + 1e-9, 1.0, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found, u, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "eta, expected", [(1.0, (0.199, 0.408, 0.545)), (0.0, (0.242, 0.484, 0.575))]
)
def test_what_the_plug_in_step_loses(eta, expected):
    """Data of variance 0.6 under VP in 5, 20, 100 steps: theory N7, and the recursion by hand."""
    process = families.vp()
    D = GaussianPrior(torch.zeros(1, 1), math.sqrt(0.6), Pixels()).denoiser(process)
    for steps, number in zip((5, 20, 100), expected):
        times = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
        gains, levels = affine(
            lambda u, path, times=times: reverse.sample(process, D, u, times, eta, path=path)
        )
        variance = float(
            process.marginal(torch.zeros(1, 1), 1.0).std ** 2 + 0.6 * process.signal(1.0) ** 2
        )
        for g, level in zip(gains, levels):
            variance = g**2 * variance + level**2
        assert abs(variance - number) < 6e-4


def affine(sampler):
    """Gain and noise level of each step of an affine sampler of 1×1 images: by noise 0 and 1."""
    real = reverse._noise
    try:
        reverse._noise = lambda modes, generator: torch.tensor(
            [0.0, 0.0, 1.0], dtype=torch.float64
        ).view(3, 1, 1)
        low, high, noisy = sampler(
            torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64).view(3, 1, 1), True
        )[:, :, 0, 0].T
    finally:
        reverse._noise = real
    gains = (high - low)[1:] / (high - low)[:-1]
    return gains.tolist(), (noisy[1:] - low[1:] - gains * (noisy - low)[:-1]).tolist()


# --- orders of convergence ------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0.6, 1.0])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_flow_converges_with_order_2_to_the_exact_map(name, start):
    process = mild(name, SHAPE)
    prior, end = gaussian(process), 0.15
    (m1, s1), (m0, s0) = moments(process, prior, start), moments(process, prior, end)
    u = torch.as_tensor(noise(SHAPE, 10))
    exact = m0 + process.basis.synthesise(
        s0 / s1 * process.basis.analyse(u - m1)
    )  # modes scale by √(v_s/v_t)
    errors = []
    for steps in (40, 80):
        times = torch.linspace(start, end, steps + 1, dtype=torch.float64)
        errors.append(
            (reverse.flow(process, prior.denoiser(process), u, times) - exact).abs().max().item()
        )
    assert errors[-1] < 2e-3
    # 2 up to terms of the next order, which are still felt where the schedule is steep
    assert 1.8 < math.log2(errors[-2] / errors[-1]) < 2.4, errors


@pytest.mark.parametrize("start", [0.6, 1.0])
@pytest.mark.parametrize("name", NAMES)
def test_exponential_converges_with_order_2_to_the_exact_map(name, start):
    """Times of equal angles: of equal steps in t, the last before 1 may be long in ℓ."""
    process = mild(name, SHAPE)
    prior, end = gaussian(process), 0.15
    first, last = (clock.angle(clock.log_snr(process, SHAPE, t)) for t in (start, end))
    (m1, s1), (m0, s0) = moments(process, prior, start), moments(process, prior, end)
    u = torch.as_tensor(noise(SHAPE, 10))
    exact = m0 + process.basis.synthesise(s0 / s1 * process.basis.analyse(u - m1))
    errors = []
    for steps in (160, 320):
        times = clock.at(process, SHAPE, torch.linspace(first, last, steps + 1).double())
        times[0], times[-1] = start, end
        found = reverse.exponential(process, prior.denoiser(process), u, times)
        errors.append((found - exact).abs().max().item())
    assert errors[-1] < 2e-3
    assert 1.75 < math.log2(errors[-2] / errors[-1]) < 2.4, errors


def linear_in_log_snr(process, start, slope):
    """A denoiser whose modes are start + slope · ℓ, whatever the state."""
    return lambda u, t: process.basis.synthesise(start + slope * 0.5 * process.log_snr(t))


@pytest.mark.parametrize("name", NAMES)
def test_exponential_is_exact_where_the_estimate_is_linear_in_the_log_snr(name):
    """From the second step on; against the integral of D d(e^ℓ) by quadrature, mode by mode."""
    process, times = mild(name, SHAPE), torch.tensor([0.9, 0.7, 0.6, 0.3, 0.2]).double()
    start, slope = (torch.as_tensor(noise(SHAPE, seed)) for seed in (43, 44))
    D, basis = linear_in_log_snr(process, start, slope), process.basis
    states = reverse.exponential(process, D, torch.as_tensor(noise(SHAPE, 45)), times, path=True)
    nodes, weights = (torch.as_tensor(x) for x in np.polynomial.legendre.leggauss(60))
    for u, after, t, s in zip(states[1:-1], states[2:], times[1:-1], times[2:]):
        low, high = (0.5 * process.log_snr(x) for x in (t, s))
        ell = low + (high - low) * (nodes[:, None, None] + 1) / 2
        area = (weights[:, None, None] * torch.exp(ell) * (start + slope * ell)).sum(0)
        ratio = basis.analyse(u) / process.noise(t) + 0.5 * (high - low) * area
        expected = basis.synthesise(process.noise(s) * ratio)
        torch.testing.assert_close(after, expected, rtol=1e-8, atol=1e-8)
    first = reverse.step(process, D(None, times[0]), states[0], times[1], times[0], 0.0)
    torch.testing.assert_close(states[1], first)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "osmotic"])
def test_exponential_is_ddim_where_the_estimate_is_constant(name):
    process, times = mild(name, SHAPE), torch.linspace(1, 0.1, 8).double()
    constant, u = (torch.as_tensor(noise(SHAPE, seed)) for seed in (46, 47))
    found = reverse.exponential(process, lambda v, t: constant, u, times, path=True)
    expected = reverse.sample(process, lambda v, t: constant, u, times, 0.0, path=True)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("family", ["heat", "blurring", "waits"])
def test_exponential_is_finite_where_a_mode_stands_still_or_begins_at_nothing(family):
    """Heat keeps its mean; α = 0 at the start of blurring; a process may wait in the middle."""
    waits = Process(
        Pixels(),
        lambda t: -torch.relu(t - 0.7) - torch.clamp(t, max=0.4),
        lambda t: torch.sqrt(torch.relu(t - 0.7) + torch.clamp(t, max=0.4)),
    )
    process = waits if family == "waits" else mild(family, SHAPE)
    D, u = gaussian(process).denoiser(process), torch.as_tensor(noise((2, *SHAPE), 48))
    path = reverse.exponential(process, D, u, [1.0, 0.8, 0.6, 0.5, 0.3, 0.1], path=True)
    assert torch.isfinite(path).all()
    if family == "heat":  # the mean mode
        torch.testing.assert_close(path[-1].mean((1, 2)), u.mean((1, 2)))


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("name", ["vp", "sub_vp", "ve"])
@pytest.mark.slow
def test_sde_has_weak_order_1_for_every_eta(name, eta):
    process = mild(name, SHAPE)
    prior = GaussianPrior(torch.full((1, 1), 0.4), 0.7, Pixels())
    D, start, end = prior.denoiser(process), 0.7, 0.2
    (m1, s1), (m0, s0) = moments(process, prior, start), moments(process, prior, end)
    errors = []
    for steps in (200, 400):
        times = torch.linspace(start, end, steps + 1, dtype=torch.float64)
        gains, levels = affine(
            lambda u, path, times=times: reverse.sde(process, D, u, times, eta, path=path)
        )
        mean = reverse.sde(process, D, m1, times, 0.0) if eta == 0 else None
        variance = s1.item() ** 2
        for g, level in zip(gains, levels):
            variance = g**2 * variance + level**2
        errors.append(
            abs(variance - s0.item() ** 2) + (abs((mean - m0).item()) if mean is not None else 0)
        )
        assert (max(np.abs(levels)) > 0) == (eta > 0)
    assert errors[-1] < 0.03
    assert 0.85 < math.log2(errors[-2] / errors[-1]) < 1.15, errors


def test_sde_acts_mode_by_mode():
    process = families.heat(SHAPE, 1.5, sigma=0.3)
    prior, times = gaussian(process), torch.linspace(0.7, 0.2, 401, dtype=torch.float64)
    (m1, s1), (m0, s0) = moments(process, prior, 0.7), moments(process, prior, 0.2)
    u = torch.as_tensor(noise(SHAPE, 11))
    found = reverse.sde(process, prior.denoiser(process), u, times, eta=0.0)
    exact = m0 + process.basis.synthesise(s0 / s1 * process.basis.analyse(u - m1))
    torch.testing.assert_close(found, exact, rtol=0.02, atol=0.02)


# --- whole samplers -------------------------------------------------------------------------------

SAMPLERS = {
    "ancestral": lambda p, D, u, times, **k: reverse.sample(p, D, u, times, 1.0, **k),
    "ddim": lambda p, D, u, times, generator=None, **k: reverse.sample(p, D, u, times, 0.0, **k),
    "sde": lambda p, D, u, times, **k: reverse.sde(p, D, u, times, **k),
    "flow": lambda p, D, u, times, generator=None, **k: reverse.flow(p, D, u, times, **k),
    "exponential": lambda p, D, u, times, generator=None, **k: reverse.exponential(
        p, D, u, times, **k
    ),
}


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("family", ["vp", "ve", "heat"])
@pytest.mark.slow
def test_samplers_recover_a_mixture_in_wasserstein_distance(name, family, generator):
    process = {
        "vp": families.vp(),
        "ve": families.ve(0.01, 20.0),
        "heat": families.heat((1, 1), sigma=0.3),
    }[family]
    prior = Mixture(
        [0.3, 0.7],
        np.array([[[-0.8]], [[0.6]]]),
        [0.1, 0.2],
        Pixels() if family != "heat" else Cosines((1, 1)),
    )
    n, first = 4000, 0.999
    times = torch.cat(
        [torch.linspace(first, 0.05, 100), torch.tensor([0.03, 0.015, 0.005, 0.0])]
    ).double()
    data = prior.sample(n, generator)
    u = process.sample(data, first, generator)
    found = SAMPLERS[name](process, prior.denoiser(process), u, times, generator=generator)
    apart = scipy.stats.wasserstein_distance(found.flatten(), prior.sample(n, generator).flatten())
    if (
        family == "heat"
    ):  # one pixel is all mean: nothing moves until the last step, which shows E[U_0 | U_t]
        torch.testing.assert_close(found, prior.denoiser(process)(u, 0.005), rtol=0.5, atol=0.5)
        return
    # two true samples of this size are 0.02 to 0.03 apart
    assert apart < 0.06
    blind = SAMPLERS[name](
        process, lambda u, t: torch.full_like(u, 0.18), u, times, generator=generator
    )
    assert (
        scipy.stats.wasserstein_distance(blind.flatten(), data.flatten()) > 0.3
    )  # a denoiser that only knows the mean


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("family", NAMES)
def test_a_last_time_of_0_ends_with_the_estimate(name, family):
    process = mild(family, SHAPE)
    D, u = gaussian(process).denoiser(process), torch.as_tensor(noise((2, *SHAPE), 12))
    times = [0.5, 0.45, 0.0]
    path = SAMPLERS[name](
        process, D, u, times, path=True, generator=torch.Generator().manual_seed(1)
    )
    assert path.shape == (3, 2, *SHAPE) and torch.equal(path[0], u)
    torch.testing.assert_close(path[2], D(path[1], 0.45))
    last = SAMPLERS[name](process, D, u, times, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(last, path[2])


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_denoiser_sees_float_times_and_the_state(name):
    process, seen = families.vp(), []
    u = torch.as_tensor(noise((2, 1, *SHAPE), 13)).float()

    def D(state, t):
        seen.append(t)
        assert isinstance(t, float) and state.shape == u.shape and state.dtype == torch.float32
        return 0.5 * state.double()  # an estimate in another precision is cast

    assert SAMPLERS[name](process, D, u, [0.6, 0.5, 0.4]).dtype == torch.float32
    assert seen == ([0.6, 0.5, 0.5, 0.4] if name == "flow" else [0.6, 0.5])


@pytest.mark.parametrize("name", ["ancestral", "sde"])
def test_randomness_comes_from_the_generator(name):
    process = families.vp()
    D, u = gaussian(process).denoiser(process), torch.as_tensor(noise(SHAPE, 14))
    runs = [
        SAMPLERS[name](
            process, D, u, [0.6, 0.5, 0.4], generator=torch.Generator().manual_seed(seed)
        )
        for seed in (1, 1, 2)
    ]
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])


def test_progress_is_a_bar_on_standard_error_and_changes_nothing(capsys):
    process = families.vp()
    D, u, times = (
        gaussian(process).denoiser(process),
        torch.as_tensor(noise(SHAPE, 15)),
        [0.6, 0.5, 0.4],
    )
    silent = {
        name: sampler(process, D, u, times, generator=torch.Generator().manual_seed(1))
        for name, sampler in SAMPLERS.items()
    }
    assert capsys.readouterr().err == ""
    for name, sampler in SAMPLERS.items():
        loud = sampler(
            process, D, u, times, progress=True, generator=torch.Generator().manual_seed(1)
        )
        assert "2/2" in capsys.readouterr().err and torch.equal(loud, silent[name])


# --- other implementations ------------------------------------------------------------------------


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_steps_are_those_of_the_ddim_scheduler_of_diffusers(eta):
    scheduler = DDIMScheduler(1000, beta_schedule="linear", clip_sample=False)
    scheduler.set_timesteps(50)
    process = families.vp_discrete(scheduler.betas.double())
    u, predicted, fresh = (
        torch.as_tensor(noise((2, 1, *SHAPE), seed)).float() for seed in (16, 17, 18)
    )
    for index in (980, 500, 20):
        t, s = (index + 1) / 1000, (index - 20 + 1) / 1000
        theirs = scheduler.step(predicted, index, u, eta=eta, variance_noise=fresh).prev_sample
        denoised = ((u - process.noise(t) * predicted) / process.signal(t)).float()
        real, reverse._noise = reverse._noise, lambda modes, generator: fresh
        try:
            ours = reverse.step(process, denoised, u, s, t, eta)
        finally:
            reverse._noise = real
        # 1/α_980 ≈ 140 magnifies the rounding of their float32 coefficients
        torch.testing.assert_close(ours, theirs, rtol=2e-4, atol=2e-4)


def test_steps_are_those_of_the_ddpm_scheduler_of_diffusers():
    scheduler = DDPMScheduler(
        1000, beta_schedule="linear", clip_sample=False, variance_type="fixed_small"
    )
    process = families.vp_discrete(scheduler.betas.double())
    u, predicted = (torch.as_tensor(noise((2, 1, *SHAPE), seed)).float() for seed in (19, 20))
    for index in (900, 300, 5):
        t, s = (index + 1) / 1000, index / 1000
        theirs = scheduler.step(
            predicted, index, u, generator=torch.Generator().manual_seed(2)
        ).prev_sample
        denoised = ((u - process.noise(t) * predicted) / process.signal(t)).float()
        ours = reverse.step(process, denoised, u, s, t, 1.0, torch.Generator().manual_seed(2))
        torch.testing.assert_close(ours, theirs, rtol=2e-4, atol=2e-4)


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of theirs
def test_exponential_steps_are_those_of_the_multistep_solver_of_diffusers():
    """Their solver_type "heun" integrates e^ℓ D exactly for D linear in ℓ, as we do."""
    scheduler = DPMSolverMultistepScheduler(
        1000,
        beta_schedule="linear",
        solver_order=2,
        solver_type="heun",
        lower_order_final=False,
        timestep_spacing="trailing",
    )
    scheduler.set_timesteps(20)
    process = families.vp_discrete(alphas_cumprod=scheduler.alphas_cumprod.double())

    def network(u, index):
        return (0.3 + index.reshape(-1, 1, 1, 1) / 2000) * torch.tanh(u)

    start = torch.as_tensor(noise((2, 1, *SHAPE), 49)).float()
    theirs = [start]
    for index in scheduler.timesteps:
        predicted = network(theirs[-1], index.expand(2))
        theirs.append(scheduler.step(predicted, index, theirs[-1]).prev_sample)
    D = reverse.as_denoiser(network, process, "noise", steps=1000)
    times = torch.cat([(scheduler.timesteps + 1) / 1000, torch.zeros(1)])
    ours = reverse.exponential(process, D, start, times, path=True)
    torch.testing.assert_close(ours, torch.stack(theirs), rtol=5e-3, atol=5e-3)
    first_order = reverse.sample(process, D, start, times, eta=0.0)
    assert (first_order - theirs[-1]).abs().max() > 0.05


# --- inpainting -----------------------------------------------------------------------------------


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("family", ["vp", "heat", "blurring"])
def test_inpainting_keeps_the_known_pixels_exactly(family, eta):
    process = mild(family, SHAPE)
    known, mask = torch.as_tensor(image((2, *SHAPE), 21)), np.zeros(SHAPE, bool)
    mask[:, :2] = True
    times = torch.linspace(0.99, 0, 20, dtype=torch.float64)
    found = reverse.inpaint(
        process,
        gaussian(process).denoiser(process),
        known,
        mask,
        times,
        eta,
        torch.Generator().manual_seed(0),
    )
    assert found.shape == known.shape
    assert torch.equal(found[..., :2], known[..., :2]) and not torch.equal(
        found[..., 2:], known[..., 2:]
    )


def test_inpainting_does_not_look_behind_the_mask():
    process = families.vp()
    D = gaussian(process).denoiser(process)
    mask = np.zeros(SHAPE, bool)
    mask[:, :2] = True
    known = torch.as_tensor(image(SHAPE, 22))
    other = torch.where(torch.as_tensor(mask), known, known + 5)
    for rule in reverse.RULES:
        one, two = (
            reverse.inpaint(
                process,
                D,
                x,
                mask,
                [0.99, 0.5, 0.0],
                generator=torch.Generator().manual_seed(0),
                rule=rule,
                repeats=2,
            )
            for x in (known, other)
        )
        assert torch.equal(one, two)


def test_inpainting_finds_the_other_half_of_a_training_image():
    """Where the known half fits one training image only, its other half is the conditional mean."""
    process, data = families.vp(), torch.as_tensor(image((20, 4, 6), 23))
    mask = np.zeros((4, 6), bool)
    mask[:, :3] = True
    found = reverse.inpaint(
        process,
        Empirical(data).denoiser(process),
        data[:5],
        mask,
        torch.linspace(1, 0, 100, dtype=torch.float64),
        generator=torch.Generator().manual_seed(3),
    )
    right = (found - data[:5]).abs().amax((1, 2)) < 1e-6
    assert right.sum() >= 4  # by chance, one in twenty would be right


def by_hand(process, denoiser, known, mask, times, eta, generator, rule, repeats):
    """The rules of inpainting as its docstring has them, state by state."""
    inside = torch.as_tensor(mask)
    filled = torch.where(inside, known, (known * inside).sum() / inside.sum())
    u = process.sample(filled, times[0], generator)
    for t, s in zip(times[:-1].tolist(), times[1:].tolist()):
        for again in range(repeats if s > 0 else 1):
            if again:
                u = process.kernel(s, t)(u).sample(generator)
            estimate = denoiser(u, t)
            clean = torch.where(inside, known, estimate)
            if s == 0:
                return clean
            informed = clean if rule == "estimate" else estimate
            u = reverse.step(process, informed, u, s, t, eta, generator)
            if rule == "replacement":
                u = torch.where(inside, process.sample(clean, s, generator), u)


@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize("rule", reverse.RULES)
@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("family", ["vp", "heat", "osmotic"])
def test_inpainting_follows_its_rule_draw_by_draw(family, eta, rule, repeats):
    process, known = mild(family, SHAPE), torch.as_tensor(image(SHAPE, 21))
    D, mask = gaussian(process).denoiser(process), image(SHAPE, 22) > 0
    times = torch.linspace(0.9, 0, 7, dtype=torch.float64)
    calls = []

    def counted(u, t):
        calls.append(t)
        return D(u, t)

    more = dict(generator=torch.Generator().manual_seed(5), rule=rule, repeats=repeats)
    found = reverse.inpaint(process, counted, known, mask, times, eta, **more)
    more["generator"].manual_seed(5)
    expected = by_hand(process, D, known, mask, times, eta, **more)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    assert torch.equal(found[mask], known[mask])
    assert calls == [t for t in times[:-2].tolist() for _ in range(repeats)] + [times[-2].item()]


@pytest.mark.parametrize("family", ["vp", "heat"])
def test_by_default_inpainting_is_sampling_with_an_informed_denoiser(family):
    process, known = mild(family, SHAPE), torch.as_tensor(image((2, *SHAPE), 21)).float()
    D, inside = gaussian(process).denoiser(process), torch.as_tensor(image(SHAPE, 22) > 0)
    times, draw = torch.linspace(0.9, 0, 7), torch.Generator().manual_seed(5)
    mean = (known * inside).sum((-2, -1), keepdim=True) / inside.sum()
    start = process.sample(torch.where(inside, known, mean), times[0].item(), draw)
    expected = reverse.sample(
        process, lambda u, t: torch.where(inside, known, D(u, t)), start, times, 0.7, draw, True
    )
    draw = torch.Generator().manual_seed(5)
    found = reverse.inpaint(process, D, known, inside, times, 0.7, draw, path=True)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    assert torch.equal(found[-1][:, inside], known[:, inside])


def test_replaced_pixels_have_the_law_of_the_forward_process():
    process, known, n = families.vp(), torch.as_tensor(image(SHAPE, 23)), 4000
    mask, times = torch.as_tensor(image(SHAPE, 24) > 0), torch.tensor([0.9, 0.6, 0.3, 0.1, 0.0])
    path = reverse.inpaint(
        process,
        gaussian(process).denoiser(process),
        known.expand(n, *SHAPE),
        mask,
        times,
        generator=torch.Generator().manual_seed(1),
        path=True,
        rule="replacement",
        repeats=2,
    )
    for state, t in zip(path[:-1], times[:-1].tolist()):
        alpha, sigma = process.signal(t).item(), process.noise(t).item()
        off = (state[:, mask] - alpha * known[mask]) / sigma
        assert off.mean(0).abs().max() < 5 / math.sqrt(n)
        assert (off.std(0) - 1).abs().max() < 5 / math.sqrt(2 * n)
    assert torch.equal(path[-1][:, mask], known[mask].expand(n, -1))


# --- bad denoisers and times ----------------------------------------------------------------------

BAD = {
    "NaN": lambda u, t: u * math.nan,
    "another shape": lambda u, t: u[..., :1],
    "an array": lambda u, t: u.numpy(),
    "nothing": lambda u, t: None,
    "a batch axis more": lambda u, t: u[None],
}


@pytest.mark.parametrize("name", [*SAMPLERS, "inpaint"])
@pytest.mark.parametrize("kind", BAD)
def test_bad_denoisers_are_refused_with_their_time(name, kind):
    process, u = families.vp(), torch.as_tensor(noise(SHAPE, 24))

    def late(state, t):  # good at first
        return BAD[kind](state, t) if t < 0.55 else 0.5 * state

    def call():
        if name == "inpaint":
            return reverse.inpaint(process, late, u, np.ones(SHAPE, bool), [0.6, 0.5, 0.0])
        return SAMPLERS[name](process, late, u, [0.6, 0.5, 0.4])

    with pytest.raises(ValueError, match=r"denoiser .*t = 0\.5"):
        call()


def test_steps_beyond_stability_are_refused():
    D, u = (lambda state, t: 0.5 * state), torch.as_tensor(noise(SHAPE, 25))
    with pytest.raises(ValueError, match="at most 2"):
        reverse.sde(families.vp(), D, u, [1.0, 0.7])  # |f| Δt = 10 · 0.3
    reverse.sde(families.vp(), D, u, [1.0, 0.81])
    for process in (families.vp_cosine(), families.blurring(SHAPE)):
        with pytest.raises(ValueError):
            reverse.sde(process, D, u, [1.0, 0.999])
        reverse.sde(process, D, u, [0.99, 0.985])


@pytest.mark.parametrize("name", ["sde", "flow", "exponential"])
def test_no_score_without_noise(name):
    with pytest.raises(ValueError, match="σ = 0"):
        SAMPLERS[name](
            families.gaussian_scale_space(SHAPE, 1.0),
            lambda u, t: u,
            torch.as_tensor(noise(SHAPE)),
            [0.9, 0.5],
        )


def test_every_image_may_have_a_mask_of_its_own():
    process, known = families.vp(), torch.as_tensor(image((3, *SHAPE), 31))
    masks = torch.as_tensor(noise((3, *SHAPE), 32)) > 0
    D, times = gaussian(process).denoiser(process), [0.9, 0.5, 0.2, 0.0]
    found = reverse.inpaint(process, D, known, masks, times, eta=0.0)
    # noise drawn for one image is not that drawn for three: from t = 0.9 on, compare means of many
    assert torch.equal(found[masks], known[masks]) and not torch.equal(found, known)
    assert (found != known).flatten(1).sum(1).tolist() == (~masks).flatten(1).sum(1).tolist()
    one = reverse.inpaint(process, D, known, masks[:1], times, eta=0.0)
    assert torch.equal(one[:, masks[0]], known[:, masks[0]])
    with pytest.raises(ValueError, match="mask"):
        reverse.inpaint(process, D, known, masks & (torch.arange(3) > 0)[:, None, None], times)


# --- networks -------------------------------------------------------------------------------------

TARGETS = {  # what a network is trained to say of u_t = α u_0 + σ ε, in modes
    "noise": lambda alpha, sigma, clean, fresh: fresh,
    "velocity": lambda alpha, sigma, clean, fresh: alpha * fresh - sigma * clean,
    "score": lambda alpha, sigma, clean, fresh: -fresh / sigma,
    "image": lambda alpha, sigma, clean, fresh: clean,
}


@pytest.mark.parametrize("predicts", TARGETS)
@pytest.mark.parametrize("name", [n for n in NAMES if n != "osmotic"])
def test_a_network_that_is_right_becomes_a_denoiser_that_is_right(name, predicts):
    process, t = mild(name, SHAPE), torch.tensor([0.3, 0.8], dtype=torch.float64)
    clean, fresh = (torch.as_tensor(noise((2, *SHAPE), seed)) for seed in (33, 34))
    basis, (alpha, sigma) = process.basis, (process.signal(t), process.noise(t))
    straight = name == "flow_matching" and predicts == "velocity"  # there it is ε − u_0
    levels = (1, 1) if straight else (alpha, sigma)
    target = TARGETS[predicts](*levels, basis.analyse(clean), basis.analyse(fresh))
    if predicts == "score":  # it is a gradient with respect to the image: Bᵀ, not B⁻¹
        answer = basis.pull_back(target)
    else:
        answer = basis.synthesise(target)
    u = basis.synthesise(alpha * basis.analyse(clean) + sigma * basis.analyse(fresh))
    D = reverse.as_denoiser(lambda v, when: answer, process, predicts)
    torch.testing.assert_close(D(u, t), clean, rtol=1e-9, atol=1e-9)


def test_a_score_needs_an_orthonormal_basis():
    with pytest.raises(ValueError, match="process has the basis"):
        reverse.as_denoiser(lambda u, t: u, mild("osmotic", SHAPE), "score")


def test_the_velocity_of_the_straight_path_is_noise_minus_image():
    path, t = families.flow_matching(), torch.tensor([0.2, 1.0], dtype=torch.float64)
    clean, fresh = (torch.as_tensor(noise((2, 1, *SHAPE), seed)) for seed in (35, 36))
    u = path.sample(clean, t, torch.Generator().manual_seed(0))
    when = t[:, None, None, None]
    u = (1 - when) * clean + when * fresh
    D = reverse.as_denoiser(lambda v, s: fresh - clean, path, "velocity")
    torch.testing.assert_close(D(u, t), clean)
    a, b = path.flow(t)  # and dU/dt = a U + b D is that velocity
    torch.testing.assert_close(a[:, None] * u + b[:, None] * D(u, t), fresh - clean)


def test_deterministic_steps_on_the_straight_path_are_the_euler_steps_of_diffusers():
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000)
    scheduler.set_timesteps(10)
    path, start = families.flow_matching(), torch.as_tensor(noise((2, 1, *SHAPE), 37)).float()

    def network(u, t):
        return torch.tanh(u) - 0.5 * t.reshape(-1, 1, 1, 1)

    theirs = start
    for step in scheduler.timesteps:
        velocity = network(theirs, (step / 1000).expand(2))
        theirs = scheduler.step(velocity, step, theirs).prev_sample
    D = reverse.as_denoiser(network, path, "velocity")
    ours = reverse.sample(path, D, start, scheduler.sigmas, eta=0.0)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "kind, predicts", [("epsilon", "noise"), ("v_prediction", "velocity"), ("sample", "image")]
)
def test_networks_of_diffusers_sample_as_they_do_there(kind, predicts):
    scheduler = DDIMScheduler(
        1000,
        beta_schedule="linear",
        clip_sample=False,
        prediction_type=kind,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
    )
    scheduler.set_timesteps(20)
    process = families.vp_discrete(alphas_cumprod=scheduler.alphas_cumprod.double())
    asked = []

    class Network(torch.nn.Module):
        def forward(self, u, index):
            asked.append(index)
            scale = 0.3 + index.reshape(-1, 1, 1, 1) / 2000
            return type("Output", (), {"sample": scale * torch.tanh(u)})()

    network, start = Network(), torch.as_tensor(noise((2, 1, *SHAPE), 38)).float()
    theirs = start
    for index in scheduler.timesteps:
        predicted = network(theirs, index.expand(2)).sample
        theirs = scheduler.step(predicted, index, theirs, eta=0.0).prev_sample
    expected, asked[:] = [i.tolist() for i in asked], []
    D = reverse.as_denoiser(network, process, predicts, steps=1000)
    times = torch.cat([(scheduler.timesteps + 1) / 1000, torch.zeros(1)])
    ours = reverse.sample(process, D, start, times, eta=0.0)
    assert [i.tolist() for i in asked] == expected and asked[0].dtype == torch.int64
    torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=2e-3)  # their α are float32


@pytest.mark.parametrize("steps", [1, 7, 1000])
def test_levels_are_counted_as_networks_count_them(steps):
    found = []
    D = reverse.as_denoiser(lambda u, i: found.append(i) or u, families.vp(), "image", steps)
    for level in range(steps + 1):
        D(torch.zeros(1, 2, 2), torch.tensor(level / steps, dtype=torch.float32))
    assert torch.cat(found).tolist() == [0, *range(steps)]


def test_a_network_gets_one_time_for_each_image():
    seen = {}

    def network(u, t):
        seen["t"] = t
        return u

    D = reverse.as_denoiser(network, families.vp(), "image")
    for shape, t, expected in [
        ((3, 1, 2, 2), 0.5, [0.5] * 3),
        ((3, 2, 2), torch.tensor([0.1, 0.2, 0.3]), [0.1, 0.2, 0.3]),
        ((2, 2), torch.tensor([0.1, 0.2]), [0.1, 0.2]),  # one image at two times
        ((2, 2), 0.25, 0.25),
    ]:
        u = torch.zeros(shape, dtype=torch.float32)
        assert D(u, t).shape[-2:] == (2, 2) and seen["t"].dtype == torch.float32
        np.testing.assert_allclose(seen["t"].tolist(), expected, rtol=1e-6)


# --- gradients, memory, blocks --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sample", "sde", "flow", "exponential", "inpaint"])
def test_samplers_record_no_gradients_and_denoisers_may(name):
    process, weight = families.vp(), torch.tensor(0.5, requires_grad=True)
    slopes = []

    def guided(u, _t):
        estimate = weight * u
        assert not estimate.requires_grad
        with torch.enable_grad():
            v = u.detach().requires_grad_()
            slopes.append(torch.autograd.grad((weight * v**2).sum(), v)[0])
            return weight * u + 0 * slopes[-1]  # with a graph, which ends here

    u = torch.as_tensor(image((2, *SHAPE), 39)).requires_grad_()
    times = [0.9, 0.8, 0.7] if name != "inpaint" else [0.9, 0.5, 0.0]
    more = (np.eye(*SHAPE, dtype=bool),) if name == "inpaint" else ()
    found = getattr(reverse, name)(process, guided, u, *more, times)
    assert not found.requires_grad and found.numpy().shape == u.shape and len(slopes) >= 2


def test_a_step_is_differentiable():
    process, u = families.vp(), torch.as_tensor(image(SHAPE, 40)).requires_grad_()
    denoised = torch.as_tensor(image(SHAPE, 41)).requires_grad_()
    draw = torch.Generator().manual_seed(0)
    reverse.step(process, denoised, u, 0.4, 0.6, 1.0, draw).sum().backward()
    law = process.posterior(denoised, u, 0.4, 0.6)  # η = 1: the mean is linear in both
    for leaf in (u, denoised):
        (slope,) = torch.autograd.grad(law.mean.sum(), leaf, retain_graph=True)
        torch.testing.assert_close(leaf.grad, slope)


@pytest.mark.parametrize("name", ["vp", "heat", "osmotic"])
def test_blocks_of_coefficients_change_nothing(name, monkeypatch):
    process = mild(name, SHAPE)
    u, times = torch.as_tensor(image((2, *SHAPE), 42)), torch.linspace(0.9, 0.1, 12).double()
    D = gaussian(process).denoiser(process)

    def all_of_it():
        draw = torch.Generator().manual_seed(0)
        yield from (reverse.sample(process, D, u, times, generator=draw, path=True),)
        yield from (reverse.flow(process, D, u, times), process.path(u, times.flip(0), draw))
        yield reverse.exponential(process, D, u, times, path=True)
        yield reverse.sde(process, D, u, times, generator=draw)

    expected = list(all_of_it())
    for together in (1, 5 * 8 * 10 * 12):  # a step at a time, and five
        monkeypatch.setattr(_coefficients, "TOGETHER", together)
        for one, two in zip(all_of_it(), expected):
            torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)


def test_a_denoiser_that_writes_spoils_nothing_of_the_caller():
    u = np.ones((2, *SHAPE))
    reverse.sample(families.vp(), lambda v, t: v.mul_(0.5).clone(), u, [0.9, 0.5], eta=0.0)
    assert (u == 1).all()


def test_a_process_that_waits_is_no_straight_path():
    """α = 1 and σ = 0 until ½, where α + σ = 1 as on the straight path."""
    late = Process(
        Pixels(),
        lambda t: torch.log(torch.cos(torch.pi * (t - 0.5).clamp(min=0))),
        lambda t: torch.sin(torch.pi * (t - 0.5).clamp(min=0)),
    )
    clean, fresh, t = torch.ones(1, 2, 2).double(), torch.full((1, 2, 2), 2.0).double(), 0.75
    alpha, sigma = late.signal(t), late.noise(t)
    D = reverse.as_denoiser(lambda u, s: alpha * fresh - sigma * clean, late, "velocity")
    torch.testing.assert_close(D(alpha * clean + sigma * fresh, t), clean)


def test_inpainting_in_half_precision_starts_from_the_mean():
    known = torch.full((512, 512), 0.5, dtype=torch.float16)
    mask = np.zeros((512, 512), bool)
    mask[:, :-1] = True
    found = reverse.inpaint(families.vp(), lambda u, t: 0 * u, known, mask, [0.01, 0.0], eta=0.0)
    assert torch.isfinite(found).all()
