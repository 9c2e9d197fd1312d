"""Page 07, heat: its statements by dense matrices, SciPy and draws.

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
from matrices import gain_and_covariance, matrix, units
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
    seeds,
)

from dpss import images, reverse
from dpss.bases import Cosines
from dpss.families import gaussian_scale_space, heat
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


def test_one_noise_image_for_all_times_has_the_laws_but_not_the_covariance_of_the_chain():
    """One seed for all times keeps the noise: each law is right, Cov(U_s, U_t) is not K Σ_s."""
    shape, n = (2, 3), 100_000
    process = modewise(eigenvalues(*shape), 1 + image(shape, 2) / 2)
    start = torch.from_numpy(image(shape)).expand(n, *shape)
    (G_s, S_s), (G_t, S_t) = (gain_and_covariance(process, t, shape) for t in (0.3, 0.8))
    K = G_t @ np.linalg.inv(G_s)
    seed = lambda: torch.Generator().manual_seed(3)
    frozen = [process.sample(start, t, generator=seed()) for t in (0.3, 0.8)]
    chain = process.path(start, [0.3, 0.8], generator=seed())
    slack = 5 * S_t.diagonal().max() * math.sqrt(2 / n)
    for states, legal in ((chain, True), (frozen, False)):
        both = np.cov(torch.stack(list(states)).numpy().transpose(1, 0, 2, 3).reshape(n, 12).T)
        np.testing.assert_allclose(both[:6, :6], S_s, atol=slack)
        np.testing.assert_allclose(both[6:, 6:], S_t, atol=slack)
        assert (np.abs(both[6:, :6] - K @ S_s).max() < slack) == legal


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


# --- H9: one step back ----------------------------------------------------------------------------


def test_law_of_an_earlier_state_given_a_later_one_and_the_start():
    """Conditioning of the joint normal law: N(α_s c + a (y − α_t c), σ² (1 − a²)) per mode."""
    shape, sigma = (2, 4), 0.3
    process = heat(shape, blur_max=2.0, sigma=sigma)
    u, y = image(shape, 3), image(shape, 4)
    for s, t in ((0.2, 0.3), (0.3, 0.9)):
        (G_s, S_s), (G_t, S_t) = (gain_and_covariance(process, r, shape) for r in (s, t))
        joint = G_t @ np.linalg.inv(G_s) @ S_s  # Cov(U_t, U_s) given the start
        back = joint.T @ np.linalg.inv(S_t)
        law = process.posterior(torch.from_numpy(u), torch.from_numpy(y), s, t)
        mean = G_s @ u.ravel() + back @ (y.ravel() - G_t @ u.ravel())
        np.testing.assert_allclose(law.mean.numpy().ravel(), mean, atol=1e-9)
        covariance = S_s - back @ joint
        np.testing.assert_allclose(cosine_covariance(law.std, shape), covariance, atol=1e-9)
        a = np.exp(-eigenvalues(*shape) * (blur_time(t, 2.0) - blur_time(s, 2.0)))
        np.testing.assert_allclose(law.std**2, sigma**2 * (1 - a**2), atol=1e-12)


@pytest.mark.parametrize("s", [0.3, 0.48])
def test_variance_that_the_steps_of_original_and_chain_lose(s, generator):
    """Draws of data that are not Gaussian, mode by mode, against the two formulas of the page."""
    shape, n, sigma, t = (1, 4), 400_000, 0.4, 0.5
    process, rng = heat(shape, blur_max=2.0, sigma=sigma), np.random.default_rng(7)
    m, v, B = np.array([0.3, -0.2, 0.1, 0.4]), np.array([0.1, 0.5, 0.3, 0.8]), cosine_vectors(4)
    c = m + np.sqrt(v) * (rng.exponential(size=(n, 4)) - 1)
    data = torch.from_numpy((c @ B)[:, None])
    prior = GaussianPrior(torch.from_numpy((m @ B)[None]), np.sqrt(v)[None], Cosines(shape))
    state = process.sample(data, t, generator=generator)
    known = prior.denoiser(process)(state, t)
    lam = eigenvalues(1, 4)[0]
    alpha_s, alpha_t = (np.exp(-lam * blur_time(r, 2.0)) for r in (s, t))
    a = alpha_t / alpha_s
    unknown = alpha_s**2 * v * sigma**2 / (alpha_t**2 * v + sigma**2)  # (1 − ρ) α_s² v
    chained = reverse.step(process, known, state, s, t, eta=1.0, generator=generator)
    fresh = 1.3 * sigma * torch.randn(known.shape, generator=generator, dtype=torch.float64)
    original = process.marginal(known, s).mean + fresh
    right = alpha_s**2 * v + sigma**2
    for u, expected in (
        (chained, right - (1 - a**2) ** 2 * unknown),
        (original, right - unknown + (1.3**2 - 1) * sigma**2),
    ):
        modes = u.numpy()[:, 0] @ B.T
        np.testing.assert_allclose(modes.mean(0), alpha_s * m, atol=5 * np.sqrt(right.max() / n))
        # fourth moments are at most those of exponentials, 9
        np.testing.assert_allclose(modes.var(0), expected, rtol=5 * math.sqrt(8 / n))
    assert (unknown[1:] / right[1:]).min() > 0.08  # far beyond that slack
