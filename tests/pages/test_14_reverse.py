"""The reverse scale-space: claims R1 to R7 by other means than on the page.

Schedules are written anew in NumPy, laws are finite sets of points or densities of other shapes
than the page's, kernels of Gaussian data are dense conditional covariances, and the probability
flow is solved by SciPy.
"""

import math

import numpy as np
import pytest
import torch
from catalogue import default
from matrices import units
from reference import bell, cosine_matrix, eigenvalues, image, kl_normal, noise, schedule
from scipy.integrate import quad, solve_ivp
from scipy.stats import norm, wasserstein_distance

import dpss
from dpss import reverse

SHAPE = (3, 4)
NAMES = ("vp", "vp_cosine", "sub_vp", "ve", "heat", "blurring")
U = np.linspace(-6, 6, 601)
CELL = U[1] - U[0]


def modes(name, t, shape=SHAPE):
    """α and σ, one mode after the other, NumPy (N,)."""
    return [c.ravel() for c in schedule(name, t, shape)]


def vp_pair(s, t):
    """Gain and variance of VP from s to t, one pixel."""
    (a, x), (b, y) = (schedule("vp", z, (1, 1)) for z in (s, t))
    return (b / a).item(), (y**2 - (b / a * x) ** 2).item()


POINTS, SHARES = (
    np.array([-1.0, 0.1, 0.4, 0.9]),
    np.array([0.1, 0.4, 0.2, 0.3]),
)  # data: four grey values


POINT_IMAGES = torch.from_numpy(np.repeat(POINTS, np.rint(10 * SHARES).astype(int))).view(-1, 1, 1)


def density(t, points=POINTS, shares=SHARES):
    gain, var = vp_pair(0.0, t)
    return (shares * bell(U[:, None], gain * points, var)).sum(1)


def backward(s, t, points=POINTS, shares=SHARES):
    """Reverse kernel on the grid, (target, source), by Bayes' rule."""
    gain, var = vp_pair(s, t)
    joint = bell(U[None, :], gain * U[:, None], var) * density(s, points, shares)[:, None]
    return joint / density(t, points, shares)[None, :]


def kl(p, q):
    return (p * np.log(p / q)).sum() * CELL


def posterior(t, points=POINTS, shares=SHARES):
    """Probabilities of the data points given each u of the grid, (point, u)."""
    gain, var = vp_pair(0.0, t)
    joint = shares[:, None] * bell(U[None, :], gain * points[:, None], var)
    return joint / joint.sum(0)


# --- R1 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("T", [0.2, 0.4, 0.7])
def test_price_of_a_wrong_start(T):
    """A discrete law of data: the end is a reweighting of its points, no dearer than the start."""
    q = 0.6 * bell(U, -0.7, 0.8) + 0.4 * bell(U, 1.0, 1.2)
    p = density(T)
    end = posterior(T) @ q * CELL  # probabilities of the four points
    forward = dpss.vp().kernel(0.0, T)
    steps = [forward(torch.full((1, 1), x, dtype=torch.float64)) for x in POINTS]
    densities = [bell(U, law.mean.item(), law.std.item() ** 2) for law in steps]
    ratio = [(density * q / p).sum() * CELL for density in densities]  # the forward mean
    np.testing.assert_allclose(end, ratio * SHARES, rtol=1e-8)
    price = (SHARES * np.log(SHARES / end)).sum()
    bound = sum(w * kl(np.maximum(y, 1e-300), q) for w, y in zip(SHARES, densities))
    assert 0 < price < kl(p, q) < bound
    other = SHARES[::-1]  # kernels of its own: the end is not nearer than the start
    assert (SHARES * np.log(SHARES / other)).sum() > kl(p, density(T, POINTS, other))


@pytest.mark.parametrize("name", NAMES)
def test_gaussian_price_by_dense_covariances(name):
    """Joint covariance of (U_0, U_1) conditioned, against ψ(x), ψ(x²/(1 + 2x)) and the library."""
    B, T = cosine_matrix(*SHAPE), 0.8
    c, m = 0.3 + image(SHAPE, 1).ravel() ** 2, image(SHAPE, 2).ravel()
    alpha, sigma = modes(name, T)
    G, C = B.T @ np.diag(alpha) @ B, B.T @ np.diag(c) @ B
    V = G @ C @ G.T + B.T @ np.diag(sigma**2) @ B
    gain = C @ G.T @ np.linalg.inv(V)
    cov = C - gain @ G @ C + gain @ (B.T @ np.diag(sigma**2) @ B) @ gain.T
    mean = B.T @ m - gain @ G @ B.T @ m

    x = alpha**2 * c / sigma**2
    y = x**2 / (1 + 2 * x)
    price = [(0.5 * (z - np.log1p(z)) + m**2 / (2 * c) * z).sum() for z in (x, y)]
    at_T = kl_normal(G @ B.T @ m, V, np.zeros(12), B.T @ np.diag(sigma**2) @ B)
    assert at_T == pytest.approx(price[0], rel=1e-6)
    assert kl_normal(B.T @ m, C, mean, cov) == pytest.approx(price[1], rel=1e-5, abs=1e-9)
    prior = dpss.GaussianPrior(
        torch.from_numpy(B.T @ m).reshape(SHAPE),
        torch.from_numpy(c).reshape(SHAPE).sqrt(),
        dpss.Cosines(SHAPE),
    )
    kernel = prior.reverse_kernel(default(name, SHAPE), 0.0, T)
    std = torch.hypot(kernel.std, kernel.gain * torch.from_numpy(sigma.copy()).reshape(SHAPE))
    end = dpss.Gaussian(kernel(torch.zeros(SHAPE).double()).mean, std, prior.basis)
    start = dpss.Gaussian(prior.mean, prior.std[0], prior.basis)
    assert start.kl(end).item() == pytest.approx(price[1], rel=1e-5, abs=1e-9)


def test_heat_pays_the_stated_prices_and_a_wrong_start_stays_among_the_images():
    lam = eigenvalues(28, 28).ravel()[1:]
    for blur, nats in ((20, 5197), (28, 38), (50, 0)):
        c = 1 / lam
        v = np.exp(-lam * blur**2) * c + 1e-4
        assert (0.5 * (v / 1e-4 - 1 - np.log(v / 1e-4))).sum() == pytest.approx(nats, abs=0.5)
    process, generator = dpss.heat((8, 8), 2.0), torch.Generator().manual_seed(1)
    data = torch.as_tensor(image((20, 8, 8), 3))
    start = 0.01 * torch.randn(6, 8, 8, generator=generator, dtype=torch.float64)
    end = reverse.sample(
        process,
        dpss.Empirical(data).denoiser(process),
        start,
        torch.linspace(1, 0, 60).double(),
        generator=generator,
    )
    assert ((end[:, None] - data).abs().amax((2, 3)).amin(1) < 1e-6).all()


def test_a_wrong_start_draws_the_points_in_wrong_proportions():
    """6000 ends of the library's sampler are counted; quadrature says how often each is to come."""
    T, n = 0.3, 6000
    expected = posterior(T) @ bell(U, 0.7, 0.36) * CELL
    assert np.abs(expected - SHARES).max() > 0.07
    data = torch.from_numpy(np.repeat(POINTS, np.rint(10 * SHARES).astype(int))).view(-1, 1, 1)
    generator = torch.Generator().manual_seed(18)
    start = 0.7 + 0.6 * torch.randn(n, 1, 1, generator=generator, dtype=torch.float64)
    end = reverse.sample(
        dpss.vp(),
        dpss.Empirical(data).denoiser(dpss.vp()),
        start,
        torch.linspace(T, 0, 401).double(),
        generator=generator,
    )
    distance = np.abs(end.flatten().numpy()[:, None] - POINTS)
    assert distance.min(1).max() < 1e-3
    np.testing.assert_allclose(
        np.bincount(distance.argmin(1), minlength=4) / n, expected, atol=0.025
    )


# --- R2 -------------------------------------------------------------------------------------------


def test_exact_kernels_compose_and_plug_in_kernels_do_not():
    r, s, t = 0.1, 0.25, 0.5
    inside = slice(100, -100)
    two = backward(r, s) @ backward(s, t) * CELL
    np.testing.assert_allclose(two[:, inside], backward(r, t)[:, inside], atol=1e-8)
    np.testing.assert_allclose(
        (posterior(s) @ backward(s, t) * CELL)[:, inside], posterior(t)[:, inside], atol=1e-8
    )  # down to time 0
    D, u = dpss.Empirical(POINT_IMAGES).denoiser(dpss.vp()), torch.from_numpy(U).view(-1, 1, 1)
    np.testing.assert_allclose(D(u, t).flatten()[inside], (POINTS @ posterior(t))[inside])

    def plug_in(s, t):
        law = dpss.vp().posterior(D(u, t), u, s, t)
        (a, var_s), var_t, (gain, var) = vp_pair(0.0, s), vp_pair(0.0, t)[1], vp_pair(s, t)
        mean = gain * var_s / var_t * U + a * var / var_t * (POINTS @ posterior(t))
        np.testing.assert_allclose(law.mean.flatten()[inside], mean[inside], atol=1e-9)
        return bell(U[:, None], law.mean.flatten().numpy()[None, :], law.std.item() ** 2)

    apart = 0.5 * np.abs(plug_in(r, s) @ plug_in(s, t) * CELL - plug_in(r, t)).sum(0)[inside] * CELL
    assert apart.max() > 0.1


def test_one_noise_image_for_all_times_has_no_semigroup():
    """The laws at single times are those of VP, the path is not Markov: correlations tell."""
    process, times, n = dpss.vp(), torch.tensor([0.1, 0.25, 0.5], dtype=torch.float64), 40_000
    generator = torch.Generator().manual_seed(20)
    start = 0.6 * torch.randn(n, 1, 1, generator=generator, dtype=torch.float64)
    fresh = torch.randn(n, 1, 1, generator=generator, dtype=torch.float64)
    alpha, sigma = (c[..., None] for c in (process.signal(times), process.noise(times)))
    shared = alpha * start[:, 0, 0] + sigma * fresh[:, 0, 0]
    chain = process.path(start, times, generator=generator)
    gaps = []
    for path in (chain.flatten(1), shared.flatten(1)):
        for t, row in zip(times.tolist(), path):
            gain, var = vp_pair(0.0, t)
            assert row.var().item() == pytest.approx(gain**2 * 0.36 + var, rel=0.03)
        kappa = np.corrcoef(path.numpy())
        gaps.append(abs(kappa[0, 2] - kappa[0, 1] * kappa[1, 2]))
    assert gaps[0] < 0.02 and gaps[1] > 0.15, gaps


@pytest.mark.parametrize("name", NAMES)
def test_gaussian_kernels_are_conditional_laws_of_the_forward_pair(name):
    B, process = cosine_matrix(*SHAPE), default(name, SHAPE)
    c, m = 0.3 + image(SHAPE, 4).ravel() ** 2, image(SHAPE, 5)
    prior = dpss.GaussianPrior(m, np.sqrt(c).reshape(SHAPE), dpss.Cosines(SHAPE))
    u = torch.as_tensor(noise(SHAPE, 6))
    for r, s, t in ((0.1, 0.4, 0.7), (0.2, 0.3, 0.9)):
        (a, x), (b, y) = modes(name, s), modes(name, t)
        cross = B.T @ np.diag(b / a * (a**2 * c + x**2)) @ B
        V = [B.T @ np.diag(g**2 * c + n**2) @ B for g, n in ((a, x), (b, y))]
        gain = cross.T @ np.linalg.inv(V[1])
        means = [B.T @ np.diag(g) @ B @ m.ravel() for g in (a, b)]
        law = prior.reverse_kernel(process, s, t)(u)
        np.testing.assert_allclose(
            law.mean.numpy().ravel(), means[0] + gain @ (u.numpy().ravel() - means[1]), atol=1e-8
        )
        cov = B.T @ np.diag((law.std.expand(SHAPE).numpy() ** 2).ravel()) @ B
        np.testing.assert_allclose(cov, V[0] - gain @ cross, atol=1e-8)
        two = prior.reverse_kernel(process, r, s) @ prior.reverse_kernel(process, s, t)
        assert two.isclose(prior.reverse_kernel(process, r, t), rtol=1e-7, atol=1e-9)


# --- R3 -------------------------------------------------------------------------------------------


def test_divergence_falls_under_kernels_and_stays_under_the_flow():
    """Four grey values as data. Kernels: grid.

    Flow: SciPy's solver carries points, and their spacing carries the density.
    """
    T, start = 0.4, 0.5 * bell(U, 0.8, 1.3) + 0.5 * bell(U, -1.2, 0.9)
    times = (0.39, 0.3, 0.2, 0.15, 0.12)
    pairs = [(density(T), start)]
    pairs += [(density(s), backward(s, T) @ start * CELL) for s in times]
    values = [kl(p, q) for p, q in pairs]
    assert (np.diff(values) < 0).all() and values[-1] < 0.6 * values[0]
    squares = [((p - q) ** 2 / q)[50:-50].sum() for p, q in pairs]
    assert (np.diff(squares) < 0).all()
    swapped = SHARES[::-1]
    own = [kl(density(s), density(s, POINTS, swapped)) for s in (T, *times)]
    assert (np.diff(own) > 0).all()

    def velocity(t, u):
        gain, var = vp_pair(0.0, t)
        weight = SHARES[:, None] * bell(u[None], gain * POINTS[:, None], var)
        score = (weight * (gain * POINTS[:, None] - u[None])).sum(0) / weight.sum(0) / var
        return -0.5 * (0.1 + 19.9 * t) * (u + score)

    points = np.linspace(-3.0, 3.0, 801)
    carried = solve_ivp(velocity, (T, 0.15), points, rtol=1e-7, atol=1e-9).y[:, -1]
    D = dpss.Empirical(POINT_IMAGES).denoiser(dpss.vp())
    library = reverse.flow(
        dpss.vp(), D, torch.from_numpy(points).view(-1, 1, 1), torch.linspace(T, 0.15, 101).double()
    )
    np.testing.assert_allclose(library.flatten(), carried, atol=2e-3)
    stretch = np.gradient(carried, points)
    at = lambda f, t: sum(
        w * bell(f, vp_pair(0.0, t)[0] * x, vp_pair(0.0, t)[1]) for w, x in zip(SHARES, POINTS)
    )
    np.testing.assert_allclose(
        (at(points, T) / stretch)[2:-2], at(carried, 0.15)[2:-2], rtol=5e-3
    )  # the flow carries p_T into p_s
    q = 0.5 * bell(points, 0.8, 1.3) + 0.5 * bell(points, -1.2, 0.9)
    p_s, q_s = at(carried, 0.15), q / stretch
    flowed = np.trapezoid(p_s * np.log(p_s / q_s), carried)
    before = np.trapezoid(at(points, T) * np.log(at(points, T) / q), points)
    assert flowed == pytest.approx(before, rel=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_gaussian_laws_under_the_kernels_of_the_library(name):
    """Both KL fall on the way back, and information turns as stated: all by the library."""
    process, T = default(name, SHAPE), 0.85
    std = torch.as_tensor(0.4 + image(SHAPE, 21) ** 2)
    prior = dpss.GaussianPrior(torch.as_tensor(image(SHAPE, 22)), std, dpss.Cosines(SHAPE))
    mean, spread = torch.as_tensor(image(SHAPE, 23)), torch.as_tensor(0.5 + image(SHAPE, 24) ** 2)
    if name == "heat":  # the mean grey value is frozen: the right one, with the right spread
        mean = mean - mean.mean() + prior.mean.mean()
        spread[0, 0] = prior.marginal(process, T).std[0, 0]
    times = [0.8, 0.6, 0.4, 0.2, 0.05]
    falling, turned, known, kept = [], [], [], []
    for s in times:
        kernel, right = prior.reverse_kernel(process, s, T), prior.marginal(process, s)
        carried = [
            dpss.Gaussian(kernel(u).mean, torch.hypot(kernel.std, kernel.gain * std), prior.basis)
            for u, std in (
                (mean, spread),
                (prior.marginal(process, T).mean, prior.marginal(process, T).std),
            )
        ]
        assert right.kl(carried[1]).item() < 1e-9  # p_T is carried into p_s
        falling.append(right.kl(carried[0]).item())
        turned.append(carried[0].kl(right).item())
        known.append(dpss.measures.mutual_information(process, prior, s).item())
        share = (kernel.std / right.std).expand(SHAPE).flatten()[1:]  # √(1 − κ²)
        kept.append(-torch.log(share).sum().item())  # I(U_T; U_s) without the mean
    assert (np.diff(falling) < 0).all() and (np.diff(turned) < 0).all(), (falling, turned)
    assert (np.diff(known) > 0).all() and (np.diff(kept) < 0).all(), (known, kept)


def test_information_about_the_end_rises_and_about_the_start_falls():
    gain, var = vp_pair(0.0, 0.5)
    about_data, about_noise = [], []
    for s in (0.45, 0.3, 0.2, 0.12):
        a, x = vp_pair(0.0, s)
        about_data.append(
            sum(
                w * kl(np.maximum(bell(U, a * y, x), 1e-300), density(s))
                for w, y in zip(SHARES, POINTS)
            )
        )
        b, z = vp_pair(s, 0.5)
        joint = bell(U[:, None], b * U[None, :], z) * density(s)[None, :]  # (U_T, U_s)
        product = density(0.5)[:, None] * density(s)[None, :]
        about_noise.append(
            (joint[joint > 0] * np.log(joint[joint > 0] / product[joint > 0])).sum() * CELL**2
        )
    assert (np.diff(about_data) > 0).all() and about_data[-1] <= -(SHARES * np.log(SHARES)).sum()
    assert (np.diff(about_noise) < 0).all()


# --- R4 -------------------------------------------------------------------------------------------


SYMMETRIES = {
    "flip": lambda u: u.flip(-1),
    "half turn": lambda u: u.flip(-1).flip(-2),
    "sign": lambda u: -u,
}


@pytest.mark.parametrize("name", NAMES)
def test_reverse_process_inherits_common_symmetries_only(name):
    process, seeds = default(name, SHAPE), torch.as_tensor(image((5, *SHAPE), 7))
    for R in SYMMETRIES.values():
        closed = dpss.Empirical(torch.cat([seeds, R(seeds)]))
        D = closed.denoiser(process)
        t = 0.6 if name == "ve" else 0.3  # some images compete for each state
        u = process.sample(seeds, t, generator=torch.Generator().manual_seed(8))
        torch.testing.assert_close(D(R(u), t), R(D(u, t)), rtol=1e-7, atol=1e-8)
        torch.testing.assert_close(
            process.score(D(R(u), t), R(u), t),
            R(process.score(D(u, t), u, t)),
            rtol=1e-6,
            atol=1e-5,
        )
        torch.testing.assert_close(
            closed.log_density(process, R(u), t),
            closed.log_density(process, u, t),
            rtol=1e-8,
            atol=1e-7,
        )
        ends = [
            reverse.flow(process, D, v, torch.linspace(t, 0.5 * t, 9).double()) for v in (u, R(u))
        ]
        torch.testing.assert_close(ends[1], R(ends[0]), rtol=1e-6, atol=1e-6)
        open_ = dpss.Empirical(seeds).denoiser(process)
        assert (open_(R(u), t) - R(open_(u, t))).abs().max() > 0.1
        mean = torch.as_tensor(image(SHAPE, 25))  # kernels, of Gaussian data
        gaps = []
        for centre in (0.5 * (mean + R(mean)), mean):
            prior = dpss.GaussianPrior(centre, 0.4 + mean**2, dpss.Cosines(SHAPE))
            kernel = prior.reverse_kernel(process, 0.5 * t, t)
            gaps.append((kernel(R(u)).mean - R(kernel(u).mean)).abs().max())
        assert gaps[0] < 1e-9 and gaps[1] > 5e-5


def test_shuffled_pixels_are_a_symmetry_of_white_noise_under_vp_but_not_under_heat():
    prior = dpss.GaussianPrior(torch.zeros(SHAPE).double(), 0.7, dpss.Pixels())
    order = torch.randperm(12, generator=torch.Generator().manual_seed(9))
    shuffle = lambda u: u.flatten(-2)[..., order].reshape(u.shape)
    u = torch.as_tensor(noise(SHAPE, 10))
    gaps = {
        name: (
            prior.denoiser(default(name, SHAPE))(shuffle(u), 0.4)
            - shuffle(prior.denoiser(default(name, SHAPE))(u, 0.4))
        )
        .abs()
        .max()
        for name in ("vp", "ve", "heat", "blurring")
    }
    assert (
        gaps["vp"] < 1e-12
        and gaps["ve"] < 1e-12
        and gaps["heat"] > 0.05
        and gaps["blurring"] > 0.05
    )


# --- R5 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_end_is_the_data_and_plug_in_chain_lacks_the_stated_variance(name):
    """The library's sampler with unit vectors for noise: affine, its law is known without draws."""
    shape, c = (3, 3), np.geomspace(0.7, 0.08, 9)
    process, std = default(name, shape), np.sqrt(c).reshape(shape)
    prior = dpss.GaussianPrior(torch.zeros(shape).double(), std, dpss.Cosines(shape))
    times, D = np.array([0.9, 0.6, 0.45, 0.2, 0.05, 0.0]), prior.denoiser(process)
    alpha, sigma = (np.stack([modes(name, t, shape)[i] for t in times[:-1]]) for i in (0, 1))
    waves = prior.basis.synthesise(units(shape))  # one image for each mode
    ones = process.basis.analyse(prior.basis.synthesise(torch.ones(9, *shape).double()))
    variance = alpha[0] ** 2 * c + sigma[0] ** 2
    for t, s in zip(times[:-1], times[1:]):
        draws = []
        for fresh in (0.0, 1.0):
            real, reverse._noise = reverse._noise, lambda m, g, fresh=fresh: fresh * ones
            try:
                if s > 0:
                    found = reverse.sample(process, D, (1 - fresh) * waves, [t, s])
                else:
                    found = D((1 - fresh) * waves, float(t))
            finally:
                reverse._noise = real
            draws.append(prior.basis.analyse(found).reshape(9, 9).numpy())
        variance = np.diag(draws[0]) ** 2 * variance + (draws[1][0] ** 2 if s > 0 else 0.0)
    zeta = np.concatenate([1 / (1 + c * (alpha / sigma) ** 2), np.zeros((1, 9))])[::-1]
    expected = c * (np.diff(zeta, axis=0) ** 2 / zeta[1:]).sum(0)
    np.testing.assert_allclose(c - variance, expected, rtol=1e-6, atol=1e-9)
    omega = np.diff(zeta, axis=0).max(0)
    assert (expected <= c * omega * (2 - np.log(omega))).all() and (expected > 0).all()


def test_exact_kernels_end_in_the_data_by_whatever_times_and_plug_in_chains_come_close():
    for times in ([0.6], [0.6, 0.3], [0.6, 0.5, 0.2, 0.1]):
        law = density(times[0])
        for t, s in zip(times, times[1:]):
            law = backward(s, t) @ law * CELL
        np.testing.assert_allclose(posterior(times[-1]) @ law * CELL, SHARES, atol=1e-8)
    process, data = (
        dpss.vp(),
        torch.from_numpy(np.repeat(POINTS, np.rint(10 * SHARES).astype(int))).view(-1, 1, 1),
    )
    D, n = dpss.Empirical(data).denoiser(process), 4000
    start = torch.randn(n, 1, 1, generator=torch.Generator().manual_seed(11), dtype=torch.float64)
    apart = []
    for steps in (3, 10, 40):
        end = reverse.sample(
            process,
            D,
            start,
            torch.linspace(1, 0, steps + 1).double(),
            generator=torch.Generator().manual_seed(12),
        )
        apart.append(wasserstein_distance(end.flatten(), data.flatten()))
    assert apart[0] > apart[1] > apart[2] and apart[0] > 5 * apart[2] and apart[2] < 0.06, apart


# --- R6 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0, 1.6])
def test_reverse_family_shares_its_marginals(eta):
    """The reverse SDE's generator on a grid, as rates to the neighbours, carries p_T into p_s."""
    u = np.linspace(-4.5, 4.5, 451)
    h, T, s, steps = u[1] - u[0], 0.5, 0.3, 40

    def p(t):
        gain, var = vp_pair(0.0, t)
        return (SHARES * bell(u[:, None], gain * POINTS, var)).sum(1)

    process, images = dpss.vp(), torch.from_numpy(u).view(-1, 1, 1)
    D = dpss.Empirical(POINT_IMAGES).denoiser(process)
    law, wrong = p(T), bell(u, 0.5, 1.4)
    distances = [(law * np.log(law / wrong)).sum() * h]
    for i in range(steps):
        t = T - (i + 0.5) * (T - s) / steps
        f, beta = (y.item() for y in process.sde(t))
        score = process.score(D(images, t), images, t).flatten().numpy()
        drift = -f * u + 0.5 * (1 + eta**2) * beta * score  # velocity in the time T − t
        A = np.zeros((len(u), len(u)))
        spread = 0.5 * eta**2 * beta / h**2
        middle = 0.5 * (drift[1:] + drift[:-1]) / (2 * h)
        for j in range(len(u) - 1):  # flux through the edge j, j + 1: centred drift, diffusion
            A[j + 1, j] += middle[j] + spread
            A[j, j] -= middle[j] + spread
            A[j, j + 1] += spread - middle[j]
            A[j + 1, j + 1] -= spread - middle[j]
        step = np.linalg.solve(
            np.eye(len(u)) - 0.5 * (T - s) / steps * A, np.eye(len(u)) + 0.5 * (T - s) / steps * A
        )
        law, wrong = step @ law, step @ wrong
        q = np.maximum(wrong, 1e-300)
        distances.append((np.maximum(law, 1e-300) * np.log(np.maximum(law, 1e-300) / q)).sum() * h)
    assert np.abs(law - p(s)).max() < 5e-3
    assert (np.diff(distances) < 1e-4).all()
    if eta == 0:
        assert distances[-1] == pytest.approx(distances[0], rel=0.02)
    else:
        assert distances[-1] < distances[0] * (0.9 if eta < 1 else 0.6)


@pytest.mark.parametrize("name", ["vp", "sub_vp", "ve", "blurring"])
@pytest.mark.parametrize("eta", [0.0, 0.7, 1.0, 1.5])
def test_gaussian_data_have_the_correlation_to_the_power_of_eta_squared(name, eta):
    """Moment equations solved by SciPy, with f and g² as difference quotients of the schedule."""
    c, s, t, k = 0.4, 0.3, 0.6, 3  # one mode, from t back to s

    def v(x):
        a, n = (y[k] for y in modes(name, x))
        return a**2 * c + n**2

    def coefficients(x, h=1e-5):
        (a1, n1), (a0, n0) = (tuple(y[k] for y in modes(name, z)) for z in (x + h, x - h))
        f = (math.log(a1) - math.log(a0)) / (2 * h)
        return f, (n1**2 - n0**2) / (2 * h) - 2 * f * modes(name, x)[1][k] ** 2

    def slope(x, state):
        f, g2 = coefficients(x)
        rate = f + 0.5 * (1 + eta**2) * g2 / v(x)
        return [rate * state[0], 2 * rate * state[1] - eta**2 * g2]

    for found, stated in zip(default(name, SHAPE).sde(t), coefficients(t)):
        assert found.expand(SHAPE).flatten()[k].item() == pytest.approx(stated, rel=1e-5, abs=1e-6)
    gain, added = solve_ivp(slope, (t, s), [1.0, 0.0], rtol=1e-9, atol=1e-12).y[:, -1]
    (a, _), (b, _) = ((y[k] for y in modes(name, z)) for z in (s, t))
    kappa = b / a * math.sqrt(v(s) / v(t))
    assert gain == pytest.approx(kappa**eta**2 * math.sqrt(v(s) / v(t)), rel=1e-5)
    assert added == pytest.approx(v(s) * (1 - kappa ** (2 * eta**2)), rel=1e-4, abs=1e-7)
    if eta == 1:
        prior = dpss.GaussianPrior(torch.zeros(SHAPE).double(), math.sqrt(c), dpss.Cosines(SHAPE))
        kernel = prior.reverse_kernel(default(name, SHAPE), s, t)
        assert kernel.gain.expand(SHAPE).flatten()[k].item() == pytest.approx(gain, rel=1e-5)
        assert kernel.std.expand(SHAPE).flatten()[k].item() ** 2 == pytest.approx(added, rel=1e-4)


@pytest.mark.parametrize("eta", [0.0, 0.7, 1.5])
def test_library_sde_has_the_stated_correlation_and_marginal(eta):
    process, n = dpss.ve(0.01, 5.0), 6000
    prior = dpss.GaussianPrior(torch.zeros(1, 1).double(), 0.5, dpss.Pixels())
    var = [0.25 + 1e-4 * (500.0 ** (2 * x) - 1) for x in (0.6, 0.8)]
    start = math.sqrt(var[1]) * torch.randn(
        n, 1, 1, generator=torch.Generator().manual_seed(13), dtype=torch.float64
    )
    end = reverse.sde(
        process,
        prior.denoiser(process),
        start,
        torch.linspace(0.8, 0.6, 101).double(),
        eta,
        torch.Generator().manual_seed(14),
    )
    found = np.corrcoef(start.flatten(), end.flatten())[0, 1]
    assert found == pytest.approx(math.sqrt(var[0] / var[1]) ** eta**2, abs=0.04)
    assert end.var().item() == pytest.approx(var[0], rel=0.06)


@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
def test_short_step_of_the_sampler_has_the_drift_of_the_reverse_family(eta):
    """The same noise twice takes the noise off again; score and coefficients are written here."""
    t, a, points = 0.4, 1e-6, np.linspace(-1.5, 1.5, 31)
    gain, var = vp_pair(0.0, t)
    weight = SHARES[:, None] * bell(points[None], gain * POINTS[:, None], var)
    mean = (weight * POINTS[:, None]).sum(0) / weight.sum(0)
    beta, score = 0.1 + 19.9 * t, (gain * mean - points) / var
    drift = -0.5 * beta * points - 0.5 * (1 + eta**2) * beta * score
    u, D = (torch.from_numpy(y).view(-1, 1, 1) for y in (points, mean))
    generator = lambda: torch.Generator().manual_seed(19)
    fresh = torch.randn(u.shape, generator=generator(), dtype=torch.float64)
    moved = (
        reverse.step(dpss.vp(), D, u, t - a, t, eta, generator())
        - eta * math.sqrt(a * beta) * fresh
    )
    np.testing.assert_allclose(((u - moved) / a).flatten(), drift, atol=0.1)


def test_kl_falls_at_the_stated_rate():
    """Two Gaussian images under the flow of moments of blurring's reverse SDE.

    With correlated wrong start: dense linear algebra.
    """
    eta, T = 0.8, 0.5
    c = 0.3 + image(SHAPE, 15).ravel() ** 2
    v = lambda t: modes("blurring", t)[0] ** 2 * c + modes("blurring", t)[1] ** 2
    L = noise((12, 12), 16) * 0.2 + np.diag(np.ones(12))
    mean_T, cov_T = noise(12, 17), L @ L.T

    def wrong(s):  # in modes
        kappa = modes("blurring", T)[0] / modes("blurring", s)[0] * np.sqrt(v(s) / v(T))
        gain = np.diag(kappa**eta**2 * np.sqrt(v(s) / v(T)))
        return gain @ mean_T, np.diag(v(s)) + gain @ (cov_T - np.diag(v(T))) @ gain

    def divergence(s):
        return kl_normal(np.zeros(12), np.diag(v(s)), *wrong(s))

    s, h = 0.3, 1e-4
    mean, cov = wrong(s)
    inverse = np.linalg.inv(cov)
    slopes = inverse - np.diag(1 / v(s))  # ∇ log(p/q) = slopes u − inverse mean
    square = np.einsum("ij,j,ij->i", slopes, v(s), slopes) + (inverse @ mean) ** 2
    g2 = default("blurring", SHAPE).sde(s)[1].numpy().ravel()
    measured = (divergence(s + h) - divergence(s - h)) / (2 * h)
    assert measured == pytest.approx(0.5 * eta**2 * (g2 * square).sum(), rel=1e-5)


# --- R7 -------------------------------------------------------------------------------------------


def test_a_u_turn_is_exchangeable_and_moves_classes_by_their_posterior():
    """Four grey values in two classes: the library's walk is counted, quadrature says the rest."""
    T, n = 0.2, 20_000
    gain, var = vp_pair(0.0, T)
    pairs = np.array([posterior(T) @ bell(U, gain * x, var) * CELL for x in POINTS])  # i → j
    joint = SHARES[:, None] * pairs
    np.testing.assert_allclose(joint, joint.T, atol=1e-10)
    np.testing.assert_allclose(joint.sum(0), SHARES, atol=1e-10)
    generator, process = torch.Generator().manual_seed(26), dpss.vp()
    start = POINT_IMAGES[torch.randint(10, (n,), generator=generator)]
    middle = process.sample(start, T, generator)
    end = reverse.sample(
        process,
        dpss.Empirical(POINT_IMAGES).denoiser(process),
        middle,
        torch.linspace(T, 0, 201).double(),
        generator=generator,
    )
    which = [np.abs(u.flatten().numpy()[:, None] - POINTS).argmin(1) for u in (start, end)]
    counts = np.zeros((4, 4))
    np.add.at(counts, tuple(which), 1 / n)
    np.testing.assert_allclose(counts, joint, atol=0.015)
    assert np.abs(joint - np.diag(SHARES)).max() > 0.05  # something has moved
    light = np.array([False, False, True, True])  # two classes
    shares = light @ SHARES
    posterior_of_light = light @ posterior(T)
    density_of_light = sum(
        w * bell(U, gain * x, var) for w, x in zip(SHARES[light] / shares, POINTS[light])
    )
    kept = (posterior_of_light * density_of_light).sum() * CELL
    assert joint[np.ix_(light, light)].sum() / shares == pytest.approx(kept, abs=1e-9)


@pytest.mark.parametrize("theta", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_two_classes_are_kept_with_the_stated_probability(theta, eta):
    """VE this time, 3×3 images, |m| = 4.5; the integral is SciPy's, the flow keeps signs."""
    expected, _ = quad(lambda z: norm.pdf(z) * np.tanh(theta**2 + theta * z), -12, 12)
    expected = 0.5 * (1 + expected) if eta == 1 else norm.cdf(theta)
    if theta == 1 and eta == 1:
        assert expected == pytest.approx(0.7752, abs=5e-5)
    m, n = 1.5 * torch.ones(3, 3, dtype=torch.float64), 6000
    process, generator = dpss.ve(0.01, 50.0), torch.Generator().manual_seed(27)
    # θ = |m|/√(1 + σ²)
    T = math.log(((4.5 / theta) ** 2 - 1) / 1e-4 + 1) / (2 * math.log(5000))
    data = m + torch.randn(n, 3, 3, generator=generator, dtype=torch.float64)
    mixture = dpss.Mixture([0.5, 0.5], torch.stack([m, -m]), [1.0, 1.0], dpss.Pixels())
    end = reverse.sde(
        process,
        mixture.denoiser(process),
        process.sample(data, T, generator),
        torch.linspace(T, 0.3, 121).double(),
        eta,
        generator,
    )
    # at t = 0.3, σ = 0.13: the sign tells the classes apart
    assert (end.sum((1, 2)) > 0).double().mean().item() == pytest.approx(expected, abs=0.02)
