"""Priors: exact denoisers against dense linear algebra and brute-force sums, for every family."""

import math
import weakref

import numpy as np
import pytest
import torch
from catalogue import MILD, mild
from hypothesis import given
from matrices import covariance, gain_and_covariance
from reference import image, noise, positive, seeds, shapes
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dpss import families
from dpss.bases import Cosines, Osmotic, Pixels
from dpss.priors import CHUNK, Empirical, GaussianPrior, Mixture

SHAPE = (3, 4)


def log_normal(u, mean, C):
    gap = u - mean
    return -0.5 * (gap @ np.linalg.solve(C, gap) + np.linalg.slogdet(2 * np.pi * C)[1])


def posterior_mean(u, m, C, G, S):
    """E[U_0 | U_t = u] for U_0 ~ N(m, C), U_t = G U_0 + noise of covariance S."""
    return m + C @ G.T @ np.linalg.solve(G @ C @ G.T + S, u - G @ m)


@pytest.mark.parametrize("name", MILD)
def test_gaussian_denoiser_and_density_are_those_of_dense_algebra(name):
    process = mild(name, SHAPE)
    std = 0.3 + image(SHAPE, 5) ** 2
    prior = GaussianPrior(image(SHAPE, 6), std, process.basis)
    C, u = covariance(process.basis, std, SHAPE), noise(SHAPE, 7)
    for t in (0.05, 0.5, 0.9):
        G, S = gain_and_covariance(process, t, SHAPE)
        found = prior.denoiser(process)(torch.as_tensor(u), t).numpy().ravel()
        np.testing.assert_allclose(
            found, posterior_mean(u.ravel(), image(SHAPE, 6).ravel(), C, G, S), rtol=1e-8, atol=1e-9
        )
        density = prior.log_density(process, u, t).item()
        assert math.isclose(
            density,
            log_normal(u.ravel(), G @ image(SHAPE, 6).ravel(), G @ C @ G.T + S),
            rel_tol=1e-9,
        )


@pytest.mark.parametrize("name", MILD)
def test_mixture_denoiser_and_density_are_those_of_dense_algebra(name):
    process = mild(name, SHAPE)
    weights, means = np.array([0.2, 0.5, 0.3]), image((3, *SHAPE), 8)
    stds = 0.2 + image((3, *SHAPE), 9) ** 2
    prior, u = Mixture(weights * 7, means, stds, process.basis), noise(SHAPE, 10)
    for t in (0.1, 0.7):
        G, S = gain_and_covariance(process, t, SHAPE)
        spreads = [covariance(process.basis, s, SHAPE) for s in stds]
        logs = np.array(
            [
                math.log(w) + log_normal(u.ravel(), G @ m.ravel(), G @ C @ G.T + S)
                for w, m, C in zip(weights, means, spreads)
            ]
        )
        shares = np.exp(logs - np.logaddexp.reduce(logs))
        expected = sum(
            r * posterior_mean(u.ravel(), m.ravel(), C, G, S)
            for r, m, C in zip(shares, means, spreads)
        )
        np.testing.assert_allclose(
            prior.denoiser(process)(torch.as_tensor(u), t).numpy().ravel(),
            expected,
            rtol=1e-8,
            atol=1e-9,
        )
        assert math.isclose(
            prior.log_density(process, u, t).item(), np.logaddexp.reduce(logs), rel_tol=1e-9
        )


@pytest.mark.parametrize("name", MILD)
def test_empirical_denoiser_and_density_are_brute_force_sums(name):
    process, data, u = mild(name, SHAPE), image((6, *SHAPE), 11), noise(SHAPE, 12)
    prior = Empirical(data)
    for t in (0.2, 0.8):
        G, S = gain_and_covariance(process, t, SHAPE)
        logs = np.array([log_normal(u.ravel(), G @ m.ravel(), S) for m in data])
        shares = np.exp(logs - np.logaddexp.reduce(logs))
        np.testing.assert_allclose(
            prior.denoiser(process)(torch.as_tensor(u), t).numpy(),
            np.tensordot(shares, data, 1),
            rtol=1e-8,
            atol=1e-10,
        )
        assert math.isclose(
            prior.log_density(process, u, t).item(),
            np.logaddexp.reduce(logs) - math.log(6),
            rel_tol=1e-9,
        )


def priors_for(process, shape):
    std = 0.3 + image(shape, 13) ** 2
    return [
        GaussianPrior(image(shape, 14), std, process.basis),
        Empirical(image((5, *shape), 15)),
        Mixture([1, 2], image((2, *shape), 16), [0.3, 0.6], process.basis),
    ]


@pytest.mark.parametrize("name", MILD)
def test_score_by_tweedie_is_the_gradient_of_the_log_density(name):
    process = mild(name, SHAPE)
    times = torch.tensor([0.1, 0.4, 0.9], dtype=torch.float64)
    for prior in priors_for(process, SHAPE):
        u = torch.as_tensor(noise((3, *SHAPE), 17)).requires_grad_(True)
        (gradient,) = torch.autograd.grad(prior.log_density(process, u, times).sum(), u)
        score = process.score(prior.denoiser(process)(u.detach(), times), u.detach(), times)
        torch.testing.assert_close(score, gradient, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["vp", "heat", "osmotic"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2)])
def test_density_integrates_to_one(name, shape):
    process = mild(name, shape)
    axis = np.linspace(-9, 9, 400)
    grid = (
        axis[:, None, None]
        if shape == (1, 1)
        else np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 1, 2)
    )
    for prior in priors_for(process, shape):
        mass = prior.log_density(process, grid, 0.5).exp().sum() * (axis[1] - axis[0]) ** shape[1]
        assert math.isclose(
            mass.item(), 1, abs_tol=1e-6
        )  # smooth and far from the border: the sum is spectrally exact


@given(shapes, seeds)
def test_shapes_of_any_kind(shape, seed):
    for process in (families.vp(), families.heat(shape, 1.5, sigma=0.3)):
        for prior in priors_for(process, shape):
            D = prior.denoiser(process)
            batch = torch.as_tensor(noise((2, 3, *shape), seed))
            t = torch.tensor([0.3, 0.6], dtype=torch.float64)
            every = D(batch, t)  # the channel axis shares the time of its image
            for i in range(2):
                torch.testing.assert_close(every[i], D(batch[i], t[i]))
            torch.testing.assert_close(every[1, 2], D(batch[1, 2], t[1]))
            many = D(batch[0, 0], t)
            assert many.shape == (2, *shape)
            torch.testing.assert_close(many[1], D(batch[0, 0], 0.6))
            assert prior.log_density(process, batch, t).shape == (2, 3) and prior.log_density(
                process, batch[0, 0], t
            ).shape == (2,)


def test_float32_in_float32_out_with_the_accuracy_of_float64():
    process = families.vp()
    for prior in priors_for(process, SHAPE):
        u = torch.as_tensor(noise(SHAPE, 18)).float()
        found = prior.denoiser(process)(u, 0.01)
        assert found.dtype == torch.float32
        torch.testing.assert_close(
            found, prior.denoiser(process)(u.double(), 0.01).float(), rtol=1e-7, atol=1e-7
        )


def test_numbers_in_lists_keep_double_precision():
    assert Mixture([0.5, 0.5], [[[-0.6]], [[0.1]]], 0.3, Pixels()).means.flatten().tolist() == [
        -0.6,
        0.1,
    ]


@pytest.mark.parametrize("name", MILD)
def test_at_both_ends_of_time(name):
    process = mild(name, SHAPE)
    data = image((7, *SHAPE), 19)
    D = Empirical(data).denoiser(process)
    torch.testing.assert_close(D(torch.as_tensor(data), 0.0), torch.as_tensor(data))
    near = torch.as_tensor(data[2] + 1e-3 * noise(SHAPE, 20))
    torch.testing.assert_close(D(near, 0.0), torch.as_tensor(data[2]))
    if name not in ("heat", "osmotic"):  # their noise jumps at 0
        torch.testing.assert_close(
            D(process.sample(data, 1e-7, torch.Generator().manual_seed(0)), 1e-7),
            torch.as_tensor(data),
        )
    for prior in priors_for(process, SHAPE):
        assert torch.isfinite(prior.denoiser(process)(near, 1.0)).all()
    wiener = GaussianPrior(data[0], 0.5, process.basis).denoiser(process)
    torch.testing.assert_close(wiener(near, 0.0), near)  # no noise, nothing to remove


@pytest.mark.parametrize("basis", [Pixels(), Cosines(SHAPE)])
def test_a_gaussian_without_spread_is_its_mean(basis):
    prior = GaussianPrior(image(SHAPE), 0.0, basis)
    for t in (0.0, 0.5, 1.0):
        torch.testing.assert_close(
            prior.denoiser(families.vp())(torch.as_tensor(noise(SHAPE)), t),
            torch.as_tensor(image(SHAPE)),
        )


def test_at_vanishing_signal_the_denoiser_is_the_mean():
    process, data = families.vp_cosine(), image((5, *SHAPE), 21)
    torch.testing.assert_close(
        Empirical(data).denoiser(process)(torch.as_tensor(noise(SHAPE)), 1.0),
        torch.as_tensor(data.mean(0)),
    )
    prior = GaussianPrior(data[0], 0.7, Pixels())
    torch.testing.assert_close(
        prior.denoiser(process)(torch.as_tensor(noise(SHAPE)), 1.0), torch.as_tensor(data[0])
    )


def test_small_noise_in_float32_tells_near_duplicates_apart():
    """‖x‖² + ‖d‖² − 2x·d in float32 has errors of 1e-4.

    That is hopeless at σ = 1e-3, where these images differ by two steps of 1/255.
    """
    data = np.tile(image((1, 28, 28), 22), (5, 1, 1)).astype(np.float32)
    for i in range(5):
        data[i, i, i] += np.float32(2 / 255)
    process = families.ve(1e-4, 1.0)
    t = 0.25  # σ = 1e-4 √(1e4^{1/2} − 1) = 1e-3
    assert process.noise(t).item() < 1.1e-3
    u = torch.as_tensor(data) + 1e-3 * torch.as_tensor(noise(data.shape, 23)).float()
    found = Empirical(data).denoiser(process)(u, t)
    gaps = ((u.double().numpy()[:, None] - data.astype(np.float64)[None]) ** 2).sum((-2, -1)) / (
        2 * process.noise(t).item() ** 2
    )
    shares = np.exp(-gaps + gaps.min(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    np.testing.assert_allclose(
        found.numpy(), np.einsum("ij,jyx->iyx", shares, data.astype(np.float64)), atol=2e-7
    )
    assert (shares.argmax(1) == np.arange(5)).all()


@pytest.mark.parametrize("n", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 1])
def test_chunks_do_not_show(n):
    data, u = image((n, 2, 2), 24), noise((3, 2, 2), 25)
    for process in (families.vp(), families.heat((2, 2), 1.0, sigma=0.3)):
        alpha, sigma = process.signal(0.5).numpy(), process.noise(0.5).numpy()
        modes, c = (process.basis.analyse(torch.as_tensor(x)).numpy() for x in (data, u))
        logs = -0.5 * (((c[:, None] - alpha * modes) / sigma) ** 2).sum((-2, -1))
        shares = np.exp(logs - np.logaddexp.reduce(logs, axis=1, keepdims=True))
        np.testing.assert_allclose(
            Empirical(data).denoiser(process)(torch.as_tensor(u), 0.5).numpy(),
            np.einsum("ij,jyx->iyx", shares, data),
            rtol=1e-9,
            atol=1e-12,
        )


class Peak(TorchDispatchMode):
    """The most bytes that tensors made inside hold at one time; `known` ones do not count."""

    def __init__(self, known):
        super().__init__()
        self.known, self.held, self.peak = known.untyped_storage().data_ptr(), {}, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # noqa: ARG002 (torch's)
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage.data_ptr() != self.known and storage._cdata not in self.held:
                    self.held[storage._cdata] = storage.nbytes()
                    weakref.finalize(storage, self.held.pop, storage._cdata)
        self.peak = max(self.peak, sum(self.held.values()))
        return made


@pytest.mark.parametrize("name", ["vp", "heat"])
def test_memory_of_the_empirical_denoiser_does_not_grow_with_the_images(name):
    process, peaks = mild(name, (4, 5)), []
    for n in (2 * CHUNK, 8 * CHUNK):
        images = torch.as_tensor(image((n, 4, 5))).float()
        with Peak(images) as memory:
            Empirical(images).denoiser(process)(images[:64], 0.5)
        peaks.append(memory.peak)
    # a float64 copy of the images, or all their exponents, would take four times as much
    assert peaks[0] == peaks[1] > 64 * CHUNK


def test_fit_finds_mean_image_and_mode_variances():
    data = image((50, *SHAPE), 26)
    for basis in (Pixels(), Cosines(SHAPE), Osmotic(positive(SHAPE, 27, 5.0))):
        prior = GaussianPrior.fit(data, basis)
        np.testing.assert_allclose(prior.mean.numpy(), data.mean(0), atol=1e-12)
        modes = basis.analyse(torch.as_tensor(data)).numpy()
        np.testing.assert_allclose(prior.std.numpy()[0], modes.std(0), rtol=1e-9)


def test_samples_have_the_moments_of_the_prior(generator):
    basis = Cosines(SHAPE)
    std = 0.2 + image(SHAPE, 28) ** 2
    n = 40000
    drawn = GaussianPrior(image(SHAPE, 29), std, basis).sample(n, generator)
    assert drawn.shape == (n, *SHAPE)
    modes = basis.analyse(drawn - torch.as_tensor(image(SHAPE, 29))).numpy()
    assert (np.abs(modes.mean(0)) < 5 * std / math.sqrt(n)).all()
    np.testing.assert_allclose(modes.std(0), std, rtol=5 / math.sqrt(2 * n))
    mixture = (
        Mixture([1, 3], np.array([[[-1.0]], [[1.0]]]), [0.1, 0.2], Pixels())
        .sample(n, generator)
        .numpy()
        .ravel()
    )
    assert abs((mixture > 0).mean() - 0.75) < 5 * math.sqrt(0.75 * 0.25 / n)
    assert math.isclose(mixture[mixture > 0].std(), 0.2, rel_tol=0.03) and math.isclose(
        mixture[mixture < 0].std(), 0.1, rel_tol=0.03
    )
    drawn = Empirical(image((4, *SHAPE), 30)).sample(n, generator).numpy()
    counts = [(drawn == one).all((1, 2)).sum() for one in image((4, *SHAPE), 30)]
    assert sum(counts) == n and max(abs(c / n - 0.25) for c in counts) < 5 * math.sqrt(
        0.25 * 0.75 / n
    )


def test_samples_repeat_with_the_generator():
    for prior in priors_for(families.vp(), SHAPE):
        one, two, three = (
            prior.sample(5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
        )
        assert torch.equal(one, two) and not torch.equal(one, three)


# --- Gaussian data --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MILD)
def test_marginal_is_the_law_of_the_noisy_data(name):
    process = mild(name, SHAPE)
    std = 0.3 + image(SHAPE, 31) ** 2
    prior = GaussianPrior(image(SHAPE, 32), std, process.basis)
    G, S = gain_and_covariance(process, 0.6, SHAPE)
    found = prior.marginal(process, 0.6)
    np.testing.assert_allclose(found.mean.numpy().ravel(), G @ image(SHAPE, 32).ravel(), atol=1e-12)
    np.testing.assert_allclose(
        covariance(process.basis, found.std.numpy(), SHAPE),
        G @ covariance(process.basis, std, SHAPE) @ G.T + S,
        atol=1e-12,
    )


@pytest.mark.parametrize("name", MILD)
def test_reverse_kernel_is_the_conditional_of_the_joint_gaussian(name):
    process = mild(name, SHAPE)
    std = 0.3 + image(SHAPE, 33) ** 2
    prior, m = GaussianPrior(image(SHAPE, 34), std, process.basis), image(SHAPE, 34).ravel()
    C = covariance(process.basis, std, SHAPE)
    for s, t in ((0.2, 0.7), (0.0, 0.5), (0.5, 0.9)):
        Gs, Ss = gain_and_covariance(process, s, SHAPE)
        Gt, St = gain_and_covariance(process, t, SHAPE)
        step = Gt @ np.linalg.inv(Gs)
        now, later = Gs @ C @ Gs.T + Ss, Gt @ C @ Gt.T + St
        gain = now @ step.T @ np.linalg.inv(later)
        u = noise(SHAPE, 35)
        found = prior.reverse_kernel(process, s, t)(torch.as_tensor(u))
        np.testing.assert_allclose(
            found.mean.numpy().ravel(), Gs @ m + gain @ (u.ravel() - Gt @ m), atol=1e-8
        )
        np.testing.assert_allclose(
            covariance(process.basis, found.std.numpy(), SHAPE), now - gain @ step @ now, atol=1e-8
        )


@pytest.mark.parametrize("name", MILD)
def test_reverse_kernels_are_a_semigroup(name):
    process = mild(name, SHAPE)
    prior = GaussianPrior(image(SHAPE, 36), 0.3 + image(SHAPE, 37) ** 2, process.basis)
    both = prior.reverse_kernel(process, 0.1, 0.4) @ prior.reverse_kernel(process, 0.4, 0.8)
    assert both.isclose(prior.reverse_kernel(process, 0.1, 0.8))
    assert not both.isclose(prior.reverse_kernel(process, 0.1, 0.7))


def test_reverse_kernel_takes_many_times():
    process = families.vp()
    prior = GaussianPrior(image(SHAPE), 0.5, Pixels())
    s, t = torch.tensor([0.1, 0.2]), torch.tensor([0.5, 0.6])
    many = prior.reverse_kernel(process, s, t)(torch.as_tensor(noise((2, *SHAPE))))
    one = prior.reverse_kernel(process, 0.2, 0.6)(torch.as_tensor(noise((2, *SHAPE)))[1])
    torch.testing.assert_close(many.mean[1], one.mean)


# --- bases that fit -------------------------------------------------------------------------------


def test_vp_in_the_cosine_basis_is_the_wiener_filter():
    basis, process = Cosines(SHAPE), families.vp()
    std = 1 / np.sqrt(1 + basis.eigenvalues.numpy())
    prior, u = GaussianPrior(image(SHAPE), std, basis), noise(SHAPE)
    G, S = gain_and_covariance(process, 0.4, SHAPE)
    expected = posterior_mean(u.ravel(), image(SHAPE).ravel(), covariance(basis, std, SHAPE), G, S)
    np.testing.assert_allclose(
        prior.denoiser(process)(torch.as_tensor(u), 0.4).numpy().ravel(), expected, atol=1e-10
    )


def test_white_data_fit_every_orthonormal_process():
    prior, heat = GaussianPrior(image(SHAPE), 0.5, Pixels()), families.heat(SHAPE, 1.5, sigma=0.3)
    G, S = gain_and_covariance(heat, 0.4, SHAPE)
    u = noise(SHAPE)
    expected = posterior_mean(u.ravel(), image(SHAPE).ravel(), 0.25 * np.eye(12), G, S)
    np.testing.assert_allclose(
        prior.denoiser(heat)(torch.as_tensor(u), 0.4).numpy().ravel(), expected, atol=1e-10
    )


@pytest.mark.parametrize(
    "std, process",
    [
        (0.3 + image(SHAPE) ** 2, families.heat(SHAPE)),  # pixels of unequal variance under a blur
        (0.5, families.osmotic(positive(SHAPE, 1, 5.0), 1.0)),  # not orthonormal
    ],
)
def test_bases_that_do_not_fit_are_refused(std, process):
    for prior in (
        GaussianPrior(image(SHAPE), std, Pixels()),
        Mixture([1], image((1, *SHAPE)), std, Pixels()),
    ):
        with pytest.raises(ValueError, match="basis"):
            prior.denoiser(process)
        with pytest.raises(ValueError, match="basis"):
            prior.log_density(process, image(SHAPE), 0.5)


@pytest.mark.parametrize("size", [1e-100, 1e-10, 1.0, 1e10])
def test_data_of_every_size_keep_their_nearest_image(size):
    """Where σ = 0 or is tiny against the data: nothing is an absolute number."""
    data = size * torch.as_tensor(image((4, 3, 4), 40))
    u, vp = 0.9 * data[:2] + 0.1 * data[2:], families.vp()
    torch.testing.assert_close(Empirical(data).denoiser(vp)(u, 0.0), data[:2], rtol=1e-12, atol=0)
    points = Mixture([0.25] * 4, data, 0.0, Pixels())
    torch.testing.assert_close(points.denoiser(vp)(u, 0.0), data[:2], rtol=1e-12, atol=0)
    wide = GaussianPrior(0 * data[0], size, Pixels())
    torch.testing.assert_close(wide.denoiser(vp)(u, 0.0), u, rtol=1e-12, atol=0)


def test_densities_of_points_agree_at_tiny_noise():
    data, vp, t = torch.as_tensor(image((3, 3, 4), 41)), families.vp(), 1e-20
    u = vp.sample(data, t, torch.Generator().manual_seed(0))
    points = Mixture([1 / 3] * 3, data, 0.0, Pixels()).log_density(vp, u, t)
    torch.testing.assert_close(Empirical(data).log_density(vp, u, t), points, rtol=1e-6, atol=0)


def test_a_prior_keeps_its_numbers():
    means = np.zeros((2, 3, 4))
    prior = Mixture([0.5, 0.5], means, 1.0, Pixels())
    means += 1
    assert (prior.means == 0).all()
