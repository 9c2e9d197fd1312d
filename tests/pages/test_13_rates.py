"""Rates: claims F6, N1, N3, N4, N9, N10 by other means than on the page.

The schedules are written anew in NumPy; laws are finite sets of points, mixtures or histograms.
"""

import math

import numpy as np
import pytest
import torch
from catalogue import default
from reference import bell, bells, blur_time, cosine_matrix, eigenvalues, schedule, slope

import dpss
from dpss import measures

SHAPE = (3, 4)
NAMES = ("vp", "sub_vp", "ve", "heat", "blurring", "gaussian_scale_space")
NOISY = NAMES[:5]
BLURS = ("heat", "blurring", "gaussian_scale_space")
PARTS = [(0.35, -0.6, 0.15), (0.65, 0.5, 0.1)]  # weights, means, stds of one pixel


def pixel_mixture(parts):
    weights, means, std = (list(x) for x in zip(*parts))
    return dpss.Mixture(weights, torch.tensor(means).reshape(-1, 1, 1), std, dpss.Pixels())


def pixels(u):
    return torch.as_tensor(np.asarray(u))[..., None, None]


@pytest.mark.parametrize("name", NAMES)
def test_weak_fokker_planck_equation_for_moments_of_any_data(name):
    """h = cos and sin of ξ·c: the characteristic function of five points, a finite sum."""
    rng = np.random.default_rng(11)
    points, xi = rng.standard_normal((5, *SHAPE)), rng.standard_normal(SHAPE) / 3

    def characteristic(t, xi):
        alpha, sigma = schedule(name, t, SHAPE)
        return (np.exp(1j * (xi * alpha * points).sum((1, 2)))).mean() * np.exp(
            -0.5 * (xi**2 * sigma**2).sum()
        )

    for t in (0.2, 0.55):
        f, g2 = (np.broadcast_to(x, SHAPE) for x in default(name, SHAPE).sde(t))
        radial = slope(
            lambda x, t=t, f=f: characteristic(t, xi * np.exp(f * (x - t))), t
        )  # Σ f_k ξ_k ∂/∂ξ_k
        claimed = radial - 0.5 * (g2 * xi**2).sum() * characteristic(t, xi)
        assert abs(slope(lambda s: characteristic(s, xi), t) - claimed) < 1e-6 * (
            abs(claimed) + abs(radial)
        )
        assert (g2 > -1e-12).all()


@pytest.mark.parametrize("name", NOISY)
def test_entropy_production_of_two_gaussians(name):
    rng = np.random.default_rng(12)
    c, d, m = rng.uniform(0.1, 2, SHAPE), rng.uniform(0.1, 2, SHAPE), rng.standard_normal(SHAPE)

    def parts(t):
        alpha, sigma = schedule(name, t, SHAPE)
        return alpha**2 * c + sigma**2, alpha**2 * d + sigma**2, alpha * m

    def kl(t):
        v, w, gap = parts(t)
        return 0.5 * (v / w - 1 - np.log(v / w) + gap**2 / w).sum()

    for t in (0.25, 0.6):
        v, w, gap = parts(t)
        g2 = np.broadcast_to(default(name, SHAPE).sde(t)[1], SHAPE)
        production = -0.5 * (g2 * (v * (1 / w - 1 / v) ** 2 + gap**2 / w**2)).sum()
        assert slope(kl, t) == pytest.approx(production, rel=1e-6)


@pytest.mark.parametrize("name", NOISY)
def test_rate_of_the_entropy_for_bounded_data(name):
    values, shares = np.array([-0.8, 0.1, 0.9]), np.array([0.3, 0.3, 0.4])
    mode = (1, 2)

    def law(t):
        alpha, sigma = (x[mode] for x in schedule(name, t, SHAPE))
        u = np.linspace(-alpha - 9 * sigma, alpha + 9 * sigma, 12001)
        parts = np.array([w * bell(u, alpha * x, sigma**2) for x, w in zip(values, shares)])
        score = -(parts * (u - alpha * values[:, None])).sum(0) / sigma**2
        return parts.sum(0), score, u[1] - u[0], sigma

    def entropy(t):
        p, _, cell, _ = law(t)
        return -(p * np.log(p)).sum() * cell

    for t in (0.35, 0.9):  # heat: the images are told apart at first, and merge at the end
        p, score, cell, sigma = law(t)
        J = (score**2 / p).sum() * cell
        assert J <= (1 + 1e-9) / sigma**2
        f, g2 = (np.broadcast_to(x, SHAPE)[mode] for x in default(name, SHAPE).sde(t))
        assert slope(entropy, t) == pytest.approx(f + 0.5 * g2 * J, rel=1e-5, abs=1e-7)
    if name == "heat":
        assert f + 0.5 * g2 * J < -0.01


def test_rates_are_kept_and_attained():
    u, cell = np.linspace(-14, 14, 14001, retstep=True)
    pi = bell(u, 0, 1)
    for lumps, sharp in (
        ([(0.5, -2.5, 0.3), (0.5, 2.5, 0.6)], False),
        ([(1.0, 1.7, 1.0)], True),
        ([(0.9, 0, 0.4), (0.1, 3.0, 0.2)], False),
    ):
        kl = []
        for t in (0.0, 0.1, 0.3, 0.6):
            a = 1.0 if t == 0 else schedule("vp", t, SHAPE)[0][0, 0] ** 2
            p = sum(w * bell(u, math.sqrt(a) * m, a * s * s + 1 - a) for w, m, s in lumps)
            kl.append((np.where(p > 0, p * np.log(np.maximum(p, 1e-300) / pi), 0)).sum() * cell / a)
        assert (np.array(kl[1:]) <= kl[0] * (1 + 1e-9)).all()
        assert (kl[-1] == pytest.approx(kl[0], rel=1e-9)) == sharp
    # W_2 of empirical laws of one mode under the step s → t,
    # through sorted samples of both laws pushed with one noise
    rng = np.random.default_rng(13)
    x, y = np.sort(rng.standard_normal(4000)), np.sort(rng.exponential(size=4000))
    for name in NAMES:
        process = default(name, SHAPE)
        kernel, mode = process.kernel(0.2, 0.5), (2, 1)
        gain, std = (np.broadcast_to(c, SHAPE)[mode] for c in (kernel.gain, kernel.std))
        noise = rng.standard_normal(4000)
        moved = [
            np.sort(gain * rng.permutation(z) + std * np.sort(noise)[rng.permutation(4000)])
            for z in (x, y)
        ]
        before, after = (math.sqrt(((a - b) ** 2).mean()) for a, b in ((x, y), moved))
        assert after <= np.broadcast_to(kernel.gain, SHAPE).max() * before + 0.1 * std
        laws = [
            dpss.GaussianPrior(torch.full(SHAPE, m), s, process.basis).marginal(process, 0.5)
            for m, s in ((0.0, 0.4), (1.0, 1.3))
        ]
        B = cosine_matrix(*SHAPE) if name in BLURS else np.eye(12)
        cov = [B.T @ np.diag(np.broadcast_to(law.std**2, SHAPE).ravel()) @ B for law in laws]
        distance = math.sqrt(
            max(
                0.0,
                measures.gaussian_frechet(
                    laws[0].mean.numpy().ravel(), cov[0], laws[1].mean.numpy().ravel(), cov[1]
                ),
            )
        )
        assert distance <= schedule(name, 0.5, SHAPE)[0].max() * math.sqrt(12 + 12 * 0.9**2) * (
            1 + 1e-9
        )
    # heat: equal means decay at the rate of the slowest mode, which data in that mode attain;
    # unequal means do not decay
    process, lam, steps = default("heat", SHAPE), eigenvalues(*SHAPE), (0.3, 0.5, 0.8)
    slowest = np.unravel_index(np.where(lam > 0, lam, 9).argmin(), SHAPE)
    tau = lambda t: blur_time(t, 1.5)  # the default: half the shorter side
    for mode, attained in ((slowest, True), ((2, 3), False)):
        modes = torch.zeros(SHAPE, dtype=torch.float64)
        modes[mode] = 0.5
        kl = [
            process.marginal(process.basis.synthesise(modes), t)
            .kl(dpss.Gaussian(torch.zeros(SHAPE).double(), 0.01, process.basis))
            .item()
            for t in steps
        ]
        for t, value in zip(steps[1:], kl[1:]):
            bound = math.exp(-2 * lam[slowest] * (tau(t) - tau(steps[0])))
            assert (
                value <= bound * kl[0] * (1 + 1e-9)
                and (value == pytest.approx(bound * kl[0], rel=1e-6)) == attained
            )
    flat = [process.marginal(torch.full(SHAPE, m, dtype=torch.float64), 1.0) for m in (0.0, 0.2)]
    assert flat[0].kl(flat[1]).item() == pytest.approx(12 * 0.04 / (2 * 1e-4), rel=1e-9)


@pytest.mark.parametrize("name", ("vp", "sub_vp", "ve"))
def test_density_of_a_mixture_obeys_the_fokker_planck_equation(name):
    """∂_t p = −f ∂(u p) + ½ g² ∂²p for the density of the library, by differences in t and u."""
    process, prior = default(name, (1, 1)), pixel_mixture(PARTS)
    u = np.linspace(-1.2, 1.2, 49)
    p = lambda t, x: prior.log_density(process, pixels(x), t).exp().numpy()
    for t in (0.2, 0.4):
        f, g2 = (x.item() for x in process.sde(t))
        flux = slope(lambda x, t=t: (u + x) * p(t, u + x), 0.0)
        bend = (p(t, u + 1e-3) - 2 * p(t, u) + p(t, u - 1e-3)) / 1e-6
        rate = slope(lambda s: p(s, u), t)
        np.testing.assert_allclose(
            rate, -f * flux + 0.5 * g2 * bend, atol=2e-4 * np.abs(rate).max()
        )


def test_entropy_production_of_points_and_mixtures_and_without_a_chain():
    """Densities and scores of the library, on a grid; bounded data against a mixture."""
    points = [(0.5, -0.7, 0.0), (0.2, 0.1, 0.0), (0.3, 0.8, 0.0)]
    priors = [pixel_mixture(parts) for parts in (points, PARTS)]
    gain = lambda t: 1 - 3.5 * t + 3.4 * t**2  # falls to 0.1, then rises to 0.9
    back = dpss.Process(
        dpss.Pixels(), lambda t: torch.log(gain(t)), lambda t: torch.sqrt(1 - gain(t) ** 2), "back"
    )
    for process, times in ((dpss.vp(), (0.2, 0.4)), (dpss.sub_vp(), (0.4,)), (back, (0.3, 0.8))):
        for t in times:
            std = process.noise(t).item()
            u, cell = np.linspace(-1 - 9 * std, 1 + 9 * std, 6001, retstep=True)

            def logs(s, u=u, process=process):
                return [x.log_density(process, pixels(u), s).numpy() for x in priors]

            def kl(s, logs=logs, cell=cell):
                p, q = logs(s)
                return (np.exp(p) * (p - q)).sum() * cell

            scores = [
                process.score(x.denoiser(process)(pixels(u), t), pixels(u), t)[:, 0, 0].numpy()
                for x in priors
            ]
            loss = (np.exp(logs(t)[0]) * (scores[0] - scores[1]) ** 2).sum() * cell
            g2 = process.sde(t)[1].item()
            assert slope(kl, t) == pytest.approx(-0.5 * g2 * loss, rel=1e-5)
            assert (slope(kl, t) > 0) == (process is back and t == 0.8)


def test_fisher_information_lies_between_its_bounds():
    """N²/V ≤ J ≤ N/σ², and the rate of the entropy under VP is at least (N/V − 1) Nβ/2."""
    prior = pixel_mixture(PARTS)
    mean = sum(w * m for w, m, _ in PARTS)
    variance = sum(w * (m**2 + s**2) for w, m, s in PARTS) - mean**2
    for name in ("vp", "sub_vp", "ve"):
        process = default(name, (1, 1))
        for t in (0.1, 0.3, 0.6):
            alpha, sigma = (x.item() for x in schedule(name, t, (1, 1)))
            v = alpha**2 * variance + sigma**2
            u, cell = np.linspace(-1 - 9 * v**0.5, 1 + 9 * v**0.5, 6001, retstep=True)
            p = prior.log_density(process, pixels(u), t).exp().numpy()
            clean = prior.denoiser(process)(pixels(u), t)
            J = (p * process.score(clean, pixels(u), t)[:, 0, 0].numpy() ** 2).sum() * cell
            assert 1 / v <= J * (1 + 1e-9) and J <= (1 + 1e-9) / sigma**2
            assert J == pytest.approx(
                (np.gradient(p, cell) ** 2 / (p + 1e-300)).sum() * cell, rel=1e-3
            )


def test_vp_forgets_mixtures_at_least_like_the_squared_gain():
    """Densities of the library; shifted noise attains the bound."""
    u, cell = np.linspace(-14, 14, 5601, retstep=True)
    far = [(0.5, -2.5, 0.3), (0.5, 2.5, 0.6)]
    for parts, sharp in ((PARTS, False), (far, False), ([(1.0, 1.7, 1.0)], True)):
        shares = []
        for t in (0.0, 0.1, 0.3, 0.6):
            log_p = pixel_mixture(parts).log_density(dpss.vp(), pixels(u), t).numpy()
            kl = (np.exp(log_p) * (log_p - np.log(bell(u, 0, 1)))).sum() * cell
            shares.append(kl / schedule("vp", t, (1, 1))[0].item() ** 2)
        assert (np.array(shares[1:]) <= shares[0] * (1 + 1e-9)).all()
        assert (shares[-1] == pytest.approx(shares[0], rel=1e-9)) == sharp


def pointwise_error(denoiser, x, gamma, n=1501):
    """E|x − D_γ(√γ x + ε)|² of one pixel, the denoiser at the time of cosine VP with SNR γ."""
    z, cell = np.linspace(-9, 9, n, retstep=True)
    angle = math.atan(gamma**-0.5)
    state = (math.sqrt(gamma) * x + z) * math.sin(angle)
    clean = denoiser(pixels(state), 2 * angle / math.pi)[:, 0, 0].numpy()
    return ((x - clean) ** 2 * bell(z, 0, 1)).sum() * cell


@pytest.mark.parametrize("data", ("mixture", "three images"))
def test_pointwise_error_is_the_rate_of_the_divergence(data):
    """½ mmse against the slope of KL(N(√γ x, 1) ‖ p^γ), also for an x that is not in the data."""
    points = [(1 / 3, x, 0.0) for x in (-0.9, 0.2, 0.7)]
    parts = PARTS if data == "mixture" else points
    prior = (
        pixel_mixture(PARTS)
        if data == "mixture"
        else dpss.Empirical(torch.tensor([x for _, x, _ in points]).double().reshape(3, 1, 1))
    )
    denoiser = prior.denoiser(dpss.vp_cosine())
    z, cell = np.linspace(-9, 9, 4001, retstep=True)
    for x in (-0.6, 0.0, 0.7, 1.5):

        def kl(gamma, x=x):
            p = bells(math.sqrt(gamma) * x + z, parts, math.sqrt(gamma), 1.0)
            return (bell(z, 0, 1) * (np.log(bell(z, 0, 1)) - np.log(p))).sum() * cell

        for gamma in (0.3, 4.0, 30.0):
            rate = slope(kl, gamma, 1e-3 * gamma)
            assert 0.5 * pointwise_error(denoiser, x, gamma) == pytest.approx(rate, rel=1e-6)


def test_errors_of_denoising_an_image_add_up_to_its_density():
    prior = pixel_mixture(PARTS)
    denoiser = prior.denoiser(dpss.vp_cosine())
    logs, step = np.linspace(-22, 24, 461, retstep=True)
    gammas = np.exp(logs)
    for x in (-0.6, 0.0, 0.55):
        errors = np.array([pointwise_error(denoiser, x, gamma, 601) for gamma in gammas])
        area = (gammas / (1 + gammas) - gammas * errors).sum() * step
        found = 0.5 * area - 0.5 * math.log(2 * math.pi * math.e)
        assert found == pytest.approx(math.log(bells(x, PARTS)), abs=1e-6)
        ours = prior.log_density(dpss.vp_cosine(), pixels([x]), 0.0).item()
        assert found == pytest.approx(ours, abs=1e-6)


def test_the_entropic_clock_does_not_depend_on_parameters():
    """Equal SNR, a gain of its own in each mode, and the rate by N2; not a function of t."""
    std = torch.as_tensor(np.linspace(0.2, 1.0, 12).reshape(SHAPE))
    prior = dpss.GaussianPrior(torch.zeros(SHAPE), std, dpss.Pixels())
    known = lambda process, t: measures.mutual_information(process, prior, t).item()
    rate, vp = torch.as_tensor(np.linspace(0.0, 3.0, 12).reshape(SHAPE)), dpss.vp()
    faded = dpss.Process(  # every pixel fades at a rate of its own, and so does its noise
        dpss.Pixels(),
        lambda t: vp.log_signal(t.flatten()).reshape(t.shape) - rate * t,
        lambda t: vp.noise(t.flatten()).reshape(t.shape) * torch.exp(-rate * t),
    )
    for t in (0.1, 0.4, 0.7):
        alpha, sigma = (x[0, 0] for x in schedule("vp", t, SHAPE))
        exact = 0.5 * np.log1p((alpha / sigma) ** 2 * std.numpy() ** 2).sum()
        snr = (alpha / sigma) ** 2
        same = {
            dpss.vp(): t,
            dpss.ve(): math.log1p(1e4 / snr) / (2 * math.log(5000)),
            dpss.vp_cosine(): 2 / math.pi * math.atan(snr**-0.5),
            dpss.flow_matching(): 1 / (1 + math.sqrt(snr)),
        }
        for process, then in same.items():
            assert known(process, then) == pytest.approx(exact, rel=1e-9)
        assert known(faded, t) == pytest.approx(exact, rel=1e-9)
        assert known(dpss.sub_vp(), t) > 1.005 * known(dpss.vp(), t)
    for name in ("vp", "sub_vp", "ve"):
        process, v = default(name, SHAPE), std.numpy() ** 2
        for t in (0.2, 0.5):
            snr = lambda s, name=name: np.divide(*schedule(name, s, SHAPE)) ** 2
            claimed = 0.5 * (slope(snr, t) * v / (1 + snr(t) * v)).sum()
            assert slope(lambda s, p=process: known(p, s), t) == pytest.approx(claimed, rel=1e-6)
        course = [known(process, t) for t in np.linspace(0.02, 0.98, 49)]
        assert (np.diff(course) < 0).all()
