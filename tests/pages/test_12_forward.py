"""The forward scale-space: claims F1 to F5 by other means than on the page.

The schedules are written anew in NumPy; laws are finite sets of points, mixtures or histograms, and
never the library's own priors where the statement is about laws in general.
"""

import math

import numpy as np
import pytest
import torch
from catalogue import default
from matrices import asymmetry, gain_and_covariance
from reference import bell, cosine_matrix, eigenvalues, image, kl_normal, permutation, schedule

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
            rtol=0,
            atol=1e-13 * sigma_t.max() ** 2,
        )


@pytest.mark.parametrize("name", NAMES)
def test_transitions_compose_at_all_times(name):
    """Early times too, where there is little noise: each triple is measured by its own."""
    process, rng = default(name, SHAPE), np.random.default_rng(4)
    for r, s, t in np.sort(10.0 ** rng.uniform(-4, 0, (100, 3))):
        two = process.kernel(s, t) @ process.kernel(r, s)
        (alpha_r, sigma_r), (alpha_t, sigma_t) = (schedule(name, x, SHAPE) for x in (r, t))
        gain = alpha_t / alpha_r
        np.testing.assert_allclose(np.broadcast_to(two.gain, SHAPE), gain, rtol=3e-14)
        np.testing.assert_allclose(
            np.broadcast_to(two.std**2, SHAPE),
            sigma_t**2 - gain**2 * sigma_r**2,
            rtol=0,
            atol=5e-15 * sigma_t.max() ** 2,
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


def test_the_law_of_heat_jumps_to_that_of_the_noisy_start(generator):
    """Mean and spread of every pixel just after the start, from draws; the other laws stay."""
    u = torch.as_tensor(image(SHAPE, 1))
    for name in NAMES:
        law = default(name, SHAPE).sample(u.expand(4000, *SHAPE), 1e-5, generator=generator)
        spread = 0.01 if name == "heat" else schedule(name, 1e-5, SHAPE)[1].max()
        assert (law.mean(0) - u).abs().max() < 5 * spread / math.sqrt(4000) + 1e-3
        assert law.std(0).mean().item() == pytest.approx(spread, rel=0.02, abs=1e-9)


@pytest.mark.parametrize("name", NOISY)
def test_information_of_gaussian_data_by_dense_covariances_never_rises(name):
    """½ log(det C det S / det J) in pixels, J the covariance of start and state together."""
    process, std = default(name, SHAPE), np.linspace(0.1, 1.0, 12)
    B = cosine_matrix(*SHAPE) if name in BLURS else np.eye(12)
    C = B.T @ np.diag(std**2) @ B
    prior = dpss.GaussianPrior(
        torch.zeros(SHAPE), torch.as_tensor(std.reshape(SHAPE)), process.basis
    )
    for t in (0.2, 0.35, 0.6):
        alpha, sigma = (x.ravel() for x in schedule(name, t, SHAPE))
        G, S = B.T @ np.diag(alpha) @ B, B.T @ np.diag(sigma**2) @ B
        state = G @ C @ G + S
        joint = np.block([[C, C @ G], [G @ C, state]])
        dense = 0.5 * sum(s * np.linalg.slogdet(x)[1] for s, x in ((1, C), (1, state), (-1, joint)))
        ours = measures.mutual_information(process, prior, t).item()
        assert ours == pytest.approx(dense, rel=1e-6)
    course = measures.mutual_information(process, prior, np.linspace(0.01, 0.99, 99))
    assert (course.diff() < 1e-12 * course[0]).all()
    assert certify(process, SHAPE)["mutual information"].holds
    fickle = dpss.Process(
        dpss.Pixels(), lambda t: 0 * t, lambda t: torch.sin(math.pi * t), "fickle"
    )
    pixels = dpss.GaussianPrior(torch.zeros(SHAPE), 1.0, dpss.Pixels())
    rise = measures.mutual_information(fickle, pixels, [0.5, 0.9]).diff().item()
    assert rise == pytest.approx(6 * math.log((1 + math.sin(0.9 * math.pi) ** -2) / 2), rel=1e-9)
    assert not certify(fickle, SHAPE)["mutual information"].holds


@pytest.mark.parametrize("name", NOISY)
def test_two_gaussian_evolutions_approach_strictly_where_all_modes_receive_noise(name):
    process, rng = default(name, SHAPE), np.random.default_rng(17)
    m, n = (torch.as_tensor(x) for x in rng.standard_normal((2, *SHAPE)))
    a, b = (torch.as_tensor(x) for x in rng.uniform(0.3, 1.5, (2, *SHAPE)))
    n = n + (m - n).mean() * (name == "heat")  # else its mean mode keeps a difference
    priors = [dpss.GaussianPrior(*x, process.basis) for x in ((m, a), (n, b))]
    B = cosine_matrix(*SHAPE) if name in BLURS else np.eye(12)
    kl = []
    for t in (0.1, 0.2, 0.3, 0.4, 0.5):
        p, q = (prior.marginal(process, t) for prior in priors)
        kl.append(p.kl(q).item())
        alpha, sigma = (x.ravel() for x in schedule(name, t, SHAPE))
        G = B.T @ np.diag(alpha) @ B
        laws = []
        for mean, std in ((m, a), (n, b)):
            spread = np.diag(alpha**2 * std.numpy().ravel() ** 2 + sigma**2)
            laws += [G @ mean.numpy().ravel(), B.T @ spread @ B]
        assert kl[-1] == pytest.approx(kl_normal(*laws), rel=1e-6)
    assert (np.diff(kl) < -1e-6 * np.array(kl[:-1])).all()


def test_divergence_from_noise_needs_a_fixed_law_and_a_chain():
    """VP and five references that move, for a mixture of one pixel; laws without a chain."""
    parts, u = [(0.3, -1.4, 0.2), (0.7, 0.9, 0.5)], np.linspace(-14, 14, 5601)
    weights, means, std = (list(x) for x in zip(*parts))
    prior = dpss.Mixture(weights, torch.tensor(means).reshape(2, 1, 1), std, dpss.Pixels())
    for name in ("vp", "sub_vp", "blurring"):
        process, kl = default(name, (1, 1)), {"own": [], "fixed": []}
        for t in np.linspace(0.05, 0.95, 19):
            log_p = prior.log_density(process, torch.as_tensor(u)[:, None, None], t).numpy()
            alpha, sigma = (x.item() for x in schedule(name, t, (1, 1)))
            assert np.exp(log_p).sum() * 0.005 == pytest.approx(1, abs=1e-6)
            for key, v in (("own", alpha**2 + sigma**2), ("fixed", 1.0)):
                kl[key].append((np.exp(log_p) * (log_p - np.log(bell(u, 0, v)))).sum() * 0.005)
        assert (np.diff(kl["own"]) < 1e-9).all(), name
        if name == "vp":
            np.testing.assert_allclose(kl["own"], kl["fixed"], rtol=1e-9)
    heat, zero = default("heat", SHAPE), torch.zeros(SHAPE, dtype=torch.float64)
    law = dpss.GaussianPrior(zero, 0.5, heat.basis).marginal(heat, np.linspace(0.01, 0.99, 50))
    course = law.kl(dpss.Gaussian(zero, 0.01, heat.basis))
    assert (course.diff() <= 1e-12 * course[0]).all() and course[-1] < 0.9 * course[0]
    gain = lambda t: 1 - 3.5 * t + 3.4 * t**2  # down to 0.1 and back to 0.9
    back = dpss.Process(
        dpss.Pixels(), lambda t: torch.log(gain(t)), lambda t: torch.sqrt(1 - gain(t) ** 2), "back"
    )
    pure = dpss.Gaussian(torch.zeros(1, 1), 1.0, dpss.Pixels())
    kl = [back.marginal(torch.ones(1, 1), t).kl(pure).item() for t in (0.5, 1.0)]
    assert kl == pytest.approx([-0.5 * math.log(0.99), -0.5 * math.log(0.19)], rel=1e-5)
    assert not certify(back, (1, 1))["kl to normal"].holds
    with pytest.raises(ValueError, match="not Markov"):
        back.kernel(0.5, 1.0)


def test_entropy_of_mixtures_under_vp_ve_and_heat_by_quadrature():
    u, cell = np.linspace(-12, 12, 4801, retstep=True)

    def entropies(process, prior, times, place=None, scale=1.0):
        found = []
        for t in times:
            states = torch.as_tensor(u * scale)[:, None, None]
            rest = 0.0
            if place is not None:  # one mode of several; the others are noise around 0
                modes = torch.zeros(len(u), *SHAPE, dtype=torch.float64)
                modes[(slice(None), *place)] = states[:, 0, 0]
                states, rest = (
                    process.basis.synthesise(modes),
                    11 * math.log(2 * math.pi * 1e-4) / 2,
                )
            log_p = prior.log_density(process, states, t).numpy() + rest
            assert (np.exp(log_p).sum() * cell * scale) == pytest.approx(1, abs=1e-6)
            found.append(-(np.exp(log_p) * log_p).sum() * cell * scale)
        return np.array(found)

    two = lambda m, s: dpss.Mixture(
        [0.5, 0.5], torch.tensor([-m, m]).reshape(2, 1, 1), s, dpss.Pixels()
    )
    times, late = np.linspace(0.02, 0.98, 25), (0.6, 0.7, 0.8, 0.9, 0.98)
    assert (np.diff(entropies(dpss.vp(), two(0.9, 0.3), times)) > -1e-9).all()  # variance 0.90
    assert (np.diff(entropies(dpss.vp(), two(1.2, 0.3), late)) < 0).all()  # variance 1.53
    assert (np.diff(entropies(dpss.ve(0.01, 2.0), two(0.9, 0.3), times)) > 0).all()
    heat, modes = default("heat", SHAPE), torch.zeros(2, *SHAPE, dtype=torch.float64)
    modes[0, 2, 3], modes[1, 2, 3] = -0.03, 0.03
    pair = dpss.Mixture([0.5, 0.5], heat.basis.synthesise(modes), 0.0, heat.basis)
    course = entropies(heat, pair, np.linspace(0.1, 0.9, 17), (2, 3), 0.01)
    assert (np.diff(course) < 1e-9).all() and course[0] - course[-1] > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_invariant_data_stay_invariant_and_maps_commute_iff_the_matrices_do(name):
    """A law and its turned copy; and R G − G R, R Σ Rᵀ − Σ for the matrices of the process."""
    shape, t = (4, 4), 0.35
    process, u = default(name, shape), torch.as_tensor(image((3, *shape), 21))
    turn = lambda x: x.rot90(1, (-2, -1))
    four = torch.stack([u[0], turn(u[0]), turn(turn(u[0])), turn(turn(turn(u[0])))])
    prior = dpss.Mixture([0.25] * 4, four, 0.3, dpss.Pixels())
    ours = prior.log_density(process, u[1:], t)
    torch.testing.assert_close(
        prior.log_density(process, turn(u[1:]), t), ours, rtol=1e-9, atol=1e-9
    )
    order = np.random.default_rng(22).permutation(16)
    maps = {
        "turn": (permutation(shape, np.rot90), True),
        "any order": (np.eye(16)[order], name not in BLURS),
        "contrast": (2 * np.eye(16), name == "gaussian_scale_space"),
        "sign": (-np.eye(16), True),
    }
    G, S = gain_and_covariance(process, t, shape)
    for label, (R, commutes) in maps.items():
        scale = max(np.abs(S).max(), np.abs(G).max())
        assert (asymmetry(G, S, R) < 1e-9 * scale) == commutes, label
    grey = lambda x: process.marginal(x, t).mean.mean((-2, -1)) / x.mean((-2, -1))
    keeps = name in ("ve", "heat", "gaussian_scale_space")
    assert ((grey(u) - 1).abs().max() < 1e-9) == keeps


def test_divergences_of_the_ends_given_one_image():
    """The table of F5, typed in anew, on a picture; cosine VP and blurring arrive."""
    u, t = torch.as_tensor(image(SHAPE, 23)), 0.55
    square, c = (u.numpy() ** 2).sum(), (cosine_matrix(*SHAPE) @ u.numpy().ravel()).reshape(SHAPE)
    a = schedule("vp", t, SHAPE)[0][0, 0] ** 2
    blurred = schedule("blurring", t, SHAPE)
    gone = schedule("heat", t, SHAPE)[0] ** 2 * c**2
    formulas = {
        "vp": a * square / 2 - 6 * (a + math.log(1 - a)),
        "sub_vp": a * square / 2 - 6 * (2 * a - a * a + 2 * math.log(1 - a)),
        "ve": square / (2 * schedule("ve", t, SHAPE)[1][0, 0] ** 2),
        "heat": gone.ravel()[1:].sum() / 2e-4,
        "blurring": 0.5
        * ((blurred[0] * c) ** 2 + blurred[1] ** 2 - 1 - 2 * np.log(blurred[1])).sum(),
    }
    for name, formula in formulas.items():
        process = default(name, SHAPE)
        grey = u.mean().item() if name == "heat" else 0.0
        level = {"ve": process.noise(t), "heat": 0.01}.get(name, 1.0)
        end = dpss.Gaussian(torch.full(SHAPE, grey, dtype=torch.float64), level, process.basis)
        assert process.marginal(u, t).kl(end).item() == pytest.approx(formula, rel=1e-9), name
    for name in ("vp_cosine", "blurring"):
        process = default(name, SHAPE)
        pure = dpss.Gaussian(torch.zeros(SHAPE, dtype=torch.float64), 1.0, process.basis)
        assert process.marginal(u, 1.0).kl(pure).item() < 1e-12
