"""Colour in the priors: channels share basis, times and coefficients; references in plain NumPy."""

import math

import numpy as np
import pytest
import torch
from reference import cosine_matrix, eigenvalues, image, noise, positive

from dpss import families, measures, reverse
from dpss.bases import Cosines, Osmotic, Pixels
from dpss.priors import CHUNK, Empirical, GaussianPrior, Mixture
from dpss.processes import Process

CHANNELS, SHAPE = 3, (3, 4)
EVENT, N = (CHANNELS, *SHAPE), SHAPE[0] * SHAPE[1]
GUIDE = positive(SHAPE, 4, 5.0)

PROCESSES = {
    "vp": families.vp(),
    "ve": families.ve(0.1, 5.0),
    "heat": families.heat(SHAPE, 1.5, sigma=0.3),
    "blurring": families.blurring(SHAPE, 1.5),
    "osmotic": families.osmotic(GUIDE, 1.0, 0.3),
}


def matrices(name, t):
    """Gain G and covariance Σ of one channel, dense and, but for two, from the formulas."""
    cosines, rates = cosine_matrix(*SHAPE), eigenvalues(*SHAPE).ravel()
    if name == "vp":
        a = math.exp(-0.5 * (0.1 * t + 0.5 * 19.9 * t * t))
        return a * np.eye(N), (1 - a * a) * np.eye(N)
    if name == "ve":
        return np.eye(N), 0.01 * (50 ** (2 * t) - 1) * np.eye(N)
    if name == "heat":
        decay = np.exp(-rates * 0.5 * (1.5 * math.sin(math.pi * t / 2) ** 2) ** 2)
        return cosines.T @ np.diag(decay) @ cosines, 0.09 * np.eye(N)
    process = PROCESSES[name]
    inverse = dense(process.basis)
    gain, std = (
        np.diag(np.broadcast_to(c.numpy(), SHAPE).ravel())
        for c in (process.signal(t), process.noise(t))
    )
    return inverse @ gain @ np.linalg.inv(inverse), inverse @ std**2 @ inverse.T


def dense(basis):
    """B⁻¹ of one channel: its columns are the synthesised unit modes."""
    unit = torch.eye(N, dtype=torch.float64).reshape(N, *SHAPE)
    return basis.synthesise(unit).reshape(N, N).T.numpy()


def log_normal(u, mean, covariance):
    gap = u - mean
    _, log_det = np.linalg.slogdet(2 * np.pi * covariance)
    return -0.5 * (gap @ np.linalg.solve(covariance, gap) + log_det)


def shares_of(logs):
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def in_pixels(basis, std):
    """Covariance B⁻¹ diag(s²) B⁻ᵀ of one channel."""
    inverse = dense(basis)
    return inverse @ np.diag(np.broadcast_to(std, SHAPE).ravel() ** 2) @ inverse.T


@pytest.mark.parametrize("name", PROCESSES)
def test_empirical_sums_over_channels(name):
    data, u, process = image((6, *EVENT), 1), noise(EVENT, 2), PROCESSES[name]
    prior = Empirical(data)
    for t in (0.2, 0.8):
        G, S = matrices(name, t)
        logs = np.array(
            [
                sum(log_normal(u[c].ravel(), G @ m[c].ravel(), S) for c in range(CHANNELS))
                for m in data
            ]
        )
        expected = np.tensordot(shares_of(logs), data, 1)
        found = prior.denoiser(process)(torch.as_tensor(u), t).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
        density = np.logaddexp.reduce(logs) - math.log(6)
        assert math.isclose(prior.log_density(process, u, t).item(), density, rel_tol=1e-9)


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("per", ["channel and mode", "mode", "channel", "nothing"])
def test_gaussian_channels_are_independent(name, per):
    process = PROCESSES[name]
    std = {
        "channel and mode": 0.3 + image(EVENT, 3) ** 2,
        "mode": 0.3 + image(SHAPE, 3) ** 2,
        "channel": np.array([0.2, 0.4, 0.9])[:, None, None],
        "nothing": 0.5,
    }[per]
    mean, u = image(EVENT, 5), noise(EVENT, 6)
    prior = GaussianPrior(mean, std, process.basis)
    stds = np.broadcast_to(std, EVENT)
    for t in (0.05, 0.5, 0.9):
        G, S = matrices(name, t)
        expected, density = np.empty(EVENT), 0.0
        for c in range(CHANNELS):
            C, m = in_pixels(process.basis, stds[c]), mean[c].ravel()
            V, gap = G @ C @ G.T + S, u[c].ravel() - G @ m
            expected[c] = (m + C @ G.T @ np.linalg.solve(V, gap)).reshape(SHAPE)
            density += log_normal(u[c].ravel(), G @ m, V)
        found = prior.denoiser(process)(torch.as_tensor(u), t).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)
        assert math.isclose(prior.log_density(process, u, t).item(), density, rel_tol=1e-9)


def test_the_components_of_a_mixture_are_told_by_all_channels():
    name, weights, means = "heat", np.array([0.3, 0.7]), image((2, *EVENT), 7)
    process, u, t = PROCESSES[name], noise(EVENT, 8), 0.4
    stds = 0.2 + image((2, *EVENT), 9) ** 2
    G, S = matrices(name, t)
    logs, estimates = np.log(weights), np.empty((2, *EVENT))
    for j in range(2):
        for c in range(CHANNELS):
            C, m = in_pixels(process.basis, stds[j, c]), means[j, c].ravel()
            V, gap = G @ C @ G.T + S, u[c].ravel() - G @ m
            estimates[j, c] = (m + C @ G.T @ np.linalg.solve(V, gap)).reshape(SHAPE)
            logs[j] += log_normal(u[c].ravel(), G @ m, V)
    prior = Mixture(weights, means, stds, process.basis)
    found = prior.denoiser(process)(torch.as_tensor(u), t).numpy()
    np.testing.assert_allclose(found, np.tensordot(shares_of(logs), estimates, 1), rtol=1e-8)
    density = np.logaddexp.reduce(logs)
    assert math.isclose(prior.log_density(process, u, t).item(), density, rel_tol=1e-9)
    one = Mixture(weights, means, [0.2, 0.6], process.basis)  # a number for each component
    same = np.broadcast_to(np.array([0.2, 0.6])[:, None, None, None], (2, *EVENT))
    torch.testing.assert_close(one.std.expand(2, *EVENT), torch.as_tensor(same.copy()))


def priors(basis, event, seed=10):
    """One of each kind; grey ones and colour ones alike."""
    std = 0.3 + image(event, seed) ** 2
    return [
        GaussianPrior(image(event, seed + 1), std, basis),
        Empirical(image((5, *event), seed + 2)),
        Mixture([1, 2], image((2, *event), seed + 3), [0.3, 0.6], basis),
    ]


@pytest.mark.parametrize("name", PROCESSES)
def test_one_channel_is_grey(name):
    process, t = PROCESSES[name], torch.tensor([0.2, 0.7], dtype=torch.float64)
    u = torch.as_tensor(noise((2, 1, *SHAPE), 14))
    grey_ones = priors(process.basis, SHAPE)
    for grey, colour in zip(grey_ones, priors(process.basis, (1, *SHAPE))):
        found = colour.denoiser(process)(u, t)
        torch.testing.assert_close(found[:, 0], grey.denoiser(process)(u[:, 0], t))
        torch.testing.assert_close(
            colour.log_density(process, u, t), grey.log_density(process, u[:, 0], t)
        )


def test_copies_of_a_channel_are_as_many_looks_at_one_image():
    """Three equal channels, seen through equal noise, weigh as one of a third of the variance."""
    data, u = image((6, *SHAPE), 15), noise(SHAPE, 16)
    process = Process(Pixels(), lambda t: -t, lambda t: t)
    third = Process(Pixels(), lambda t: -t, lambda t: t / math.sqrt(3))
    copies = np.stack([data] * 3, 1)
    found = Empirical(copies).denoiser(process)(torch.as_tensor(np.stack([u] * 3)), 0.6)
    expected = Empirical(data).denoiser(third)(torch.as_tensor(u), 0.6)
    for channel in found:
        torch.testing.assert_close(channel, expected)
    wiener = GaussianPrior(data[0], 0.3 + image(SHAPE, 17) ** 2, Pixels())  # no channel tells more
    three = GaussianPrior(copies[0], wiener.std[0], Pixels())
    found = three.denoiser(process)(torch.as_tensor(np.stack([u] * 3)), 0.6)
    for channel in found:
        torch.testing.assert_close(channel, wiener.denoiser(process)(torch.as_tensor(u), 0.6))


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("images", [2, CHANNELS])  # as many images as channels: nothing mixes
def test_channels_share_the_time_of_their_image(name, images):
    process = PROCESSES[name]
    times = torch.linspace(0.2, 0.8, images, dtype=torch.float64)
    u = torch.as_tensor(noise((images, 2, *EVENT), 18))
    for prior in priors(process.basis, EVENT):
        D = prior.denoiser(process)
        every, density = D(u, times), prior.log_density(process, u, times)
        assert every.shape == u.shape and density.shape == (images, 2)
        for i in range(images):
            for j in range(2):
                one = D(u[i, j], times[i].item())
                torch.testing.assert_close(every[i, j], one)
                one = prior.log_density(process, u[i, j], times[i].item())
                torch.testing.assert_close(density[i, j], one)
        many = D(u[0, 0], times)  # one image at many times
        assert many.shape == (images, *EVENT)
        assert prior.log_density(process, u[0, 0], times).shape == (images,)
        torch.testing.assert_close(many[1], D(u[0, 0], times[1].item()))


@pytest.mark.parametrize("name", PROCESSES)
def test_score_by_tweedie_is_the_gradient_of_the_log_density(name):
    process, times = PROCESSES[name], torch.tensor([0.1, 0.4, 0.9], dtype=torch.float64)
    for prior in priors(process.basis, EVENT):
        u = torch.as_tensor(noise((3, *EVENT), 19)).requires_grad_(True)
        (gradient,) = torch.autograd.grad(prior.log_density(process, u, times).sum(), u)
        score = process.score(prior.denoiser(process)(u.detach(), times), u.detach(), times)
        torch.testing.assert_close(score, gradient, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("n", [1, CHUNK + 1])
def test_chunks_do_not_show(n):
    data, u = 0.1 * image((n, 2, 2, 3), 20), 0.5 * noise((4, 2, 2, 3), 21)
    process = families.ve(0.1, 5.0)
    variance = process.noise(0.3).item() ** 2
    gaps = ((u[:, None] - data) ** 2).sum((-3, -2, -1)) / (2 * variance)
    shares = np.exp(gaps.min(1, keepdims=True) - gaps)
    shares /= shares.sum(1, keepdims=True)
    found = Empirical(data).denoiser(process)(torch.as_tensor(u), 0.3).numpy()
    np.testing.assert_allclose(found, np.einsum("ij,jcyx->icyx", shares, data), rtol=1e-9)


def test_types_and_both_ends_of_time():
    data = image((7, *EVENT), 22)
    for name, process in PROCESSES.items():
        D = Empirical(data).denoiser(process)
        torch.testing.assert_close(D(torch.as_tensor(data), 0.0), torch.as_tensor(data))
        for prior in priors(process.basis, EVENT):
            found = prior.denoiser(process)(torch.as_tensor(data).float(), 1.0)
            assert found.dtype == torch.float32 and found.isfinite().all(), name


def test_samples_have_the_moments_of_the_prior(generator):
    n, std = 20000, 0.2 + image(EVENT, 23) ** 2
    mean = image(EVENT, 24)
    drawn = GaussianPrior(mean, std, Cosines(SHAPE)).sample(n, generator)
    assert drawn.shape == (n, *EVENT)
    modes = Cosines(SHAPE).analyse(drawn - torch.as_tensor(mean)).numpy()
    assert (np.abs(modes.mean(0)) < 5 * std / math.sqrt(n)).all()
    np.testing.assert_allclose(modes.std(0), std, rtol=5 / math.sqrt(2 * n))
    across = (modes[:, 0] * modes[:, 1]).mean(0) / (std[0] * std[1])
    assert np.abs(across).max() < 5 / math.sqrt(n)  # channels are independent
    data = image((4, *EVENT), 25)
    assert {tuple(u.ravel()) for u in Empirical(data).sample(50, generator).numpy()} == {
        tuple(u.ravel()) for u in data
    }


def test_fit_finds_the_moments_of_each_channel():
    data = image((50, *EVENT), 26)
    for basis in (Pixels(), Cosines(SHAPE), Osmotic(GUIDE)):
        prior = GaussianPrior.fit(data, basis)
        np.testing.assert_allclose(prior.mean, data.mean(0), atol=1e-12)
        for c in range(CHANNELS):
            alone = GaussianPrior.fit(data[:, c], basis)
            torch.testing.assert_close(prior.std[0, c], alone.std[0])


# --- Gaussian data: each channel is a grey prior of its own --------------------------------------

TIMES = {
    "one time": (0.2, 0.7),
    "as many as channels": ([0.1, 0.2, 0.3], [0.5, 0.6, 0.9]),
    "two": ([0.1, 0.2], [0.5, 0.6]),
    "from one": (0.1, [0.5, 0.9]),
}


def alone(prior, c):
    std = prior.std[0].expand(prior.std.shape[1], *SHAPE)
    return GaussianPrior(prior.mean[c], std[c if len(std) > 1 else 0], prior.basis)


def gaussian_priors(process):
    yield GaussianPrior(image(EVENT, 27), 0.3 + image(EVENT, 28) ** 2, process.basis)
    yield GaussianPrior(image(EVENT, 29), 0.5, process.basis)


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("times", TIMES)
def test_marginals_are_those_of_the_channels(name, times):
    process, t = PROCESSES[name], torch.tensor(TIMES[times][1], dtype=torch.float64)
    for prior in gaussian_priors(process):
        found = prior.marginal(process, t)
        assert found.mean.shape == (*t.shape, *EVENT)
        entropies = 0.0
        for c in range(CHANNELS):
            one = alone(prior, c).marginal(process, t)
            torch.testing.assert_close(found.mean[..., c, :, :], one.mean)
            std = found.std.expand(found.mean.shape)[..., c, :, :]
            torch.testing.assert_close(std, one.std.expand(one.mean.shape))
            entropies = entropies + one.entropy()
        if name != "osmotic":  # batch-shaped: an axis of channels is one of the batch
            torch.testing.assert_close(found.entropy().sum(-1), entropies)


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("batch", [(), (CHANNELS,), (2, CHANNELS)])  # as many: nothing mixes
def test_reverse_kernels_are_those_of_the_channels(name, times, batch):
    process = PROCESSES[name]
    s, t = (torch.tensor(x, dtype=torch.float64) for x in TIMES[times])
    batch = (*t.shape, *batch[1:]) if t.ndim else batch  # times go along its first axis
    for prior in gaussian_priors(process):
        u = torch.as_tensor(noise((*batch, *EVENT), 30))
        found = prior.reverse_kernel(process, s, t)(u)
        for c in range(CHANNELS):
            one = alone(prior, c).reverse_kernel(process, s, t)(u[..., c, :, :])
            torch.testing.assert_close(found.mean[..., c, :, :], one.mean)
            std = found.std.expand(found.mean.shape)[..., c, :, :]
            torch.testing.assert_close(std, one.std.expand(one.mean.shape))


@pytest.mark.parametrize("name", PROCESSES)
def test_reverse_kernels_are_a_semigroup(name):
    process = PROCESSES[name]
    for prior in gaussian_priors(process):
        both = prior.reverse_kernel(process, 0.1, 0.4) @ prior.reverse_kernel(process, 0.4, 0.8)
        assert both.isclose(prior.reverse_kernel(process, 0.1, 0.8))
        assert not both.isclose(prior.reverse_kernel(process, 0.1, 0.7))
        u = torch.as_tensor(noise((CHANNELS, *EVENT), 31))
        direct = prior.reverse_kernel(process, 0.1, 0.8)(u)
        torch.testing.assert_close(both(u).mean, direct.mean)
        with pytest.raises(ValueError, match="colour images with 3 channels"):
            both(u[0, 0])
        with pytest.raises(ValueError, match="earlier has 2 axes"):
            both @ alone(prior, 0).reverse_kernel(process, 0.8, 0.9)


@pytest.mark.parametrize("name", PROCESSES)
def test_information_of_colour_is_the_sum_over_channels(name):
    process = PROCESSES[name]
    for prior in gaussian_priors(process):
        for t in (0.3, torch.tensor([0.2, 0.5, 0.9])):  # as many times as channels
            parts = [
                measures.mutual_information(process, alone(prior, c), t) for c in range(CHANNELS)
            ]
            found = measures.mutual_information(process, prior, t)
            torch.testing.assert_close(found, sum(parts))


# --- use ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vp", "blurring"])
def test_samplers_run_on_colour(name, generator):
    process, data = PROCESSES[name], torch.as_tensor(image((5, *EVENT), 32)).float()
    D = Empirical(data).denoiser(process)
    start = process.steady_state((4, *EVENT), torch.float32).sample(generator)
    found = reverse.sample(process, D, start, torch.linspace(1, 0, 41), generator=generator)
    gaps = (found[:, None] - data).abs().amax((-3, -2, -1))
    assert found.shape == (4, *EVENT) and (gaps.amin(1) < 1e-2).all()  # whole images, not channels


@pytest.mark.parametrize("shape", [SHAPE, (2, *SHAPE), (CHANNELS, 4, 3), (1, *SHAPE)])
def test_other_channels_and_grids_are_refused_by_name(shape):
    process, u = PROCESSES["vp"], torch.zeros(shape)
    for prior in priors(Pixels(), EVENT):
        for call in (prior.denoiser(process), lambda u, t, p=prior: p.log_density(process, u, t)):
            with pytest.raises(ValueError, match=r"u has shape .*needed: \(\.\.\., 3, 3, 4\)"):
                call(u, 0.5)


@pytest.mark.parametrize(
    "name, call",
    [
        ("std", lambda: GaussianPrior(np.zeros(EVENT), np.ones(4), Pixels())),
        ("std", lambda: GaussianPrior(np.zeros(EVENT), np.ones((2, *SHAPE)), Pixels())),
        ("std", lambda: GaussianPrior(np.zeros(EVENT), np.ones((1, *EVENT)), Pixels())),
        ("std", lambda: Mixture([1, 1], np.zeros((2, *EVENT)), np.ones((2, *SHAPE)), Pixels())),
        ("means", lambda: Mixture([1], np.zeros((1, 1, *EVENT)), 0.1, Pixels())),
        ("mean", lambda: GaussianPrior(np.zeros((1, *EVENT)), 0.1, Pixels())),
        ("images", lambda: Empirical(np.zeros((2, 2, *EVENT)))),
        ("images", lambda: GaussianPrior.fit(np.zeros((2, 2, *EVENT)), Pixels())),
    ],
)
def test_shapes_that_do_not_fit_are_refused_by_name(name, call):
    with pytest.raises(ValueError, match=rf"^{name} has shape .*needed"):
        call()
