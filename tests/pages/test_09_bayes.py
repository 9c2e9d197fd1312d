"""Bayes' rule for diffusion processes: dense algebra, quadrature, brute force, claim by claim."""

import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import torch
from catalogue import mild
from matrices import covariance, gain_and_covariance, matrix, units
from reference import image, noise

from dpss import families, images, measures, reverse
from dpss.bases import Cosines, Pixels
from dpss.priors import Empirical, GaussianPrior, Mixture
from dpss.processes import Process

SHAPE = (2, 3)
N = SHAPE[0] * SHAPE[1]


NAMES = ("vp", "sub_vp", "ve", "heat", "blurring", "osmotic")


def tensor(array):
    return torch.as_tensor(np.asarray(array, dtype=np.float64))


# --- D1 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_one_step_back_given_both_ends_and_the_chain_read_backwards(name):
    """Conditioning of the joint Gaussian of (U_r, U_s, U_t), full matrices in pixels."""
    process, (r, s, t) = mild(name, SHAPE), (0.15, 0.35, 0.7)
    u0, ut = image(SHAPE, 1), noise(SHAPE, 2)
    (Gr, Sr), (Gs, Ss), (Gt, St) = (gain_and_covariance(process, x, SHAPE) for x in (r, s, t))
    step, early = Gt @ np.linalg.inv(Gs), Gs @ np.linalg.inv(Gr)  # gains of the forward chain
    across = Ss @ step.T  # Cov(U_s, U_t | u_0)
    mean = Gs @ u0.ravel() + across @ np.linalg.solve(St, ut.ravel() - Gt @ u0.ravel())
    law = process.posterior(u0, ut, s, t)
    np.testing.assert_allclose(law.mean.numpy().ravel(), mean, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(
        covariance(process.basis, law.std, SHAPE),
        Ss - across @ np.linalg.solve(St, across.T),
        rtol=1e-6,
        atol=1e-8,
    )
    # backwards Markov: given U_s, nothing of U_t helps to predict U_r (data of covariance C)
    C = np.cov(noise((N, 40), 3))
    Vr, Vs = Gr @ C @ Gr.T + Sr, Gs @ C @ Gs.T + Ss
    rs, st, rt = Vr @ early.T, Vs @ step.T, Vr @ early.T @ step.T
    np.testing.assert_allclose(rt - rs @ np.linalg.solve(Vs, st), 0, atol=1e-10)
    # the mean of p(u_s | u_t) is the mean of p(u_s | u_t, u_0) over the starts that fit
    Vt = Gt @ C @ Gt.T + St
    fitting = C @ Gt.T @ np.linalg.solve(Vt, ut.ravel())
    direct = st @ np.linalg.solve(Vt, ut.ravel())
    drawn = process.posterior(fitting.reshape(SHAPE), ut, s, t).mean
    np.testing.assert_allclose(drawn.numpy().ravel(), direct, rtol=1e-6, atol=1e-7)
    # and so is its covariance: that of the posterior, and what its mean makes of doubt in the start
    doubt = C - C @ Gt.T @ np.linalg.solve(Vt, Gt @ C)
    weight = matrix(process.posterior(units(SHAPE), 0 * units(SHAPE), s, t).mean)
    both = covariance(process.basis, law.std, SHAPE) + weight @ doubt @ weight.T
    np.testing.assert_allclose(both, Vs - st @ np.linalg.solve(Vt, st.T), rtol=1e-6, atol=1e-7)


def test_a_path_has_the_law_of_the_step_back(generator):
    process = families.ve(0.1, 3.0)
    start = torch.full((60_000, 1, 1), 0.4, dtype=torch.float64)
    middle, late = process.path(start, [0.4, 0.7], generator)
    law = process.posterior(start, late, 0.4, 0.7)
    z = ((middle - law.mean) / law.std).flatten()
    assert scipy.stats.kstest(z.numpy(), "norm").pvalue > 0.01
    assert abs(np.corrcoef(z, late.flatten())[0, 1]) < 0.02
    # read backwards, starts of variance 1: the last state does not help to predict the first
    start = torch.randn(60_000, 1, 1, generator=generator, dtype=torch.float64)
    first, middle, late = (
        x.flatten().numpy() for x in process.path(start, [0.2, 0.4, 0.7], generator)
    )
    rest, news = (x - np.mean(x * middle) / np.mean(middle**2) * middle for x in (first, late))
    assert abs(np.corrcoef(rest, news)[0, 1]) < 0.02  # five standard deviations
    # the impostor: one noise for all times
    one = torch.randn(start.shape, generator=generator, dtype=torch.float64)
    first, middle, late = (
        (start + process.noise(x) * one).flatten().numpy() for x in (0.2, 0.4, 0.7)
    )
    rest, news = (x - np.mean(x * middle) / np.mean(middle**2) * middle for x in (first, late))
    assert abs(np.corrcoef(rest, news)[0, 1]) > 0.5
    fake = process.posterior(start, start + process.noise(0.7) * one, 0.4, 0.7)
    z = ((start + process.noise(0.4) * one - fake.mean) / fake.std).flatten()
    assert z.std() > 1.05 or z.std() < 0.95


# --- D2 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_tweedie_first_and_second_order_by_finite_differences(name):
    """log p_t of five images by a sum of dense Gaussians, differentiated by central differences."""
    process, t, data = mild(name, SHAPE), 0.55, image((5, *SHAPE), 6)
    G, S = gain_and_covariance(process, t, SHAPE)
    inverse = matrix(process.basis.synthesise(units(SHAPE)))
    B = np.linalg.inv(inverse)

    def log_p(u):
        return np.logaddexp.reduce(
            [scipy.stats.multivariate_normal(G @ x.ravel(), S).logpdf(u) for x in data]
        )

    u, h = (
        G @ data[2].ravel() + 0.3 * np.linalg.cholesky(S) @ noise(N, 7),
        1e-4 * math.sqrt(np.diag(S).min()),
    )
    gradient = np.array([(log_p(u + h * e) - log_p(u - h * e)) / (2 * h) for e in np.eye(N)])
    D = Empirical(tensor(data)).denoiser(process)
    found = (
        process.score(D(tensor(u.reshape(SHAPE)), t), tensor(u.reshape(SHAPE)), t).numpy().ravel()
    )
    np.testing.assert_allclose(found, gradient, rtol=1e-4, atol=1e-4 * np.abs(gradient).max())
    # second order, in modes: the Jacobian of the denoiser is the covariance of the images that fit
    alpha, sigma = (
        np.broadcast_to(c.numpy(), SHAPE).ravel() for c in (process.signal(t), process.noise(t))
    )
    fit = np.array([scipy.stats.multivariate_normal(G @ x.ravel(), S).logpdf(u) for x in data])
    weight = np.exp(fit - np.logaddexp.reduce(fit))
    modes = data.reshape(5, N) @ B.T
    spread = (modes - weight @ modes).T @ (weight[:, None] * (modes - weight @ modes))
    assert np.abs(spread).max() > 1e-3
    columns = [inverse @ (h * e / np.abs(inverse @ e).max()) for e in np.eye(N)]
    sizes = [h / np.abs(inverse @ e).max() for e in np.eye(N)]
    jacobian = np.stack(
        [
            B
            @ (D(tensor((u + c).reshape(SHAPE)), t) - D(tensor((u - c).reshape(SHAPE)), t))
            .numpy()
            .ravel()
            / (2 * size)
            for c, size in zip(columns, sizes)
        ],
        1,
    )
    np.testing.assert_allclose(
        jacobian * sigma**2 / alpha, spread, rtol=1e-4, atol=1e-4 * np.abs(spread).max()
    )
    hessian = torch.autograd.functional.hessian(
        lambda y: Empirical(tensor(data)).log_density(
            process, process.basis.synthesise(y.reshape(SHAPE)), t
        ),
        tensor(B @ u),
    ).numpy()
    second = np.diag(sigma**2) + np.outer(sigma**2, sigma**2) * hessian
    np.testing.assert_allclose(
        second / np.outer(alpha, alpha), spread, rtol=1e-6, atol=1e-8 * np.abs(spread).max()
    )


def test_tweedie_needs_gaussian_noise():
    """Uniform noise on a standard normal pixel: E[U_0|u] is not u + Var(noise) (log p)'."""
    u, x = 1.0, np.linspace(0.0, 2.0, 20001)  # U_0 lies in [u − 1, u + 1]
    mean = np.trapezoid(x * scipy.stats.norm.pdf(x), x) / np.trapezoid(scipy.stats.norm.pdf(x), x)
    slope = (scipy.stats.norm.pdf(2.0) - scipy.stats.norm.pdf(0.0)) / (
        scipy.stats.norm.cdf(2.0) - scipy.stats.norm.cdf(0.0)
    )
    assert abs(mean - (u + slope / 3)) > 0.02


# --- D3 -------------------------------------------------------------------------------------------


def lumps():
    return Mixture([0.4, 0.6], tensor([-0.7, 0.5]).reshape(2, 1, 1), [0.1, 0.2], Pixels())


def test_least_squares_finds_the_denoiser(generator):
    """Regression on step functions of the state: the best is the mean of clean values in a bin."""
    process, t = families.vp(), 0.15
    clean = lumps().sample(400_000, generator)
    noisy = process.sample(clean, t, generator)
    D = lumps().denoiser(process)(noisy, t).flatten().numpy()
    clean, noisy = clean.flatten().numpy(), noisy.flatten().numpy()
    bins = np.clip(((noisy + 1.5) / 0.02).astype(int), 0, 149)
    count = np.bincount(bins, minlength=150).clip(1)
    learnt = (np.bincount(bins, clean, 150) / count)[bins]
    assert np.mean((learnt - D) ** 2) < 5e-4 < 0.1 * np.mean((clean - D) ** 2)
    # every other function pays for its distance from D
    for other in (0.8 * noisy, np.sign(noisy) * 0.6, np.tanh(3 * noisy), learnt):
        excess = np.mean((clean - other) ** 2) - np.mean((clean - D) ** 2)
        assert abs(excess - np.mean((other - D) ** 2)) < 2e-3
    # the target of score matching has the score for its mean, in every bin that many states visit
    alpha, sigma = process.signal(t).item(), process.noise(t).item()
    target = (alpha * clean - noisy) / sigma**2
    score = process.score(tensor(D[:, None, None]), tensor(noisy[:, None, None]), t)
    score = score.numpy().ravel()
    gap = (np.bincount(bins, target, 150) - np.bincount(bins, score, 150)) / count
    assert np.abs(gap[count > 3000]).max() < 0.25 and np.abs(score).max() > 3


def test_the_best_line_per_mode_is_the_wiener_filter_of_the_clothes():
    clothes = torch.from_numpy(images.fashion("train")[0])[:2000].double()
    process, basis, t = families.heat((28, 28), sigma=0.2), Cosines((28, 28)), 0.4
    noisy = process.sample(clothes, t, torch.Generator().manual_seed(1))
    prior = GaussianPrior.fit(clothes, basis)
    error = lambda estimate: (estimate - clothes).square().sum((1, 2)).mean().item()
    best = error(prior.denoiser(process)(noisy, t))
    Y, X = basis.analyse(noisy), basis.analyse(clothes)
    slope = ((X - X.mean(0)) * (Y - Y.mean(0))).mean(0) / (Y - Y.mean(0)).square().mean(
        0
    )  # fitted to these very pairs
    fitted = error(basis.synthesise(X.mean(0) + slope * (Y - Y.mean(0))))
    assert fitted <= best < 1.02 * fitted
    for factor in (0.9, 1.1):
        filtered = basis.analyse(prior.denoiser(process)(noisy, t) - clothes.mean(0)) * factor
        assert error(basis.synthesise(filtered) + clothes.mean(0)) > 1.005 * best


def test_no_weights_on_modes_or_times_move_the_least_error(generator):
    """Two pixels, two lumps, heat: each mode and each time for itself obeys Pythagoras' theorem."""
    process = families.heat((1, 2), 1.0, sigma=0.4)
    means = tensor([[[-0.8, 0.1]], [[0.6, 0.5]]])
    prior = Mixture([0.4, 0.6], means, 0.15, Cosines((1, 2)))
    clean = prior.sample(100_000, generator)
    modes = lambda u: process.basis.analyse(u).reshape(-1, 2)
    for t in (0.3, 0.7):
        noisy = process.sample(clean, t, generator)
        X, D = modes(clean), modes(prior.denoiser(process)(noisy, t))
        gain = 0.9 * process.signal(t).reshape(-1)
        for other in (modes(noisy) * gain, D + 0.2, 0.7 * D):
            excess = ((X - other) ** 2).mean(0) - ((X - D) ** 2).mean(0)
            distance = ((D - other) ** 2).mean(0)
            assert distance.min() > 0.01
            torch.testing.assert_close(excess, distance, rtol=0.05, atol=0.005)


# --- D4 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_wiener_filter_and_gaussian_step_back(name):
    """Dense conditioning in pixels: mean of U_0, and mean and covariance of U_s, given U_t."""
    process, (s, t) = mild(name, SHAPE), (0.3, 0.65)
    m, std, u = image(SHAPE, 8), 0.4 + image(SHAPE, 9) ** 2, noise(SHAPE, 10)
    prior = GaussianPrior(m, std, process.basis)
    (Gs, Ss), (Gt, St) = (gain_and_covariance(process, x, SHAPE) for x in (s, t))
    C = covariance(process.basis, std, SHAPE)
    Vs, Vt, step = Gs @ C @ Gs.T + Ss, Gt @ C @ Gt.T + St, Gt @ np.linalg.inv(Gs)
    gap = np.linalg.solve(Vt, u.ravel() - Gt @ m.ravel())
    found = prior.denoiser(process)(tensor(u), t).numpy().ravel()
    np.testing.assert_allclose(found, m.ravel() + C @ Gt.T @ gap, rtol=1e-7, atol=1e-8)
    # the variance of the start given the state, from the slope of the filter (D2)
    slope = matrix(prior.denoiser(process)(units(SHAPE), t)).T - prior.denoiser(process)(
        torch.zeros(SHAPE, dtype=torch.float64), t
    ).numpy().reshape(1, -1)
    doubt = slope.T @ St @ np.linalg.inv(Gt).T
    exact = C - C @ Gt.T @ np.linalg.solve(Vt, Gt @ C)
    np.testing.assert_allclose(doubt, exact, rtol=1e-6, atol=1e-8)
    law = prior.reverse_kernel(process, s, t)(tensor(u))
    np.testing.assert_allclose(
        law.mean.numpy().ravel(), Gs @ m.ravel() + Vs @ step.T @ gap, rtol=1e-6, atol=1e-7
    )
    expected = Vs - Vs @ step.T @ np.linalg.solve(Vt, step @ Vs)
    np.testing.assert_allclose(
        covariance(process.basis, law.std, SHAPE), expected, rtol=1e-6, atol=1e-8
    )


def test_wiener_is_not_the_best_for_black_or_white():
    coin, process = Empirical(tensor([-1.0, 1.0]).reshape(2, 1, 1)), families.ve(0.1, 10.0)
    t = math.log(1 + 36.0) / (2 * math.log(100.0))  # σ = 0.6
    u = tensor(np.linspace(-6, 6, 6001)).reshape(-1, 1, 1)
    np.testing.assert_allclose(
        coin.denoiser(process)(u, t).numpy().ravel(), np.tanh(u.numpy().ravel() / 0.36), atol=1e-9
    )
    wiener = (
        GaussianPrior(torch.zeros(1, 1), 1.0, Pixels()).denoiser(process)(u, t).flatten().numpy()
    )
    u = u.numpy().ravel()
    p = scipy.stats.norm.pdf(u, 1, 0.6)  # the state of a white pixel; black by symmetry
    errors = [np.trapezoid((1 - D) ** 2 * p, u) for D in (np.tanh(u / 0.36), wiener)]
    assert errors[1] - errors[0] > 0.09


# --- D5 -------------------------------------------------------------------------------------------


def test_responsibilities_weigh_filters_and_covariances():
    process, t, basis = families.blurring(SHAPE, 1.5), 0.45, Cosines(SHAPE)
    means, stds, weights = (
        image((3, *SHAPE), 11),
        0.2 + image((3, *SHAPE), 12) ** 2,
        np.array([0.2, 0.5, 0.3]),
    )
    u = noise(SHAPE, 13) * 0.8
    G, S = gain_and_covariance(process, t, SHAPE)
    logs, D, posterior = [], [], []
    for m, std, w in zip(means, stds, weights):
        C = covariance(basis, std, SHAPE)
        V = G @ C @ G.T + S
        logs.append(
            math.log(w) + scipy.stats.multivariate_normal(G @ m.ravel(), V).logpdf(u.ravel())
        )
        D.append(m.ravel() + C @ G.T @ np.linalg.solve(V, u.ravel() - G @ m.ravel()))
        posterior.append(C - C @ G.T @ np.linalg.solve(V, G @ C))
    r, D = np.exp(np.array(logs) - np.logaddexp.reduce(logs)), np.array(D)
    assert r.max() < 0.98  # a real vote
    mixture = Mixture(weights, tensor(means), tensor(stds), basis)
    found = mixture.denoiser(process)(tensor(u), t).numpy().ravel()
    np.testing.assert_allclose(found, r @ D, rtol=1e-8, atol=1e-9)
    expected = sum(x * (P + np.outer(d - r @ D, d - r @ D)) for x, P, d in zip(r, posterior, D))
    # the same from the Jacobian of the denoiser, by D2: Cov = J G⁻¹… in pixels J S G⁻ᵀ
    jacobian = torch.autograd.functional.jacobian(
        lambda x: mixture.denoiser(process)(x.reshape(SHAPE), t).flatten(), tensor(u.ravel())
    )
    np.testing.assert_allclose(
        jacobian.numpy() @ S @ np.linalg.inv(G).T, expected, rtol=1e-6, atol=1e-8
    )


# --- D6 -------------------------------------------------------------------------------------------


def garments(n):
    return torch.from_numpy(images.fashion("train")[0])[:n].double()


@pytest.mark.parametrize("name", NAMES)
def test_the_memory_weighs_its_images_by_bayes_rule(name):
    process, t, data, u = mild(name, SHAPE), 0.5, image((5, *SHAPE), 21), noise(SHAPE, 22)
    G, S = gain_and_covariance(process, t, SHAPE)
    fit = [scipy.stats.multivariate_normal(G @ x.ravel(), S).logpdf(u.ravel()) for x in data]
    weight = np.exp(fit - np.logaddexp.reduce(fit))
    assert weight.max() < 0.999
    found = Empirical(tensor(data)).denoiser(process)(tensor(u), t).numpy()
    np.testing.assert_allclose(found, np.tensordot(weight, data, 1), rtol=1e-8, atol=1e-9)


def test_a_perfect_score_of_a_training_set_returns_it():
    """Samples of every start are training images; the cost of denoised states obeys the bound."""
    training, process = garments(120), families.vp()
    D, generator = Empirical(training).denoiser(process), torch.Generator().manual_seed(2)
    times = torch.linspace(1, 0, 41, dtype=torch.float64)
    for start in (
        torch.randn(12, 28, 28, generator=generator, dtype=torch.float64),
        torch.full((2, 28, 28), 4.0).double(),
    ):
        for eta in (0.0, 1.0):
            found = reverse.sample(process, D, start, times, eta, generator)
            gap = (found[:, None] - training).abs().amax((2, 3)).min(1).values
            assert gap.max() < 1e-6
    other = Mixture(torch.ones(120), training, 0.3, Pixels()).denoiser(
        process
    )  # a softer score does not copy
    found = reverse.sample(
        process,
        other,
        torch.randn(4, 28, 28, generator=generator, dtype=torch.float64),
        times,
        1.0,
        generator,
    )
    assert (found[:, None] - training).square().sum((2, 3)).min() > 4
    # W_2 between what D returns and the training set, by optimal assignment:
    # at most the error, at most Wiener's
    costs = []
    for s in (0.3, 0.42, 0.6):
        state = process.sample(training, s, generator)
        cost = (D(state, s)[:, None] - training).square().sum((2, 3)).numpy()
        variances = Cosines((28, 28)).analyse(training - training.mean(0)).square().mean(0)
        bound = (variances / (1 + process.snr(s) * variances)).sum().item()
        error = cost.diagonal().mean()
        rows, columns = scipy.optimize.linear_sum_assignment(cost)
        costs.append(cost[rows, columns].mean())
        assert costs[-1] <= error + 1e-9 and error <= bound < 0.8 * variances.sum()
    assert costs[0] < 1e-3 < 1 < costs[1] + costs[2]


def test_the_memory_tends_to_the_nearest_image_and_to_the_mean():
    training, x = garments(60), garments(61)[60]
    for process in (families.vp(), families.ve(0.01, 5e4), families.sub_vp()):
        D, fresh = Empirical(training).denoiser(process), torch.as_tensor(noise((28, 28), 14))
        early, middle, late = (
            D(process.signal(t) * x + process.noise(t) * fresh, t) for t in (0.01, 0.5, 1.0)
        )
        nearest = training[(training - x).square().sum((1, 2)).argmin()]
        torch.testing.assert_close(early, nearest, rtol=0, atol=1e-9)
        assert (late - training.mean(0)).abs().max() < 0.2
        assert (middle - training.mean(0)).abs().max() > 0.2
    # the weight of an image bounds the distance from it
    process, t = families.vp(), 0.5
    states = process.sample(training, t, torch.Generator().manual_seed(3))
    for state in states[:20]:
        fit = (
            -0.5
            * ((state - process.signal(t) * training) / process.noise(t))
            .square()
            .sum((1, 2))
            .numpy()
        )
        w = np.exp(fit - np.logaddexp.reduce(fit))
        away = (training - training[w.argmax()]).flatten(1).norm(dim=1).numpy()
        assert (Empirical(training).denoiser(process)(state, t) - training[w.argmax()]).norm() <= (
            1 - w.max()
        ) * away.max() + 1e-9


def test_on_unseen_garments_a_memory_loses_to_wiener_at_low_noise_and_wins_at_high_noise():
    train, unseen = (
        torch.from_numpy(images.fashion(split)[0]).double() for split in ("train", "test")
    )
    process, unseen = families.vp(), unseen[:150]
    priors = {
        "wiener": GaussianPrior.fit(train, Cosines((28, 28))),
        "memory": Empirical(train[:1000]),
    }
    errors = {}
    for t in (0.1, 0.6):
        u = process.sample(unseen, t, torch.Generator().manual_seed(4))
        for name, prior in priors.items():
            errors[name, t] = (
                (prior.denoiser(process)(u, t) - unseen).square().sum((1, 2)).mean().item()
            )
    assert errors["memory", 0.1] > 2 * errors["wiener", 0.1]
    assert errors["memory", 0.6] < 0.9 * errors["wiener", 0.6]


# --- N2 -------------------------------------------------------------------------------------------


def test_information_is_lost_at_the_rate_of_the_least_error():
    """A process with two modes of different SNR and two point masses: quadrature in the plane."""
    process, points = families.blurring((1, 2), 2.0), np.array([[0.9, -0.4], [-0.5, 0.7]])
    axis = np.linspace(-6, 6, 301)
    cell = (axis[1] - axis[0]) ** 2
    grid = tensor(np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 1, 2))
    data = Empirical(tensor(points[:, None]))
    modes = lambda u: process.basis.analyse(u).reshape(-1, 2)

    def both(t):
        p = data.log_density(process, grid, t).exp().numpy()
        G, S = gain_and_covariance(process, t, (1, 2))
        information = 0.0
        for x in points:
            kernel = scipy.stats.multivariate_normal(G @ x, S).pdf(grid.reshape(-1, 2).numpy())
            information += (
                0.5
                * np.sum(
                    np.where(kernel > 1e-300, kernel * np.log(np.maximum(kernel, 1e-300) / p), 0)
                )
                * cell
            )
        D = modes(data.denoiser(process)(grid, t)).numpy()
        second = (modes(tensor(points[:, None])) ** 2).mean(0).numpy()
        return information, second - (p[:, None] * D**2).sum(0) * cell  # E Var = E X² − E D²

    h = 1e-3
    for t in (0.4, 0.5, 0.6):
        rate = (both(t + h)[0] - both(t - h)[0]) / (2 * h)
        slopes = ((process.snr(t + h) - process.snr(t - h)) / (2 * h)).numpy().ravel()
        assert slopes[1] != pytest.approx(slopes[0], rel=0.1)
        claimed = 0.5 * slopes @ both(t)[1]
        assert rate < 0 and rate == pytest.approx(claimed, rel=2e-3)
        assert claimed != pytest.approx(
            0.5 * slopes[0] * both(t)[1].sum(), rel=1e-2
        )  # one SNR for both modes is wrong
    assert 0 < both(0.6)[0] < both(0.4)[0] < math.log(2)


def test_a_memory_starts_with_log_n_nats_and_loses_them_at_the_rate_of_its_error():
    training, process = garments(40), families.vp()
    generator, times = torch.Generator().manual_seed(7), np.linspace(0.35, 0.9, 34)
    fresh = torch.randn(40, 24, 28, 28, generator=generator, dtype=torch.float64)
    D = Empirical(training).denoiser(process)
    known, error = [], []
    for t in times:
        state = process.signal(t) * training[:, None] + process.noise(t) * fresh
        mean = D(state.reshape(-1, 28, 28), t).reshape(state.shape)
        own = ((state - process.signal(t) * training[:, None]) / process.noise(t)).square().sum(
            (2, 3)
        ) * -0.5
        every = (
            Empirical(training).log_density(process, state.reshape(-1, 28, 28), t).reshape(40, 24)
        )
        constant = -392 * math.log(2 * math.pi * process.noise(t).item() ** 2)
        known.append((own + constant - every).mean().item())
        error.append((training[:, None] - mean).square().sum((2, 3)).mean().item())
    assert abs(known[0] - math.log(40)) < 0.02 and known[-1] < 0.1
    snr = process.snr(torch.as_tensor(times)).flatten().numpy()
    lost = np.trapezoid(0.5 * np.array(error), -snr)
    assert lost == pytest.approx(known[0] - known[-1], rel=0.05)


def test_gaussian_data_lose_information_at_the_rate_of_wieners_error():
    """`mutual_information` against its derivative: error from samples, mode by mode SNR."""
    process, basis = families.blurring((2, 3), 1.0), Cosines((2, 3))
    prior = GaussianPrior(torch.zeros(2, 3), 0.3 + tensor(image((2, 3), 23)) ** 2, basis)
    clean, h = prior.sample(50_000, torch.Generator().manual_seed(8)), 1e-4
    for t in (0.3, 0.6):
        noisy = process.sample(clean, t, torch.Generator().manual_seed(9))
        error = basis.analyse(prior.denoiser(process)(noisy, t) - clean).square().mean(0)
        claimed = 0.5 * ((process.snr(t + h) - process.snr(t - h)) / (2 * h) * error).sum()
        after, before = (measures.mutual_information(process, prior, x) for x in (t + h, t - h))
        assert ((after - before) / (2 * h)).item() == pytest.approx(claimed.item(), rel=0.02)


def test_a_memory_collapses_where_the_information_of_gaussian_data_is_log_n():
    """Numbers of Biroli et al. for n = 20,000, from the library's information; and a memory."""
    process = Process(Pixels(), lambda t: -5 * t, lambda t: torch.sqrt(-torch.expm1(-10 * t)))
    for side, published in ((16, 1.299), (32, 1.978), (64, 2.667)):
        prior = GaussianPrior(torch.zeros(side, side), 1.0, Pixels())
        excess = lambda t, p: measures.mutual_information(process, p, t / 5).item() - math.log(2e4)
        found = scipy.optimize.brentq(excess, 0.1, 4.0, args=(prior,))
        assert found == pytest.approx(published, abs=1e-3)
    stored = torch.as_tensor(noise((1000, 16, 16), 24))
    critical = 0.5 * math.log1p(1 / (1000 ** (2 / 256) - 1))
    right = {}
    for t in (critical - 0.5, critical + 0.5):
        u = process.sample(stored[:50], t / 5, torch.Generator().manual_seed(10))
        gap = (Empirical(stored).denoiser(process)(u, t / 5) - stored[:50]).square().mean((1, 2))
        right[t < critical] = (gap < 0.01).double().mean().item()
    assert right[True] > 0.9 and right[False] < 0.3
