"""A diffusion model that drifts towards an image: X1a–X1f by dense matrices and closed forms."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.special
import torch
from matrices import asymmetry, gain_and_covariance
from reference import drift, kl_normal, osmosis, permutation, positive

import dpss
from dpss import measures, network, reverse
from dpss import osmosis as filters
from dpss.certificate import certify

SHAPE, PIXELS, T_MAX = (4, 5), 20, 12.0
RNG = np.random.default_rng(21)
DATA = positive((300, *SHAPE), 5, 8.0) * RNG.uniform(0.5, 2, (300, 1, 1))
MEAN = DATA.mean(0)
V = MEAN / MEAN.mean()
A = osmosis(*drift(V))
MODEL = dpss.osmotic(MEAN, T_MAX, sigma=0.8, rise=0.25)
TIMES = (0.01, 0.2, 1.0)


def level(t):
    return 0.8 * t**0.25


def moved(u, t, operator=A):
    """e^{tA} of images, by a dense exponential."""
    flat = np.asarray(u).reshape(-1, PIXELS)
    return (flat @ scipy.linalg.expm(t * operator).T).reshape(np.shape(u))


def analysed():
    """Rates Λ, ascending, and B, by a dense eigendecomposition."""
    root = np.sqrt(V.ravel())
    S = A * root / root[:, None]
    rates, Q = np.linalg.eigh(-0.5 * (S + S.T))
    return rates, Q.T / root


RATES, B = analysed()


# --- the model ------------------------------------------------------------------------------------


def test_the_shipped_process_is_the_model_of_the_page():
    bright = network.brightness(torch.as_tensor(dpss.images.fashion("train")[0]).double())
    mean, made = bright.mean(0), network.TRAINED["osmotic"]((28, 28))
    assert made.basis == dpss.Osmotic(mean)
    for t in (0.0, 0.003, 1.0):
        expected = torch.exp(-300 * t * made.basis.eigenvalues)
        torch.testing.assert_close(made.signal(t), expected, rtol=1e-12, atol=0)
        assert made.noise(t).item() == pytest.approx(t**0.25, rel=1e-12)


# --- X1a ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", TIMES)
def test_the_mean_of_the_law_stands_still_iff_the_guidance_is_proportional_to_it(t):
    paths = MODEL.marginal(torch.from_numpy(DATA), t).mean.numpy()
    np.testing.assert_allclose(paths, moved(DATA, T_MAX * t), atol=1e-11)
    np.testing.assert_allclose(paths.mean(0), MEAN, atol=1e-12)
    other = dpss.osmotic(MEAN**1.1, T_MAX).marginal(torch.from_numpy(DATA), t).mean.numpy()
    assert np.abs(other.mean(0) - MEAN).max() > 1e-3


@pytest.mark.parametrize(
    ("process", "kept"),
    [
        (dpss.vp(), "zero"),
        (dpss.blurring(SHAPE), "zero"),
        (dpss.heat(SHAPE), "flat"),
        (dpss.ve(), "all"),
    ],
    ids=lambda x: getattr(x, "name", x),
)
def test_which_means_other_processes_keep(process, kept):
    flat = np.full(SHAPE, 0.7)
    for u, stays in ((0 * flat, True), (flat, kept != "zero"), (MEAN, kept == "all")):
        gap = process.marginal(torch.from_numpy(u), 0.6).mean.numpy() - u
        assert (np.abs(gap).max() < 1e-12) == stays


@pytest.mark.parametrize("t", TIMES)
def test_the_ratio_to_the_guidance_stays_in_its_range(t):
    found = MODEL.marginal(torch.from_numpy(DATA), t).mean.numpy() / V
    first, axes = DATA / V, (1, 2)
    assert (found.min(axes) >= first.min(axes) - 1e-12).all()
    assert (found.max(axes) <= first.max(axes) + 1e-12).all()
    assert (found.min(axes) > first.min(axes) + 1e-4).all()  # and it is not the start
    dark = np.zeros(SHAPE)
    dark[0, 0] = 1.0
    lopsided = 1e-3 + dark  # subtract the mean, blur, add it: negative somewhere
    rest = np.roll(dark, 1, 1) - dark
    flat = filters.canonical_drift(np.ones(SHAPE))
    assert (lopsided + filters.evolve(rest, flat, 1.0)).min() < -0.01


# --- X1b ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", TIMES)
def test_the_noise_has_the_variance_of_the_guidance(t):
    u = torch.from_numpy(DATA[0])
    gain, covariance = gain_and_covariance(MODEL, t, SHAPE)
    np.testing.assert_allclose(covariance, level(t) ** 2 * np.diag(V.ravel()), atol=1e-12)
    mean = (gain @ DATA[0].ravel()).reshape(SHAPE)
    ratio = np.diag(covariance).reshape(SHAPE) / mean / level(t) ** 2
    first = DATA[0] / V
    assert 1 / first.max() - 1e-12 <= ratio.min() <= ratio.max() <= 1 / first.min() + 1e-12
    if t == 1.0:
        np.testing.assert_allclose(ratio, 1 / u.mean().item(), rtol=0.01)
    else:
        assert np.ptp(ratio) > 0.05
    average = np.diag(covariance) / (gain @ MEAN.ravel())  # in the mean over the data
    np.testing.assert_allclose(average, level(t) ** 2 / MEAN.mean(), rtol=1e-10)


def test_noise_over_brightness_and_negative_values_counted():
    n, grey = 40_000, torch.full(SHAPE, 0.9, dtype=torch.float64)
    drawn = MODEL.sample(grey.expand(n, *SHAPE), 1.0, torch.Generator().manual_seed(3)).numpy()
    end = moved(grey.numpy(), T_MAX)
    np.testing.assert_allclose(drawn.var(0) / V, level(1.0) ** 2, rtol=6 * math.sqrt(2 / n))
    chance = scipy.special.ndtr(-end / (level(1.0) * np.sqrt(V)))
    # five standard deviations of a count
    np.testing.assert_allclose((drawn < 0).mean(0), chance, atol=5 * 0.5 / math.sqrt(n))
    order = np.argsort(V.ravel())
    assert chance.ravel()[order[0]] > chance.ravel()[order[-1]] + 0.005


# --- X1c ------------------------------------------------------------------------------------------

GRID = np.linspace(-20, 40, 24001)
CELL = GRID[1] - GRID[0]


def density(centres, deviation):
    x = (GRID[:, None] - centres) / deviation
    return np.exp(-0.5 * x**2).mean(1) / math.sqrt(2 * math.pi) / deviation


@pytest.mark.parametrize("t", TIMES)
def test_information_is_between_that_of_the_mass_and_that_of_all_modes(t):
    """Two pictures: the information is an integral over the line that joins them."""
    pair, sigma = DATA[:2], level(t)
    modes = pair.reshape(2, -1) @ B.T * np.exp(-RATES * T_MAX * t)

    def of_two(x, y):
        p = density(np.array([0.0, np.linalg.norm(x - y)]), sigma)
        return -(scipy.special.xlogy(p, p)).sum() * CELL - 0.5 * math.log(
            2 * math.pi * math.e * sigma**2
        )

    truth, of_mass = of_two(*modes), of_two(modes[0, :1], modes[1, :1])
    variances = ((modes[0] - modes[1]) / 2) ** 2 / sigma**2
    upper = of_mass + 0.5 * np.log1p(variances[1:]).sum()
    assert 0 < of_mass <= truth + 1e-9 <= upper + 2e-9
    snr = MODEL.snr(t).numpy().ravel()
    np.testing.assert_allclose(snr, np.exp(-2 * RATES * T_MAX * t) / sigma**2, rtol=1e-8)


@pytest.mark.parametrize("t_max", [0.5, T_MAX])
def test_the_price_of_a_start_from_one_number(t_max):
    process = dpss.osmotic(MEAN, t_max, sigma=0.8, rise=0.25)
    u = torch.from_numpy(DATA)
    law = process.marginal(u, 1.0)
    ends = dpss.Gaussian(
        u.mean((1, 2), keepdim=True) * torch.from_numpy(V), process.noise(1.0), process.basis
    )
    modes = DATA.reshape(300, -1) @ B.T
    price = 0.5 * ((modes * np.exp(-RATES * t_max))[:, 1:] ** 2).sum(1) / 0.64
    np.testing.assert_allclose(law.kl(ends).numpy(), price, rtol=1e-8, atol=1e-12)
    # a Gaussian law with the moments of the data: KL(p_1 ‖ q_1) exactly, and its bounds
    moments = np.cov(modes.T, bias=True), modes.mean(0)
    gain = np.exp(-RATES * t_max)
    first = gain * moments[1], gain[:, None] * moments[0] * gain + 0.64 * np.eye(PIXELS)
    second = np.zeros(PIXELS), 0.64 * np.eye(PIXELS)
    second[0][0], second[1][0, 0] = first[0][0] + 0.3, 1.5 * first[1][0, 0]
    exact = kl_normal(*first, *second)
    of_mass = kl_normal(first[0][:1], first[1][:1, :1], second[0][:1], second[1][:1, :1])
    assert of_mass <= exact <= of_mass + price.mean() + 1e-12
    assert of_mass > 0.01


def test_the_end_is_one_number_on_the_guidance():
    long = dpss.osmotic(MEAN, 60.0, sigma=0.8, rise=0.25)
    for u in DATA[:3]:
        law = long.marginal(torch.from_numpy(u), 1.0)
        np.testing.assert_allclose(law.mean.numpy(), u.mean() * V, atol=1e-7)
    x, fresh = DATA[:5].mean((1, 2)), RNG.normal(0, 1, (5, *SHAPE))
    states = x[:, None, None] * V + 0.8 * np.sqrt(V) * fresh
    modes = long.basis.analyse(torch.from_numpy(states)).numpy().reshape(5, -1)
    noise = (fresh.reshape(5, -1) * np.sqrt(V.ravel())) @ B.T
    np.testing.assert_allclose(np.abs(modes[:, 1:]), 0.8 * np.abs(noise[:, 1:]), atol=1e-9)
    np.testing.assert_allclose(
        modes[:, 0] * np.sign(modes[:, 0]),
        np.abs(math.sqrt(PIXELS) * x + 0.8 * noise[:, 0] * np.sign(B[0].sum())),
        atol=1e-9,
    )


# --- X1d ------------------------------------------------------------------------------------------


def osmotic_prior(kappa, variance=1e12):
    std = np.sqrt(np.concatenate([[variance], kappa / RATES[1:]])).reshape(SHAPE)
    return dpss.GaussianPrior(torch.from_numpy(1.7 * V), torch.from_numpy(std), MODEL.basis)


def test_the_density_is_that_of_a_smooth_ratio():
    prior, energies, values = osmotic_prior(0.4, 1e18), [], []
    m = lambda x, y: 2 * x * y / (x + y)  # noqa: E731
    for u in DATA[:4]:
        r = u / V
        energy = (m(V[:-1], V[1:]) * np.diff(r, axis=0) ** 2).sum()
        energy += (m(V[:, :-1], V[:, 1:]) * np.diff(r, axis=1) ** 2).sum()
        energies.append(energy / 0.8)
        law = dpss.Gaussian(prior.mean, prior.std[0], MODEL.basis)
        values.append(law.log_prob(torch.from_numpy(u)).item())
    np.testing.assert_allclose(np.diff(values), -np.diff(energies), rtol=1e-6)


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_the_denoiser_of_equal_gains_is_an_implicit_step_of_osmosis(t):
    process = dpss.Process(MODEL.basis, lambda t: torch.log1p(-t), torch.clone, "straight")
    u = torch.from_numpy(DATA[:7])
    found = osmotic_prior(0.4).denoiser(process)(u, t).numpy().reshape(7, -1)
    step = (t / (1 - t)) ** 2 / 0.4
    expected = np.linalg.solve(np.eye(PIXELS) - step * A, DATA[:7].reshape(7, -1).T / (1 - t))
    np.testing.assert_allclose(found.T, expected, rtol=1e-7, atol=1e-9)
    assert found.min() > 0
    by_filter = filters.evolve(
        DATA[:7] / (1 - t), filters.canonical_drift(V), step, "implicit", steps=1
    )
    np.testing.assert_allclose(by_filter.reshape(7, -1), found, rtol=1e-7)


@pytest.mark.parametrize("t", [0.005, 0.05, 0.5])
def test_the_denoiser_of_the_model_solves_the_linear_system(t):
    G, kappa = scipy.linalg.expm(T_MAX * t * A), 0.4
    u = DATA[3].ravel()
    x = np.linalg.solve(G @ G - level(t) ** 2 / kappa * A, G @ u)
    found = osmotic_prior(kappa).denoiser(MODEL)(torch.from_numpy(DATA[3]), t).numpy().ravel()
    np.testing.assert_allclose(found, x, rtol=1e-6, atol=1e-9)

    def energy(x):
        S = np.diag(1 / V.ravel())
        return (u - G @ x) @ S @ (u - G @ x) - level(t) ** 2 / kappa * x @ S @ A @ x

    for k in range(3):
        aside = RNG.normal(0, 0.01, PIXELS)
        assert energy(x) < energy(x + aside), k
    plain = np.linalg.solve(np.eye(PIXELS) - level(t) ** 2 / kappa * A, u)
    assert np.abs(plain - x).max() > 0.003


# --- X1e ------------------------------------------------------------------------------------------


def test_the_deterministic_step_and_its_mass():
    u, D = (torch.from_numpy(x) for x in (DATA[:4] + RNG.normal(0, 1, (4, *SHAPE)), DATA[4:8]))
    t, s = 0.4, 0.1
    kept = 0.25**0.25
    found = reverse.step(MODEL, D, u, s, t, eta=0.0).numpy()
    expected = kept * u.numpy() + moved(D, T_MAX * s) - kept * moved(D, T_MAX * t)
    np.testing.assert_allclose(found, expected, atol=1e-11)
    mass = kept * u.mean((1, 2)) + (1 - kept) * D.mean((1, 2))
    np.testing.assert_allclose(found.mean((1, 2)), mass, atol=1e-12)
    constant = dpss.osmotic(MEAN, T_MAX, sigma=0.8)
    still = reverse.step(constant, D, u, s, t, eta=0.0)
    np.testing.assert_allclose(still.mean((1, 2)), u.mean((1, 2)), atol=1e-12)


def test_the_step_of_the_twin_is_osmosis_of_the_difference():
    rates = MODEL.basis.eigenvalues
    twin = dpss.Process(
        MODEL.basis,
        lambda t: torch.where(rates > 0, torch.log1p(-(t**rates)), 0.0),
        lambda t: torch.where(rates > 0, t**rates, 0.0),
        "twin",
    )
    assert certify(twin, SHAPE)["markov"].holds
    D = DATA[4:8]
    u = DATA[:4] * (D.mean((1, 2)) / DATA[:4].mean((1, 2)))[:, None, None]
    t, s = 0.6, 0.3
    found = reverse.step(twin, torch.from_numpy(D), torch.from_numpy(u), s, t, eta=0.0).numpy()
    np.testing.assert_allclose(found, D + moved(u - D, math.log(2.0)), atol=1e-10)
    snr = twin.snr(0.5).numpy().ravel()[1:]
    assert (np.diff(snr) > 0).all() and (np.diff(MODEL.snr(0.5).numpy().ravel()) < 0).all()
    ours = reverse.step(MODEL, torch.from_numpy(D), torch.from_numpy(u), s, t, eta=0.0).numpy()
    gaps = [np.abs(ours - D - moved(u - D, h)).max() for h in np.geomspace(1e-3, 100, 60)]
    assert min(gaps) > 0.01


# --- X1f ------------------------------------------------------------------------------------------


def test_entropy_rises_with_the_logarithm_of_time():
    found = measures.conditional_entropy(MODEL, [0.02, 0.1, 1.0], SHAPE)
    np.testing.assert_allclose(found.diff(), 5 * np.log([5, 10]), rtol=1e-10)
    plain = PIXELS * 0.5 * math.log(2 * math.pi * math.e * 0.64)
    np.testing.assert_allclose(plain - found[-1], -0.5 * np.log(V).sum(), rtol=1e-10)
    prior = dpss.GaussianPrior.fit(torch.from_numpy(DATA), MODEL.basis)
    told = measures.mutual_information(MODEL, prior, torch.linspace(0.01, 1, 50))
    assert (told.diff() < 0).all()
    row = certify(MODEL, SHAPE)["conditional entropy"]
    assert row.holds


def test_the_symmetries_are_those_of_grid_and_guidance():
    square = positive((4, 4), 6, 5.0)
    cases = {
        "mirrored": (square + square[:, ::-1], np.fliplr, True),
        "not mirrored": (square, np.fliplr, False),
        "other axis": (square + square[:, ::-1], np.flipud, False),
        "turned": (square + np.rot90(square) + np.rot90(square, 2) + np.rot90(square, 3),
                   np.rot90, True),
    }  # fmt: skip
    for name, (v, move, holds) in cases.items():
        laws = gain_and_covariance(dpss.osmotic(v, T_MAX, 0.8, 0.25), 0.2, (4, 4))
        defect = asymmetry(*laws, permutation((4, 4), move))
        assert defect < 1e-10 if holds else defect > 0.01, name

    def exchanged(u):
        u = u.copy()
        u[0, 0], u[3, 2] = u[3, 2], u[0, 0]
        return u

    laws = gain_and_covariance(dpss.osmotic(np.ones((4, 4)), T_MAX, 0.8, 0.25), 0.02, (4, 4))
    assert asymmetry(*laws, permutation((4, 4), exchanged)) > 0.01
