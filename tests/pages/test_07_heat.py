"""Page 07, heat and blurring diffusion: its statements by dense matrices, SciPy and draws.

What test_families.py already holds (schedules, SDE coefficients, composition of kernels) is not
repeated here.
"""

import itertools
import math

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st
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
    seeds,
)

from dpss import images
from dpss.bases import Cosines
from dpss.families import blurring, gaussian_scale_space, heat
from dpss.laws import Gaussian
from dpss.priors import GaussianPrior
from dpss.processes import Process

SHAPE = (3, 4)


# --- H1: steps mode by mode -----------------------------------------------------------------------


def modewise(rates, powers, name="modewise"):
    """α = exp(−rate t), σ = 0.3 t^power: the ratio falls at t iff rate t + power > 0."""
    rates, powers = torch.as_tensor(rates), torch.as_tensor(powers)
    return Process(
        Cosines(tuple(rates.shape)), lambda t: -rates * t, lambda t: 0.3 * t**powers, name
    )


def test_steps_mode_by_mode_are_those_of_full_matrices():
    """K = G_t G_s⁻¹ and Σ_t − K Σ_s Kᵀ, by linear algebra that knows nothing of modes."""
    rates = eigenvalues(*SHAPE) + image(SHAPE, 1) / 10  # no function of λ_k
    process, B = modewise(rates, 1 + image(SHAPE, 2) / 2), cosine_matrix(*SHAPE)
    for s, t in ((0.1, 0.2), (0.3, 0.9)):
        (G_s, S_s), (G_t, S_t) = (
            (
                matrix(process.marginal(units(SHAPE), r).mean),
                cosine_covariance(process.noise(r), SHAPE),
            )
            for r in (s, t)
        )
        np.testing.assert_allclose(G_t, B.T @ np.diag(np.exp(-rates * t).ravel()) @ B, atol=1e-12)
        kernel = process.kernel(s, t)
        K = matrix(kernel(units(SHAPE)).mean)
        np.testing.assert_allclose(K, G_t @ np.linalg.inv(G_s), atol=1e-12)
        np.testing.assert_allclose(
            cosine_covariance(kernel.std, SHAPE), S_t - K @ S_s @ K.T, atol=1e-12
        )


def test_paths_of_a_process_have_the_joint_covariance_of_its_matrices(generator):
    """Cov U_t = G_t C G_t + Σ_t and Cov(U_s, U_t) = Cov(U_s) Kᵀ, for data that are not Gaussian."""
    shape, n, times = (2, 3), 200_000, (0.2, 0.5, 0.8)
    process, rng = modewise(eigenvalues(*shape), 1 + image(shape, 2) / 2), np.random.default_rng(0)
    mixing = rng.standard_normal((6, 6)) / 20  # weak data, so that the noise of the steps is seen
    data = torch.from_numpy((rng.exponential(size=(n, 6)) @ mixing.T).reshape(n, *shape))
    found = np.cov(
        process.path(data, times, generator=generator)
        .numpy()
        .reshape(3, n, 6)
        .transpose(0, 2, 1)
        .reshape(18, n)
    )
    G = [matrix(process.marginal(units(shape), t).mean) for t in times]
    C = [
        g @ mixing @ mixing.T @ g + cosine_covariance(process.noise(t), shape)
        for g, t in zip(G, times)
    ]
    blocks = [[C[min(i, j)] for j in range(3)] for i in range(3)]
    for i, j in itertools.combinations(range(3), 2):
        K = G[j] @ np.linalg.inv(G[i])
        blocks[i][j], blocks[j][i] = C[i] @ K.T, K @ C[i]
    expected = np.block(blocks)
    spread = np.sqrt(np.diag(expected))
    # fourth moments are at most those of exponentials, 9: products err by √(8/n)
    assert (np.abs(found - expected) / spread / spread[:, None]).max() < 5 * math.sqrt(8 / n)


@given(seeds, st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_steps_exist_exactly_if_the_ratio_rises_in_no_mode(seed, s, t):
    """Gains that grow and noise that fades: the decision, and the mode that is named.

    The reference is SNR = exp(−2 rate t) t^(−2 power) in plain NumPy.
    """
    s, t = sorted((s, t))
    rng = np.random.default_rng(seed)
    rates, powers = rng.uniform(-0.3, 2, (2, 3)), rng.uniform(-0.3, 2, (2, 3))
    rise = -rates * (t - s) - powers * math.log(t / s)  # of ½ log SNR
    if np.abs(rise).min() < 1e-9:
        return
    process = modewise(rates, powers)
    if (rise > 0).any():
        first = tuple(np.argwhere(rise > 0)[0].tolist())
        with pytest.raises(ValueError, match=rf"not Markov.*mode \({first[0]}, {first[1]}\)"):
            process.kernel(s, t)
    else:
        assert (process.kernel(s, t).std >= 0).all()


def test_noise_that_fades_under_a_blur_would_need_a_negative_variance():
    """The mean is not blurred: Σ_t − K Σ_s Kᵀ has a negative eigenvalue for each rising mode."""
    lam = eigenvalues(*SHAPE)
    process = Process(
        Cosines(SHAPE),
        lambda t: -torch.from_numpy(lam) * t,
        lambda t: 0.1 * (1 - t / 2) * (t > 0),
        "fading",
    )
    K = matrix(process.marginal(units(SHAPE), 0.9).mean) @ np.linalg.inv(
        matrix(process.marginal(units(SHAPE), 0.4).mean)
    )
    needed = (
        cosine_covariance(process.noise(0.9), SHAPE)
        - K @ cosine_covariance(process.noise(0.4), SHAPE) @ K.T
    )
    spectrum = np.linalg.eigvalsh(needed)
    assert spectrum[0] < -0.001 and (spectrum < 0).sum() == 2
    with pytest.raises(ValueError, match=r"fading.*mode \(0, 0\).*s = 0\.4.*t = 0\.9"):
        process.kernel(0.4, 0.9)


# --- H2: heat -------------------------------------------------------------------------------------


def test_a_step_of_heat_is_a_blur_plus_noise_of_the_covariance_that_blur_took():
    """U_t = T_τ U_s + ξ, ξ ~ N(0, σ²(I − T_2τ)), with the Laplacian built edge by edge."""
    process, L = heat((4, 5), blur_max=3.0, sigma=0.2), laplacian(4, 5)
    for s, t in ((0.1, 0.3), (0.3, 0.35), (0.4, 1.0)):
        tau = blur_time(t, 3.0) - blur_time(s, 3.0)
        kernel = process.kernel(s, t)
        np.testing.assert_allclose(
            matrix(kernel(units((4, 5))).mean), scipy.linalg.expm(tau * L), atol=1e-12
        )
        np.testing.assert_allclose(
            cosine_covariance(kernel.std, (4, 5)),
            0.04 * (np.eye(20) - scipy.linalg.expm(2 * tau * L)),
            atol=1e-13,
        )
        assert kernel.std[0, 0] == 0 and kernel.gain[0, 0] == 1  # the mean is frozen
        # in units of σ a step of VP with ∫β = 2 λ_k τ, which keeps variance 1
        integral = 2 * eigenvalues(4, 5) * tau
        np.testing.assert_allclose(kernel.gain, np.exp(-integral / 2), rtol=1e-9)
        np.testing.assert_allclose(
            (kernel.std / 0.2) ** 2, -np.expm1(-integral), rtol=1e-9, atol=1e-14
        )


def test_paths_of_heat_keep_their_mean_after_the_first_dose_and_their_noise_stays_white(generator):
    n, L, u = 100_000, laplacian(2, 3), image((2, 3))
    process = heat((2, 3), blur_max=2.0, sigma=0.1)
    times = [0.3, 0.4, 0.5, 0.6, 0.8, 1.0]
    path = (
        process.path(torch.from_numpy(u).expand(n, 2, 3), times, generator=generator)
        .numpy()
        .reshape(6, n, 6)
    )
    means = path.mean(axis=2)
    assert np.abs(means[1:] - means[0]).max() < 1e-13
    assert (
        np.abs(means[0] - u.mean()).max() > 0.1
    )  # from 0 to the first time it moves, by noise of 0.1/√6
    for t, state in zip(times, path):
        np.testing.assert_allclose(
            state.mean(0),
            scipy.linalg.expm(blur_time(t, 2.0) * L) @ u.ravel(),
            atol=5 * 0.1 / math.sqrt(n),
        )
        np.testing.assert_allclose(
            np.cov(state.T), 0.01 * np.eye(6), atol=5 * 0.01 * math.sqrt(2 / n)
        )
    # what two times share is the old noise, blurred
    joint = (path[1] - path[1].mean(0)).T @ (path[4] - path[4].mean(0)) / n
    np.testing.assert_allclose(
        joint,
        0.01 * scipy.linalg.expm((blur_time(0.8, 2.0) - blur_time(0.4, 2.0)) * L),
        atol=5 * 0.01 * math.sqrt(2 / n),
    )


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


def test_continuous_eigenvalues_overshoot_a_step_and_by_no_more_than_the_bound():
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
    reached = []
    for n, t in itertools.product((3, 8, 40), (0.02, 0.1, 0.5, 1.0, 1.5)):
        worst = (
            -np.minimum(continuous_blur((1, n), t), 0).sum(axis=1).max()
        )  # of all images with values in [0, 1]
        bound = (2 + n / (math.pi**2 * t)) * math.exp(-(math.pi**2) * t)
        assert worst <= bound + 1e-15
        reached.append(worst / bound)
    assert (
        max(reached) > 1e-3
    )  # the bound, which is a sum of absolute values, is generous but not idle


# --- H4: what a little noise buys -----------------------------------------------------------------


def test_best_linear_estimate_is_the_regression_and_its_slope_is_bounded_whatever_the_blur(
    generator,
):
    """Least squares on drawn pairs of data that are not Gaussian, against formula and denoiser."""
    n, sigma = 100_000, 0.3
    rng = np.random.default_rng(1)
    mean, std = rng.uniform(-1, 1, SHAPE), rng.uniform(0.2, 1.5, SHAPE)
    c = mean + std * (rng.exponential(size=(n, *SHAPE)) - 1)
    B, prior = (
        cosine_matrix(*SHAPE),
        GaussianPrior(
            torch.from_numpy((cosine_matrix(*SHAPE).T @ mean.ravel()).reshape(SHAPE)),
            std,
            Cosines(SHAPE),
        ),
    )
    data = torch.from_numpy((c.reshape(n, 12) @ B).reshape(n, *SHAPE))
    for blur in (0.5, 1.5):
        process = heat(SHAPE, blur_max=blur, sigma=sigma)
        y = process.sample(data, 1.0, generator=generator).numpy().reshape(n, 12) @ B.T
        denoised = (
            prior.denoiser(process)(torch.from_numpy((y @ B).reshape(n, *SHAPE)), 1.0)
            .numpy()
            .reshape(n, 12)
            @ B.T
        )
        for k, (lam, m, v) in enumerate(
            zip(eigenvalues(*SHAPE).ravel(), mean.ravel(), std.ravel() ** 2)
        ):
            alpha, truth = math.exp(-lam * blur**2 / 2), c.reshape(n, 12)[:, k]
            least = v * sigma**2 / (alpha**2 * v + sigma**2)
            slope, offset = np.linalg.lstsq(np.stack([y[:, k], np.ones(n)], 1), truth, rcond=None)[
                0
            ]
            exact = alpha * v / (alpha**2 * v + sigma**2)
            # a slope errs by √(least / n) over the spread of y, here 0.3 at least
            assert abs(slope - exact) < 5 * math.sqrt(3 * least / n) / 0.3
            assert abs(offset - (1 - exact * alpha) * m) < 10 * math.sqrt(3 * least / n) / 0.3
            np.testing.assert_allclose(
                denoised[:, k], exact * y[:, k] + (1 - exact * alpha) * m, atol=1e-12
            )
            for estimate in (slope * y[:, k] + offset, denoised[:, k]):
                assert abs(((estimate - truth) ** 2).mean() / least - 1) < 0.05
            assert abs(((y[:, k] / alpha - truth) ** 2).mean() / (sigma / alpha) ** 2 - 1) < 0.05
            assert (
                least <= min(v, (sigma / alpha) ** 2)
                and exact <= min(1 / alpha, math.sqrt(v) / (2 * sigma)) + 1e-15
            )


def test_slope_of_the_way_back_is_bounded_with_noise_and_explodes_without():
    """The largest singular value of the denoiser, blur up to 14 pixels; σ = 0 leaves exp(λτ)."""
    shape, sigma = (8, 8), 0.01
    prior = GaussianPrior(torch.zeros(shape, dtype=torch.float64), 1.0, Cosines(shape))
    slopes = []
    for blur in (0.5, 1.0, 2.0, 14.0):
        denoiser = prior.denoiser(heat(shape, blur_max=blur, sigma=sigma))
        slopes.append(np.linalg.norm(denoiser(units(shape), 1.0).numpy().reshape(64, 64), 2))
    assert max(slopes) <= 0.5 / sigma + 1e-9 and max(slopes) > 0.3 / sigma
    inverse = [
        np.linalg.norm(
            np.linalg.inv(matrix(heat(shape, blur_max=blur).marginal(units(shape), 1.0).mean)), 2
        )
        for blur in (0.5, 1.0, 2.0)
    ]
    np.testing.assert_allclose(
        inverse, np.exp(eigenvalues(8, 8).max() * np.array([0.125, 0.5, 2.0])), rtol=1e-6
    )
    assert inverse[-1] > 1e6


def test_rounding_to_8_bits_ruins_the_inverse_of_a_blur_and_not_the_best_estimate():
    """SciPy's transform and the library's way back: heat with σ of the rounding.

    The prior κ/λ comes from another photograph.
    """
    shape = (64, 64)
    other, picture = (
        images.photograph(name)[96:160, 96:160].astype(float) for name in ("coins", "camera")
    )
    lam = eigenvalues(*shape)
    power = scipy.fft.dctn(other, norm="ortho") ** 2
    spread = np.sqrt((lam * power).ravel()[1:].mean() / np.where(lam > 0, lam, 1))
    spread[0, 0] = 64.0
    prior = GaussianPrior(torch.zeros(shape, dtype=torch.float64), spread, Cosines(shape))
    process = heat(shape, blur_max=2.0, sigma=2 / 255 / math.sqrt(12))
    blurred = process.marginal(torch.from_numpy(picture), 1.0).mean.numpy()
    kept = np.round((blurred + 1) * 127.5) / 127.5 - 1
    inverse = scipy.fft.idctn(np.exp(2 * lam) * scipy.fft.dctn(kept, norm="ortho"), norm="ortho")
    best = prior.denoiser(process)(torch.from_numpy(kept), 1.0).numpy()
    error = {
        name: math.sqrt(((u - picture) ** 2).mean())
        for name, u in (("kept", kept), ("inverse", inverse), ("best", best))
    }
    assert error["inverse"] > 100 and error["best"] < 0.8 * error["kept"]
    exact = scipy.fft.idctn(np.exp(2 * lam) * scipy.fft.dctn(blurred, norm="ortho"), norm="ortho")
    assert np.abs(exact - picture).max() < 1e-6  # without rounding the inverse works


# --- H5: no noise ---------------------------------------------------------------------------------


def test_without_noise_no_divergence_changes_and_with_a_little_it_does():
    """Two Gaussian laws with full covariances, pushed through the matrices of the process."""
    shape = (3, 3)
    rng = np.random.default_rng(2)
    (m, S), (n, T) = (
        (rng.standard_normal(9), np.cov(rng.standard_normal((9, 30)))) for _ in range(2)
    )
    start = kl_normal(m, S, n, T)
    for t, left in ((0.3, 0.95), (1.0, 0.5)):
        cold, warm = (
            gaussian_scale_space(shape, t_max=0.5),
            heat(shape, blur_max=1.0, sigma=0.3),
        )  # both blur up to 1 pixel
        found = []
        for process in (cold, warm):
            G, extra = (
                matrix(process.marginal(units(shape), t).mean),
                cosine_covariance(process.noise(t), shape),
            )
            found.append(kl_normal(G @ m, G @ S @ G.T + extra, G @ n, G @ T @ G.T + extra))
        assert abs(found[0] / start - 1) < 1e-8
        assert found[1] < left * start


def test_without_noise_entropy_falls_by_twice_the_edges_times_the_diffusion_time():
    for shape in ((3, 4), (1, 6), (5, 5)):
        process, size = gaussian_scale_space(shape, t_max=0.7), shape[0] * shape[1]
        std = np.exp(image(shape))
        zero = torch.zeros(shape, dtype=torch.float64)
        before, after = (
            Gaussian(zero, process.signal(t) * torch.from_numpy(std), Cosines(shape)).entropy()
            for t in (0.0, 1.0)
        )
        lost = 2 * len(edges(*shape)) * 0.7
        sign, volume = np.linalg.slogdet(matrix(process.marginal(units(shape), 1.0).mean))
        assert sign == 1 and math.isclose(volume, -lost, rel_tol=1e-9)
        assert math.isclose(after - before, -lost, rel_tol=1e-9)
        law = process.marginal(torch.from_numpy(image(shape)), 0.5)
        assert (
            law.entropy() == -math.inf
            and (law.sample() == law.mean).all()
            and size == law.mean.numel()
        )


def test_from_the_flat_end_nothing_returns_but_a_function_of_the_mean():
    """Six pictures, two of each mean: the end tells pairs apart and not their members.

    By least squares over all maps of the end.
    """
    rng = np.random.default_rng(3)
    pictures = rng.standard_normal((6, 3, 3))
    pictures += np.repeat([-0.5, 0.0, 0.5], 2)[:, None, None] - pictures.mean((1, 2), keepdims=True)
    ends = gaussian_scale_space((3, 3), t_max=100.0).sample(torch.from_numpy(pictures), 1.0).numpy()
    assert np.ptp(ends, axis=(1, 2)).max() < 1e-12
    assert (
        np.abs(ends[::2] - ends[1::2]).max() < 1e-12
        and np.abs(ends[:-2:2] - ends[2::2]).min() > 0.4
    )
    told = (np.round(ends[:, 0, 0], 6)[:, None] == np.unique(np.round(ends[:, 0, 0], 6))).astype(
        float
    )  # any map of the end is linear in this
    flat = pictures.reshape(6, 9)
    D = np.linalg.lstsq(told, flat, rcond=None)[0]
    least = ((flat - told @ D) ** 2).sum()
    np.testing.assert_allclose(
        told @ D, np.repeat((flat[::2] + flat[1::2]) / 2, 2, axis=0), atol=1e-12
    )  # the mean given the end
    other = D + rng.standard_normal(D.shape)
    np.testing.assert_allclose(
        ((flat - told @ other) ** 2).sum() - least, ((told @ (other - D)) ** 2).sum(), rtol=1e-9
    )
    assert least > 0.3 * ((flat - flat.mean(0)) ** 2).sum()
    # with noise the way back is not lost before the end, and without it not either:
    # G is invertible at every finite blur
    assert (
        np.linalg.matrix_rank(
            matrix(gaussian_scale_space((3, 3), t_max=1.0).marginal(units((3, 3)), 1.0).mean)
        )
        == 9
    )


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


# --- H7: the ends ---------------------------------------------------------------------------------


def test_heat_ends_near_one_law_per_mean_only_after_a_blur_wider_than_the_picture():
    """KL to N(ū 1, σ² I) by full matrices, its bound for images in [−1, 1], exercise 6's blur."""
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
