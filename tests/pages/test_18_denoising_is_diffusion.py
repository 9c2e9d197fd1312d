"""Denoising is diffusion: B4a–B4f and B5 by dense matrices, brute force and closed forms."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import torch

import dpss
from dpss import diffusion, network

SHAPE = (5, 6)
RNG = np.random.default_rng(18)
U = RNG.normal(0, 1, SHAPE)
LARGE = 1e6  # standard deviation of the mean mode, for "unknown"


def difference_matrix(height, width):
    """−Δ, edge by edge."""
    L = np.zeros((height * width, height * width))
    index = np.arange(height * width).reshape(height, width)
    for i, j in [
        *zip(index[:-1].ravel(), index[1:].ravel()),
        *zip(index[:, :-1].ravel(), index[:, 1:].ravel()),
    ]:
        edge = np.zeros(height * width)
        edge[i], edge[j] = 1, -1
        L += np.outer(edge, edge)
    return L


L = difference_matrix(*SHAPE)


def step(u, tau, power=1.0, matrix=L):
    """(I + τ L^power)⁻¹ u, by eigenvectors of the dense matrix."""
    values, vectors = scipy.linalg.eigh(matrix)
    values = np.where(values > 1e-9, np.abs(values), 0) ** power
    return (vectors / (1 + tau * values) @ vectors.T @ np.ravel(u)).reshape(u.shape)


def eigenvalues(shape):
    y, x = (4 * np.sin(np.pi * np.arange(n) / (2 * n)) ** 2 for n in shape)
    return y[:, None] + x


def gaussian(kappa, gamma, shape=SHAPE):
    """Data with the mode variances κ λ^(−γ/2) and an unknown mean."""
    rates = eigenvalues(shape)
    rates[0, 0] = 1
    std = np.sqrt(kappa) * rates ** (-gamma / 4)
    std[0, 0] = LARGE
    return dpss.GaussianPrior(np.zeros(shape), std, dpss.Cosines(shape))


def denoised(prior, process, u, t):
    return prior.denoiser(process)(torch.from_numpy(np.array(u)), t).numpy()


SCALAR = [dpss.vp(), dpss.vp_cosine(), dpss.sub_vp(), dpss.ve(sigma_max=3.0), dpss.flow_matching()]


# --- B4a ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("process", SCALAR, ids=lambda process: process.name)
@pytest.mark.parametrize("t", [0.2, 0.6])
def test_the_denoiser_for_one_over_lambda_is_an_implicit_step(process, t):
    kappa = 0.3
    alpha, snr = process.signal(t).item(), process.snr(t).item()
    found = denoised(gaussian(kappa, 2), process, U, t)
    np.testing.assert_allclose(alpha * found, step(U, 1 / (kappa * snr)), atol=1e-8)
    wrong = step(U, 2 / (kappa * snr))
    assert np.abs(alpha * found - wrong).max() > 1e-3


def test_the_denoiser_is_the_least_point_of_the_regularised_distance():
    process, t, kappa = dpss.ve(sigma_max=3.0), 0.7, 0.4
    alpha, sigma = process.signal(t).item(), process.noise(t).item()
    w = denoised(gaussian(kappa, 2), process, U, t)

    def total(w):
        rough = (np.diff(w, axis=0) ** 2).sum() + (np.diff(w, axis=1) ** 2).sum()
        return ((U - alpha * w) ** 2).sum() / sigma**2 + rough / kappa

    for _ in range(20):
        way = RNG.normal(0, 1e-3, SHAPE)
        assert total(w + way) > total(w)
        # A quadratic function is symmetric about its least point.
        assert math.isclose(total(w + way) - total(w), total(w - way) - total(w), rel_tol=1e-4)


def test_an_implicit_step_is_a_mixture_of_blurs():
    tau = 1.7

    def blurred(x):
        return math.exp(-x) * diffusion.homogeneous(U, x * tau)

    mixed, _ = scipy.integrate.quad_vec(blurred, 0, 60, epsabs=1e-11)
    np.testing.assert_allclose(mixed, step(U, tau), atol=1e-9)


# --- B4b ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [0.7, 1.5, 2.4, 4.0])
def test_other_exponents_are_fractional_steps(gamma):
    process, t, kappa = dpss.vp(), 0.35, 0.2
    found = process.signal(t).item() * denoised(gaussian(kappa, gamma), process, U, t)
    tau = 1 / (kappa * process.snr(t).item())
    np.testing.assert_allclose(found, step(U, tau, gamma / 2), atol=1e-8)


@pytest.mark.parametrize("shape", [(1, 3), (2, 2), (4, 5), (1, 40)])
def test_the_principle_holds_for_all_steps_exactly_up_to_the_exponent_2(shape):
    """Entries of the denoiser's matrix, read off one white pixel at a time."""
    count, process = math.prod(shape), dpss.ve(1e-4, 30.0)
    white = np.eye(count).reshape(count, *shape)

    def least(gamma):
        law = gaussian(1.0, gamma, shape)
        return min(denoised(law, process, white, t).min() for t in (0.3, 0.6, 0.75, 0.9))

    assert min(least(gamma) for gamma in (0.4, 1.0, 1.9, 2.0)) > -1e-9
    assert max(least(gamma) for gamma in (2.1, 2.7, 3.0, 4.0)) < -1e-8


def test_three_pixels_have_the_entry_of_the_exercise_and_two_none():
    three = difference_matrix(1, 3)
    for gamma in (1.0, 2.0, 2.7, 4.0):
        matrix = scipy.linalg.fractional_matrix_power(three + 0j, gamma / 2).real
        assert math.isclose(matrix[0, 2], (3 ** (gamma / 2 - 1) - 1) / 2, abs_tol=1e-6)
    entries = np.linalg.inv(np.eye(2) + 5 * 2 ** (1.35 - 1) * difference_matrix(1, 2))
    assert entries.min() > 0


# --- B4c ------------------------------------------------------------------------------------------


def tikhonov(tau):
    """The matrix Q_τ of the library's cosines: what it does to each white pixel."""
    basis, count = dpss.Cosines(SHAPE), math.prod(SHAPE)
    gains = 1 / (1 + tau * basis.eigenvalues)
    white = torch.eye(count, dtype=torch.float64).reshape(count, *SHAPE)
    return basis.synthesise(gains * basis.analyse(white)).reshape(count, count).numpy()


def test_tikhonov_is_a_scale_space_with_steps_that_compose():
    for y, tau in ((0.0, 0.4), (0.4, 0.5), (0.5, 30.0), (2.0, 200.0)):
        Q = tikhonov(tau)
        np.testing.assert_allclose(Q, np.linalg.inv(np.eye(30) + tau * L), atol=1e-10)
        P = Q @ (np.eye(30) + y * L)
        np.testing.assert_allclose(P, y / tau * np.eye(30) + (1 - y / tau) * Q, atol=1e-10)
        for matrix in (Q, P):
            assert matrix.min() > -1e-12
            np.testing.assert_allclose(matrix.sum(0), 1, atol=1e-10)
            np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-10)
        slowest = np.sort(eigenvalues(SHAPE).ravel())[1]
        left = np.linalg.norm(Q @ U.ravel() - U.mean())
        assert left <= np.linalg.norm(U - U.mean()) / (1 + slowest * tau) + 1e-12


def test_convex_sums_never_rise_along_the_family_and_do_under_the_exponent_4():
    taus = np.concatenate([[0.0], np.geomspace(0.01, 1000, 60)])
    path = np.stack([tikhonov(tau) @ U.ravel() for tau in taus])
    for phi in (np.exp, np.abs, lambda x: np.maximum(x - 0.3, 0), lambda x: x**6):
        assert np.diff(phi(path).sum(1)).max() <= 1e-9
    edge = np.array([[0.0] * 8 + [1.0] * 8])
    steep = [step(edge, tau, 2.0, difference_matrix(1, 16)).max() for tau in (0.0, 0.5)]
    assert steep[1] > steep[0] + 0.01


def test_tikhonov_is_no_semigroup_in_any_clock_and_never_gaussian_blur():
    values = np.linalg.eigvalsh(difference_matrix(1, 3))[1:]
    np.testing.assert_allclose(values, [1, 3])
    product = 1 / ((1 + 0.7 * values) * (1 + 1.1 * values))
    clocks = (1 / product - 1) / values  # the τ that each wave would need
    assert abs(clocks[0] - clocks[1]) > 0.1
    for t in (0.01, 0.5, 3.0):
        needed = np.expm1(t * values) / values
        assert needed[1] > needed[0] * 1.005
    two = np.linalg.inv(np.eye(2) + 0.7 * difference_matrix(1, 2))  # on two pixels it is one
    clock = ((1 + 0.7 * 2) ** 2 - 1) / 2
    again = np.linalg.inv(np.eye(2) + clock * difference_matrix(1, 2))
    np.testing.assert_allclose(two @ two, again, atol=1e-12)


# --- B4d ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("process", [dpss.vp(), dpss.heat(SHAPE, 2.0, 0.3), dpss.blurring(SHAPE)])
def test_mean_and_variance_of_what_a_denoiser_shows(process):
    basis, count, t = dpss.Cosines(SHAPE), 20000, 0.4
    c = RNG.uniform(0.1, 3, SHAPE)
    prior = dpss.GaussianPrior(RNG.normal(0, 1, SHAPE), np.sqrt(c), basis)
    start = torch.from_numpy(U).expand(count, *SHAPE)
    shown = prior.denoiser(process)(process.sample(start, t, torch.Generator().manual_seed(1)), t)
    modes = basis.analyse(shown).numpy()
    odds = np.broadcast_to(process.snr(t).numpy(), SHAPE) * c
    rho = odds / (1 + odds)
    m, x = (basis.analyse(v) for v in (prior.mean.numpy(), U))
    spread = np.sqrt(rho * (1 - rho) * c)
    # Five standard errors of 20,000 draws.
    assert (np.abs(modes.mean(0) - m - rho * (x - m)) < 5 * spread / math.sqrt(count)).all()
    assert (np.abs(modes.std(0) / spread - 1) < 5 / math.sqrt(2 * count)).all()


def test_the_mean_of_what_vp_shows_is_the_tikhonov_scale_space():
    process, kappa = dpss.vp(), 0.5
    e = RNG.normal(0, 1, SHAPE)
    for t in (0.05, 0.3, 0.8):
        alpha, sigma = process.signal(t).item(), process.noise(t).item()
        both = [
            denoised(gaussian(kappa, 2), process, alpha * U + sign * sigma * e, t)
            for sign in (1, -1)
        ]
        tau = 1 / (kappa * process.snr(t).item())
        np.testing.assert_allclose(sum(both) / 2, step(U, tau), atol=1e-7)


# --- B4e ------------------------------------------------------------------------------------------


def shares(prior, process, t):
    """ρ of the modes k ≠ 0, by what the denoiser does to a state."""
    basis = dpss.Cosines(SHAPE)
    state = torch.from_numpy(RNG.normal(1, 0.1, SHAPE))
    gains = basis.analyse(prior.denoiser(process)(state, t)) / basis.analyse(state)
    return (process.signal(t) * gains).expand(SHAPE).numpy().ravel()[1:]


@pytest.mark.parametrize("gamma", [2.7, -1.3])
def test_fine_modes_are_hidden_first_if_and_only_if_the_spectrum_falls(gamma):
    rates, process = eigenvalues(SHAPE).ravel()[1:], dpss.vp()
    counts = []
    for t in np.linspace(0.02, 0.98, 25):
        hidden = shares(gaussian(0.3, gamma), process, t) < 0.5
        counts.append(hidden.sum())
        if hidden.any() and not hidden.all():
            if gamma > 0:
                assert rates[hidden].min() > rates[~hidden].max() - 1e-9
            else:
                assert rates[hidden].max() < rates[~hidden].min() + 1e-9
    assert counts[0] < counts[-1] == len(rates) and sorted(counts) == counts


def test_white_data_are_hidden_at_once_by_vp_and_in_order_by_heat():
    process, rates = dpss.vp(), eigenvalues(SHAPE).ravel()[1:]
    assert np.ptp(shares(gaussian(0.3, 0), process, 0.4)) < 1e-9
    heat = dpss.heat(SHAPE, blur_max=2.0, sigma=0.2)
    rho = shares(gaussian(0.3, 0), heat, 0.6)
    hidden = rho < 0.5
    assert 0 < hidden.sum() < 29 and rates[hidden].min() > rates[~hidden].max()
    tau = 0.5 * (2.0 * math.sin(0.3 * math.pi) ** 2) ** 2
    np.testing.assert_array_equal(hidden, 2 * rates * tau > math.log(0.3 / 0.04))


@pytest.mark.parametrize("gamma", [1.0, 2.7, 4.0])
def test_the_exponent_of_a_laplacian_is_less_by_four(gamma):
    """Variances of draws and of their differences of neighbours, over the eigenvalues."""
    shape, basis = (6, 7), dpss.Cosines((6, 7))
    rates = eigenvalues(shape)
    rates[0, 0] = 1
    law = dpss.GaussianPrior(np.zeros(shape), np.sqrt(0.3) * rates ** (-gamma / 4), basis)
    draws = law.sample(4000, torch.Generator().manual_seed(6))
    sharp = (draws.flatten(1).numpy() @ difference_matrix(*shape)).reshape(-1, *shape)
    log_rates = np.log(rates.ravel()[1:])

    def exponent(pictures):
        power = basis.analyse(torch.as_tensor(pictures)).square().mean(0).numpy().ravel()[1:]
        return -2 * np.polyfit(log_rates, np.log(power), 1)[0]

    # 41 variances of 4,000 draws each: the slope is known to 0.01.
    assert math.isclose(exponent(draws), gamma, abs_tol=0.05)
    assert math.isclose(exponent(sharp), gamma - 4, abs_tol=0.05)


def test_heat_hides_an_exponential_spectrum_at_one_moment():
    heat, t = dpss.heat(SHAPE, blur_max=2.0, sigma=0.2), 0.6
    tau = 0.5 * (2.0 * math.sin(0.3 * math.pi) ** 2) ** 2
    std = 0.2 * np.exp(tau * eigenvalues(SHAPE))
    std[0, 0] = LARGE
    law = dpss.GaussianPrior(np.zeros(SHAPE), std, dpss.Cosines(SHAPE))
    np.testing.assert_allclose(shares(law, heat, t), 0.5, atol=1e-9)


# --- B4f ------------------------------------------------------------------------------------------


def derivative(D, u, t, h=1e-5):
    """∂D/∂u by central differences."""
    units = torch.eye(u.numel(), dtype=torch.float64).reshape(-1, *u.shape)
    return ((D(u + h * units, t) - D(u - h * units, t)) / (2 * h)).flatten(1).T.numpy()


def kinds(count=4):
    generator = torch.Generator().manual_seed(2)
    means = torch.randn(count, *SHAPE, generator=generator, dtype=torch.float64)
    std = torch.rand(count, *SHAPE, generator=generator, dtype=torch.float64)
    return dpss.Mixture([0.4, 0.3, 0.2, 0.1][:count], means, std, dpss.Cosines(SHAPE))


@pytest.mark.parametrize("process", [dpss.vp(), dpss.ve(sigma_max=2.0)], ids=lambda p: p.name)
def test_the_derivative_is_snr_times_covariance(process):
    t, prior = 0.3, kinds()
    alpha, snr = process.signal(t).item(), process.snr(t).item()
    u = process.sample(prior.sample(1, torch.Generator().manual_seed(3))[0], t)
    J = alpha * derivative(prior.denoiser(process), u, t)
    # The posterior covariance: within the kinds, and between them, by Bayes' rule for a mixture.
    basis, sigma = dpss.Cosines(SHAPE), process.noise(t).item()
    y, m = basis.analyse(u).numpy(), basis.analyse(prior.means).numpy()
    c = (prior.std**2).numpy()
    v = alpha**2 * c + sigma**2
    fit = -0.5 * ((y - alpha * m) ** 2 / v + np.log(v)).sum((1, 2)) + np.log(prior.weights.numpy())
    r = np.exp(fit - fit.max())
    r /= r.sum()
    guess = m + alpha * c / v * (y - alpha * m)
    rest = (guess - np.tensordot(r, guess, 1)).reshape(len(r), -1)
    covariance = np.diag(np.tensordot(r, c * sigma**2 / v, 1).ravel()) + rest.T @ (
        r[:, None] * rest
    )
    units = basis.analyse(torch.eye(30, dtype=torch.float64).reshape(30, *SHAPE))
    to_modes = units.reshape(30, 30).numpy().T
    np.testing.assert_allclose(to_modes @ J @ to_modes.T, snr * covariance, atol=1e-6)
    assert np.linalg.eigvalsh((J + J.T) / 2).min() > -1e-7


def test_mean_gains_by_noise_by_error_and_below_wiener():
    process, prior, t, count = dpss.vp(), kinds(), 0.25, 40000
    generator, basis = torch.Generator().manual_seed(4), dpss.Cosines(SHAPE)
    start = prior.sample(count, generator)
    e = torch.randn(start.shape, generator=generator, dtype=torch.float64)
    snr = process.snr(t).item()
    shown = prior.denoiser(process)(process.signal(t) * start + process.noise(t) * e, t)
    by_noise = math.sqrt(snr) * (basis.analyse(e) * basis.analyse(shown)).mean(0).numpy()
    by_error = snr * basis.analyse(start - shown).square().mean(0).numpy()
    c = basis.analyse(start - start.mean(0)).square().mean(0).numpy()
    # A mean of 40,000 products of size √(SNR c): five standard errors.
    bound = 5 * math.sqrt(snr) * np.sqrt(basis.analyse(shown).square().mean(0).numpy() / count)
    assert (np.abs(by_noise - by_error) < bound + 5 * by_error / math.sqrt(count)).all()
    rho = snr * c / (1 + snr * c)
    assert (by_error < rho * (1 + 5 / math.sqrt(count))).all()
    assert by_error.sum() < 0.95 * rho.sum()


def test_the_derivative_is_constant_for_gaussian_data_and_above_1_between_black_and_white():
    process, t = dpss.vp(), 0.3
    bell = dpss.GaussianPrior(np.zeros(SHAPE), RNG.uniform(0.2, 2, SHAPE), dpss.Cosines(SHAPE))
    here, there = (derivative(bell.denoiser(process), x * torch.from_numpy(U), t) for x in (1, -4))
    np.testing.assert_allclose(here, there, atol=1e-8)
    pair = dpss.Empirical(torch.tensor([[[1.0]], [[-1.0]]], dtype=torch.float64))
    alpha, snr = process.signal(0.15).item(), process.snr(0.15).item()
    slope = alpha * derivative(pair.denoiser(process), torch.zeros(1, 1, dtype=torch.float64), 0.15)
    assert snr > 2 and math.isclose(slope.item(), snr, rel_tol=1e-5)
    # These data are not Gaussian, and away from 0 the slope is another one.
    one = torch.ones(1, 1, dtype=torch.float64)
    away = alpha * derivative(pair.denoiser(process), one, 0.15).item()
    sigma = process.noise(0.15).item()
    assert math.isclose(away, snr * (1 - math.tanh(alpha / sigma**2) ** 2), rel_tol=1e-4)
    assert away < 0.5 * slope.item()


def test_the_network_passes_less_than_wiener_and_what_its_errors_say():
    clothes = torch.from_numpy(dpss.images.fashion("test")[0])[1::20]  # 50
    D, basis, snr = network.load("vp"), dpss.Cosines((28, 28)), 2.0
    times = torch.linspace(1e-3, 1, 4001, dtype=torch.float64)
    t = times[(D.process.snr(times).flatten() - snr).abs().argmin()].item()
    alpha, sigma = D.process.signal(t).item(), D.process.noise(t).item()
    e = torch.randn(clothes.shape, generator=torch.Generator().manual_seed(5))
    up, down = (D(alpha * clothes + sign * sigma * e, t) for sign in (1, -1))
    passed = (basis.analyse((up - down).double()) * basis.analyse(e.double()) / 2).mean(0).sum()
    error = sum((clothes - u).double().square().mean(0).sum() for u in (up, down)) / 2
    trace = alpha / sigma * passed.item()
    assert math.isclose(trace, snr * error.item(), rel_tol=0.1)
    train = torch.from_numpy(dpss.images.fashion("train")[0]).double()
    c = basis.analyse(train - train.mean(0)).square().mean(0)
    assert trace < 0.6 * (snr * c / (1 + snr * c)).sum().item()


# --- B5 -------------------------------------------------------------------------------------------

WIDE = (8, 32)


def gains(process, t, kappa):
    """Of what the denoiser shows in the mean, along the first row of modes but the mean."""
    basis = dpss.Cosines(WIDE)
    picture = torch.from_numpy(np.random.default_rng(5).normal(1, 0.2, WIDE))
    mean = process.marginal(picture, t).mean
    shown = torch.from_numpy(denoised(gaussian(kappa, 2, WIDE), process, mean.numpy(), t))
    return (basis.analyse(shown) / basis.analyse(picture)).numpy()[0, 1:]


def at_cut(process, kappa, k):
    low, high = 1e-5, 0.9999
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if gains(process, middle, kappa)[k] > 0.5 else (low, middle)
    return low, gains(process, low, kappa)


def test_blurring_lies_between_vp_and_heat_at_equal_cuts_unless_heat_is_loud():
    rates, k, kappa = eigenvalues(WIDE)[0, 1:], 7, 0.05
    blurring = dpss.blurring(WIDE, blur_max=16.0)
    t_vp, vp = at_cut(dpss.vp(), kappa, k)
    t_heat, heat = at_cut(dpss.heat(WIDE, 16.0, 0.01), kappa, k)
    t_blur, blur = at_cut(blurring, kappa, k)
    np.testing.assert_allclose(
        vp, 1 / (1 + rates / (kappa * dpss.vp().snr(t_vp).item())), atol=1e-8
    )
    tau = {t: 0.5 * (16 * math.sin(math.pi * t / 2) ** 2) ** 2 for t in (t_heat, t_blur)}
    expected = 1 / (1 + 1e-4 / kappa * rates * np.exp(np.minimum(2 * rates * tau[t_heat], 600)))
    np.testing.assert_allclose(heat, expected, atol=1e-8)
    fade = 0.999 * np.exp(-rates * tau[t_blur]) + 0.001
    tan = math.tan(math.pi * t_blur / 2)
    np.testing.assert_allclose(blur, 1 / (1 + tan**2 * rates / (kappa * fade**2)), atol=1e-8)
    assert tau[t_heat] > tau[t_blur]
    for a, b in ((vp, blur), (blur, heat)):
        assert (a[k:] >= b[k:] - 1e-8).all() and (a[:k] <= b[:k] + 1e-8).all()
        assert np.abs(a - b).max() > 0.03
    _, loud = at_cut(dpss.heat(WIDE, 16.0, 0.5), kappa, k)
    assert (loud[k + 1 :] > blur[k + 1 :] + 1e-4).any()


def test_heat_cuts_off_sharply_as_its_noise_vanishes():
    rates, k, kappa = eigenvalues(WIDE)[0, 1:], 7, 0.05
    sharp = []
    for sigma in (1e-1, 1e-3, 1e-6):
        _, found = at_cut(dpss.heat(WIDE, 16.0, sigma), kappa, k)
        sharp.append(max(1 - found[k - 2], found[k + 2]))
    assert sharp[0] > sharp[1] > sharp[2] and sharp[2] < 2e-2
    assert rates[k + 2] > rates[k - 2]
