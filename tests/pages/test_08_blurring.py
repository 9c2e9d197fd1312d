"""Page 08, blurring diffusion, ends, symmetries, eigenvalues: by dense matrices and draws.

What test_families.py already holds (schedules, SDE coefficients, composition of kernels) is not
repeated here.
"""

import itertools
import math

import numpy as np
import pytest
import scipy.fft
import scipy.integrate
import scipy.linalg
import torch
from matrices import asymmetry, gain_and_covariance, matrix, units
from reference import (
    blur_time,
    cosine_covariance,
    cosine_matrix,
    cosine_vectors,
    edges,
    eigenvalues,
    image,
    kl_normal,
    laplacian,
    noise,
)

from dpss.bases import Cosines
from dpss.families import blurring, heat
from dpss.laws import Gaussian

SHAPE = (3, 4)


# --- H3: continuous eigenvalues -------------------------------------------------------------------


def continuous_blur(shape, t):
    """exp(−t M) as the library's heat computes it: largest blur √(2t), at the end of time."""
    return matrix(
        heat(shape, blur_max=math.sqrt(2 * t), laplacian="continuous")
        .marginal(units(shape), 1.0)
        .mean
    )


@pytest.mark.parametrize("n", [2, 3, 4, 7, 30])
def test_entries_of_the_matrix_with_continuous_eigenvalues(n):
    """The theorem's formula off the diagonal; M from −log exp(−t M), cosines and the library."""
    vectors = cosine_vectors(n)
    M = vectors.T @ np.diag((math.pi * np.arange(n) / n) ** 2) @ vectors
    basis = Cosines((1, n), laplacian="continuous")
    mine = basis.synthesise(basis.eigenvalues * basis.analyse(units((1, n)))).numpy().reshape(n, n)
    np.testing.assert_allclose(mine, M, atol=1e-12)
    if n <= 7:  # a logarithm is well conditioned while no mode is gone
        np.testing.assert_allclose(
            -scipy.linalg.logm(continuous_blur((1, n), 0.05)) / 0.05, M, atol=1e-10
        )
    for i, j in itertools.permutations(range(n), 2):
        bracket = (
            1 / math.sin(math.pi * (i - j) / (2 * n)) ** 2
            - 1 / math.sin(math.pi * (i + j + 1) / (2 * n)) ** 2
        )
        assert math.isclose(
            mine[i, j],
            math.pi**2 * (-1) ** (i - j) / (2 * n * n) * bracket,
            rel_tol=1e-9,
            abs_tol=1e-12,
        )
        assert (mine[i, j] > 0) == ((i - j) % 2 == 0)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (3, 1), (2, 3), (3, 3), (1, 8), (5, 6)]
)
def test_continuous_eigenvalues_make_negative_entries_exactly_on_grids_with_a_side_of_three(shape):
    for t in (0.01, 0.05, 0.1):
        broken, proper = (
            continuous_blur(shape, t),
            matrix(heat(shape, blur_max=math.sqrt(2 * t)).marginal(units(shape), 1.0).mean),
        )
        np.testing.assert_allclose([broken.sum(0), broken.sum(1)], 1, atol=1e-12)
        assert (broken.min() < -1e-3) == (max(shape) >= 3)
        assert proper.min() > -1e-15 and (max(shape) >= 3 or broken.min() > -1e-15)
        np.testing.assert_allclose(proper, scipy.linalg.expm(t * laplacian(*shape)), atol=1e-12)


def test_continuous_eigenvalues_overshoot_a_step():
    step = np.array([0.0, 0, 0, 0, 1, 1, 1, 1])
    vectors = cosine_vectors(8)
    M = vectors.T @ np.diag((math.pi * np.arange(8) / 8) ** 2) @ vectors
    blurred = (
        heat((1, 8), blur_max=math.sqrt(0.2), laplacian="continuous")
        .marginal(torch.from_numpy(step[None]), 1.0)
        .mean.numpy()[0]
    )
    np.testing.assert_allclose(blurred, scipy.linalg.expm(-0.1 * M) @ step, atol=1e-12)
    assert abs(blurred.max() - 1.01277) < 1e-5 and abs(blurred.min() + 0.01277) < 1e-5


def over(t):
    """η_t of the page."""
    return 4 / math.pi * (1 + 1 / (2 * math.pi * t)) * math.exp(-(math.pi**2) * t)


@pytest.mark.parametrize("t", [0.06, 0.125, 0.5, 1.0, 1.5])
def test_overshoot_with_continuous_eigenvalues_is_bounded_whatever_the_size(t):
    """The worst image of all, from the negative entries: on lines, and on grids."""
    reached = []
    for shape, bound in (
        *(((1, n), over(t)) for n in (3, 8, 40, 200)),
        *((shape, 2 * over(t) + 2 * over(t) ** 2) for shape in ((3, 3), (5, 8), (16, 16))),
    ):
        worst = -np.minimum(continuous_blur(shape, t), 0).sum(axis=1).min()
        assert worst <= bound + 1e-15
        reached.append(worst / bound)
    assert max(reached) > 0.02  # the bound is generous, but not idle
    # a linear map takes the range [0, 1] to [−worst, 1 + worst], and no further
    u = np.random.default_rng(0).uniform(size=(200, 16 * 16))
    assert (u @ continuous_blur((16, 16), t).T).max() <= 1 + bound


def test_continuous_blur_is_the_convolution_with_the_truncated_gaussian_reflected():
    """Σ_z g_z f̃_{i−z}, g by adaptive quadrature, reflected images by index arithmetic."""
    n, t = 7, 0.4
    kernel = {
        z: scipy.integrate.quad(
            lambda w, z=z: math.exp(-t * w**2) * math.cos(w * z), 0, math.pi, limit=200
        )[0]
        / math.pi
        for z in range(300)
    }
    folded = np.zeros((n, n))
    for i, z in itertools.product(range(n), range(-299, 300)):
        j = (i - z) % (2 * n)
        folded[i, min(j, 2 * n - 1 - j)] += kernel[abs(z)]
    np.testing.assert_allclose(continuous_blur((1, n), t), folded, atol=2e-7)


@pytest.mark.parametrize("shape", [(1, 3), (4, 1), (6, 7), (12, 5)])
def test_negative_entries_are_gone_for_large_blur(shape):
    t = max(shape) ** 2 / 12
    assert continuous_blur(shape, t).min() > 0
    assert (continuous_blur(shape, 0.02 * t).min() < -1e-6) == (max(shape) >= 3)
    if shape == (6, 7):
        assert continuous_blur(shape, 1.5).min() > 0 and continuous_blur(shape, 0.6).min() < 0


# --- H6: blurring diffusion and the equations -----------------------------------------------------


@pytest.mark.parametrize("min_gain", [0.0, 0.001, 0.5])
def test_blurring_loses_signal_in_every_mode_strictly(min_gain):
    process = blurring(SHAPE, blur_max=3.0, min_gain=min_gain)
    ratio = process.log_snr(torch.linspace(0.01, 1, 100, dtype=torch.float64)).numpy()
    assert (np.diff(ratio, axis=0) < 0).all() and ratio[-1].max() < -60
    assert (process.snr(0.0) == math.inf).all()


def test_blurring_lies_between_cosine_vp_and_faded_heat():
    L = laplacian(*SHAPE)
    for min_gain, blur in itertools.product((0.0, 0.3, 0.9, 0.99), (0.01, 0.1, 0.4, 3.0)):
        process = blurring(SHAPE, blur_max=blur, min_gain=min_gain)
        for t in (0.2, 0.6, 0.9):
            fade = math.cos(math.pi * t / 2)
            gap = fade - process.signal(t).numpy()
            assert gap.min() >= -1e-15 and gap.max() <= min(1 - min_gain, 4 * blur**2) + 1e-15
            G = fade * (
                (1 - min_gain) * scipy.linalg.expm(blur_time(t, blur) * L) + min_gain * np.eye(12)
            )
            np.testing.assert_allclose(
                matrix(process.marginal(units(SHAPE), t).mean), G, atol=1e-13
            )
            assert math.isclose(
                float(process.noise(t).max()), math.sin(math.pi * t / 2), rel_tol=1e-12
            )


def integrated(process, variance, first, last, m=1500):
    """Gain and variance per mode from α' = f α, (σ²)' = 2 f σ² + g², by m Runge–Kutta steps."""
    h = (last - first) / m
    f, g2 = (
        np.broadcast_to(c.numpy(), (2 * m + 1, *SHAPE))
        for c in process.sde(first + h / 2 * torch.arange(2 * m + 1, dtype=torch.float64))
    )
    state = np.stack([np.ones(SHAPE), np.full(SHAPE, variance)])

    def slope(i, state):
        return np.stack([f[i] * state[0], 2 * f[i] * state[1] + g2[i]])

    for i in range(0, 2 * m, 2):
        k1 = slope(i, state)
        k2 = slope(i + 1, state + h / 2 * k1)
        k3 = slope(i + 1, state + h / 2 * k2)
        k4 = slope(i + 2, state + h * k3)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return state


@pytest.mark.parametrize("min_gain", [0.0, 0.001])
def test_equation_of_blurring_integrates_to_its_gain_and_noise(min_gain):
    process = blurring(SHAPE, blur_max=2.0, min_gain=min_gain)
    gain, variance = integrated(process, 0.0, 0.0, 0.95)
    np.testing.assert_allclose(gain, process.signal(0.95), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(variance, math.sin(math.pi * 0.95 / 2) ** 2, rtol=1e-6)


def test_equation_of_heat_needs_the_first_dose_of_noise():
    process, lam = heat(SHAPE, blur_max=1.5, sigma=0.1), eigenvalues(*SHAPE)
    gain, variance = integrated(process, 0.01, 0.0, 1.0)
    np.testing.assert_allclose(gain, np.exp(-lam * 1.125), rtol=1e-6)
    np.testing.assert_allclose(variance, 0.01, rtol=1e-6)  # the laws of heat
    _, without = integrated(process, 0.0, 0.0, 1.0)
    np.testing.assert_allclose(without, 0.01 * -np.expm1(-2.25 * lam), rtol=1e-6, atol=1e-10)
    assert (
        1 - without[0, 1] / 0.01 > 0.2 and without[0, 0] < 1e-10
    )  # too little in coarse modes, nothing in the mean


def test_heat_in_the_image_is_diffusion_with_noise_of_the_root_of_the_laplacian():
    """Euler–Maruyama for dU = τ' Δ U dt + σ √(2τ') (−Δ)^½ dW, dense, against laws and paths."""
    shape, n, m, sigma, blur = (1, 4), 20_000, 400, 0.5, 1.0
    L, u, rng, process = (
        laplacian(*shape),
        image(shape).ravel(),
        np.random.default_rng(4),
        heat(shape, blur_max=blur, sigma=sigma),
    )
    root = scipy.linalg.sqrtm(-L + 1e-14 * np.eye(4)).real
    U = u + sigma * rng.standard_normal((n, 4))
    means, h = U.mean(1), 1 / m
    for i in range(m):
        rate = (
            math.pi * blur**2 * math.sin(math.pi * i * h / 2) ** 3 * math.cos(math.pi * i * h / 2)
        )
        U = (
            U
            + h * rate * U @ L
            + sigma * math.sqrt(2 * rate * h) * rng.standard_normal((n, 4)) @ root
        )
    assert np.abs(U.mean(1) - means).max() < 1e-5  # each path keeps its mean
    law = process.marginal(torch.from_numpy(u.reshape(shape)), 1.0)
    np.testing.assert_allclose(U.mean(0), law.mean.numpy()[0], atol=5 * sigma / math.sqrt(n))
    np.testing.assert_allclose(
        np.cov(U.T), cosine_covariance(law.std, shape), atol=5 * sigma**2 * math.sqrt(2 / n)
    )


@pytest.mark.parametrize("process, first", [(heat, 0.2), (blurring, 0.3)])
def test_equations_have_the_steps_of_the_chain(process, first):
    """From s to t: gain and added variance of the equation are those of the kernel."""
    process = process(SHAPE, blur_max=2.0)
    for s, t in ((first, 0.5), (0.5, 0.9)):
        gain, added = integrated(process, 0.0, s, t)
        kernel = process.kernel(s, t)
        np.testing.assert_allclose(gain, kernel.gain, rtol=1e-6)
        np.testing.assert_allclose(added, kernel.std**2, rtol=1e-6, atol=1e-12)


# --- H7: the ends ---------------------------------------------------------------------------------


def test_heat_ends_near_one_law_per_mean_only_after_a_blur_wider_than_the_picture():
    """KL to N(ū 1, σ² I) by full matrices, its bound in [−1, 1], the blur of exercise 3."""
    for shape, blur in (((3, 4), 3.0), ((6, 2), 8.0)):
        u, size = np.sign(image(shape, 5)), shape[0] * shape[1]
        process = heat(shape, blur_max=blur, sigma=0.1)
        rest = np.full(size, u.mean())
        blurred = scipy.linalg.expm(blur**2 / 2 * laplacian(*shape)) @ u.ravel()
        expected = kl_normal(blurred, 0.01 * np.eye(size), rest, 0.01 * np.eye(size))
        found = float(
            process.marginal(torch.from_numpy(u), 1.0).kl(
                Gaussian(torch.from_numpy(rest.reshape(shape)), 0.1, Cosines(shape))
            )
        )
        assert math.isclose(found, expected, rel_tol=1e-6)
        assert found <= size / 0.02 * math.exp(
            -4 * math.sin(math.pi / (2 * max(shape))) ** 2 * blur**2
        )
    halves = torch.ones(28, 28, dtype=torch.float64)
    halves[:14] = -1
    divergence = [
        float(
            heat((28, 28), blur_max=blur)
            .marginal(halves, 1.0)
            .kl(Gaussian(0 * halves, 0.01, Cosines((28, 28))))
        )
        for blur in (28.0, 39.7)
    ]
    assert divergence[0] > 20 and 0.007 < divergence[1] < 0.01


def test_every_mean_has_its_steady_law_and_two_of_them_never_meet():
    shape, process = (3, 4), heat((3, 4), blur_max=200.0, sigma=0.1)
    for s, t in ((0.05, 0.1), (0.02, 1.0)):
        kernel = process.kernel(s, t)
        K = matrix(kernel(units(shape)).mean)
        for m in (-0.7, 0.0, 1.3):
            np.testing.assert_allclose(K @ np.full(12, m), m, atol=1e-12)
        np.testing.assert_allclose(
            0.01 * K @ K.T + cosine_covariance(kernel.std, shape), 0.01 * np.eye(12), atol=1e-13
        )
    u, other = torch.from_numpy(image(shape, 6)), torch.from_numpy(image(shape, 7))
    least = 12 * float(u.mean() - other.mean()) ** 2 / 0.02
    divergence = [
        float(process.marginal(u, t).kl(process.marginal(other, t))) for t in (0.05, 0.2, 1.0)
    ]
    assert (
        min(divergence) >= least * (1 - 1e-9)
        and math.isclose(divergence[-1], least, rel_tol=1e-9)
        and least > 0.1
    )


def test_blurring_ends_exactly_in_noise_and_approaches_it_strictly():
    u, shape = torch.from_numpy(image(SHAPE)), SHAPE
    for min_gain in (0.0, 0.001):
        process = blurring(shape, blur_max=2.0, min_gain=min_gain)
        end = process.marginal(u, 1.0)
        assert (end.mean == 0).all() and (end.std == 1).all()
        course = []
        for t in (0.1, 0.3, 0.5, 0.8, 0.95, 1.0):
            G = matrix(process.marginal(units(shape), t).mean)
            course.append(
                kl_normal(
                    G @ u.numpy().ravel(),
                    cosine_covariance(process.noise(t), shape),
                    np.zeros(12),
                    np.eye(12),
                )
            )
            found = float(
                process.marginal(u, t).kl(
                    Gaussian(torch.zeros(shape, dtype=torch.float64), 1.0, Cosines(shape))
                )
            )
            assert math.isclose(found, course[-1], rel_tol=1e-9, abs_tol=1e-12)
        assert (np.diff(course) < 0).all() and abs(course[-1]) < 1e-12


def test_divergence_of_heat_from_its_end_is_that_of_the_page_at_every_time():
    """(1/2σ²) Σ_{k≠0} e^{−2λ_k τ_t} c_k², typed in anew."""
    u, sigma = image((4, 5), 9), 0.05
    c = cosine_matrix(4, 5) @ u.ravel()
    process, flat = heat((4, 5), blur_max=3.0, sigma=sigma), torch.full((4, 5), u.mean())
    for t in (0.05, 0.3, 0.7, 1.0):
        fall = np.exp(-2 * eigenvalues(4, 5).ravel() * blur_time(t, 3.0))
        expected = (fall * c**2)[1:].sum() / (2 * sigma**2)
        end = Gaussian(flat.double(), sigma, Cosines((4, 5)))
        found = float(process.marginal(torch.from_numpy(u), t).kl(end))
        assert math.isclose(found, expected, rel_tol=1e-9)


# --- H8: symmetries -------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [heat, blurring])
@pytest.mark.parametrize(
    "shape, expected", [((2, 3), 4), ((2, 2), 8), ((1, 4), 2), ((1, 1), 1), ((5, 1), 2)]
)
def test_permutations_that_commute_are_those_that_keep_neighbours(family, shape, expected):
    """All permutations, decided on the list of edges and by the matrices of the process."""
    law, size = gain_and_covariance(family(shape, blur_max=1.0), 0.4, shape), shape[0] * shape[1]
    pairs = {frozenset(edge[:2]) for edge in edges(*shape)}
    found = 0
    for order in itertools.permutations(range(size)):
        keeps = {frozenset((order[i], order[j])) for i, j in pairs} == pairs
        gap = asymmetry(*law, np.eye(size)[list(order)])
        assert gap < 1e-12 if keeps else gap > 0.01
        found += keeps
    assert found == expected


def turned(shape, seed, together=False):
    """A random orthogonal map inside each eigenspace; `together`: two of the spaces mixed."""
    rates, vectors = np.linalg.eigh(-laplacian(*shape))
    places = [
        list(g) for _, g in itertools.groupby(range(len(rates)), key=lambda k: round(rates[k], 8))
    ]
    if together:
        places = [places[0] + places[-1], *places[1:-1]]
    inside, rng = np.eye(len(rates)), np.random.default_rng(seed)
    for place in places:
        inside[np.ix_(place, place)] = np.linalg.qr(rng.standard_normal((len(place), len(place))))[
            0
        ]
    return vectors @ inside @ vectors.T


@pytest.mark.parametrize("family", [heat, blurring])
def test_orthogonal_maps_commute_exactly_if_they_keep_the_eigenspaces_of_the_laplacian(family):
    shape = (4, 4)
    law, continuous = (
        gain_and_covariance(family(shape, blur_max=1.0, laplacian=kind), 0.4, shape)
        for kind in ("discrete", "continuous")
    )
    for seed in range(3):
        R = turned(shape, seed)
        assert asymmetry(*law, R) < 1e-12
        assert np.minimum(np.abs(R), np.abs(R - 1)).max() > 0.1  # no permutation
        assert asymmetry(*law, turned(shape, seed, together=True)) > 0.01
        # eigenvalues of the continuum split the modes (1, 3), (2, 2), (3, 1)
        assert asymmetry(*continuous, R) > 1e-3
    assert asymmetry(*law, -np.eye(16)) < 1e-15
    assert asymmetry(*law, np.diag(np.r_[2.0, np.ones(15)])) > 1e-3
    stretched = 2 * np.eye(16)  # commutes with the Laplacian, but does not keep lengths
    level = float(family(shape, blur_max=1.0).noise(0.4).max())
    assert np.abs(asymmetry(*law, stretched) - 3 * level**2) < 1e-12


@pytest.mark.parametrize("family", [heat, blurring])
def test_random_signs_of_the_modes_cannot_be_seen(family, generator):
    """Signs by SciPy's transform, a state, signs back: the law of the state.

    Shuffled pixels instead are mixed with strangers.
    """
    shape, n = (4, 5), 50_000
    signs = np.where(np.random.default_rng(5).random(shape) < 0.5, -1.0, 1.0)
    turn = lambda u: scipy.fft.idctn(
        signs * scipy.fft.dctn(u, axes=(-2, -1), norm="ortho"), axes=(-2, -1), norm="ortho"
    )
    process, u = family(shape, blur_max=1.0), image(shape)
    law = process.marginal(torch.from_numpy(u), 0.6)
    back = turn(
        process.sample(
            torch.from_numpy(turn(u)).expand(n, *shape), 0.6, generator=generator
        ).numpy()
    ).reshape(n, 20)
    level = float(process.noise(0.6).max())
    np.testing.assert_allclose(
        back.mean(0), law.mean.numpy().ravel(), atol=5 * level / math.sqrt(n)
    )
    np.testing.assert_allclose(
        np.cov(back.T), level**2 * np.eye(20), atol=5 * level**2 * math.sqrt(2 / n)
    )
    order = np.random.default_rng(6).permutation(20)
    shuffled = (
        process.marginal(torch.from_numpy(u.ravel()[order].reshape(shape)), 0.6)
        .mean.numpy()
        .ravel()[np.argsort(order)]
    )
    assert np.abs(shuffled - law.mean.numpy().ravel()).max() > 0.1


def test_only_flat_shifts_commute_with_heat_and_none_with_blurring():
    u = torch.from_numpy(image(SHAPE))
    flat, uneven = torch.full(SHAPE, 0.3, dtype=torch.float64), torch.from_numpy(noise(SHAPE))

    def gap(process, c):
        return float(
            (process.marginal(u + c, 0.6).mean - process.marginal(u, 0.6).mean - c).abs().max()
        )

    assert gap(heat(SHAPE), flat) < 1e-14 and gap(heat(SHAPE), uneven) > 0.1
    assert gap(blurring(SHAPE), flat) > 0.1 and gap(blurring(SHAPE), uneven) > 0.1


@pytest.mark.parametrize("family", [heat, blurring])
def test_what_commutes_with_every_law_commutes_with_the_steps(family):
    """R K = K R and R V Rᵀ = V for the kernel from s to t, with R in the eigenspaces of Δ."""
    shape, R = (4, 4), turned((4, 4), 1)
    kernel = family(shape, blur_max=1.0).kernel(0.3, 0.7)
    K = matrix(kernel(units(shape)).mean)
    V = cosine_covariance(kernel.std, shape)
    assert asymmetry(K, V, R) < 1e-12
    assert asymmetry(K, V, turned(shape, 1, together=True)) > 0.01
