"""Families: the schedules of the theory's table, their derivatives, and laws that differ."""

import math
from functools import partial

import numpy as np
import pytest
import scipy.linalg
import torch
from catalogue import DEFAULT, default
from hypothesis import given
from hypothesis import strategies as st
from matrices import asymmetry, gain_and_covariance
from reference import (
    blur_time,
    drift,
    eigenvalues,
    image,
    noise,
    orthogonal,
    osmosis,
    permutation,
    positive,
    schedule,
    slope,
)

from dpss import measures
from dpss.bases import Cosines, Pixels
from dpss.diffusion import homogeneous
from dpss.families import (
    blurring,
    flow_matching,
    gaussian_scale_space,
    heat,
    osmotic,
    ve,
    vp,
    vp_cosine,
    vp_discrete,
)
from dpss.processes import Gaussian, Process

SHAPE = (4, 5)
BETAS = np.linspace(1e-4, 0.15, 97)
GUIDANCE = positive(SHAPE, 3, 20.0)
FAMILIES = {
    **{name: partial(default, name, SHAPE) for name in DEFAULT},
    "vp other betas": lambda: vp(beta_min=0.5, beta_max=8.0),
    "vp_discrete": lambda: vp_discrete(BETAS),
    "heat continuous": lambda: heat(SHAPE, blur_max=3.0, sigma=0.05, laplacian="continuous"),
    "blurring continuous": lambda: blurring(
        SHAPE, blur_max=3.0, min_gain=0.0, laplacian="continuous"
    ),
    "osmotic": lambda: osmotic(GUIDANCE, t_max=4.0, sigma=0.02),
    "osmotic, rising noise": lambda: osmotic(GUIDANCE, t_max=4.0, sigma=0.5, rise=0.25),
}
PIXELWISE = {"vp", "vp other betas", "vp_cosine", "vp_discrete", "sub_vp", "ve"}  # all pixels alike
SINGULAR = {"vp_cosine", "blurring", "blurring continuous"}  # α_1 = 0
NOISY = [name for name in FAMILIES if name != "gaussian_scale_space"]
inner = st.floats(0.01, 0.99)


def table(name, t):
    """α and σ of the theory's table, in NumPy float64, by other formulas than a library's."""
    if name in DEFAULT:
        return schedule(name, t, SHAPE)
    if name == "vp other betas":
        return schedule("vp", t, SHAPE, betas=(0.5, 8.0))
    if name == "heat continuous":
        return schedule("heat", t, SHAPE, blur=3.0, sigma=0.05, kind="continuous")
    if name == "blurring continuous":
        return schedule("blurring", t, SHAPE, blur=3.0, least=0.0, kind="continuous")
    if name.startswith("osmotic"):
        A = osmosis(*drift(GUIDANCE))
        rates = np.sort(np.linalg.eigvals(A).real)[::-1].reshape(SHAPE)
        level = 0.5 * np.sqrt(np.sqrt(t)) if "rising" in name else 0.02 * (t > 0)
        return np.exp(4.0 * t * rates), np.full(SHAPE, level)
    i = int(97 * t)  # vp_discrete: between two steps, log α is linear in t
    rest = 0 if i == 97 else (97 * t - i) * np.log1p(-BETAS[i])
    integral = -np.log1p(-BETAS[:i]).sum() - rest
    return np.full(SHAPE, np.exp(-integral / 2)), np.full(SHAPE, np.sqrt(-np.expm1(-integral)))


@pytest.mark.parametrize("t", [0.0, 1e-7, 1e-3, 0.25, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("name", FAMILIES)
def test_gain_and_noise_are_those_of_the_table(name, t):
    process = FAMILIES[name]()
    signal, level = table(name, np.float64(t))
    found = process.signal(t), process.noise(t)
    assert all(f.dtype == torch.float64 for f in found)
    # 1e-15 covers cos(π/2), which NumPy rounds to 6e-17.
    np.testing.assert_allclose(found[0].expand(SHAPE), signal, rtol=1e-12, atol=1e-15)
    # Relative also at t = 1e-7, where 1 − α² cancels all digits if it is not written as −expm1.
    np.testing.assert_allclose(found[1].expand(SHAPE), level, rtol=1e-9)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_starts_at_the_image(name):
    process = FAMILIES[name]()
    assert (
        (process.signal(0.0) == 1).all()
        and (process.noise(0.0) == 0).all()
        and (process.log_signal(0.0) == 0).all()
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_coefficients_have_the_shape_of_the_time_and_then_of_the_modes(name):
    process = FAMILIES[name]()
    modes = (1, 1) if name in PIXELWISE else SHAPE
    for t, lead in (
        (0.5, ()),
        (torch.tensor(0.5), ()),
        (torch.linspace(0.1, 0.9, 3), (3,)),
        (torch.full((2, 3), 0.5), (2, 3)),
    ):
        assert tuple(process.signal(t).shape) == lead + modes
        assert tuple(process.log_signal(t).shape) == lead + modes
        assert tuple(process.noise(t).shape) in (lead + modes, lead + (1, 1))
        if name in NOISY:
            assert (
                tuple(process.snr(t).shape) == lead + modes
                and tuple(process.log_snr(t).shape) == lead + modes
            )


@pytest.mark.parametrize("name", NOISY)
def test_snr_is_signal_over_noise_squared_and_never_rises(name):
    process = FAMILIES[name]()
    t = torch.linspace(0.01, 0.99, 50, dtype=torch.float64)
    log_snr = process.log_snr(t)
    torch.testing.assert_close(
        process.snr(t), (process.signal(t) / process.noise(t)) ** 2, rtol=1e-10, atol=0
    )
    torch.testing.assert_close(
        log_snr, 2 * process.log_signal(t) - 2 * torch.log(process.noise(t)), rtol=1e-10, atol=1e-10
    )
    assert (log_snr.diff(dim=0) <= 1e-12).all()


def test_snr_is_infinite_without_noise_and_zero_without_signal():
    assert (vp().snr(0.0) == math.inf).all() and (vp().log_snr(0.0) == math.inf).all()
    assert (vp_cosine().snr(1.0) < 1e-30).all() and not torch.isnan(vp_cosine().log_snr(1.0)).any()
    assert (gaussian_scale_space(SHAPE, 1.0).snr(0.5) == math.inf).all()


# --- derivatives ----------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [0.02, 0.2, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("name", FAMILIES)
def test_sde_coefficients_agree_with_finite_differences_of_the_schedule(name, t):
    process = FAMILIES[name]()
    f, g2 = process.sde(t)
    growth = slope(process.log_signal, t)
    torch.testing.assert_close(f.expand(growth.shape), growth, rtol=1e-6, atol=1e-8)
    expected = slope(lambda s: process.noise(s) ** 2, t) - 2 * growth * process.noise(t) ** 2
    torch.testing.assert_close(g2.expand(expected.shape), expected, rtol=1e-6, atol=1e-8)
    assert (g2 >= 0).all()


@pytest.mark.parametrize("name", NOISY)
def test_squared_diffusion_is_minus_noise_variance_times_slope_of_log_snr(name):
    process = FAMILIES[name]()
    for t in (0.1, 0.6, 0.9):
        expected = -(process.noise(t) ** 2) * slope(process.log_snr, t)
        torch.testing.assert_close(
            process.sde(t)[1].expand(expected.shape), expected, rtol=1e-6, atol=1e-8
        )


@pytest.mark.parametrize("t", [0.02, 0.2, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("name", NOISY)
def test_flow_coefficients_agree_with_finite_differences_of_the_schedule(name, t):
    """dU/dt = a U + b D with a = σ'/σ and b = α' − α a."""
    process = FAMILIES[name]()
    a, b = process.flow(t)
    growth = slope(lambda s: torch.log(process.noise(s)), t)
    pull = slope(process.signal, t) - process.signal(t) * growth
    torch.testing.assert_close(a.expand(growth.shape), growth, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(b.expand(pull.shape), pull, rtol=1e-6, atol=1e-8)
    # the same as f U − ½ g² score, wherever that is finite
    f, g2 = process.sde(t)
    torch.testing.assert_close(
        (f + 0.5 * g2 / process.noise(t) ** 2).expand(SHAPE), a.expand(SHAPE), rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("name", sorted(SINGULAR))
def test_flow_is_finite_at_the_end_where_the_sde_is_not(name):
    process = FAMILIES[name]()
    with pytest.raises(ValueError, match="finite"):
        process.sde(1.0)
    a, b = process.flow(1.0)
    assert a.abs().max() < 1e-12  # σ' = (π/2) cos(πt/2)
    blur = process.signal(1 - 1e-6) / math.sin(0.5e-6 * math.pi)  # α = cos(πt/2) · blur
    torch.testing.assert_close(b, -0.5 * math.pi * blur.expand_as(b), rtol=1e-5, atol=1e-12)


@given(inner)
def test_vp_sde_has_drift_minus_half_beta_and_squared_diffusion_beta(t):
    for process, low, high in ((vp(), 0.1, 20.0), (vp(0.5, 8.0), 0.5, 8.0)):
        f, g2 = process.sde(t)
        beta = low + (high - low) * t
        assert math.isclose(float(f), -beta / 2, rel_tol=1e-10) and math.isclose(
            float(g2), beta, rel_tol=1e-9
        )


@given(inner)
def test_cosine_vp_sde_is_that_of_the_tangent(t):
    f, g2 = default("vp_cosine", SHAPE).sde(t)
    slope = math.pi / 2 * math.tan(math.pi * t / 2)
    assert math.isclose(float(f), -slope, rel_tol=1e-9) and math.isclose(
        float(g2), 2 * slope, rel_tol=1e-9
    )


@given(inner)
def test_heat_sde_follows_the_clock_of_the_blur(t):
    f, g2 = default("heat", SHAPE).sde(t)
    rate = (
        math.pi * 2.0**2 * math.sin(math.pi * t / 2) ** 3 * math.cos(math.pi * t / 2)
    )  # blur_max = 4/2
    lam = eigenvalues(*SHAPE)
    np.testing.assert_allclose(np.broadcast_to(f, SHAPE), -lam * rate, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(
        np.broadcast_to(g2, SHAPE), 2 * lam * rate * 0.01**2, rtol=1e-9, atol=1e-16
    )


@given(inner)
def test_sub_vp_sde_has_the_drift_of_vp_and_less_noise(t):
    f, g2 = default("sub_vp", SHAPE).sde(t)
    beta, integral = 0.1 + 19.9 * t, 0.1 * t + 9.95 * t**2
    assert math.isclose(float(f), -beta / 2, rel_tol=1e-10)
    assert math.isclose(float(g2), -beta * math.expm1(-2 * integral), rel_tol=1e-9)


@given(inner)
def test_ve_sde_is_brownian_motion_on_a_geometric_clock(t):
    f, g2 = ve(0.02, 10.0).sde(t)
    assert float(f) == 0
    assert math.isclose(float(g2), 2 * math.log(500) * 0.02**2 * 500 ** (2 * t), rel_tol=1e-10)


@given(inner)
def test_blurring_sde_adds_the_rates_of_cosine_and_blur(t):
    f, g2 = default("blurring", SHAPE).sde(t)
    angle, lam = math.pi * t / 2, eigenvalues(*SHAPE)
    blur = np.exp(-lam * 2 * math.sin(angle) ** 4)  # τ = ½ (2 sin²)²
    rate = -lam * 4 * math.pi * math.sin(angle) ** 3 * math.cos(angle)
    slope = -math.pi / 2 * math.tan(angle) + 0.999 * rate * blur / (0.999 * blur + 0.001)
    np.testing.assert_allclose(f, slope, rtol=1e-9)
    np.testing.assert_allclose(
        g2,
        math.pi * math.sin(angle) * math.cos(angle) - 2 * slope * math.sin(angle) ** 2,
        rtol=1e-8,
    )


def test_discrete_vp_has_the_marginals_of_the_chain_of_its_betas():
    betas, process = [0.1, 0.02, 0.3, 0.05], vp_discrete([0.1, 0.02, 0.3, 0.05])
    gain, variance = 1.0, 0.0
    for i, beta in enumerate(betas, 1):  # U_i = √(1 − β) U_{i−1} + √β ε
        gain, variance = math.sqrt(1 - beta) * gain, (1 - beta) * variance + beta
        assert math.isclose(float(process.signal(i / 4)), gain, rel_tol=1e-12)
        assert math.isclose(float(process.noise(i / 4)) ** 2, variance, rel_tol=1e-12)
        step = process.kernel((i - 1) / 4, i / 4)
        assert math.isclose(float(step.gain), math.sqrt(1 - beta), rel_tol=1e-12) and math.isclose(
            float(step.std) ** 2, beta, rel_tol=1e-10
        )
        between = process.log_signal((i - 0.5) / 4) - process.log_signal((i - 1) / 4)
        assert math.isclose(float(between), math.log(1 - beta) / 4, rel_tol=1e-10)


@pytest.mark.parametrize("schedule", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_discrete_vp_is_the_scheduler_of_diffusers(schedule):
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler(1000, beta_schedule=schedule, clip_sample=False)
    process, index = vp_discrete(scheduler.betas.double()), torch.tensor([0, 10, 500, 998])
    u, fresh = (torch.as_tensor(noise((4, *SHAPE), seed)).float() for seed in (1, 2))
    t = (index + 1).double() / 1000
    ours = process.signal(t).float() * u + process.noise(t).float() * fresh
    # their products of 1,000 factors are float32
    torch.testing.assert_close(ours, scheduler.add_noise(u, fresh, index), rtol=1e-4, atol=1e-4)


def test_discrete_vp_tends_to_vp_with_order_one():
    errors = []
    for m in (100, 200, 400):
        process = vp_discrete((0.1 + 19.9 * np.arange(1, m + 1) / m) / m)
        errors.append(
            max(abs(float(process.signal(t)) - float(vp().signal(t))) for t in (0.25, 0.5, 0.75))
        )
    np.testing.assert_allclose(-np.diff(np.log2(errors)), 1, atol=0.1)


def test_osmotic_mean_is_osmosis_and_its_noise_is_brighter_where_the_guidance_is():
    process, A = osmotic(GUIDANCE, t_max=4.0, sigma=0.02), osmosis(*drift(GUIDANCE))
    u = noise(SHAPE)
    for t in (0.01, 0.3, 1.0):
        expected = scipy.linalg.expm(4.0 * t * A) @ u.ravel()
        np.testing.assert_allclose(process.marginal(u, t).mean.ravel(), expected, atol=1e-11)
        np.testing.assert_allclose(
            gain_and_covariance(process, t, SHAPE)[1],
            0.02**2 * np.diag((GUIDANCE / GUIDANCE.mean()).ravel()),
            atol=1e-13,
        )
    np.testing.assert_allclose(process.marginal(u, 1.0).mean.mean(), u.mean(), atol=1e-12)


def test_osmotic_with_a_flat_guidance_is_the_gaussian_scale_space_with_noise():
    flat, u = osmotic(np.full(SHAPE, 3.0), t_max=5.0, sigma=0.02), noise(SHAPE)
    for t in (0.1, 0.6, 1.0):
        torch.testing.assert_close(
            flat.marginal(u, t).mean,
            gaussian_scale_space(SHAPE, 5.0).marginal(u, t).mean,
            atol=1e-12,
            rtol=0,
        )
        np.testing.assert_allclose(
            gain_and_covariance(flat, t, SHAPE)[1], 0.02**2 * np.eye(20), atol=1e-14
        )


def test_a_guidance_with_a_symmetry_passes_it_on():
    flip = permutation(SHAPE, np.fliplr)
    symmetric, lopsided = (
        gain_and_covariance(osmotic(v, 4.0), 0.6, SHAPE)
        for v in (GUIDANCE + GUIDANCE[:, ::-1], GUIDANCE)
    )
    assert asymmetry(*symmetric, flip) < 1e-13 and asymmetry(*lopsided, flip) > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", FAMILIES)
def test_one_time_per_image_is_that_image_at_its_time(name, dtype):
    process = FAMILIES[name]()
    u, other = (torch.as_tensor(image((3, 2, *SHAPE), seed)).to(dtype) for seed in (1, 2))
    s, t = (
        torch.tensor([0.0, 1e-7, 0.3], dtype=torch.float64),
        torch.tensor([1e-7, 0.2, 1.0], dtype=torch.float64),
    )
    laws = {
        "marginal": process.marginal(u, t),
        "kernel": process.kernel(s, t)(u),
        "posterior": process.posterior(u, other, s, t),
    }
    for i in range(3):
        alone = {
            "marginal": process.marginal(u[i], t[i]),
            "kernel": process.kernel(s[i], t[i])(u[i]),
            "posterior": process.posterior(u[i], other[i], s[i], t[i]),
        }
        for what, law in laws.items():
            torch.testing.assert_close(law.mean[i], alone[what].mean, rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(
                law.std[i].squeeze(), alone[what].std.squeeze(), rtol=1e-12, atol=0
            )
    if name in NOISY:
        score = process.score(u, other, t)
        for i in range(3):
            torch.testing.assert_close(
                score[i], process.score(u[i], other[i], t[i]), rtol=1e-4, atol=1e-4
            )


@pytest.mark.parametrize("name", NOISY)
def test_bayes_and_chapman_kolmogorov_hold_in_every_family(name):
    """The posterior mixes prior and kernel as Bayes says; two kernels in a row are one.

    By scalar formulas, at tiny steps too.
    """
    process = FAMILIES[name]()
    u0, ut = (torch.as_tensor(image(SHAPE, seed)) for seed in (3, 4))
    for s, t in ((0.2, 0.9), (0.3, 0.3 + 1e-7), (1e-7, 1.0)):
        law, step = process.posterior(u0, ut, s, t), process.kernel(s, t)
        early, found = process.marginal(u0, s), process.basis.analyse(law.mean)
        # precision-weighted mean of what u_0 and what u_t say, where neither is a point mass
        precision = 1 / early.std**2 + (step.gain / step.std) ** 2
        mean = (
            process.basis.analyse(early.mean) / early.std**2
            + step.gain / step.std**2 * process.basis.analyse(ut)
        ) / precision
        safe = (step.std > 1e-4 * process.noise(t)).expand(SHAPE)
        torch.testing.assert_close(found[safe], mean[safe], rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(
            law.std.expand(SHAPE)[safe],
            (precision**-0.5).expand(SHAPE)[safe],
            rtol=1e-6,
            atol=1e-12,
        )
    assert (process.kernel(0.4, 0.8) @ process.kernel(0.1, 0.4)).isclose(process.kernel(0.1, 0.8))


def test_a_process_with_a_rising_snr_is_refused_with_mode_and_times():
    basis = Cosines(SHAPE)
    process = Process(
        basis,
        lambda t: -basis.eigenvalues * t,
        lambda t: torch.exp(-basis.eigenvalues * t) * torch.sin(3 * t),
        "rising",
    )
    process.kernel(0.1, 0.4)  # sin rises up to π/6
    with pytest.raises(ValueError, match=r"'rising'.*mode \(0, 0\).*s = 0\.6.*t = 0\.9"):
        process.kernel(0.6, 0.9)


def test_sde_accepts_a_tensor_of_times():
    f, g2 = vp().sde(torch.tensor([0.1, 0.5]))
    assert f.shape == (2, 1, 1) and g2.shape == (2, 1, 1)
    np.testing.assert_allclose(
        g2.ravel(), [0.1 + 19.9 * 0.1, 0.1 + 19.9 * 0.5], rtol=1e-6
    )  # 0.1 was given in float32


@pytest.mark.parametrize("name", ["vp", "vp_cosine", "heat", "sub_vp", "ve", "blurring", "osmotic"])
def test_chain_tends_to_the_sde_with_order_one(name):
    process, t = FAMILIES[name](), 0.4
    f, g2 = process.sde(t)
    errors = []
    for h in (2e-3, 1e-3, 5e-4):
        kernel = process.kernel(t, t + h)
        errors.append(
            [
                float(((kernel.gain - 1) / h - f).abs().max()),
                float((kernel.std**2 / h - g2).abs().max()),
            ]
        )
    if name == "ve":  # its gain is 1, without any error
        assert [gain for gain, _ in errors] == [0, 0, 0]
        errors = [[variance] for _, variance in errors]
    orders = -np.diff(np.log2(errors), axis=0)
    # (α_{t+h|t} − 1)/h = f + O(h): the O(h²) term moves the measured order by a few hundredths.
    np.testing.assert_allclose(orders, 1, atol=0.1)


# --- laws -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vp", "vp other betas", "vp_cosine", "vp_discrete"])
def test_vp_preserves_variance(name):
    process, t = FAMILIES[name](), torch.linspace(0, 1, 101, dtype=torch.float64)
    torch.testing.assert_close(
        process.signal(t) ** 2 + process.noise(t) ** 2,
        torch.ones(101, 1, 1, dtype=torch.float64),
        rtol=0,
        atol=1e-15,
    )


def test_conditional_entropy_rises_for_vp_and_rests_for_heat():
    times = [0.05, 0.2, 0.4, 0.7, 1.0]
    rising = [float(measures.conditional_entropy(vp(), t, SHAPE)) for t in times]
    resting = [float(measures.conditional_entropy(heat(SHAPE), t, SHAPE)) for t in times]
    assert (np.diff(rising) > 1e-3).all()
    np.testing.assert_allclose(
        resting, 20 * (0.5 * math.log(2 * math.pi * math.e) + math.log(0.01)), rtol=1e-12
    )


def test_conditional_entropy_may_fall_although_snr_falls():
    process = Process(Pixels(), lambda t: -5 * t, lambda t: t.sqrt() * torch.exp(-t), "falling")
    early, late = (float(measures.conditional_entropy(process, t, (1, 1))) for t in (0.5, 1.0))
    process.kernel(0.5, 1.0)  # Markov: not refused
    np.testing.assert_allclose(late - early, 0.5 * (math.log(2) - 1), rtol=1e-10)  # −0.153


def test_divergence_between_two_runs_of_one_process_never_increases():
    a, b = torch.as_tensor(image(SHAPE)), torch.as_tensor(image(SHAPE, 1))
    for name in NOISY:
        process = FAMILIES[name]()
        values = [
            float(process.marginal(a, t).kl(process.marginal(b, t)))
            for t in np.linspace(0.05, 1, 20)
        ]
        assert (np.diff(values) <= 1e-9 * values[0]).all() and values[-1] < values[0], name


def test_divergence_to_the_standard_normal_falls_for_vp_and_rises_for_heat():
    normal = Gaussian(torch.zeros(8, 8, dtype=torch.float64), 1.0, Pixels())

    def course(process):
        values = []
        for t in np.linspace(0.01, 0.99, 25):
            spread = (process.signal(t) ** 2 + process.noise(t) ** 2).sqrt()  # p_0 = N(0, I)
            values.append(
                float(
                    Gaussian(torch.zeros(8, 8, dtype=torch.float64), spread, process.basis).kl(
                        Gaussian(torch.zeros(8, 8, dtype=torch.float64), 1.0, process.basis)
                    )
                )
            )
        return np.array(values)

    assert np.abs(course(vp())).max() < 1e-10
    # Heat shrinks every mode: by log(1/σ) − ½ ≈ 4.1 nats for a mode that is wiped out;
    # 249 is the largest total of 64 modes.
    assert course(heat((8, 8), blur_max=4.0)).max() > 200
    u = torch.as_tensor(image((8, 8)))
    values = [float(vp().marginal(u, t).kl(normal)) for t in np.linspace(0.05, 1, 20)]
    assert (np.diff(values) < 0).all()


def test_heat_has_one_steady_law_per_mean():
    u = torch.as_tensor(image(SHAPE))
    process = heat(SHAPE, blur_max=50.0)
    end = process.marginal(u, 1.0)
    torch.testing.assert_close(end.mean, u.mean().expand(SHAPE), rtol=0, atol=1e-12)
    lam, tau = eigenvalues(*SHAPE), 0.5 * 2.0**2
    modes = np.asarray(Cosines(SHAPE).analyse(u))
    rest = Gaussian(u.mean().expand(SHAPE).clone(), 0.01, Cosines(SHAPE))
    expected = (np.exp(-2 * lam * tau) * modes**2).ravel()[1:].sum() / (2 * 0.01**2)
    assert math.isclose(float(heat(SHAPE).marginal(u, 1.0).kl(rest)), expected, rel_tol=1e-9)


def test_gaussian_scale_space_is_homogeneous_diffusion():
    u = noise(SHAPE)
    process = gaussian_scale_space(SHAPE, t_max=7.0)
    for t in (0.0, 0.1, 1.0):
        law = process.marginal(torch.as_tensor(u), t)
        np.testing.assert_allclose(law.mean, homogeneous(u, 7.0 * t), atol=1e-12)
        np.testing.assert_allclose(law.sample(), homogeneous(u, 7.0 * t), atol=1e-12)


def test_heat_s_mean_path_is_the_gaussian_scale_space():
    u = noise(SHAPE)
    for t in (0.2, 0.6, 1.0):
        blurred = homogeneous(u, blur_time(t, 2.0))
        found = heat(SHAPE).marginal(torch.as_tensor(u), t).mean
        np.testing.assert_allclose(found, blurred, atol=1e-12)


def test_heat_commutes_with_the_symmetries_of_the_rectangle_and_with_no_other_permutation():
    law = gain_and_covariance(heat((4, 4)), 0.6, (4, 4))
    for move in (np.flipud, np.fliplr, np.transpose, np.rot90):
        assert asymmetry(*law, permutation((4, 4), move)) < 1e-13
    swap = np.eye(16)
    swap[[0, 1]] = swap[[1, 0]]
    assert asymmetry(*law, swap) > 0.01
    assert asymmetry(*law, orthogonal(16)) > 0.01
    assert asymmetry(*law, -np.eye(16)) < 1e-14


# --- traps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["heat", "gaussian_scale_space", "blurring"])
def test_strong_blur_on_small_images_stays_finite(name, dtype, generator):
    """Blur 20 px on 32×32: most gains underflow in float32; α_t/α_s must be taken through logs."""
    process = {
        "heat": lambda: heat((32, 32), blur_max=20.0),
        "gaussian_scale_space": lambda: gaussian_scale_space((32, 32), t_max=200.0),
        "blurring": lambda: blurring((32, 32), blur_max=20.0, min_gain=0.0),
    }[name]()
    u = torch.as_tensor(image((32, 32)), dtype=dtype)
    assert (process.signal(1.0).float() < 1e-30).double().mean() > 0.9  # the trap is set
    times = [0.0, 1e-7, 1e-3, 0.3, 0.9, 0.95, 1.0]
    for s, t in zip(times, times[1:]):
        kernel = process.kernel(s, t)
        assert (
            torch.isfinite(kernel.gain).all()
            and torch.isfinite(kernel.std).all()
            and (kernel.gain <= 1).all()
        )
        for law in (
            process.marginal(u, t),
            kernel(u),
            process.posterior(u, process.sample(u, t, generator=generator), s, t),
        ):
            draw = law.sample(generator=generator)
            assert (
                draw.dtype == dtype
                and torch.isfinite(draw).all()
                and torch.isfinite(law.mean).all()
            )
        f, g2 = process.sde(min(t, 0.999))  # blurring is singular at t = 1
        assert torch.isfinite(f).all() and torch.isfinite(g2).all()
    path = process.path(u, times, generator=generator)
    assert path.dtype == dtype and torch.isfinite(path).all()
    # Near the end the ratio of two underflown gains is still right.
    ratio = process.log_signal(1.0) - process.log_signal(0.95)
    torch.testing.assert_close(
        process.kernel(0.95, 1.0).gain,
        ratio.exp().expand_as(process.kernel(0.95, 1.0).gain),
        rtol=1e-10,
        atol=1e-300,
    )


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("t", [0.0, 1e-7, 1.0])
def test_the_ends_of_time_are_finite(name, t, generator):
    process, u = FAMILIES[name](), torch.as_tensor(image(SHAPE), dtype=torch.float32)
    sample = process.sample(u, t, generator=generator)
    assert torch.isfinite(sample).all() and torch.isfinite(process.marginal(u, t).mean).all()
    if t == 0:
        torch.testing.assert_close(sample, u, atol=1e-5, rtol=0)  # two float32 transforms
    if name not in SINGULAR or t < 1:
        assert all(torch.isfinite(c).all() for c in process.sde(max(t, 1e-9)))


def test_noise_of_vp_at_tiny_times_keeps_its_digits():
    for t in (1e-5, 1e-7, 1e-9):
        integral = 0.1 * t + 9.95 * t**2
        assert math.isclose(
            float(vp().noise(t)), math.sqrt(integral * (1 - integral / 2)), rel_tol=1e-9
        )
        assert math.isclose(float(vp_cosine().noise(t)), math.sin(math.pi * t / 2), rel_tol=1e-9)
        assert math.isclose(
            float(vp().kernel(0.5, 0.5 + t).std) ** 2,
            (0.1 + 19.9 * 0.5) * t,
            rel_tol=1e-4 if t < 1e-8 else 1e-3,
        )


# --- scalar processes: VE, sub-VP and the clock ---------------------------------------------------


# --- given schedules, the straight path -----------------------------------------------------------


def test_products_and_steps_are_two_ways_to_say_one_schedule():
    betas = torch.linspace(1e-3, 0.3, 20, dtype=torch.float64)
    one = vp_discrete(betas)
    two = vp_discrete(alphas_cumprod=torch.cumprod(1 - betas, 0))
    for t in (torch.arange(21).double() / 20, torch.tensor([0.013, 0.5, 0.99])):
        torch.testing.assert_close(one.log_signal(t), two.log_signal(t), rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(one.noise(t), two.noise(t), rtol=1e-9, atol=1e-12)


def test_zero_terminal_snr_ends_in_noise_alone():
    from diffusers import DDIMScheduler

    products = DDIMScheduler(50, rescale_betas_zero_snr=True).alphas_cumprod.double()
    products = torch.where(products < 1e-6, 0.0, products)  # they clip the end at 2^-24
    betas = 1 - products / torch.cat([torch.ones(1).double(), products[:-1]])
    assert products[-1] == 0 and betas[-1] == 1
    for process in (vp_discrete(alphas_cumprod=products), vp_discrete(betas)):
        levels = process.signal(torch.arange(1, 51).double() / 50)[:, 0, 0] ** 2
        torch.testing.assert_close(levels, products, rtol=1e-9, atol=1e-15)
        assert process.signal(1.0) == 0 and process.noise(1.0) == 1
        assert process.log_snr(torch.linspace(0.001, 1, 999)).diff(dim=0).max() < 0
        half_way = process.signal(0.99) / process.signal(0.98)  # α falls linearly to 0
        torch.testing.assert_close(half_way, torch.full_like(half_way, 0.5))
        process.kernel(0.97, 1.0), process.sde(0.995), process.flow(1.0)


def test_the_straight_path_is_straight_and_its_flow_the_velocity():
    path, t = flow_matching(), torch.tensor([1e-9, 0.3, 0.9, 1.0], dtype=torch.float64)
    assert torch.equal(path.signal(t), (1 - t)[:, None, None])
    assert torch.equal(path.noise(t), t[:, None, None])
    a, b = path.flow(t)
    torch.testing.assert_close(a, 1 / t[:, None, None])
    torch.testing.assert_close(b, -1 / t[:, None, None], rtol=1e-12, atol=0)
    f, g2 = path.sde(t[:3])  # dU = −U/(1 − t) dt + √(2t/(1 − t)) dW
    torch.testing.assert_close(f, -1 / (1 - t[:3, None, None]))
    torch.testing.assert_close(g2, (2 * t / (1 - t))[:3, None, None], rtol=1e-9, atol=1e-12)
