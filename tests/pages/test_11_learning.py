"""Learning: rotations, path laws as dense Gaussians, quadrature, exact guidance, claim by claim."""

import itertools
import math

import numpy as np
import pytest
import scipy.optimize
import torch
from catalogue import mild
from reference import image, noise

import dpss
from dpss import clock, families, network, priors, reverse
from dpss.bases import Pixels

SHAPE = (4, 8)
NAMES = ("vp", "vp_cosine", "sub_vp", "ve", "heat", "blurring", "flow_matching")
T = torch.float64


class Told(network.UNet):
    """A network that returns what it is told, and remembers what it has seen."""

    def __init__(self, velocity):
        super().__init__((8, 8), labels=3)
        self.velocity, self.seen = velocity, []

    def forward(self, u, tick, label=None):
        self.seen.append((u, tick))
        return self.velocity[:, None].to(u) if label is None else 2 * self.velocity[:, None].to(u)


def levels(process, t):
    """α, σ per mode as NumPy arrays (H, W)."""
    return (np.broadcast_to(x.numpy(), SHAPE) for x in (process.signal(t), process.noise(t)))


def cosines():
    """The orthonormal cosine transform, written out: (H, H), (W, W)."""
    found = []
    for n in SHAPE:
        k, x = np.mgrid[:n, :n]
        C = np.cos(np.pi * k * (x + 0.5) / n) * np.sqrt(2 / n)
        C[0] /= np.sqrt(2)
        found.append(C)
    return found


def analysed(process, u):
    if isinstance(process.basis, Pixels):
        return u
    C, R = cosines()
    return C @ u @ R.T


def synthesised(process, c):
    if isinstance(process.basis, Pixels):
        return c
    C, R = cosines()
    return C.T @ c @ R


# --- L1 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, t", [*itertools.product(NAMES, (0.0, 0.3, 1.0))])
def test_from_the_true_velocity_comes_the_start_at_both_ends_too(name, t):
    process, u0, eps = mild(name, SHAPE), image((2, *SHAPE), 1), noise((2, *SHAPE), 2)
    X, E = analysed(process, u0), analysed(process, eps)
    alpha, sigma = levels(process, t)
    angle = np.arctan2(sigma, alpha)
    velocity = synthesised(process, np.cos(angle) * E - np.sin(angle) * X)
    fake = Told(torch.from_numpy(velocity))
    D = network.NetworkDenoiser(fake, process)
    u = torch.from_numpy(synthesised(process, alpha * X + sigma * E))
    np.testing.assert_allclose(D(u, t).numpy(), u0, atol=2e-6)
    state = synthesised(process, np.cos(angle) * X + np.sin(angle) * E)
    np.testing.assert_allclose(fake.seen[0][0][:, 0].numpy(), state, atol=2e-6)


@pytest.mark.parametrize("name", ("vp", "ve", "heat", "blurring"))
def test_the_loss_of_the_velocity_weighs_errors_of_the_start_with_one_plus_snr(name):
    process, t = mild(name, SHAPE), 0.35
    true, guess = noise((2, 3, *SHAPE), 3)
    alpha, sigma = levels(process, t)
    u = torch.from_numpy(noise((3, *SHAPE), 4))
    starts = []
    for v in (true, guess):
        D = network.NetworkDenoiser(Told(torch.from_numpy(synthesised(process, v))), process)
        starts.append(analysed(process, D(u, t).numpy()))
    errors = (1 + (alpha / sigma) ** 2) * (starts[0] - starts[1]) ** 2
    np.testing.assert_allclose(errors, (true - guess) ** 2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ("sub_vp", "ve", "flow_matching"))
def test_processes_of_one_snr_share_a_network(name):
    learned = network.UNet((8, 8))
    torch.nn.init.normal_(learned.head[-1].weight, generator=torch.Generator().manual_seed(0))
    first, second, t = families.vp(), getattr(families, name)(), 0.4
    gap = lambda s: (second.log_snr(s) - first.log_snr(t)).item()
    s = scipy.optimize.brentq(gap, 1e-6, 1 - 1e-6, xtol=1e-15)
    u = torch.from_numpy(image((3, *SHAPE), 5))
    scaled = u * (second.signal(s) / first.signal(t)).item()
    D, E = (network.NetworkDenoiser(learned, p) for p in (first, second))
    np.testing.assert_allclose(D(u, t).detach(), E(scaled, s).detach(), atol=1e-5)


@pytest.mark.parametrize("name, t", [*itertools.product(("heat", "blurring"), (0.1, 0.4, 0.9))])
def test_the_clock_tells_as_many_nats_as_the_modes(name, t):
    """With eigenvalues written out, and bisection."""
    process = mild(name, SHAPE)
    one, two = (4 * np.sin(np.pi * np.arange(n) / (2 * n)) ** 2 for n in SHAPE)
    c = 1 / (one[:, None] + two).ravel()[1:]
    snr = process.snr(t).numpy().ravel()[1:]
    nats = lambda ell: np.log1p(c * np.exp(ell)).sum() - np.log1p(c * snr).sum()
    expected = scipy.optimize.brentq(nats, -60, 60, xtol=1e-12)
    assert abs(clock.log_snr(process, SHAPE, t).item() - expected) < 1e-8
    times = torch.linspace(0.01, 1, 50, dtype=T)
    assert (clock.log_snr(process, SHAPE, times).diff() < 0).all()


def test_the_clock_of_a_scalar_process_is_its_log_snr():
    times = torch.linspace(0.05, 0.95, 10, dtype=T)
    for name in ("vp", "ve", "sub_vp"):
        process = mild(name, SHAPE)
        assert torch.equal(clock.log_snr(process, SHAPE, times), process.log_snr(times).flatten())


# --- L2 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ("vp", "sub_vp", "ve", "heat", "blurring"))
def test_one_step_with_a_wrong_start_costs_half_the_rise_of_snr(name):
    process, s, t = mild(name, SHAPE), 0.3, 0.5
    u0, guess, u = (torch.from_numpy(x) for x in image((3, *SHAPE), 6))
    right, wrong = (process.posterior(x, u, s, t) for x in (u0, guess))
    X, D = (analysed(process, x.numpy()) for x in (u0, guess))
    ratios = [np.divide(*(x**2 for x in levels(process, when))) for when in (s, t)]
    moved = ratios[0] > ratios[1]  # heat never forgets its mean: point masses at one place
    expected = 0.5 * ((ratios[0] - ratios[1]) * (X - D) ** 2)[moved].sum()
    means = (analysed(process, law.mean.numpy()) for law in (right, wrong))
    std = np.broadcast_to(right.std.numpy(), SHAPE)
    gap = (next(means) - next(means))[moved] / std[moved]
    assert abs(0.5 * (gap**2).sum() / expected - 1) < 1e-8


def _paths(process, times, truth, belief):
    """Covariances of (U_{t_0}, …) for one pixel: of the data, and of the model."""
    alpha, noise2 = (
        x.flatten().numpy() for x in (process.signal(times), process.noise(times) ** 2)
    )
    data = truth * np.outer(alpha, alpha)
    for i, j in itertools.product(range(len(times)), repeat=2):
        late, early = min(i, j), max(i, j)
        data[i, j] += alpha[late] / alpha[early] * noise2[early]
    model, errors = np.diag([data[0, 0]]), []
    one = torch.ones(1, 1, dtype=T)
    prior = priors.GaussianPrior(0 * one, math.sqrt(belief), Pixels()).denoiser(process)
    for t, s in zip(times[:-1], times[1:]):
        slope = prior(one, t).item()
        errors.append(
            (slope * process.signal(t).item() - 1) ** 2 * truth
            + slope**2 * process.noise(t).item() ** 2
        )
        law = process.posterior(slope * one, one, s, t)
        row = law.mean.item() * model[-1]
        last = law.mean.item() ** 2 * model[-1, -1] + law.std.item() ** 2
        model = np.block([[model, row[:, None]], [row, last]])
    return data, model, np.array(errors)


def _kl(P, Q):
    ratio = np.linalg.solve(Q, P)
    return 0.5 * (np.trace(ratio) - len(P) - np.linalg.slogdet(ratio)[1])


@pytest.mark.parametrize(
    "name, belief", [*itertools.product(("vp", "ve", "sub_vp"), (0.2, 0.6, 2.0))]
)
def test_the_bound_is_the_divergence_of_the_paths(name, belief):
    process, truth = mild(name, (1, 1)), 0.6
    times = torch.tensor([0.8, 0.6, 0.35, 0.1], dtype=T)
    data, model, errors = _paths(process, times, truth, belief)
    snr = process.snr(times).flatten().numpy()
    prior = priors.GaussianPrior(torch.zeros(1, 1, dtype=T), math.sqrt(truth), Pixels())
    known = [dpss.measures.mutual_information(process, prior, t).item() for t in times]
    bound = 0.5 * (np.diff(snr) * errors).sum() - (known[-1] - known[0])
    whole = _kl(data, model)
    assert abs(bound / whole - 1) < 1e-8
    assert _kl(data[-1:, -1:], model[-1:, -1:]) <= whole


def test_small_steps_cost_the_excess_error_alone():
    process, truth, belief = families.vp(), 0.6, 0.2
    bounds = []
    for m in (500, 1000):
        times = torch.linspace(0.9, 0.1, m + 1, dtype=T)
        _, _, errors = _paths(process, times, truth, belief)
        snr = process.snr(times).flatten().numpy()
        known = 0.5 * np.log1p(snr * truth)
        bounds.append(0.5 * (np.diff(snr) * errors).sum() - (known[-1] - known[0]))
    snr = np.exp(np.linspace(*np.log(snr[[0, -1]]), 20_001))
    excess = truth - 1 / (snr + 1 / truth)  # of the mean image …
    slope = lambda c: np.sqrt(snr) * c / (1 + c * snr)  # … of filters of √SNR X + ε
    excess = (slope(truth) - slope(belief)) ** 2 * (1 + snr * truth)
    limit = 0.5 * np.trapezoid(excess, snr)
    extrapolated = 2 * bounds[1] - bounds[0]
    assert abs(extrapolated / limit - 1) < 1e-3
    assert bounds[0] > bounds[1] > limit


def test_the_exact_denoiser_of_other_data_pays_the_divergence_and_no_more():
    """½ ∫ excess dSNR = KL(p_τ‖q_τ) − KL(p_T‖q_T), for a lump and two, by quadrature."""
    x = np.linspace(-60, 60, 240_001)
    bells = lambda means, v: np.mean(
        [np.exp(-((x - m) ** 2) / (2 * v)) / np.sqrt(2 * np.pi * v) for m in means], 0
    )

    def laws(snr):  # states X + ε/√SNR: (density, denoiser) of the data and of the model
        found = []
        for means, c in (([-1, 1], 0.1), ([0.5], 0.3)):
            v = c + 1 / snr
            p = bells(means, v) + 1e-300
            found += [p, x + np.gradient(np.log(p), x) / snr]
        return found

    def divergence(snr):
        p, _, q, _ = laws(snr)
        return np.trapezoid(p * np.log(p / q), x)

    snr, excess = np.geomspace(0.02, 20, 201), []
    for level in snr:
        p, D, _, other = laws(level)
        excess.append(np.trapezoid(p * (D - other) ** 2, x))
    paid = 0.5 * np.trapezoid(snr * excess, np.log(snr))
    assert abs(paid / (divergence(20) - divergence(0.02)) - 1) < 2e-3


# --- L3 -------------------------------------------------------------------------------------------


def lumps(chosen, basis=None):
    values = torch.tensor([-0.8, 0.0, 0.8], dtype=T)[chosen].reshape(-1, 1, 1)
    weights = np.array([0.5, 0.25, 0.25])[chosen]
    return priors.Mixture(weights / weights.sum(), values, [0.1] * len(chosen), basis or Pixels())


def flow_of(w):
    """Where quantiles of N(0, 1) go under guidance, by a solver of differential equations."""
    both, kind, process = lumps([0, 1, 2]), lumps([1, 2]), families.vp()
    D, Dy = both.denoiser(process), kind.denoiser(process)
    even = (torch.arange(400, dtype=T) + 0.5) / 400
    start = torch.distributions.Normal(0.0, 1.0).icdf(even)[:, None, None]
    times = clock.times(process, (1, 1), 120)
    mixed = lambda u, t: D(u, t) + w * (Dy(u, t) - D(u, t))
    return reverse.flow(process, mixed, start, times).flatten().numpy()


def tilted_share(w):
    """Of the lump around 0, for the density p_0 p(y|·)^w, written out."""
    x = np.linspace(-2, 2, 8001)
    bells = [p * np.exp(-((x - m) ** 2) / 0.02) for p, m in ((0.5, -0.8), (0.25, 0.0), (0.25, 0.8))]
    total = sum(bells) + 1e-300
    r = total * ((bells[1] + bells[2]) / total) ** w
    return r[np.abs(x) < 0.4].sum() / r.sum()


def test_guidance_at_one_samples_the_label_and_beyond_neither_it_nor_a_tilted_law():
    share = {w: np.mean(np.abs(flow_of(w)) < 0.4) for w in (0, 1, 2, 4)}
    assert abs(share[0] - 0.25) < 0.01 and abs(share[1] - 0.5) < 0.01
    assert abs(tilted_share(2) - 0.5) < 0.01 and abs(tilted_share(4) - 0.5) < 0.01
    assert share[2] < 0.25 and share[4] < 0.01


@pytest.mark.parametrize("w", (0.5, 2.0))
def test_a_guided_score_is_that_of_the_tilted_function_at_its_time(w):
    both, kind = lumps([0, 1, 2]), lumps([1, 2])
    for name in ("vp", "ve"):
        process, t = mild(name, (1, 1)), 0.3
        u = torch.linspace(-2, 2, 41, dtype=T)[:, None, None].requires_grad_()
        log_r = (1 - w) * both.log_density(process, u, t) + w * kind.log_density(process, u, t)
        (slope,) = torch.autograd.grad(log_r.sum(), u)
        D, Dy = (p.denoiser(process)(u.detach(), t) for p in (both, kind))
        score = process.score(D + w * (Dy - D), u.detach(), t)
        np.testing.assert_allclose(score, slope, atol=1e-8)


def test_tilted_laws_are_not_carried_forward_unless_the_label_says_nothing():
    """p² ∝ tilt of w = 2 without a label's help: heat equation on a grid, by finite differences."""
    x, w = np.linspace(-12, 12, 4801), 2.0
    bell = lambda m, v: np.exp(-((x - m) ** 2) / (2 * v)) / np.sqrt(2 * np.pi * v)

    def laws(v, doubt):
        one, other = bell(-1, v), bell(1, v)
        told = (1 - doubt) * other + doubt * one
        both = 0.5 * (one + other)
        r = both * (told / both) ** w
        return r / (r.sum() * 0.005)

    for doubt, least, most in ((0.5, 0.0, 1e-6), (0.1, 0.01, 1.0)):
        rate = (laws(1.001, doubt) - laws(0.999, doubt)) / 0.002  # ∂/∂v, v = 2τ
        half = 0.5 * np.diff(laws(1.0, doubt), 2) / 0.005**2
        gap = np.abs(rate[1:-1] - half).max()
        assert least <= gap < most


def test_a_told_network_is_guided_linearly():
    velocity = torch.from_numpy(noise((2, *SHAPE), 8))
    D = network.NetworkDenoiser(Told(velocity), families.vp())
    u, t = torch.from_numpy(image((2, *SHAPE), 9)), 0.4
    plain, told = D(u, t), D.told(1)(u, t)
    assert (plain - told).abs().max() > 0.1
    for w in (0.0, 0.5, 1.0, 3.0):
        expected = plain + w * (told - plain)
        np.testing.assert_allclose(D.told(1, w)(u, t), expected, atol=2e-6)


# --- L4 -------------------------------------------------------------------------------------------


def test_symmetrising_gains_a_quarter_of_the_defect_and_of_the_excess():
    """Two pixels, a set of images with their mirror images, noise by quadrature."""
    data = image((3, 1, 2), 10)
    data = torch.from_numpy(np.concatenate([data, data[..., ::-1]]))
    process, t = families.vp(), 0.15
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    eps = torch.from_numpy(np.stack(np.meshgrid(nodes, nodes), -1).reshape(-1, 1, 1, 2))
    weight = torch.from_numpy(np.outer(weights, weights).ravel() / weights.sum() ** 2)
    alpha, sigma = process.signal(t).item(), process.noise(t).item()
    u = alpha * data + sigma * eps  # (nodes, images, 1, 2)
    mean = lambda x: (weight * x.square().sum((-2, -1)).mean(1)).sum().item()
    exact = priors.Empirical(data).denoiser(process)
    D = exact(u.reshape(-1, 1, 2), t).reshape(u.shape)
    mine = lambda x: torch.tanh(x * torch.tensor([1.0, 2.0]) + 0.3)  # no symmetry
    one, other = mine(u), mine(u.flip(-1)).flip(-1)
    both = (one + other) / 2
    gain = mean(one - data) - mean(both - data)
    assert abs(gain / (0.25 * mean(one - other)) - 1) < 1e-9
    assert abs(gain / (mean(one - D) - mean(both - D)) - 1) < 1e-6
    assert mean(D - exact(u.flip(-1).reshape(-1, 1, 2), t).reshape(u.shape).flip(-1)) < 1e-20
    lopsided = data[:3]  # without the mirror images, the average may lose
    u = alpha * lopsided + sigma * eps
    D = priors.Empirical(lopsided).denoiser(process)
    answer = lambda x: D(x.reshape(-1, 1, 2), t).reshape(u.shape)
    both = (answer(u) + answer(u.flip(-1)).flip(-1)) / 2
    assert mean(both - lopsided) > 1.05 * mean(answer(u) - lopsided)
