"""Measures of information against brute force, SciPy and closed forms."""

import math

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
import scipy.special
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from matrices import covariance, gain_and_covariance
from reference import image, noise, positive, seeds, shapes

from dpss import measures
from dpss.bases import Cosines, Osmotic, Pixels
from dpss.families import blurring, gaussian_scale_space, heat, osmotic, sub_vp, ve, vp, vp_cosine
from dpss.priors import GaussianPrior
from dpss.processes import Gaussian, Process


@given(seeds, st.sampled_from([2, 16, 256]))
def test_entropy_is_that_of_the_histogram_on_one_fixed_range(seed, bins):
    u = np.clip(np.random.default_rng(seed).normal(0, 0.3, (9, 11)), -1, 1)
    counts = np.histogram(u, bins=bins, range=(-1, 1))[0]
    expected = scipy.stats.entropy(counts / counts.sum(), base=2)
    assert math.isclose(float(measures.entropy(u, bins=bins)), expected, abs_tol=1e-12)
    assert math.isclose(
        float(measures.entropy(torch.as_tensor(u), bins=bins)), expected, abs_tol=1e-12
    )


def test_entropy_of_known_images():
    assert float(measures.entropy(np.full((4, 4), 0.3))) == 0
    levels = -1 + 2 * (np.arange(256).reshape(16, 16) + 0.5) / 256
    assert math.isclose(float(measures.entropy(levels)), 8, abs_tol=1e-12)
    assert math.isclose(
        float(measures.entropy(np.where(np.arange(8) < 4, -1.0, 1.0)[None])), 1, abs_tol=1e-12
    )
    assert math.isclose(float(measures.entropy(levels * 5, range=(-5, 5))), 8, abs_tol=1e-12)


def test_entropy_is_per_image_and_the_range_does_not_adapt():
    u = image((2, 3, 8, 8))
    bits = measures.entropy(u)
    assert np.asarray(bits).shape == (2, 3)
    np.testing.assert_allclose(bits[1][2], measures.entropy(u[1, 2]))
    # A range that adapted to each image would give equal values here.
    assert (
        float(measures.entropy(0.1 * u[0, 0], bins=16))
        < float(measures.entropy(u[0, 0], bins=16)) - 1
    )
    assert torch.is_tensor(measures.entropy(torch.as_tensor(u)))


@pytest.mark.parametrize(
    "process",
    [
        vp(),
        vp_cosine(),
        heat((3, 4)),
        Process(
            Cosines((3, 4)),
            lambda t: -t,
            lambda t: t * torch.arange(1.0, 5, dtype=torch.float64),
            "by hand",
        ),
    ],
)
@pytest.mark.parametrize("t", [1e-3, 0.5, 1.0])
def test_conditional_entropy_is_that_of_the_marginal(process, t):
    law = process.marginal(torch.zeros(3, 4, dtype=torch.float64), t)
    sigma = np.broadcast_to(np.asarray(process.noise(t)), (3, 4))
    expected = 0.5 * np.log(2 * math.pi * math.e * sigma**2).sum()
    assert math.isclose(
        float(measures.conditional_entropy(process, t, (3, 4))), expected, rel_tol=1e-10
    )
    assert math.isclose(float(law.entropy()), expected, rel_tol=1e-10)


def test_conditional_entropy_is_minus_infinity_without_noise():
    assert float(measures.conditional_entropy(vp(), 0.0, (3, 4))) == -math.inf
    assert (
        float(measures.conditional_entropy(gaussian_scale_space((3, 4), 1.0), 0.5, (3, 4)))
        == -math.inf
    )


def test_conditional_entropy_accepts_many_times():
    t = torch.tensor([0.1, 0.5, 1.0], dtype=torch.float64)
    values = measures.conditional_entropy(vp(), t, (3, 4))
    np.testing.assert_allclose(
        values,
        [float(measures.conditional_entropy(vp(), s, (3, 4))) for s in t.tolist()],
        rtol=1e-12,
    )


@given(seeds, st.floats(0.01, 10))
def test_divergence_on_a_grid_is_the_sum_of_p_log_p_over_q(seed, cell):
    p, q = positive((2, 5, 6), seed), positive((2, 5, 6), seed + 1)
    p, q = (d / d.sum((-2, -1), keepdims=True) / cell for d in (p, q))
    expected = scipy.special.rel_entr(p, q).sum((-2, -1)) * cell
    for wrap in (np.asarray, torch.as_tensor):
        found = measures.kl_grid(wrap(p), wrap(q), cell)
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)
    assert (expected >= 0).all()
    np.testing.assert_allclose(measures.kl_grid(p, p, cell), 0, atol=1e-14)


def test_divergence_on_a_fine_grid_is_that_of_the_normal_laws():
    x = np.linspace(-12, 12, 4801)[None]
    cell = x[0, 1] - x[0, 0]

    def normal(mean, std):
        return np.exp(-((x - mean) ** 2) / (2 * std**2)) / (std * math.sqrt(2 * math.pi))

    exact = Gaussian(torch.tensor([[0.5]], dtype=torch.float64), 0.8, Pixels()).kl(
        Gaussian(torch.zeros(1, 1, dtype=torch.float64), 1.3, Pixels())
    )
    # Riemann sums of smooth functions that vanish at both ends converge faster than any power.
    assert math.isclose(
        float(measures.kl_grid(normal(0.5, 0.8), normal(0, 1.3), cell)), float(exact), rel_tol=1e-10
    )


def test_divergence_on_a_grid_treats_zeros_as_limits():
    p, q = np.array([[0.5, 0.5, 0.0]]), np.array([[0.25, 0.5, 0.25]])
    assert math.isclose(float(measures.kl_grid(p, q, 1.0)), 0.5 * math.log(2))
    assert float(measures.kl_grid(q, p, 1.0)) == math.inf


@given(seeds)
def test_lyapunov_is_the_sum_of_w_phi_of_u_over_w(seed):
    u, w = positive((3, 4, 5), seed), positive((4, 5), seed + 1)
    expected = ((u / w) ** 3 * w).sum((-2, -1))
    np.testing.assert_allclose(measures.lyapunov(u, w, lambda r: r**3), expected, rtol=1e-12)
    found = measures.lyapunov(torch.as_tensor(u), torch.as_tensor(w), lambda r: r**3)
    assert torch.is_tensor(found)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


# --- mutual information ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "process",
    [
        vp(),
        sub_vp(),
        ve(),
        heat((2, 3), sigma=0.1),
        blurring((2, 3)),
        osmotic(positive((2, 3), 1, 5.0), 1.0, 0.2),
    ],
    ids=lambda p: p.name,
)
@pytest.mark.parametrize("t", [0.05, 0.5, 0.9])
def test_mutual_information_is_that_of_dense_covariances(process, t):
    """I = ½ log (|C_0| |C_t| / |joint|), of the joint covariance of image and noisy image."""
    std = 0.2 + image((2, 3), 3) ** 2
    prior = GaussianPrior(image((2, 3), 4), std, process.basis)
    data, (M, added) = (
        covariance(process.basis, std, (2, 3)),
        gain_and_covariance(process, t, (2, 3)),
    )
    noisy = M @ data @ M.T + added
    joint = np.block([[data, data @ M.T], [M @ data, noisy]])
    expected = 0.5 * (
        np.linalg.slogdet(data)[1] + np.linalg.slogdet(noisy)[1] - np.linalg.slogdet(joint)[1]
    )
    assert math.isclose(
        float(measures.mutual_information(process, prior, t)), expected, rel_tol=1e-6
    )


def test_mutual_information_at_the_ends_and_in_dead_modes():
    prior = GaussianPrior(
        torch.zeros(2, 3), torch.tensor([[1.0, 0.5, 0.0], [0.2, 0.0, 0.3]]), Pixels()
    )
    times = torch.tensor([0.0, 0.1, 0.5, 1.0], dtype=torch.float64)
    found = measures.mutual_information(vp_cosine(), prior, times)
    assert (
        found.shape == (4,)
        and found[0] == math.inf
        and abs(found[3]) < 1e-12
        and (found.diff() < 0).all()
    )
    still = GaussianPrior(torch.zeros(2, 3), 0.0, Pixels())
    assert (
        measures.mutual_information(vp(), still, times) == 0
    ).all()  # at t = 0 as well: 0, not ∞ · 0


def test_mutual_information_has_all_digits_at_every_ratio():
    """½ log(1 + e^ℓ): torch's softplus leaves the 1 out beyond ℓ = 20, and is 1e-9 off there."""
    ratios = np.array([-700.0, -30.0, -1e-3, 0.0, 19.999, 20.0, 20.001, 25.0, 40.0, 700.0])
    prior = GaussianPrior(torch.zeros(1, 1), 1.0, Pixels())
    for ratio in ratios:
        level = math.exp(-ratio / 2)
        process = Process(Pixels(), lambda t: 0 * t, lambda t, level=level: level + 0 * t)
        found = float(measures.mutual_information(process, prior, 0.5))
        assert math.isclose(found, 0.5 * np.logaddexp(0, ratio), rel_tol=1e-12)


def test_immse_the_slope_of_information_is_half_the_error():
    """dI/dSNR = ½ Σ E|U_0 − E[U_0|U_t]|² (theory N2), for Gaussian data.

    The error of mode k is c_k/(1 + SNR c_k).
    """
    std = 0.3 + image((3, 4), 5) ** 2
    prior, process = GaussianPrior(torch.zeros(3, 4), std, Pixels()), vp()
    t, h = 0.4, 1e-5
    late, early = (measures.mutual_information(process, prior, s) for s in (t + h, t - h))
    slope = float((late - early) / (process.snr(t + h) - process.snr(t - h)))
    error = (std**2 / (1 + float(process.snr(t)) * std**2)).sum()
    assert math.isclose(slope, error / 2, rel_tol=1e-6)


# --- spectrum -------------------------------------------------------------------------------------


@given(shapes, seeds)
def test_the_rings_of_the_spectrum_share_out_the_energy(shape, seed):
    u = noise((2, *shape), seed)
    frequency, power = measures.spectrum(u)
    assert (
        power.shape == (2, len(frequency))
        and frequency[0] == 0
        and (np.diff(frequency) > 0).all()
        and frequency[-1] <= 0.5**0.5 + 1e-12
    )
    np.testing.assert_allclose(power[:, 0], shape[0] * shape[1] * u.mean((-2, -1)) ** 2, atol=1e-11)
    y, x = (np.arange(n) / (2 * n) for n in shape)
    place = np.rint(np.hypot(y[:, None], x) * 2 * max(shape)).astype(
        int
    )  # the nearest multiple of 1/(2 max(H, W))
    counts = np.array([(place == round(f * 2 * max(shape))).sum() for f in frequency])
    assert counts.sum() == shape[0] * shape[1]
    np.testing.assert_allclose(
        (power * counts).sum(-1), (u**2).sum((-2, -1)), rtol=1e-10
    )  # Parseval
    modes = scipy.fft.dctn(u[1], norm="ortho") ** 2
    for i, f in enumerate(frequency):
        np.testing.assert_allclose(
            power[1, i], modes[place == round(f * 2 * max(shape))].mean(), rtol=1e-9, atol=1e-13
        )


def test_spectrum_of_a_wave_and_of_white_noise():
    x = np.arange(64)
    frequency, power = measures.spectrum(np.tile(np.cos(math.pi * 16 * (x + 0.5) / 64), (64, 1)))
    assert frequency[power.argmax()] == 16 / 128  # eight pixels a period
    assert power[power.argmax()] > 0.99 * power.sum()
    frequency, power = measures.spectrum(torch.as_tensor(noise((200, 16, 16), 7)))
    assert (
        torch.is_tensor(power) and abs(power.mean(0)[3:] - 1).max() < 0.15
    )  # the same in every ring


# --- Fréchet distance -----------------------------------------------------------------------------


def gram(size, rank, seed):
    factor = noise((size, rank), seed)
    return factor @ factor.T


@given(st.integers(1, 6), seeds)
def test_gaussian_frechet_is_the_formula_with_a_matrix_root(size, seed):
    a, b = (gram(size, size + 2, seed + i) for i in (0, 1))
    x, y = noise(size, seed + 2), noise(size, seed + 3)
    expected = ((x - y) ** 2).sum() + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)
    found = measures.gaussian_frechet(x, a, y, b)
    assert isinstance(found, float) and math.isclose(found, expected, rel_tol=1e-6, abs_tol=1e-6)
    assert math.isclose(found, measures.gaussian_frechet(y, b, x, a), rel_tol=1e-9, abs_tol=1e-9)


@given(seeds)
def test_gaussian_frechet_survives_covariances_without_rank(seed):
    """Fewer images than features: SciPy's matrix root turns complex or inexact, eigh does not."""
    a, b = gram(8, 3, seed), gram(8, 2, seed + 1)
    found = measures.gaussian_frechet(np.zeros(8), a, np.ones(8), b)
    assert 8 <= found <= 8 + np.trace(a + b) + 1e-9
    assert measures.gaussian_frechet(np.ones(8), a, np.ones(8), a) < 1e-6 * np.trace(a)
    # commuting covariances: the sum of squared differences of standard deviations
    p, q = np.abs(noise(8, seed)), np.abs(noise(8, seed + 1)) * (np.arange(8) > 2)
    assert math.isclose(
        measures.gaussian_frechet(np.zeros(8), np.diag(p), np.zeros(8), np.diag(q)),
        ((np.sqrt(p) - np.sqrt(q)) ** 2).sum(),
        rel_tol=1e-6,
    )


def test_conditional_entropy_counts_the_volume_of_the_basis():
    process = osmotic(positive((2, 3), 1, 5.0), 1.0, 0.2)
    assert isinstance(process.basis, Osmotic)
    law = process.marginal(np.zeros((2, 3)), 0.5)
    spread = covariance(process.basis, 0.2, (2, 3))
    expected = 0.5 * np.linalg.slogdet(2 * math.pi * math.e * spread)[1]
    assert math.isclose(
        float(measures.conditional_entropy(process, 0.5, (2, 3))), expected, rel_tol=1e-10
    )
    assert math.isclose(float(law.entropy()), expected, rel_tol=1e-10)


def test_entropy_forgives_the_rounding_of_filters_at_both_ends_and_no_more():
    edge = np.full((2, 2), 1.0, dtype=np.float32)
    assert (
        float(measures.entropy(np.nextafter(edge, np.float32(2)))) == 0
    )  # one unit in the last place beyond
    with pytest.raises(ValueError, match="range"):
        measures.entropy(edge * (1 + 1e-5))
    assert (
        float(measures.entropy(1000 * np.nextafter(edge, np.float32(2)), range=(-1000, 1000))) == 0
    )  # the same on a wide range
    with pytest.raises(ValueError, match="range"):
        measures.entropy(1000 * edge * (1 + 1e-5), range=(-1000, 1000))


def test_entropy_has_256_bins_by_default():
    u = image((40, 40), 3)
    assert (
        float(measures.entropy(u))
        == float(measures.entropy(u, bins=256))
        != float(measures.entropy(u, bins=257))
    )


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_gaussian_frechet_scales_and_forgives_rounding_at_every_scale(scale):
    a, b = gram(4, 6, 1), gram(4, 6, 2)
    exact = measures.gaussian_frechet(np.zeros(4), a, np.zeros(4), b)
    crooked = scale * a * (1 + 1e-9 * noise((4, 4), 3))  # not symmetric in the ninth digit
    assert math.isclose(
        measures.gaussian_frechet(np.zeros(4), crooked, np.zeros(4), scale * b),
        scale * exact,
        rel_tol=1e-6,
    )
    slightly = scale * (np.diag([1.0, 1, 1, 0]) - 1e-9 * np.eye(4))  # rank 3, and rounding
    measures.gaussian_frechet(np.zeros(4), slightly, np.zeros(4), slightly)
    for bad in (
        scale * a * (1 + 1e-4 * noise((4, 4), 3)),
        scale * (np.diag([1.0, 1, 1, 0]) - 1e-4 * np.eye(4)),
    ):
        with pytest.raises(ValueError, match="cov_b"):
            measures.gaussian_frechet(np.zeros(4), scale * a, np.zeros(4), bad)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e200, 1e305])
def test_gaussian_frechet_of_every_scale(scale):
    p, q = scale * np.diag([1.0, 2.0, 5.0]), scale * np.diag([4.0, 2.0, 0.0])
    zero = np.zeros(3)
    assert math.isclose(measures.gaussian_frechet(zero, p, zero, q) / scale, 6.0, rel_tol=1e-12)
    assert math.isclose(
        measures.gaussian_frechet(zero, p, zero, np.eye(3)),
        ((np.sqrt(np.diag(p)) - 1) ** 2).sum(),
        rel_tol=1e-12,
    )
    with pytest.raises(ValueError, match="mean_a"):
        measures.gaussian_frechet([1e200], [[1.0]], [-1e200], [[1.0]])


def test_frechet_distance_of_images_of_any_shape_and_of_features():
    a, b = noise((40, 3, 4, 5)), 1 + 2 * noise((30, 3, 4, 5), 1)

    def mean_colour(u):
        return u.mean((-2, -1))

    found = measures.frechet_distance(a, b, features=mean_colour)
    x, y = mean_colour(a), mean_colour(b)
    expected = measures.gaussian_frechet(x.mean(0), np.cov(x.T), y.mean(0), np.cov(y.T))
    assert math.isclose(found, expected, rel_tol=1e-12)
    assert math.isclose(measures.frechet_distance(x, y), expected, rel_tol=1e-12)
    ready = measures.frechet_distance(torch.as_tensor(x), torch.as_tensor(y))
    assert math.isclose(ready, expected, rel_tol=1e-12)
    assert measures.frechet_distance(a, b, features=lambda u: u.reshape(len(u), -1)[:, :2]) > 0
    for one, two, word in (
        (x, y[:, :2], "b has 2 features"),
        (x[:1], y, "a has shape"),
        (a, b, "a has shape"),
        (x, np.full_like(y, 1e200) * np.sign(y), "b has the covariance"),
        (x, y.astype(int), "b has dtype"),
    ):
        with pytest.raises((ValueError, TypeError), match=word):
            measures.frechet_distance(one, two)
    with pytest.raises(TypeError, match="features"):
        measures.frechet_distance(x, y, features=lambda u: u + 1j)


def test_lyapunov_refuses_what_is_no_function_of_each_number():
    u = positive((2, 3, 4))
    for bad in (np.sum, lambda r: r[..., :1], lambda r: 1.0):
        with pytest.raises(ValueError, match="phi"):
            measures.lyapunov(u, u, bad)


def test_powers_beyond_the_range_are_refused():
    with pytest.raises(ValueError, match="u has values of size 1e\\+200"):
        measures.spectrum(np.full((3, 4), 1e200))
    with pytest.raises(ValueError, match="range"):
        measures.entropy(np.zeros((3, 4)), range=(-1e308, 1e308))
