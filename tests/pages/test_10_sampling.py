"""Samplers: dense algebra, quadrature and runs, claim by claim."""

import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import torch
from catalogue import mild
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
)
from matrices import covariance, gain_and_covariance, matrix, units
from reference import image, noise

from dpss import clock, families, reverse
from dpss.bases import Cosines, Pixels
from dpss.priors import Empirical, GaussianPrior, Mixture

SHAPE = (2, 3)
NAMES = ("vp", "sub_vp", "ve", "heat", "blurring")


def tensor(array):
    return torch.as_tensor(np.asarray(array, dtype=np.float64))


def lumps():
    return Mixture([0.4, 0.6], tensor([-0.7, 0.5]).reshape(2, 1, 1), [0.1, 0.2], Pixels())


# --- N7 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_exact_step_back_of_a_training_set_has_the_mean_of_the_step_and_more_covariance(name):
    """The exact step mixes five Gaussians, written with full matrices in pixels."""
    process, (s, t), data = mild(name, SHAPE), (0.35, 0.6), image((5, *SHAPE), 1)
    (Gs, Ss), (Gt, St) = (gain_and_covariance(process, x, SHAPE) for x in (s, t))
    u = Gt @ data[1].ravel() + np.linalg.cholesky(St) @ noise(6, 2)
    across = Ss @ (Gt @ np.linalg.inv(Gs)).T
    fit = np.array([scipy.stats.multivariate_normal(Gt @ x.ravel(), St).logpdf(u) for x in data])
    weight = np.exp(fit - np.logaddexp.reduce(fit))
    centres = np.array(
        [Gs @ x.ravel() + across @ np.linalg.solve(St, u - Gt @ x.ravel()) for x in data]
    )
    rest = centres - weight @ centres
    within = Ss - across @ np.linalg.solve(St, across.T)
    exact = within + rest.T @ (weight[:, None] * rest)
    # the library: deterministic part of the step from two equal seeds, and the covariance of D2
    D, state = Empirical(tensor(data)).denoiser(process), tensor(u.reshape(SHAPE))
    many = state.expand(40_000, *SHAPE)
    guess = D(state, t)
    draws = reverse.step(
        process, guess.expand_as(many), many, s, t, 1.0, torch.Generator().manual_seed(3)
    ).reshape(-1, 6)
    bound = 5 * np.sqrt(np.diag(within) / len(draws))
    assert (np.abs(draws.mean(0).numpy() - weight @ centres) < bound).all()
    found = np.cov(draws.numpy().T)
    np.testing.assert_allclose(found, within, atol=0.03 * np.diag(within).max())
    jacobian = torch.autograd.functional.jacobian(
        lambda x: D(x.reshape(SHAPE), t).flatten(), state.flatten()
    ).numpy()
    doubt = jacobian @ St @ np.linalg.inv(Gt).T
    b = matrix(process.posterior(units(SHAPE), 0 * units(SHAPE), s, t).mean)
    std = process.posterior(guess, state, s, t).std
    lost = b @ doubt @ b.T
    assert np.abs(lost).max() > 0.02 * np.abs(exact).max()
    np.testing.assert_allclose(
        covariance(process.basis, std, SHAPE) + lost, exact, rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_of_a_step_is_of_second_order_and_below_its_bound(name):
    process, s = mild(name, SHAPE), 0.4
    prior = GaussianPrior(torch.zeros(SHAPE), 0.3 + tensor(image(SHAPE, 4)) ** 2, process.basis)

    def lost(h):
        """Exact minus drawn variance per mode, from the two kernels, and the bound."""
        t = s + h
        exact, zero = prior.reverse_kernel(process, s, t).std, torch.zeros(SHAPE).double()
        drawn, step = process.posterior(zero, zero, s, t).std, process.kernel(s, t)
        return exact**2 - drawn**2, step.std**4 / (step.gain * process.noise(t)) ** 2

    for h in (0.02, 0.2):
        loss, bound = lost(h)
        assert (loss >= -1e-12).all() and (loss <= bound * (1 + 1e-9) + 1e-15).all()
    ratio = lost(0.002)[0].expand(SHAPE) / lost(0.001)[0].expand(SHAPE)
    moving = process.kernel(s, s + 0.2).std.expand(SHAPE) > 1e-6  # heat never moves the mean
    assert moving.sum() >= 5
    np.testing.assert_allclose(torch.log2(ratio[moving]).numpy(), 2, atol=0.05)


def test_what_the_plug_in_step_loses_and_the_nearest_gaussian():
    """Exact law of U_s given U_t on a grid, by Bayes' rule between s and t, against the step."""
    process, s, t, state = families.vp(), 0.08, 0.16, -0.15
    x = np.linspace(-3, 3, 6001)
    alpha_s, sigma_s, alpha_t, sigma_t = (
        float(f(z)) for z in (s, t) for f in (process.signal, process.noise)
    )
    gain, fresh = alpha_t / alpha_s, sigma_t**2 - (alpha_t / alpha_s * sigma_s) ** 2
    normal, parts = scipy.stats.norm.pdf, ((0.4, -0.7, 0.1), (0.6, 0.5, 0.2))
    density = lambda y, a, v: sum(
        w * normal(y, a * m, math.sqrt((a * d) ** 2 + v)) for w, m, d in parts
    )
    law = density(x, alpha_s, sigma_s**2) * normal(state, gain * x, math.sqrt(fresh))
    law /= np.trapezoid(law, x)
    mean = np.trapezoid(law * x, x)
    variance = np.trapezoid(law * (x - mean) ** 2, x)
    u = torch.full((200_000, 1, 1), state, dtype=torch.float64)
    D = lumps().denoiser(process)
    guess, one = D(u[:1], t), u[0]
    found = reverse.step(
        process, guess.expand_as(u), u, s, t, 1.0, torch.Generator().manual_seed(5)
    )
    assert abs(found.mean().item() - mean) < 3e-3
    plug = found.var().item()
    assert plug < 0.7 * variance
    # the best variance: from the derivative of the denoiser, and by minimising the divergence
    slope = torch.autograd.functional.jacobian(lambda y: D(y, t), one).item()
    drawn = process.posterior(guess[0], one, s, t)
    b = alpha_s * fresh / sigma_t**2
    best = drawn.std.item() ** 2 + b**2 * sigma_t**2 / alpha_t * slope
    assert abs(drawn.mean.item() - mean) < 1e-9 and abs(best - variance) < 1e-9

    def divergence(shift, y):
        log_q = scipy.stats.norm.logpdf(x, mean + shift, math.sqrt(y))
        return np.trapezoid(np.where(law > 1e-290, law * (np.log(law + 1e-300) - log_q), 0), x)

    nearest = scipy.optimize.minimize_scalar(
        lambda y: divergence(0.0, y), bounds=(0.3 * best, 3 * best), method="bounded"
    ).x
    assert nearest == pytest.approx(best, rel=1e-3)
    assert divergence(0.0, plug) > 1.2 * divergence(0.0, best)
    for shift in (-0.05, 0.05):
        assert divergence(shift, best) > divergence(0.0, best)
    # one noise image for both times is no chain, and has another variance
    start = density(x, 1.0, 0.0) * normal(state, alpha_t * x, sigma_t)
    start /= np.trapezoid(start, x)
    early = (alpha_s - sigma_s / sigma_t * alpha_t) * x
    other = np.trapezoid(start * early**2, x) - np.trapezoid(start * early, x) ** 2
    assert abs(other - variance) > 0.2 * variance


@pytest.mark.parametrize("name", NAMES)
def test_for_gaussian_data_the_best_variance_is_that_of_the_exact_step(name):
    process, (s, t) = mild(name, SHAPE), (0.3, 0.65)
    c = (0.3 + image(SHAPE, 6) ** 2) ** 2
    prior = GaussianPrior(torch.zeros(SHAPE), tensor(np.sqrt(c)), process.basis)
    zero, one = torch.zeros(SHAPE).double(), process.basis.synthesise(torch.ones(SHAPE).double())
    alpha, sigma = (np.broadcast_to(f(t).numpy(), SHAPE) for f in (process.signal, process.noise))
    slope = process.basis.analyse(prior.denoiser(process)(one, t)).numpy()
    b = process.basis.analyse(process.posterior(one, zero, s, t).mean).numpy()
    tilde = np.broadcast_to(process.posterior(zero, zero, s, t).std.numpy(), SHAPE)
    best = tilde**2 + b**2 * sigma**2 / alpha * slope
    exact = np.broadcast_to(prior.reverse_kernel(process, s, t).std.numpy(), SHAPE) ** 2
    np.testing.assert_allclose(best, exact, rtol=1e-8, atol=1e-15)  # 0 for the mean of heat
    assert (tilde**2 < exact).sum() >= 5


# --- N8 -------------------------------------------------------------------------------------------


def followed(process, c, times, eta):
    """Variance at the end of a sampler for N(0, c): slopes and noises of `reverse.step`."""
    prior = GaussianPrior(torch.zeros(1, 1), math.sqrt(c), Pixels())
    D, one, V = prior.denoiser(process), torch.ones(1, 1).double(), None
    V = process.signal(times[0]).item() ** 2 * c + process.noise(times[0]).item() ** 2
    for t, s in zip(times[:-1], times[1:]):
        seed = lambda: torch.Generator().manual_seed(0)
        moved = reverse.step(process, D(one, t), one, s, t, eta, seed()).item()
        drawn = reverse.step(process, 0 * one, 0 * one, s, t, eta, seed()).item()
        unit = torch.randn(1, 1, generator=seed(), dtype=torch.float64).item()
        V = (moved - drawn) ** 2 * V + (drawn / unit) ** 2
    return V


def angles(process, c, times):
    rising = times.flip(0)
    alpha, sigma = (f(rising).numpy().ravel() for f in (process.signal, process.noise))
    return np.arctan2(sigma, alpha * math.sqrt(c))


def down(m):
    return torch.linspace(1, 0, m + 1, dtype=torch.float64)


@pytest.mark.parametrize("name", ("vp", "sub_vp", "ve", "vp_discrete", "pixel of heat"))
def test_variance_of_gaussian_data_through_a_sampler_in_angles(name):
    process = mild("heat", (1, 1)) if name == "pixel of heat" else mild(name, (1, 1))
    for c, m in ((0.6, 1), (0.6, 7), (3.0, 20)):
        theta = angles(process, c, down(m))
        z = np.sin(theta) ** 2
        deterministic = c * np.prod(np.cos(np.diff(theta)) ** 2)
        assert followed(process, c, down(m), 0.0) == pytest.approx(deterministic, rel=1e-9)
        ancestral = c * (1 - np.sum(np.diff(z) ** 2 / z[1:]))
        assert followed(process, c, down(m), 1.0) == pytest.approx(ancestral, rel=1e-9)
        assert max(deterministic, ancestral) <= c * (1 + 1e-12)


def of_vp(theta, c):
    """Falling times of linear VP at which data of variance c have the angles θ."""
    integral = np.log1p(c * np.tan(theta) ** 2)
    return torch.as_tensor(np.minimum((np.sqrt(0.01 + 39.8 * integral) - 0.1) / 19.9, 1))


def test_equal_angles_are_the_best_of_ddim_and_rates_of_both_samplers():
    process, c, m = families.vp(), 0.6, 12
    end = angles(process, c, down(1))[-1]
    best = followed(process, c, of_vp(np.linspace(end, 0, m + 1), c), 0.0)
    assert best == pytest.approx(c * math.cos(end / m) ** (2 * m), rel=1e-9)
    assert c - best <= c * end**2 / m
    rng = np.random.default_rng(7)
    for _ in range(20):
        theta = np.sort(np.r_[0, rng.uniform(0, end, m - 1), end])[::-1]
        assert followed(process, c, of_vp(theta, c), 0.0) < best
    m = 400
    lost = {
        (eta, kind): c - followed(process, c, of_vp(theta, c), eta)
        for eta in (0.0, 1.0)
        for kind, theta in (
            ("angles", np.linspace(end, 0, m + 1)),
            ("sines", np.arcsin(np.linspace(math.sin(end), 0, m + 1))),
        )
    }
    assert m * lost[0.0, "angles"] == pytest.approx(c * end**2, rel=0.01)
    limit = c * end * (2 * end + math.sin(2 * end))
    assert m * lost[1.0, "angles"] == pytest.approx(limit, rel=0.03)
    assert 3.7 * c < m * lost[1.0, "sines"] < 4 * c


def test_runs_of_samplers_have_the_variance_of_the_page():
    """Data of variance 0.6: numbers of the page, by runs; what is lost shrinks with the steps."""
    process, prior = families.vp(), GaussianPrior(torch.zeros(1, 1), math.sqrt(0.6), Pixels())
    generator = torch.Generator().manual_seed(6)
    start = process.sample(prior.sample(60_000, generator), 1.0, generator)
    for eta, expected in ((1.0, (0.199, 0.408, 0.545)), (0.0, (0.242, 0.484, 0.575))):
        found = [
            reverse.sample(process, prior.denoiser(process), start, down(m), eta, generator)
            .var()
            .item()
            for m in (5, 20, 100)
        ]
        np.testing.assert_allclose(found, expected, rtol=0.025)
        assert found[0] < found[1] < found[2] < 0.6


def test_every_mode_of_an_image_has_its_own_angles():
    process, basis, m = families.blurring((4, 5), 1.0), Cosines((4, 5)), 15
    std = 0.3 + tensor(image((4, 5), 8)) ** 2
    prior = GaussianPrior(tensor(image((4, 5), 9)), std, basis)
    times = torch.linspace(0.9, 0, m + 1, dtype=torch.float64)
    mean = prior.marginal(process, 0.9).mean
    change = tensor(noise((4, 5), 10))
    ends = [
        reverse.sample(process, prior.denoiser(process), u, times, 0.0)
        for u in (mean, mean + change)
    ]
    torch.testing.assert_close(ends[0], prior.mean)
    slope = (basis.analyse(ends[1] - ends[0]) / basis.analyse(change)).numpy()
    rising = times.flip(0)
    alpha, sigma = process.signal(rising).numpy(), process.noise(rising).numpy()
    theta = np.arctan2(sigma, alpha * std.numpy())
    v = (process.signal(0.9) ** 2 * std**2 + process.noise(0.9) ** 2).numpy()
    expected = std.numpy() ** 2 * np.prod(np.cos(np.diff(theta, axis=0)) ** 2, axis=0)
    np.testing.assert_allclose(slope**2 * v, expected, rtol=1e-8)


# --- N11 ------------------------------------------------------------------------------------------

LINE = torch.linspace(-4, 4, 3201, dtype=torch.float64)
SCALAR = ("vp", "sub_vp", "ve", "flow_matching")


def on_line(process, t):
    """Density, denoiser and score of two lumps at a time, on `LINE`."""
    u, prior = LINE[:, None, None], lumps()
    D = prior.denoiser(process)(u, t)
    p = prior.log_density(process, u, t).exp()
    return p.flatten(), D.flatten(), process.score(D, u, t).flatten()


def slope(values):
    """Derivative along `LINE`, of fourth order inside."""
    ahead = lambda n: torch.roll(values, -n)
    return (8 * (ahead(1) - ahead(-1)) - (ahead(2) - ahead(-2))) / (12 * 0.0025)


@pytest.mark.parametrize("t", [0.3, 0.6])
@pytest.mark.parametrize("name", SCALAR)
def test_laws_solve_the_equations_of_the_flow_of_the_process_and_of_the_way_back(name, t):
    process = mild(name, (1, 1))
    (p, D, score), rest = on_line(process, t), slice(20, -20)
    change = (on_line(process, t + 1e-5)[0] - on_line(process, t - 1e-5)[0]) / 2e-5
    (a, b), (f, g2) = ([x.item() for x in pair] for pair in (process.flow(t), process.sde(t)))
    alpha, sigma = process.signal(t).item(), process.noise(t).item()
    h, steps = 1e-6, (t + 1e-6, t - 1e-6)
    fast = [(x(steps[0]) - x(steps[1])).item() / (2 * h) for x in (process.signal, process.noise)]
    field = fast[0] * D + fast[1] * (LINE - alpha * D) / sigma
    residuals = {
        "the field": change + slope(field * p),
        "flow": change + slope((a * LINE + b * D) * p),
    }
    residuals["forward"] = change + slope(f * LINE * p) - 0.5 * g2 * slope(slope(p))
    for eta in (0.0, 0.5, 1.0, 2.0):
        drift = f * LINE - 0.5 * (1 + eta**2) * g2 * score
        residuals[eta] = change + slope(drift * p) + 0.5 * eta**2 * g2 * slope(slope(p))
    size = change.abs().max()
    for equation, residual in residuals.items():
        assert residual[rest].abs().max() < 1e-5 * size, equation
    whole = change + slope((f * LINE - g2 * score) * p)
    assert whole[rest].abs().max() > 0.1 * size


@pytest.mark.parametrize("name", NAMES)
def test_both_forms_of_the_field_agree_in_every_mode(name):
    process, u = mild(name, SHAPE), tensor(noise((3, *SHAPE), 21))
    D, t = tensor(image((3, *SHAPE), 22)), 0.45
    (a, b), (f, g2), modes = process.flow(t), process.sde(t), process.basis.analyse
    scores = (process.signal(t) * modes(D) - modes(u)) / process.noise(t) ** 2
    torch.testing.assert_close(a * modes(u) + b * modes(D), f * modes(u) - 0.5 * g2 * scores)
    inside = process.basis.pull_back(scores)  # the gradient with respect to the image
    torch.testing.assert_close(process.score(D, u, t), inside)


def test_langevin_dynamics_keeps_the_law_up_to_the_square_of_its_step():
    process = families.vp()
    u = torch.linspace(-4, 4, 1601, dtype=torch.float64)[:, None, None]
    p = lumps().log_density(process, u, 0.15).exp().flatten()
    score = process.score(lumps().denoiser(process)(u, 0.15), u, 0.15).flatten()
    u = u.flatten()

    def change(tau, noise=2.0, pull=1.0):
        variance = noise * tau
        bell = torch.exp(-0.5 * (u[:, None] - u - pull * tau * score) ** 2 / variance)
        return (bell @ p * 0.005 / math.sqrt(2 * math.pi * variance) - p).abs().max().item()

    assert math.log2(change(8e-4) / change(4e-4)) == pytest.approx(2, abs=0.1)
    for wrong in (dict(noise=1.0), dict(pull=2.0)):
        assert math.log2(change(8e-4, **wrong) / change(4e-4, **wrong)) == pytest.approx(1, abs=0.1)


# --- N12 ------------------------------------------------------------------------------------------


def test_along_the_flow_the_state_is_an_integral_of_the_denoiser():
    """Per mode, along a path of the flow in very small steps; blurring has many clocks."""
    process, basis = mild("blurring", SHAPE), Cosines(SHAPE)
    D = Empirical(0.4 * tensor(image((3, *SHAPE), 23))).denoiser(process)
    times = torch.linspace(0.8, 0.5, 2001, dtype=torch.float64)
    path = reverse.flow(process, D, tensor(noise(SHAPE, 24)), times, path=True)
    guesses = basis.analyse(torch.stack([D(u, t) for u, t in zip(path, times.tolist())]))
    ratio = process.signal(times) / process.noise(times)  # e^ℓ
    area = (0.5 * (guesses[1:] + guesses[:-1]) * ratio.diff(dim=0)).sum(0)
    first, last = (basis.analyse(path[i]) / process.noise(times[i]) for i in (0, -1))
    torch.testing.assert_close(last - first, area, rtol=1e-5, atol=1e-6)


def lump_rank(process, u, t):
    alpha, sigma = process.signal(t).item(), process.noise(t).item()
    u = u.flatten().numpy()
    return sum(
        w * scipy.stats.norm.cdf(u, alpha * m, math.hypot(alpha * d, sigma))
        for w, m, d in ((0.4, -0.7, 0.1), (0.6, 0.5, 0.2))
    )


@pytest.mark.parametrize("name", ("vp", "ve", "flow_matching"))
def test_orders_of_solvers_of_the_flow_on_two_lumps(name):
    """On a line the flow keeps ranks; steps of equal angle, whatever the process."""
    process, D = mild(name, (1, 1)), lumps().denoiser(mild(name, (1, 1)))
    u = torch.linspace(-2.5, 2.5, 41, dtype=torch.float64)[:, None, None]
    ends = torch.tensor([0.4, 1.2]).double()
    solvers = {
        "DDIM": lambda *given: reverse.sample(*given, eta=0.0),
        "Heun": reverse.flow,
        "exponential": reverse.exponential,
    }
    for solver, order in zip(solvers, (1, 2, 2)):
        missed = []
        for m in (80, 160):
            times = clock.at(process, (1, 1), torch.linspace(ends[1], ends[0], m + 1).double())
            found = solvers[solver](process, D, u, times)
            apart = lump_rank(process, found, times[-1]) - lump_rank(process, u, times[0])
            missed.append(np.abs(apart).max())
        assert math.log2(missed[0] / missed[1]) == pytest.approx(order, abs=0.15), (solver, missed)
        assert missed[1] < (0.006 if order == 1 else 4e-4)


# --- N13 ------------------------------------------------------------------------------------------


def starts(process, u, t):
    """Starts x and their probabilities given the state u, for two lumps, by Bayes' rule."""
    x = np.linspace(-2.5, 2.5, 20_001)
    weight = sum(
        w * scipy.stats.norm.pdf(x, m, d) for w, m, d in ((0.4, -0.7, 0.1), (0.6, 0.5, 0.2))
    )
    alpha, sigma = process.signal(t).item(), process.noise(t).item()
    weight = weight * scipy.stats.norm.pdf(u, alpha * x, sigma)
    return x, weight / weight.sum()


@pytest.mark.parametrize("t", [0.15, 0.5, 0.9])
@pytest.mark.parametrize("u", [-0.6, 0.1, 1.2])
def test_velocity_of_the_straight_path(u, t):
    process, state = families.flow_matching(), torch.full((1, 1), u).double()
    x, weight = starts(process, u, t)
    velocity = (weight * ((u - (1 - t) * x) / t - x)).sum()
    D = lumps().denoiser(process)(state, t)
    a, b = process.flow(t)
    assert (a * state + b * D).item() == pytest.approx(velocity, abs=1e-6)
    assert D.item() == pytest.approx(u - t * velocity, abs=1e-6)
    says = lambda v, s: torch.full_like(v, velocity)
    network = reverse.as_denoiser(says, process, "velocity")
    torch.testing.assert_close(network(state, t), D, rtol=1e-6, atol=1e-6)
    score = process.score(D, state, t).item()
    assert score == pytest.approx(-(u + (1 - t) * velocity) / t, abs=1e-5)
    moved = reverse.step(process, D, state, 0.6 * t, t, 0.0).item()
    assert moved == pytest.approx(u - 0.4 * t * velocity, abs=1e-6)
    # and no other prediction errs less: the mean square error over what may be behind u
    error = lambda F: (weight * (F - ((u - (1 - t) * x) / t - x)) ** 2).sum()
    assert error(velocity) < min(error(velocity - 0.01), error(velocity + 0.01))


def test_one_step_from_noise_ends_in_the_mean():
    u = tensor(noise((5, 1, 1), 25))
    process = families.flow_matching()
    for solve in (reverse.exponential, reverse.sample):
        found = solve(process, lumps().denoiser(process), u, [1.0, 0.0])
        torch.testing.assert_close(found, torch.full_like(u, 0.6 * 0.5 - 0.4 * 0.7))


# --- N14 ------------------------------------------------------------------------------------------

SAID = {  # target, and error of the target over that of the image
    "noise": (lambda a, n, x, e: e, lambda a, n: a / n),
    "image": (lambda a, n, x, e: x, lambda a, n: 0 * a + 1),
    "velocity": (lambda a, n, x, e: a * e - n * x, lambda a, n: (a**2 + n**2) / n),
    "straight": (lambda a, n, x, e: e - x, lambda a, n: 1 / n),
    "score": (lambda a, n, x, e: -e / n, lambda a, n: a / n**2),
}


PAIRS = [(said, name) for said in SAID for name in ("vp", "sub_vp", "heat", "blurring")
         if said != "straight"]  # fmt: skip


@pytest.mark.parametrize("said, name", [*PAIRS, ("straight", "flow_matching")])
def test_what_a_network_says_and_what_its_error_means(said, name):
    process, t = mild(name, SHAPE), 0.4
    a, n, basis = process.signal(t), process.noise(t), process.basis
    x, e, off = (basis.analyse(tensor(noise((2, *SHAPE), seed))) for seed in (26, 27, 28))
    target, factor = SAID[said]
    answer = basis.synthesise(target(a, n, x, e) + off)
    predicts = "velocity" if said == "straight" else said
    D = reverse.as_denoiser(lambda u, when: answer, process, predicts)
    error = basis.analyse(D(basis.synthesise(a * x + n * e), t)) - x
    torch.testing.assert_close(factor(a, n) * error.abs(), off.abs(), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("said", SAID)
def test_the_conditional_mean_of_what_a_network_says_is_the_denoiser(said):
    process = families.flow_matching() if said == "straight" else families.vp()
    t, predicts = 0.3, "velocity" if said == "straight" else said
    a, n = process.signal(t).item(), process.noise(t).item()
    for u in (-0.5, 0.2):
        x, weight = starts(process, u, t)
        mean = (weight * SAID[said][0](a, n, x, (u - a * x) / n)).sum()
        says = lambda v, s, mean=mean: torch.full_like(v, mean)
        state = torch.full((1, 1), u).double()
        D = reverse.as_denoiser(says, process, predicts)(state, t)
        assert D.item() == pytest.approx((weight * x).sum(), abs=1e-6)
        assert D.item() == pytest.approx(lumps().denoiser(process)(state, t).item(), abs=1e-6)


def of_diffusers(kind, **options):
    scheduler = kind(1000, beta_schedule="linear", **options)
    return scheduler, families.vp_discrete(scheduler.betas.double())


def two(seed):
    return tensor(noise((2, 1, *SHAPE), seed)).float()


def test_levels_of_diffusers_and_both_variances():
    """`alphas_cumprod`, `betas`, "fixed_small", "fixed_large"."""
    for variance in ("fixed_small", "fixed_large"):
        scheduler, process = of_diffusers(DDPMScheduler, clip_sample=False, variance_type=variance)
        for i in (999, 400, 10):
            t, s, u, predicted = (i + 1) / 1000, i / 1000, two(29), two(30)
            bar = scheduler.alphas_cumprod[i].item()
            assert process.signal(t).item() ** 2 == pytest.approx(bar, rel=1e-3)
            assert process.noise(t).item() ** 2 == pytest.approx(1 - bar, rel=1e-3)
            forward = process.kernel(s, t).std.item() ** 2
            assert forward == pytest.approx(scheduler.betas[i].item(), rel=1e-5)
            draws = [
                scheduler.step(predicted, i, u, generator=torch.Generator().manual_seed(seed))
                for seed in (1, 2)
            ]
            apart = draws[0].prev_sample - draws[1].prev_sample
            fresh = [
                torch.randn(u.shape, generator=torch.Generator().manual_seed(k)) for k in (1, 2)
            ]
            drawn = (apart / (fresh[0] - fresh[1])).median().item()
            law = process.posterior(u[0, 0], u[0, 0], s, t)
            stated = law.std.item() if variance == "fixed_small" else math.sqrt(forward)
            assert drawn == pytest.approx(stated, rel=1e-3)


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of theirs
def test_samplers_of_diffusers_that_are_eta_0():
    """First-order DPM-Solver, and Euler's method in the clock σ/α for the state u/α."""
    scheduler, process = of_diffusers(
        DPMSolverMultistepScheduler, solver_order=1, timestep_spacing="trailing"
    )
    scheduler.set_timesteps(20)
    euler, _ = of_diffusers(EulerDiscreteScheduler, timestep_spacing="trailing")
    euler.set_timesteps(20)
    for k in (1, 10, 17):
        index, later = scheduler.timesteps[k].item(), scheduler.timesteps[k + 1].item()
        t, s, u, predicted = (index + 1) / 1000, (later + 1) / 1000, two(31), two(32)
        alpha, sigma = process.signal(t).item(), process.noise(t).item()
        ours = reverse.step(process, (u - sigma * predicted) / alpha, u, s, t, 0.0)
        scheduler._step_index = euler._step_index = None  # found anew, from the time
        theirs = scheduler.step(predicted, scheduler.timesteps[k], u).prev_sample
        torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=2e-3)
        assert euler.timesteps[k].item() == index
        assert euler.sigmas[k].item() == pytest.approx(sigma / alpha, rel=1e-3)
        theirs = euler.step(predicted, euler.timesteps[k], u / alpha).prev_sample
        torch.testing.assert_close(
            ours / process.signal(s).item(), theirs, rtol=2e-3, atol=2e-3 * sigma / alpha
        )


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of theirs
@pytest.mark.parametrize("kind", ["heun", "midpoint"])
def test_second_order_steps_of_diffusers(kind):
    scheduler, process = of_diffusers(
        DPMSolverMultistepScheduler,
        solver_type=kind,
        lower_order_final=False,
        timestep_spacing="trailing",
    )
    scheduler.set_timesteps(20)
    predictions, states = [two(33), two(34)], [two(35)]
    for predicted, index in zip(predictions, scheduler.timesteps):
        states.append(scheduler.step(predicted, index, states[-1]).prev_sample)
    times = [(i.item() + 1) / 1000 for i in scheduler.timesteps[:3]]
    guesses = [
        (u - process.noise(t).item() * e) / process.signal(t).item()
        for u, e, t in zip(states, predictions, times)
    ]
    asked = iter(guesses)
    ours = reverse.exponential(process, lambda u, t: next(asked), states[0], times)
    ell = [0.5 * process.log_snr(t).item() for t in times]
    h, before = ell[2] - ell[1], ell[1] - ell[0]
    weight = h - 1 + math.exp(-h)
    if kind == "midpoint":
        other = 0.5 * h * (1 - math.exp(-h))
        change = process.signal(times[2]).item() * (guesses[1] - guesses[0]) / before
        assert (change * (other - weight)).abs().max() > 1e-3
        ours = ours + change * (other - weight)
    size = ours.abs().max().item()
    torch.testing.assert_close(ours, states[2], rtol=2e-3, atol=2e-3 * size)


@pytest.mark.parametrize("eta", [0.0, 0.7])
def test_eta_of_diffusers_and_their_straight_path(eta):
    scheduler, process = of_diffusers(DDIMScheduler, clip_sample=False)
    scheduler.set_timesteps(50)
    u, predicted = two(36), two(37)
    denoised = (u - process.noise(0.601).item() * predicted) / process.signal(0.601).item()
    theirs = scheduler.step(
        predicted, 600, u, eta=eta, generator=torch.Generator().manual_seed(3)
    ).prev_sample
    ours = reverse.step(process, denoised, u, 0.581, 0.601, eta, torch.Generator().manual_seed(3))
    torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=2e-3)
    straight = FlowMatchEulerDiscreteScheduler(1000)
    straight.set_timesteps(10)
    t, s = straight.sigmas[4].item(), straight.sigmas[5].item()
    theirs = straight.step(predicted, straight.timesteps[4], u).prev_sample
    D = reverse.as_denoiser(lambda v, when: predicted, families.flow_matching(), "velocity")
    ours = reverse.step(families.flow_matching(), D(u, t), u, s, t, 0.0)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
