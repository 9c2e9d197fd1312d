"""The forward scale-space: claims F1 to F6, N1, N3, N4 by other means than on the page.

The schedules are written anew in NumPy; laws are finite sets of points, mixtures or histograms, and
never the library's own priors where the statement is about laws in general.
"""

import math

import numpy as np
import pytest
import torch
from catalogue import default
from reference import bell, blur_time, cosine_matrix, eigenvalues, image, schedule, slope

import dpss
from dpss import measures
from dpss.certificate import certify

SHAPE = (3, 4)
NAMES = ("vp", "sub_vp", "ve", "heat", "blurring", "gaussian_scale_space")
NOISY = NAMES[:5]
BLURS = ("heat", "blurring", "gaussian_scale_space")


@pytest.mark.parametrize("name", NAMES)
def test_laws_start_at_the_data_and_heat_jumps(name, generator):
    process, u = default(name, SHAPE), torch.as_tensor(image((200, *SHAPE), 1))
    torch.testing.assert_close(process.sample(u, 0.0, generator=generator), u, rtol=0, atol=1e-13)
    for t in (1e-4, 1e-6, 1e-8):
        gap = (process.sample(u, t, generator=generator) - u).square().mean().sqrt().item()
        if name == "heat":
            assert gap == pytest.approx(0.01, rel=0.06)  # 2400 draws: the rms is known to 1.5 %
        else:
            assert gap < 4 * math.sqrt(
                t
            )  # the fastest noise, blurring and VE, is of order √t or below


@pytest.mark.parametrize("name", NAMES)
def test_chains_of_any_steps_have_the_same_joint_law_at_two_times(name, generator):
    process, (r, t) = default(name, SHAPE), (0.15, 0.6)
    B = cosine_matrix(*SHAPE) if name in BLURS else np.eye(12)
    u = torch.as_tensor(image(SHAPE, 2))
    (alpha_r, sigma_r), (alpha_t, sigma_t) = (
        [x.ravel() for x in schedule(name, s, SHAPE)] for s in (r, t)
    )
    gain = alpha_t / alpha_r
    for between in ([], [0.4], [0.2, 0.21, 0.5]):
        path = process.path(u.expand(20000, *SHAPE), [r, *between, t], generator=generator)
        first, last = (path[i].flatten(1).numpy() @ B.T for i in (0, -1))
        start = B @ u.numpy().ravel()
        np.testing.assert_allclose(
            first.mean(0), alpha_r * start, atol=6e-2 * (sigma_r.max() + 1e-9)
        )
        np.testing.assert_allclose(
            last.mean(0), alpha_t * start, atol=6e-2 * (sigma_t.max() + 1e-9)
        )
        first, last = first - first.mean(0), last - last.mean(0)
        scale = sigma_t.max() * sigma_r.max() + 1e-12
        np.testing.assert_allclose(
            (first * last).mean(0) / scale, gain * sigma_r**2 / scale, atol=0.06
        )
        np.testing.assert_allclose(
            (last**2).mean(0) / (sigma_t.max() ** 2 + 1e-12),
            sigma_t**2 / (sigma_t.max() ** 2 + 1e-12),
            atol=0.06,
        )
        # exactly, with dense matrices: the composed transition from r to t
        kernel, times = process.kernel(r, r), [r, *between, t]
        for s, e in zip(times, times[1:]):
            kernel = process.kernel(s, e) @ kernel
        np.testing.assert_allclose(kernel(u).mean.numpy().ravel(), B.T @ (gain * start), atol=1e-12)
        np.testing.assert_allclose(
            np.broadcast_to(kernel.std**2, SHAPE).ravel(),
            sigma_t**2 - gain**2 * sigma_r**2,
            atol=1e-12 * (1 + scale),
        )


def test_conditional_entropy_of_the_families_and_of_a_legal_process_that_loses_it():
    times = np.linspace(0.02, 0.98, 60)
    for name in NOISY:
        ours = np.array(
            [
                np.log(schedule(name, t, SHAPE)[1]).sum() + 6 * math.log(2 * math.pi * math.e)
                for t in times
            ]
        )
        theirs = measures.conditional_entropy(
            default(name, SHAPE), torch.as_tensor(times), SHAPE
        ).numpy()
        np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-9)
        rises = np.diff(theirs)
        assert (np.abs(rises) < 1e-9).all() if name == "heat" else (rises > 0).all()
        row = certify(default(name, SHAPE), SHAPE)["conditional entropy"]
        assert row.holds
    lossy = dpss.Process(
        dpss.Pixels(), lambda t: -5 * t, lambda t: torch.sqrt(t * torch.exp(-2 * t)), "lossy"
    )
    certificate = certify(lossy, (1, 1))
    assert (
        certificate["markov"].holds
        and certificate["mutual information"].holds
        and not certificate["conditional entropy"].holds
    )
    assert (
        measures.conditional_entropy(lossy, 0.5, (1, 1))
        - measures.conditional_entropy(lossy, 1.0, (1, 1))
    ).item() == pytest.approx(0.5 * (1 - math.log(2)), rel=1e-12)


@pytest.mark.parametrize("name", NOISY)
def test_mutual_information_never_rises_and_is_bounded_by_log_n(name):
    """Three values in the highest mode, by quadrature; Gaussian data, by a mean of log ratios."""
    values, shares, mode = np.array([-0.9, 0.2, 1.0]), np.array([0.2, 0.5, 0.3]), (2, 3)
    z, cell = np.linspace(-10, 10, 4001, retstep=True)
    found = []
    for t in np.linspace(0.03, 0.97, 25):
        alpha, sigma = (x[mode] for x in schedule(name, t, SHAPE))
        total = 0.0
        for value, share in zip(values, shares):
            u = alpha * value + sigma * z
            mixed = sum(w * bell(u, alpha * x, sigma**2) for x, w in zip(values, shares))
            own = bell(u, alpha * value, sigma**2)
            total += share * (own * np.log(own / mixed)).sum() * cell * sigma
        found.append(total)
    assert (np.diff(found) < 1e-9).all() and found[0] <= -(
        shares * np.log(shares)
    ).sum() + 1e-9 <= math.log(3)
    process, std = default(name, SHAPE), torch.as_tensor(np.linspace(0.2, 1.0, 12).reshape(SHAPE))
    prior = dpss.GaussianPrior(torch.zeros(SHAPE), std, process.basis)
    draw = torch.Generator().manual_seed(5)
    start = process.basis.synthesise(
        std * torch.randn(20000, *SHAPE, generator=draw, dtype=torch.float64)
    )
    state = process.sample(start, 0.35, generator=draw)
    ratio = process.marginal(start, 0.35).log_prob(state) - prior.marginal(process, 0.35).log_prob(
        state
    )
    expected = measures.mutual_information(process, prior, 0.35).item()
    assert abs(ratio.mean().item() - expected) < 5 * ratio.std().item() / math.sqrt(20000)


PHIS = {
    "kl": (lambda x: np.where(x > 0, x * np.log(np.where(x > 0, x, 1)), 0), np.inf),
    "chi2": (lambda x: (x - 1) ** 2, np.inf),
    "tv": (lambda x: np.abs(x - 1) / 2, 0.5),
    "hellinger": (lambda x: (np.sqrt(x) - 1) ** 2, 1.0),
    "hinge": (lambda x: np.maximum(x - 2.5, 0), 1.0),
}  # the last has a kink, and is no metric


def f_divergence(p, q, name):
    phi, slope_at_infinity = PHIS[name]
    known = q > 0
    value, rest = (q[known] * phi(p[known] / q[known])).sum(), p[~known].sum()
    return value + (slope_at_infinity * rest if rest > 0 else 0.0)


@pytest.mark.parametrize("name", PHIS)
def test_no_f_divergence_rises_under_any_kernel(name):
    rng = np.random.default_rng(3)
    for _ in range(300):
        K = rng.dirichlet(np.full(4, 0.3), size=5) * (rng.random((5, 4)) < 0.7)
        K[:, 0] += 1e-6
        K /= K.sum(1, keepdims=True)
        p, q = (
            x / x.sum()
            for x in (rng.random((2, 5)) * (rng.random((2, 5)) < 0.7) + 1e-15 * (np.arange(5) == 0))
        )
        before, after = f_divergence(p, q, name), f_divergence(p @ K, q @ K, name)
        assert after <= before + 1e-12
    # the transitions of the families, as histograms of one mode; strict where noise is added
    u = np.linspace(-6, 6, 241)
    for family_name in NOISY:
        kernel = default(family_name, SHAPE).kernel(0.2, 0.45)
        gain, std = (np.broadcast_to(x, SHAPE)[1, 1] for x in (kernel.gain, kernel.std))
        K = np.exp(-0.5 * ((u - gain * u[:, None]) / max(std, 0.05)) ** 2)
        K /= K.sum(1, keepdims=True)
        p, q = bell(u, -0.5, 0.3), 0.5 * bell(u, 1.0, 0.5) + 0.5 * bell(u, -1.0, 0.2)
        p, q = p / p.sum(), q / q.sum()
        before, after = f_divergence(p, q, name), f_divergence(p @ K, q @ K, name)
        assert after < before
        if name == "kl":
            theirs = [measures.kl_grid(a[None], b[None], 1.0) for a, b in ((p, q), (p @ K, q @ K))]
            np.testing.assert_allclose(theirs, [before, after], rtol=1e-9)


def test_divergence_from_noise_of_pure_noise():
    numbers = {
        "sub_vp": (64 * 0.01884, 0.2588),
        "ve": (64 * 1246.09, 1.0),
        "heat": (249.1, 1.0),
        "blurring": (15.57, 0.315),
    }
    for name in NAMES:
        process = default(name, (8, 8))
        row = certify(process, (8, 8))["kl to normal"]
        assert row.holds == (name == "vp")
        times = np.linspace(0.0025, 1, 400)
        course = []
        for t in times:
            alpha, sigma = schedule(name, t, (8, 8))
            v = alpha**2 + sigma**2
            course.append(0.5 * (v - 1 - np.log(v)).sum())
        if name in numbers:
            assert max(course) == pytest.approx(numbers[name][0], rel=2e-3)
            assert times[np.argmax(course)] == pytest.approx(numbers[name][1], abs=0.006)
            assert row.defect == pytest.approx(max(course), rel=2e-3)
        # the reference that moves: any Gaussian start comes nearer to it
        rng = np.random.default_rng(7)
        c, m = rng.uniform(0.05, 4, (8, 8)), rng.standard_normal((8, 8))
        own = []
        for t in np.linspace(0.01, 0.99, 50):
            alpha, sigma = schedule(name, t, (8, 8))
            v, w = alpha**2 * c + sigma**2, alpha**2 + sigma**2
            own.append(0.5 * (v / w - 1 - np.log(v / w) + alpha**2 * m**2 / w).sum())
        assert (np.diff(own) < 1e-9 * own[0]).all()


def test_entropy_of_the_law_rises_and_falls_as_stated():
    times = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)

    def entropy(name, v, shape=(8, 8)):
        process = default(name, shape)
        prior = dpss.GaussianPrior(torch.zeros(shape), math.sqrt(v), process.basis)
        return prior.marginal(process, times).entropy().numpy()

    for v in (0.2, 1.0, 3.0):
        assert (np.diff(entropy("ve", v)) > 0).all() and (np.diff(entropy("heat", v)) < 0).all()
    assert (np.diff(entropy("vp", 0.9)) > 0).all() and (np.diff(entropy("vp", 1.1)) < 0).all()
    for v in (0.35, 1.0, 1.6):  # sub-VP: depth −½ log(1 − v/4) a mode, seen from the start
        course = entropy("sub_vp", v) / 64 - 0.5 * math.log(2 * math.pi * math.e * v)
        assert course.min() == pytest.approx(
            0.5 * math.log(1 - v / 4), abs=2e-4
        ) and course.argmin() not in (0, 98)
    course = entropy("blurring", 1.0) - 32 * math.log(2 * math.pi * math.e)
    assert course.min() == pytest.approx(-36.2, abs=0.05) and times[
        course.argmin()
    ] == pytest.approx(0.32, abs=0.01)
    # VP and data neither bounded nor Gaussian: exponential differences with variance 1.2 or 0.8
    x, dx = np.linspace(-30, 30, 6001, retstep=True)
    u, du = np.linspace(-14, 14, 701, retstep=True)
    for variance in (1.2, 0.8):
        scale = math.sqrt(variance / 2)
        p0 = np.exp(-np.abs(x) / scale) / (2 * scale)
        course = []
        for a in (0.3, 0.1, 0.03, 0.01):
            p = (bell(u[:, None], math.sqrt(a) * x, 1 - a) * p0).sum(1) * dx
            course.append(-(p * np.log(p)).sum() * du - 0.5 * math.log(2 * math.pi * math.e))
        assert course[-1] / 0.01 == pytest.approx((variance - 1) / 2, rel=0.1)
        assert (np.diff(course)[-1] < 0) == (variance > 1)
    # heat: two images that differ in a fine mode lose at most log 2, all of it; one loses nothing
    z, cell = np.linspace(-12, 12, 6001, retstep=True)
    losses = []
    for t in (0.05, 0.2, 0.4, 0.7):
        alpha, sigma = (c[2, 3] for c in schedule("heat", t, SHAPE))
        centre = alpha * 0.5 / sigma
        mixed = lambda y, centre=centre: 0.5 * bell(y, centre, 1) + 0.5 * bell(y, -centre, 1)
        y = np.concatenate([z + centre, z - centre]) if centre > 12 else z * (1 + centre / 12)
        width = cell if centre > 12 else cell * (1 + centre / 12)
        losses.append(
            -(mixed(y) * np.log(mixed(y))).sum() * width - 0.5 * math.log(2 * math.pi * math.e)
        )
    assert (
        losses[0] == pytest.approx(math.log(2), abs=1e-6)
        and losses[-1] < 0.2
        and (np.diff(losses) < 1e-9).all()
    )


@pytest.mark.parametrize("name", NOISY)
def test_symmetries_of_the_families_by_transition_densities(name):
    """K(Rx, Ry) = K(x, y) for the transition densities from positive times, means for shifts."""
    shape = (4, 4)
    # a large blur would make the densities of heat's fine modes equal for all x;
    # frozen modes have none
    process, (s, t) = default(name, shape), (0.2, 0.35)
    x, y = (torch.as_tensor(image(shape, seed)) for seed in (4, 5))
    cosines, rng = dpss.Cosines(shape), np.random.default_rng(6)
    signs, order = torch.as_tensor(rng.choice([-1.0, 1.0], shape)), rng.permutation(16)
    quarter = torch.as_tensor(np.linalg.qr(rng.standard_normal((16, 16)))[0])
    moves = {
        "sign": (torch.neg, True),
        "flip": (lambda u: u.flip(0), True),
        "turn": (lambda u: u.rot90(1, (0, 1)), True),
        "modes": (lambda u: cosines.synthesise(signs * cosines.analyse(u)), True),
        "permutation": (lambda u: u.flatten()[order].reshape(shape), name not in BLURS),
        "rotation": (lambda u: (quarter @ u.flatten()).reshape(shape), name not in BLURS),
        "contrast": (lambda u: 2 * u, False),
    }

    def log_density(a, b):
        law, spread = process.kernel(s, t)(a), process.noise(t).max().item()
        modes = process.basis.analyse(b - law.mean) / spread
        std = torch.broadcast_to(law.std / spread, shape)
        free = std > 1e-6
        return (-0.5 * (modes[free] / std[free]) ** 2 - std[free].log()).sum().item(), modes[~free]

    value, frozen = log_density(x, y)
    for label, (move, commutes) in moves.items():
        moved, still = log_density(move(x), move(y))
        same = abs(moved - value) < 1e-7 * abs(value) and torch.allclose(
            still.abs(), frozen.abs(), atol=1e-9
        )
        assert same == commutes, label
    for c, commutes in ((0.3 * torch.ones(shape), name in ("ve", "heat")), (y, name == "ve")):
        gap = process.kernel(0.0, t)(x + c).mean - process.kernel(0.0, t)(x).mean - c
        assert (gap.abs().max() < 1e-12) == commutes
    grey = (
        process.sample(x.expand(4000, *shape), 0.9, generator=torch.Generator().manual_seed(1))
        .mean()
        .item()
    )
    if name == "heat":
        assert grey == pytest.approx(x.mean().item(), abs=1e-3)


def test_steps_repeated_for_ever_find_the_unchanged_law():
    def limit(process, s, t):
        kernel = process.kernel(s, t)
        for _ in range(30):  # 2^30 steps
            kernel = kernel @ kernel
        assert np.broadcast_to(kernel.gain, SHAPE).ravel()[1:].max() < 1e-9
        return np.broadcast_to(kernel.std**2, SHAPE).ravel()[1:]

    pairs = ((0.2, 0.4), (0.5, 0.9))
    for s, t in pairs:
        np.testing.assert_allclose(limit(default("vp", SHAPE), s, t), 1, rtol=1e-9)
        np.testing.assert_allclose(limit(default("heat", SHAPE), s, t), 1e-4, rtol=1e-7)
        a, b = (schedule("vp", x, SHAPE)[0][0, 0] ** 2 for x in (s, t))
        np.testing.assert_allclose(limit(default("sub_vp", SHAPE), s, t), 1 - a * b, rtol=1e-9)
    for blur, nats in (
        (20.0, 5197),
        (28.0, 37.81),
    ):  # heat on 28×28, Gaussian data with spectrum 1/λ and mean 0
        lam = eigenvalues(28, 28).ravel()[1:]
        x = np.exp(-lam * blur**2) / lam / 1e-4
        assert 0.5 * (x - np.log1p(x)).sum() == pytest.approx(nats, rel=2e-3)
        process, std = (
            dpss.heat((28, 28), blur_max=blur),
            torch.as_tensor(np.r_[0, lam**-0.5].reshape(28, 28)),
        )
        law = dpss.GaussianPrior(torch.zeros(28, 28), std, process.basis).marginal(process, 1.0)
        assert law.kl(dpss.Gaussian(torch.zeros(28, 28), 0.01, law.basis)).item() == pytest.approx(
            nats, rel=2e-3
        )
    first, second = (limit(default("blurring", SHAPE), s, t) for s, t in pairs)
    assert np.abs(first - second).max() > 0.05 and not np.allclose(first, 1, atol=0.01)
    # where they end, given an image; and given Gaussian data:
    # mean divergence = divergence of the mean law + information
    u = torch.as_tensor(image(SHAPE, 9))
    for name in NOISY:
        process, t = default(name, SHAPE), 0.6
        alpha, sigma = schedule(name, t, SHAPE)
        std = np.linspace(0.3, 0.9, 12).reshape(SHAPE)
        m, v = (0.2, 0.7) if name != "ve" else (0.0, float(sigma[0, 0] ** 2))
        B = cosine_matrix(*SHAPE) if name in BLURS else np.eye(12)
        given_u, given_zero = (
            0.5 * ((alpha * c - m) ** 2 / v + sigma**2 / v - 1 - np.log(sigma**2 / v)).sum()
            for c in ((B @ u.numpy().ravel()).reshape(SHAPE), 0.0)
        )
        end = dpss.Gaussian(
            torch.as_tensor((B.T @ np.full(12, m)).reshape(SHAPE)), math.sqrt(v), process.basis
        )
        assert process.marginal(u, t).kl(end).item() == pytest.approx(given_u, rel=1e-9)
        prior = dpss.GaussianPrior(torch.zeros(SHAPE), torch.as_tensor(std), process.basis)
        split = prior.marginal(process, t).kl(end) + measures.mutual_information(process, prior, t)
        assert split.item() == pytest.approx(
            given_zero + 0.5 * (alpha**2 * std**2 / v).sum(), rel=1e-9
        )


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
