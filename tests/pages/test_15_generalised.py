"""Generalised scale-spaces: Theorem 1, designs, equal ratios, the certificate, other bases.

Everything is compared with dense matrices in the image, with brute force over data, or with
formulas typed in anew.
"""

import itertools
import math

import numpy as np
import pytest
import reference
import torch
from matrices import asymmetry, covariance, gain_and_covariance, matrix, units
from scipy.linalg import expm
from scipy.optimize import brentq, linprog, nnls
from scipy.special import ndtr

import dpss
from dpss.certificate import certify

GRID = torch.linspace(0, 1, 101, dtype=torch.float64)


class Dense(dpss.Basis):
    """c = B u, for any invertible matrix."""

    orthonormal = False

    def __init__(self, matrix, shape):
        self.matrix, self.shape = torch.as_tensor(matrix), shape
        self.log_abs_det = -float(np.linalg.slogdet(matrix)[1])

    def analyse(self, u):
        return (self.matrix @ u.flatten(-2)[..., None])[..., 0].reshape(u.shape)

    def synthesise(self, modes):
        return torch.linalg.solve(self.matrix, modes.flatten(-2)[..., None])[..., 0].reshape(
            modes.shape
        )

    def pull_back(self, gradient):
        return (self.matrix.T @ gradient.flatten(-2)[..., None])[..., 0].reshape(gradient.shape)


def coefficients(process, t, n):
    """α and σ as NumPy vectors."""
    return (
        c.expand(process.basis.shape or (1, n)).flatten().numpy()
        for c in (process.signal(t), process.noise(t))
    )


def dense(process, B, t):
    """G_t = B⁻¹ diag(α) B and Σ_t = B⁻¹ diag(σ²) B⁻ᵀ."""
    alpha, sigma = coefficients(process, t, len(B))
    inverse = np.linalg.inv(B)
    return inverse @ np.diag(alpha) @ B, inverse @ np.diag(sigma**2) @ inverse.T


def knots(values):
    """t ↦ values interpolated linearly between 0, ¼, ½, ¾, 1: `values` (5, H, W)."""
    values = torch.as_tensor(values)

    def function(t):
        step = (4 * t.detach()).floor().clamp(0, 3).long()[..., 0, 0]
        share = 4 * t - step[..., None, None]
        return (1 - share) * values[step] + share * values[step + 1]

    return function


def random_design(seed, rising, shape=(2, 3)):
    """A random basis, and gains that go up and down.

    log SNR falls in every mode, or rises in one of them between ½ and ¾.
    """
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.standard_normal((6, 6)))[0] for _ in range(2))
    B = left @ np.diag(rng.uniform(0.5, 2, 6)) @ right  # not orthonormal, and well conditioned
    fall = np.concatenate(
        [np.full((1, *shape), 8.0), 8.0 - np.cumsum(rng.uniform(0.1, 2, (4, *shape)), 0)]
    )
    mode = tuple(int(rng.integers(n)) for n in shape)
    if rising:
        fall[3:, mode[0], mode[1]] += fall[2, mode[0], mode[1]] - fall[3, mode[0], mode[1]] + 0.5
    log_signal = np.concatenate([np.zeros((1, *shape)), rng.normal(0, 1, (4, *shape))])
    gain, ell = knots(log_signal), knots(fall)
    process = dpss.Process(
        Dense(B, shape),
        gain,
        lambda t: torch.exp(gain(t) - 0.5 * ell(t)) * (t > 0),
        f"random {seed}",
    )
    return process, B, mode


# --- T1 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_a_design_is_a_markov_process_iff_no_ratio_rises(seed):
    legal, B, _ = random_design(seed, rising=False)
    chain_gain, chain_covariance = np.eye(6), np.zeros((6, 6))
    inverse = np.linalg.inv(B)
    for s, t in zip(GRID[:-1:5], GRID[5::5]):  # the chain step by step, as matrices in the image
        kernel = legal.kernel(s, t)
        K = inverse @ np.diag(kernel.gain.flatten()) @ B
        chain_gain = K @ chain_gain
        chain_covariance = (
            K @ chain_covariance @ K.T + inverse @ np.diag(kernel.std.flatten() ** 2) @ inverse.T
        )
        G, covariance = dense(legal, B, t)
        assert np.allclose(chain_gain, G, rtol=1e-8, atol=1e-10)
        assert np.allclose(
            chain_covariance, covariance, rtol=1e-8, atol=1e-10 * np.abs(covariance).max()
        )
    assert certify(legal, (2, 3))["markov"].holds and certify(legal, (2, 3))["semigroup"].holds

    illegal, B, mode = random_design(seed, rising=True)
    with pytest.raises(
        ValueError, match=rf"rises in mode \({mode[0]}, {mode[1]}\) between s = 0.5 and t = 0.75"
    ):
        illegal.kernel(0.5, 0.75)
    first, second = dense(illegal, B, 0.5), dense(illegal, B, 0.75)
    move = second[0] @ np.linalg.inv(first[0])  # the only candidate: its covariance is indefinite
    needed = second[1] - move @ first[1] @ move.T
    assert np.linalg.eigvalsh(needed)[0] < -1e-6 * np.abs(needed).max()
    assert not certify(illegal, (2, 3))["markov"].holds


def test_two_starts_in_one_mode_are_told_apart_by_half_the_ratio():
    """The divergence behind the proof, in the image and with the library's laws.

    In every kind of family it falls, or the design is refused.
    """
    process, B, mode = random_design(7, rising=True)
    unit = torch.zeros(2, 3, dtype=torch.float64)
    unit[mode] = 1.3
    other = process.basis.synthesise(unit)
    kl = {}
    for t in (0.25, 0.5, 0.75, 1.0):
        G, covariance = dense(process, B, t)
        shift = G @ other.flatten().numpy()
        kl[t] = 0.5 * shift @ np.linalg.solve(covariance, shift)
        assert kl[t] == pytest.approx(0.5 * 1.3**2 * float(process.snr(t)[mode]), rel=1e-8)
        laws = [process.marginal(start, t) for start in (torch.zeros_like(other), other)]
        assert float(laws[1].kl(laws[0])) == pytest.approx(kl[t], rel=1e-8)
    assert kl[0.25] > kl[0.5] and kl[0.75] > kl[0.5]


def test_singular_cases_of_theorem_one():
    pixels = dpss.Pixels()
    noiseless_end = dpss.Process(
        pixels, lambda t: 0 * t, lambda t: t * (1 - t), "noise that leaves"
    )  # SNR back to ∞
    assert float(noiseless_end.log_snr(1.0)) == math.inf
    with pytest.raises(ValueError, match="not Markov"):
        noiseless_end.kernel(0.5, 1.0)
    all_gone = dpss.Process(
        pixels, lambda t: torch.log1p(-t), lambda t: t * (1 - t), "all gone"
    )  # SNR 1/t², then 0: legal
    assert float(all_gone.log_snr(1.0)) == -math.inf
    end = all_gone.kernel(0.5, 1.0)
    assert float(end.gain) == 0 and float(end.std) == 0
    late = dpss.Process(
        pixels, lambda t: -t, lambda t: (t > 0.5).double(), "late noise"
    )  # SNR ∞, then finite: legal
    assert float(late.kernel(0.2, 0.4).std) == 0 and float(late.kernel(0.4, 0.6).std) == 1
    assert certify(late, (2, 2))["markov"].holds and certify(all_gone, (2, 2))["markov"].holds
    assert not certify(noiseless_end, (2, 2))["markov"].holds


def test_the_past_minimum_of_the_ratios_mends_a_refused_design():
    log_snr = lambda t: 4 - 6 * t + 2 * torch.sin(3 * math.pi * t)
    wish = dpss.Process(
        dpss.Pixels(), lambda t: 0 * t, lambda t: torch.exp(-0.5 * log_snr(t)) * (t > 0), "wish"
    )
    assert not certify(wish, (1, 1))["markov"].holds
    ratio = log_snr(GRID).exp().cummin(0).values  # constant between the times of the grid
    variance = torch.where(GRID > 0, 1 / ratio, 0.0)
    held = dpss.Process(
        dpss.Pixels(),
        lambda t: 0 * t,
        lambda t: torch.sqrt(variance[(100 * t + 1e-9).floor().long()]),
        "held",
    )
    for i, j in itertools.combinations(
        range(0, 101, 7), 2
    ):  # between every pair of times there are steps now
        assert float(held.kernel(GRID[i], GRID[j]).std ** 2) == pytest.approx(
            float(variance[j] - variance[i]), rel=1e-6, abs=1e-9
        )
    assert (held.log_snr(GRID[1:]).flatten() <= wish.log_snr(GRID[1:]).flatten() + 1e-9).all()
    assert certify(held, (1, 1), GRID)["markov"].holds
    with pytest.raises(
        ValueError, match="not Markov"
    ):  # raised by a little after its minimum, it is refused again
        raised = dpss.Process(
            dpss.Pixels(), lambda t: 0.01 * (t > 0.6), lambda t: held.noise(t[..., 0, 0]), "raised"
        )
        raised.kernel(0.58, 0.62)


def best_table(starts, ends):
    """By how much the best table of probabilities misses the laws `ends`, started at `starts`."""
    n, m = len(starts[0]), len(starts)
    carry = np.vstack([np.kron(np.eye(n), law) for law in starts])
    table, slack = np.kron(np.ones(n), np.eye(n)), np.eye(m * n)
    A = np.block([[carry, slack, -slack], [table, np.zeros((n, 2 * m * n))]])
    cost = np.r_[np.zeros(n * n), np.full(2 * m * n, 0.5)]
    return linprog(cost, A_eq=A, b_eq=np.r_[np.concatenate(ends), np.ones(n)]).fun


def test_no_transition_of_whatever_kind_serves_a_ratio_that_rises():
    """Laws of two starts, one mode, in 16 cells: all tables of probabilities are tried at once."""
    dip = dpss.Process(
        dpss.Pixels(), lambda t: -1.5 * torch.sin(math.pi * t) ** 2, lambda t: 1 + 0 * t, "dip"
    )
    cuts = np.linspace(-3, 3, 15)

    def laws(t):
        means = [dip.marginal(torch.full((1, 1), x, dtype=torch.float64), t) for x in (0.7, -0.7)]
        return [np.diff(np.r_[0, ndtr((cuts - float(x.mean)) / float(x.std)), 1]) for x in means]

    assert best_table(laws(0.1), laws(0.5)) < 1e-9
    shrinks = 2 * ndtr(0.7 * math.exp(-1.5)) - 1, 2 * ndtr(0.7 * math.exp(-1.5 * 0.345491503)) - 1
    assert best_table(laws(0.5), laws(0.8)) == pytest.approx(shrinks[1] - shrinks[0], abs=1e-9)
    for one, other in zip(laws(0.5), laws(0.8)):  # a table that knows the start misses nothing
        assert best_table([one], [other]) < 1e-9
    with pytest.raises(ValueError, match="not Markov"):
        dip.kernel(0.5, 0.8)


def test_there_are_no_other_transitions():
    """The moments x ↦ E[U_t^n | U_s = x] follow from the laws of many starts.

    As polynomials they are the only solution, and those of the kernel.
    """
    process = dpss.blurring((1, 2), 1.0, 0.1)
    s, t = 0.3, 0.7
    kernel = process.kernel(s, t)
    gain, std = (x.expand(1, 2)[0, 1].item() for x in (kernel.gain, kernel.std))
    raw = lambda mean, sd: np.array(  # moments of N(mean, sd²) up to the fourth
        [1, mean, mean**2 + sd**2, mean**3 + 3 * mean * sd**2]
        + [mean**4 + 6 * mean**2 * sd**2 + 3 * sd**4]
    )
    ends = [(process.signal(r).expand(1, 2)[0, 1].item(), process.noise(r).item()) for r in (s, t)]
    starts = np.linspace(-2, 2, 9)
    before, after = (np.stack([raw(a * c, sd) for c in starts]) for a, sd in ends)
    found, _, rank, _ = np.linalg.lstsq(before, after, rcond=None)
    assert rank == 5
    assert np.allclose(before @ found, after, atol=1e-10)
    for x in (-1.0, 0.4, 2.0):
        assert np.allclose(x ** np.arange(5) @ found, raw(gain * x, std), atol=1e-8)


# --- T2 -------------------------------------------------------------------------------------------


def test_every_family_is_the_design_of_the_table():
    t = np.linspace(0.01, 0.99, 50)
    shape, beta = (4, 6), lambda t: 0.3 * t + 0.5 * (11 - 0.3) * t**2
    lam = reference.eigenvalues(*shape)[None]
    T, blur = t[:, None, None], 0.5 * (2.5 * np.sin(np.pi * t / 2) ** 2)[:, None, None] ** 2
    L = 2 * np.log(1 / np.tan(np.pi * T / 2))
    gamma = 0.8 * np.exp(-lam * blur) + 0.2
    betas = np.linspace(0.001, 0.2, 50)
    chain = np.cumprod(1 - betas)[:, None, None]
    rows = {  # family: process, α, σ, log SNR
        "vp": (
            dpss.vp(0.3, 11),
            np.exp(-beta(T) / 2),
            np.sqrt(1 - np.exp(-beta(T))),
            -np.log(np.exp(beta(T)) - 1),
        ),
        "cosine": (dpss.vp_cosine(), np.cos(np.pi * T / 2), np.sin(np.pi * T / 2), L),
        "sub-VP": (
            dpss.sub_vp(0.3, 11),
            np.exp(-beta(T) / 2),
            1 - np.exp(-beta(T)),
            -beta(T) - 2 * np.log(1 - np.exp(-beta(T))),
        ),
        "ve": (
            dpss.ve(0.1, 20),
            1 + 0 * T,
            0.1 * np.sqrt(200 ** (2 * T) - 1),
            -2 * np.log(0.1) - np.log(200 ** (2 * T) - 1),
        ),
        "heat": (
            dpss.heat(shape, 2.5, 0.3),
            np.exp(-lam * blur),
            0.3 + 0 * T,
            -2 * np.log(0.3) - 2 * lam * blur,
        ),
        "blurring": (
            dpss.blurring(shape, 2.5, 0.2),
            np.cos(np.pi * T / 2) * gamma,
            np.sin(np.pi * T / 2),
            L + 2 * np.log(gamma),
        ),
    }
    for name, (process, alpha, sigma, ell) in rows.items():
        assert np.allclose(process.signal(t), alpha, rtol=1e-10, atol=0), name
        assert np.allclose(process.noise(t), sigma, rtol=1e-10, atol=0), name
        assert np.allclose(process.log_snr(t), ell, rtol=1e-9, atol=1e-9), name
        assert (process.log_snr(t).diff(dim=0) <= 1e-12).all(), name
    discrete = dpss.vp_discrete(betas)
    assert np.allclose(discrete.signal(np.arange(1, 51) / 50) ** 2, chain, rtol=1e-10)
    assert np.allclose(discrete.noise(np.arange(1, 51) / 50) ** 2, 1 - chain, rtol=1e-10)
    scale_space = dpss.gaussian_scale_space(shape, 7.0)
    assert (
        np.allclose(scale_space.log_signal(t), -7 * lam * T, atol=1e-12)
        and (scale_space.noise(t) == 0).all()
    )


def test_blurring_lies_between_cosine_vp_and_heat():
    t, shape = torch.linspace(0.01, 0.99, 60, dtype=torch.float64), (5, 7)
    L, lam = dpss.vp_cosine().log_snr(t), torch.as_tensor(reference.eigenvalues(*shape))
    tau = 0.5 * (3 * torch.sin(math.pi * t / 2) ** 2)[:, None, None] ** 2
    for d in (1e-6, 0.01, 0.5, 0.99):
        below = L - dpss.blurring(shape, 3.0, d).log_snr(t)
        assert (
            (below >= -1e-9).all()
            and (below <= 2 * (1 - d) * lam * tau + 1e-9).all()
            and (below <= -2 * math.log(d) + 1e-9).all()
        )
        assert float(below.max()) > 0.3 * min(
            -2 * math.log(d), float(2 * (1 - d) * (lam * tau).max())
        )  # and the bound is no idle one
    nearly = dpss.blurring(shape, 1e-3).log_snr(t)
    assert torch.allclose(nearly, L.expand_as(nearly), atol=1e-4)
    product = dpss.vp_cosine().log_signal(t) + dpss.heat(shape, 3.0).log_signal(t)
    assert torch.allclose(dpss.blurring(shape, 3.0, 0.0).log_signal(t), product, rtol=1e-10)
    for s in (0.2, 0.9):
        clock = 0.5 * (3 * math.sin(math.pi * s / 2) ** 2) ** 2
        assert torch.allclose(
            dpss.heat(shape, 3.0, 0.0).signal(s),
            dpss.gaussian_scale_space(shape, clock).signal(1.0),
            rtol=1e-10,
        )


def test_ratios_are_constant_in_k_or_affine_in_the_eigenvalue():
    t, shape = [0.2, 0.5, 0.9], (4, 5)
    lam = torch.as_tensor(reference.eigenvalues(*shape))
    for process in (dpss.vp(), dpss.sub_vp(), dpss.ve(), dpss.vp_cosine()):
        assert process.log_snr(t).shape == (3, 1, 1)
    for time, ell in zip(t, dpss.heat(shape, 2.0, 0.1).log_snr(t)):
        slope = -((2 * math.sin(math.pi * time / 2) ** 2) ** 2)
        assert torch.allclose(ell, -2 * math.log(0.1) + slope * lam, rtol=1e-10)


def test_many_small_steps_tend_to_vp():
    off = []
    for m in (100, 200, 400):
        at = torch.arange(1, m + 1, dtype=torch.float64) / m
        steps = dpss.vp_discrete((0.2 + 11 * at) / m)
        off.append(float((steps.signal(at) - dpss.vp(0.2, 11.2).signal(at)).abs().max()))
    assert off[0] < 0.02 and off[1] / off[0] == pytest.approx(0.5, abs=0.05)
    assert off[2] / off[1] == pytest.approx(0.5, abs=0.03)


# --- T3 -------------------------------------------------------------------------------------------


def joint(process, B, times):
    """Mean map and covariance of (U_{t_1}, …, U_{t_n}) given U_0, dense, from the kernels."""
    inverse, size = np.linalg.inv(B), len(B)
    means, blocks = [], np.zeros((len(times) * size,) * 2)
    for i, s in enumerate(times):
        G, covariance = dense(process, B, s)
        means.append(G)
        for j in range(i, len(times)):
            step = np.eye(size)
            for a, b in zip(times[i:j], times[i + 1 : j + 1]):
                step = (
                    inverse
                    @ np.diag(process.kernel(a, b).gain.expand(process.basis.shape).flatten())
                    @ B
                    @ step
                )
            block = step @ covariance
            blocks[j * size : (j + 1) * size, i * size : (i + 1) * size] = block
            blocks[i * size : (i + 1) * size, j * size : (j + 1) * size] = block.T
    return np.concatenate(means), blocks


@pytest.mark.parametrize("seed", range(3))
def test_equal_ratios_make_one_process_up_to_a_linear_map(seed):
    process, B, _ = random_design(seed, rising=False)
    times = [0.1, 0.3, 0.35, 0.8]
    scale = np.random.default_rng(seed).uniform(0.2, 5, (5, 2, 3))  # any function of time
    scale[0] = 1
    factor = knots(np.log(scale))
    other = dpss.Process(
        process.basis,
        lambda t: process.log_signal(t[..., 0, 0]) + factor(t),
        lambda t: process.noise(t[..., 0, 0]) * torch.exp(factor(t)),
        "other units",
    )
    inverse = np.linalg.inv(B)
    C = np.zeros((24, 24))
    for i, t in enumerate(times):
        ratio = other.signal(t) / process.signal(t)
        C[6 * i : 6 * i + 6, 6 * i : 6 * i + 6] = inverse @ np.diag(ratio.flatten()) @ B
    mean, covariance = joint(process, B, times)
    other_mean, other_covariance = joint(other, B, times)
    assert np.allclose(C @ mean, other_mean, rtol=1e-8, atol=1e-9)
    assert np.allclose(
        C @ covariance @ C.T,
        other_covariance,
        rtol=1e-8,
        atol=1e-9 * np.abs(other_covariance).max(),
    )
    for t in times:  # what no linear map changes
        G, S = dense(other, B, t)
        assert np.allclose(
            G.T @ np.linalg.solve(S, G), B.T @ np.diag(process.snr(t).flatten()) @ B, rtol=1e-7
        )


def test_sub_vp_is_vp_at_the_times_of_equal_ratios():
    vp, sub = dpss.vp(), dpss.sub_vp()
    steps = []
    for t in (0.1, 0.4, 0.7):
        late = brentq(lambda x, t=t: float(sub.log_snr(x) - vp.log_snr(t)), 1e-4, 1)
        steps.append((t, late, float(sub.signal(late) / vp.signal(t))))
    assert abs(steps[0][1] - steps[0][0]) > 0.02 and steps[0][2] < 0.9  # other times, other units
    for (s, s_late, c), (t, t_late, d) in itertools.combinations(steps, 2):
        ours, theirs = vp.kernel(s, t), sub.kernel(s_late, t_late)
        assert float(theirs.gain) == pytest.approx(d / c * float(ours.gain), rel=1e-9)
        assert float(theirs.std) == pytest.approx(d * float(ours.std), rel=1e-8)


def test_denoisers_of_one_process_in_two_units_agree():
    shape = (4, 4)
    blur = dpss.blurring(shape, 2.0, 0.05)
    snr = lambda t: blur.log_snr(t[..., 0, 0])
    normal = dpss.Process(
        blur.basis,
        lambda t: 0.5 * torch.nn.functional.logsigmoid(snr(t)),
        lambda t: torch.exp(0.5 * torch.nn.functional.logsigmoid(-snr(t))),
        "normal form",
    )
    data = dpss.Empirical(torch.as_tensor(np.stack([reference.image(shape, k) for k in range(7)])))
    u = normal.sample(data.images[2], 0.6, torch.Generator().manual_seed(1))
    C = normal.signal(0.6) / blur.signal(0.6)
    there = blur.basis.synthesise(blur.basis.analyse(u) / C)
    found, needed = data.denoiser(blur)(there, 0.6), data.denoiser(normal)(u, 0.6)
    assert torch.allclose(found, needed, atol=1e-9)
    assert (data.denoiser(blur)(u, 0.6) - needed).abs().max() > 1e-3
    rows = certify(normal, shape)
    assert all(
        rows[name].holds
        for name in ("markov", "conditional entropy", "kl to normal", "steady state", "divergence")
    )
    assert not certify(blur, shape)["kl to normal"].holds


def test_processes_with_other_ratios_are_no_units_of_each_other():
    """No matrix changes the divergence of two starts; cosine VP never has both of blurring."""
    shape = (6, 6)
    blur, vp, starts = dpss.blurring(shape, 3.0), dpss.vp_cosine(), []
    for mode in ((0, 1), (5, 4)):
        unit = torch.zeros(shape, dtype=torch.float64)
        unit[mode] = 1.0
        starts.append(blur.basis.synthesise(unit))
    grey = torch.zeros(shape, dtype=torch.float64)

    def told_apart(process, t):
        return [float(process.marginal(u, t).kl(process.marginal(grey, t))) for u in starts]

    there = np.log(told_apart(blur, 0.5))
    at = np.linspace(0.01, 0.99, 99)
    misses = [np.abs(np.log(told_apart(vp, t)) - there).max() for t in at]
    assert min(misses) > 1
    assert np.allclose(there, np.log(0.5 * blur.snr(0.5)[[0, 5], [1, 4]].numpy()), atol=1e-9)
    rng = np.random.default_rng(5)
    G, S = dense(blur, reference.cosine_matrix(*shape), 0.5)
    C = rng.standard_normal((36, 36))
    for u, known in zip(starts, there):
        gap = C @ G @ u.flatten().numpy()
        assert math.log(0.5 * gap @ np.linalg.solve(C @ S @ C.T, gap)) == pytest.approx(known)


def test_the_normal_form_is_the_only_one_with_unit_power():
    """α² + σ² = 1 and the ratios of sub-VP: VP at other times, and no other number fits."""
    sub, vp = dpss.sub_vp(), dpss.vp()
    for t in (0.1, 0.3, 0.8):
        late = brentq(lambda x, t=t: float(vp.log_snr(x) - sub.log_snr(t)), 1e-5, 1)
        snr = float(sub.snr(t))
        assert float(vp.signal(late)) ** 2 == pytest.approx(snr / (1 + snr), rel=1e-8)
        assert float(vp.noise(late)) ** 2 == pytest.approx(1 / (1 + snr), rel=1e-8)


# --- T4 -------------------------------------------------------------------------------------------

TIMES = torch.linspace(0, 1, 21, dtype=torch.float64)


def rises(course, slack=1e-8):
    course = np.array(course)
    return bool((course - np.minimum.accumulate(course)).max() > slack)


@pytest.mark.parametrize("rising", [False, True])
def test_each_row_of_the_certificate_holds_exactly_under_its_condition(rising):
    """Information, divergence and entropy by dense covariances and random data, and the verdict."""
    for seed in range(4):
        process, B, mode = random_design(20 + seed, rising)
        process_rows = certify(process, (2, 3), TIMES)
        rng, inverse = np.random.default_rng(seed), np.linalg.inv(B)
        data = [np.eye(6) + (a := rng.standard_normal((6, 6))) @ a.T for _ in range(3)]
        single = inverse[:, 3 * mode[0] + mode[1]]
        data.append(
            1e-9 * np.eye(6) + np.outer(single, single)
        )  # nearly all of it in the mode in question
        laws = [dense(process, B, t) for t in TIMES[1:]]
        info = [
            [
                0.5 * (np.linalg.slogdet(G @ c @ G.T + S)[1] - np.linalg.slogdet(S)[1])
                for G, S in laws
            ]
            for c in data
        ]
        assert (
            any(rises(course) for course in info)
            == rising
            == (not process_rows["mutual information"].holds)
        )
        white = inverse @ inverse.T  # modes N(0, 1)
        kl = [
            [reference.kl_normal(G @ m, G @ c @ G.T + S, 0 * m, G @ d @ G.T + S) for G, S in laws]
            for m, c, d in [(rng.standard_normal(6), data[0], data[1]), (single, white, white)]
        ]
        assert (
            any(rises(course) for course in kl) == rising == (not process_rows["divergence"].holds)
        )
        entropy = [0.5 * np.linalg.slogdet(2 * math.pi * math.e * S)[1] for _, S in laws]
        assert rises([-h for h in entropy]) == (not process_rows["conditional entropy"].holds)


def test_ratio_and_entropy_conditions_are_independent():
    pixels = dpss.Pixels()
    quiet = dpss.Process(
        pixels, lambda t: -5 * t, lambda t: torch.sqrt(t) * torch.exp(-t), "quiet end"
    )
    loud = dpss.Process(pixels, lambda t: 5 * t, lambda t: torch.sqrt(t), "loud")
    rows = certify(quiet, (2, 2))
    assert rows["markov"].holds and not rows["conditional entropy"].holds
    fall = rows["conditional entropy"].defect
    assert fall == pytest.approx(
        4 * (1 - 0.5 - 0.5 * math.log(2)), rel=1e-3
    )  # log σ = ½ log t − t, from ½ to 1
    rows = certify(loud, (2, 2))
    assert not rows["markov"].holds and rows["conditional entropy"].holds


def test_the_normal_law_stays_exactly_under_the_matrix_condition():
    """Orthonormal: α² + σ² = 1. Else diag(α) M diag(α) + diag(σ²) = M freezes coupled modes."""
    B = np.array([[1.0, 0, 0], [1, 1, 0], [0, 0, 2]])
    third = torch.tensor([[0.0, 0, 1]], dtype=torch.float64)
    cases = {
        "third": (
            lambda t: -t * third,
            lambda t: 2 * torch.sqrt(-torch.expm1(-2 * t)) * third,
            True,
        ),
        "third, too little noise": (
            lambda t: -t * third,
            lambda t: torch.sqrt(-torch.expm1(-2 * t)) * third,
            False,
        ),
        "first": (
            lambda t: -t * third.flip(-1),
            lambda t: torch.sqrt(-torch.expm1(-2 * t)) * third.flip(-1),
            False,
        ),
        "all": (lambda t: -t, lambda t: torch.sqrt(-torch.expm1(-2 * t)), False),
        "all, right on the diagonal": (
            lambda t: -t,
            lambda t: torch.sqrt(-torch.expm1(-2 * t) * torch.tensor([[1.0, 2, 4]]).double()),
            False,
        ),
    }
    for name, (log_signal, noise, stays) in cases.items():
        process = dpss.Process(Dense(B, (1, 3)), log_signal, noise, name)
        rows = certify(process, (1, 3))
        assert rows["kl to normal"].holds == stays, name
        kept = [
            np.abs(G @ G.T + S - np.eye(3)).max() for G, S in (dense(process, B, t) for t in TIMES)
        ]
        assert (max(kept) < 1e-12) == stays, name
        if stays:  # then the divergence falls for any data
            for seed in range(5):
                a = np.random.default_rng(seed).standard_normal((3, 3))
                c = a @ a.T + 0.1 * np.eye(3)
                laws = [dense(process, B, t) for t in TIMES]
                assert not rises(
                    [
                        reference.kl_normal(G @ a[0], G @ c @ G.T + S, np.zeros(3), np.eye(3))
                        for G, S in laws
                    ]
                )


class Forgetful(dpss.Basis):
    """What comes back is positive: not linear, as every basis should be."""

    def analyse(self, u):
        return u

    def synthesise(self, modes):
        return modes.abs() if modes.ndim == 2 else modes


cosine_gain = lambda t: torch.log(torch.sin(0.5 * math.pi * (1 - t)))
cosine_noise = lambda t: torch.sin(0.5 * math.pi * t)


def in_cosines(rates, ending=0.0):
    return dpss.Process(
        dpss.Cosines((3, 3)),
        lambda t: cosine_gain(t) - torch.as_tensor(rates) * t,
        lambda t: cosine_noise(t) * (1 - ending * t),
    )


def in_pixels(log_gain, noise=cosine_noise):
    return dpss.Process(dpss.Pixels(), log_gain, noise)


BACK = lambda t: cosine_gain(t) - 4 * torch.sin(math.pi * t) ** 2
ALONE = np.eye(9).reshape(9, 3, 3)  # one mode each
LAMBDA = reference.eigenvalues(3, 3)
LADDER = torch.arange(3.0, dtype=torch.float64)
ROWS = {  # row: a process for which it holds, and one for which it fails
    "initial state": (dpss.vp_cosine(), in_pixels(lambda t: cosine_gain(t) - 0.1)),
    "markov": (in_cosines(LAMBDA), in_pixels(BACK)),
    "semigroup": (in_cosines(LAMBDA), in_pixels(BACK)),
    "conditional entropy": (in_cosines(LAMBDA), in_cosines(LAMBDA, ending=0.5)),
    "mutual information": (in_cosines(LAMBDA), in_pixels(BACK)),
    "divergence": (in_cosines(LAMBDA), in_pixels(BACK)),
    "kl to normal": (dpss.vp_cosine(), dpss.sub_vp()),
    "flips": (in_cosines(ALONE[5]), in_pixels(lambda t: cosine_gain(t) - LADDER * t)),
    "rotations": (in_cosines(LAMBDA), in_cosines(ALONE[1])),
    "permutations": (in_cosines(ALONE[0]), in_cosines(LAMBDA)),
    "sign": (in_cosines(LAMBDA), dpss.Process(Forgetful(), cosine_gain, cosine_noise)),
    "steady state": (dpss.vp_cosine(), dpss.ve()),
}


def by_matrices(process):
    """G_t and Σ_t of images of 3×3 pixels at `TIMES`, from what images do."""
    return [gain_and_covariance(process, t, (3, 3)) for t in TIMES]


def gaps(process, *moves):
    """How far maps are from commuting with the law, at the worst time."""
    maps = [reference.permutation((3, 3), move) for move in moves]
    return max(asymmetry(G, S, R) for G, S in by_matrices(process) for R in maps)


def some_shuffle(u):
    return u.ravel()[[4, 2, 7, 0, 8, 1, 3, 5, 6]].reshape(3, 3)


def violation(row, process):
    """How badly the property of a row fails, by matrices and data; 0 where it holds."""
    if row == "sign":
        u = torch.as_tensor(reference.image((3, 3)))
        there, back = (process.marginal(x, 0.5).mean for x in (u, -u))
        return float((there + back).abs().max())
    laws = by_matrices(process)
    if row == "initial state":
        G, S = laws[0]
        return np.abs(G - np.eye(9)).max() + np.abs(S).max()
    if row == "conditional entropy":
        course = [-np.linalg.slogdet(S)[1] for _, S in laws[1:]]
    elif row in ("markov", "semigroup"):  # the only candidates for covariances of steps
        steps = [
            T - (K := H @ np.linalg.inv(G)) @ S @ K.T
            for (G, S), (H, T) in zip(laws[1:-2], laws[2:-1])
        ]
        return -min(0.0, *(np.linalg.eigvalsh(step)[0] / np.abs(step).max() for step in steps))
    elif row == "mutual information":
        data = 50 * np.eye(9)
        course = [
            np.linalg.slogdet(G @ data @ G.T + S)[1] - np.linalg.slogdet(S)[1] for G, S in laws[1:]
        ]
    elif row == "divergence":
        course = [
            reference.kl_normal(7 * G @ np.ones(9), 50 * G @ G.T + S, np.zeros(9), 50 * G @ G.T + S)
            for G, S in laws[1:]
        ]
    elif row == "kl to normal":
        course = [
            reference.kl_normal(np.zeros(9), G @ G.T + S, np.zeros(9), np.eye(9)) for G, S in laws
        ]
    elif row == "flips":
        return gaps(process, lambda u: u[::-1], lambda u: u[:, ::-1])
    elif row == "rotations":
        return gaps(process, np.rot90)
    elif row == "permutations":
        return gaps(process, some_shuffle)
    else:  # steady state: what is left of a start
        return np.abs(laws[-1][0]).max()
    return max(0.0, (np.array(course) - np.minimum.accumulate(course)).max())


@pytest.mark.parametrize("row", ROWS)
def test_each_of_the_twelve_rows_holds_and_fails_as_matrices_say(row):
    keeps, breaks = ROWS[row]
    found = certify(keeps, (3, 3)), certify(breaks, (3, 3))
    assert set(found[0]) == set(ROWS)
    assert violation(row, keeps) < 1e-9 and found[0][row].holds
    assert violation(row, breaks) > 0.02 and not found[1][row].holds
    assert found[0][row].witness is None and found[1][row].witness is not None


def test_other_rows_stay_where_one_breaks():
    """A process that breaks one condition keeps the rows that do not follow from it."""
    lost = {
        name: [row for row, found in certify(breaks, (3, 3)).items() if not found.holds]
        for name, (_, breaks) in ROWS.items()
    }
    assert lost["conditional entropy"] == ["conditional entropy", "kl to normal", "permutations"]
    assert lost["kl to normal"] == ["kl to normal"]
    assert lost["rotations"] == ["kl to normal", "rotations", "permutations"]
    assert lost["permutations"] == ["kl to normal", "permutations"]
    assert lost["steady state"] == ["kl to normal", "steady state"]


def commutes(shape, G, S, move):
    """Whether a map of images commutes with mean map and covariance."""
    n = shape[0] * shape[1]
    R = np.stack([move(e.reshape(shape)).ravel() for e in np.eye(n)], 1)
    return np.allclose(R @ G, G @ R, atol=1e-10) and np.allclose(R @ S @ R.T, S, atol=1e-10)


@pytest.mark.parametrize(
    "kind", ["all alike", "mean apart", "one mode", "symmetric", "lopsided", "lopsided noise"]
)
def test_symmetry_rows_by_trying_all_permutations(kind):
    shape = (2, 2) if kind in ("all alike", "mean apart") else (3, 3)
    rate, extra = torch.ones(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.float64)
    if kind == "mean apart":
        rate[0, 0] = 4
    elif kind == "one mode":
        rate[0, 1] = 4
    elif kind == "symmetric":
        rate = 1 + torch.as_tensor(reference.eigenvalues(3, 3))
    elif kind == "lopsided":
        rate[:, 1:] = 3
    elif kind == "lopsided noise":
        extra[0, 2] = 1
    process = dpss.Process(
        dpss.Cosines(shape), lambda t: -rate * t, lambda t: torch.sqrt(t) * (1 + extra), kind
    )
    rows, B, n = certify(process, shape), reference.cosine_matrix(*shape), shape[0] * shape[1]
    alpha, sigma = (
        c.expand(shape).flatten().numpy() for c in (process.signal(0.6), process.noise(0.6))
    )
    G, S = B.T @ np.diag(alpha) @ B, B.T @ np.diag(sigma**2) @ B
    assert (
        rows["flips"].holds
        and commutes(shape, G, S, lambda u: u[::-1])
        and commutes(shape, G, S, lambda u: u[:, ::-1])
    )
    assert (
        rows["rotations"].holds
        == commutes(shape, G, S, np.rot90)
        == (kind not in ("one mode", "lopsided", "lopsided noise"))
    )
    some = list(itertools.permutations(range(n)))[:: 1 if n == 4 else 5000]
    everyone = all(
        commutes(shape, G, S, lambda u, order=order: u.ravel()[list(order)].reshape(shape))
        for order in some
    )
    assert rows["permutations"].holds == everyone == (kind in ("all alike", "mean apart"))
    assert rows["sign"].holds


def test_a_certificate_is_blind_between_its_times():
    dip = lambda t: -t - 3 * torch.exp(-(((t - 0.5025) / 0.0005) ** 2))
    process = dpss.Process(dpss.Pixels(), dip, lambda t: torch.sqrt(t), "dip")
    assert certify(process, (2, 2))["markov"].holds
    rows = certify(process, (2, 2), torch.linspace(0.5, 0.505, 51, dtype=torch.float64))
    assert not rows["markov"].holds and rows["markov"].defect > 5


# --- T5 -------------------------------------------------------------------------------------------

GUIDANCE = reference.positive((3, 4), 5, 8.0)
V = GUIDANCE / GUIDANCE.mean()


def test_osmotic_design_is_osmosis_with_noise_of_variance_v():
    process, u = dpss.osmotic(GUIDANCE, 2.0, 0.3), reference.image((3, 4), 6)
    A = reference.osmosis(*reference.drift(GUIDANCE))
    for t in (0.1, 0.5, 1.0):
        law = process.marginal(torch.as_tensor(u), t)
        assert np.allclose(law.mean, (expm(2 * t * A) @ u.ravel()).reshape(3, 4), atol=1e-10)
        assert float(law.mean.mean()) == pytest.approx(u.mean(), abs=1e-12)
        spread = covariance(process.basis, 0.3, (3, 4))
        assert np.allclose(spread, 0.09 * np.diag(V.ravel()), atol=1e-12)
        entropy = 0.5 * np.linalg.slogdet(2 * math.pi * math.e * spread)[1]
        assert float(law.entropy()) == pytest.approx(entropy, rel=1e-10)
        assert float(dpss.measures.conditional_entropy(process, t, (3, 4))) == pytest.approx(
            entropy, rel=1e-10
        )
    assert (
        process.basis.log_abs_det == pytest.approx(0.5 * np.log(V).sum(), rel=1e-10)
        and process.basis.log_abs_det < 0
    )
    draws = process.sample(
        torch.zeros(20000, 3, 4, dtype=torch.float64), 0.5, torch.Generator().manual_seed(0)
    )
    assert np.allclose(draws.var(0), 0.09 * V, rtol=0.06)  # 6 standard errors: √(2/20000) = 0.01


def test_no_noise_in_osmotic_modes_is_white_unless_the_guidance_is_flat():
    for v, white in ((GUIDANCE, False), (np.ones((3, 4)), True)):
        images = matrix(dpss.Osmotic(v).synthesise(units((3, 4)))).T
        squares = np.stack([np.outer(x, x).ravel() for x in images], 1)  # Σ = Σ_k σ_k² x_k x_kᵀ
        assert (nnls(squares, np.eye(12).ravel())[1] < 1e-8) == white


def test_the_osmotic_process_ends_at_the_stated_divergence():
    process, u = dpss.osmotic(GUIDANCE, 3.0, 0.2), reference.image((3, 4), 7)
    end, target = process.marginal(torch.as_tensor(u), 1.0), u.mean() * V
    gap = (end.mean.numpy() - target).ravel()
    kl = 0.5 * (gap**2 / (0.04 * V.ravel())).sum()  # both have the covariance 0.04 diag(v)
    assert float(
        end.kl(dpss.Gaussian(torch.as_tensor(target), 0.2, process.basis))
    ) == pytest.approx(kl, rel=1e-8)
    A = reference.osmosis(*reference.drift(GUIDANCE))
    gap_rate = np.sort(-np.linalg.eigvals(A).real)[1]
    bound = math.exp(-6 * gap_rate) / 0.08 * ((u - target) ** 2 / V).sum()
    assert 0.01 * bound < kl <= bound


def test_the_reference_of_an_osmotic_vp_is_white_noise_of_variance_v():
    rates = dpss.Osmotic(GUIDANCE).eigenvalues
    noise = lambda t: torch.sqrt((-torch.expm1(-2 * t * rates)).clamp(min=1e-300))
    process = dpss.Process(dpss.Osmotic(GUIDANCE), lambda t: -t * rates, noise, "osmotic VP")
    A = reference.osmosis(*reference.drift(GUIDANCE))
    for t in (0.2, 0.9):
        G = expm(t * A)
        added = covariance(process.basis, process.noise(t), (3, 4))
        assert np.allclose(G @ np.diag(V.ravel()) @ G.T + added, np.diag(V.ravel()), atol=1e-10)
        assert np.abs(G @ G.T + added - np.eye(12)).max() > 0.05
    rows = certify(process, (3, 4))
    assert not rows["kl to normal"].holds and rows["markov"].holds


def test_osmotic_symmetries_are_those_of_the_guidance():
    line = np.array([1.0, 2.0, 5.0, 2.0, 1.0])
    for v, flips, turns in (
        (np.outer(line, line), True, True),
        (np.outer(line, line**2), True, False),
        (np.outer(line, np.arange(1, 6)), False, False),
    ):
        rows = certify(dpss.osmotic(v, 50.0), (5, 5))
        assert (
            rows["flips"].holds == flips
            and rows["rotations"].holds == turns
            and not rows["permutations"].holds
        )


def test_the_score_in_a_basis_that_is_not_orthonormal_is_the_gradient_in_the_image():
    for process in (dpss.osmotic(GUIDANCE, 2.0, 0.3), random_design(3, rising=False)[0]):
        shape = process.basis.shape
        prior = dpss.GaussianPrior(torch.as_tensor(reference.image(shape, 8)), 0.7, process.basis)
        u, law = torch.as_tensor(reference.image(shape, 9)), prior.marginal(process, 0.4)
        slopes = [
            (law.log_prob(u + 1e-4 * e) - law.log_prob(u - 1e-4 * e)) / 2e-4 for e in units(shape)
        ]  # exact for a quadratic
        score = process.score(prior.denoiser(process)(u, 0.4), u, 0.4)
        assert torch.allclose(
            score.flatten(), torch.stack(slopes), rtol=1e-6, atol=1e-6 * score.abs().max().item()
        )


# --- T6 -------------------------------------------------------------------------------------------


def told(gain, covariance):
    """The information about u_0, Gᵀ Σ⁻¹ G."""
    return gain.T @ np.linalg.solve(covariance, gain)


def matrix_step(first, second):
    """Gain and covariance of the step between two states (G, Σ)."""
    (G, S), (H, T) = first, second
    known = np.linalg.pinv(told(G, S), hermitian=True, rcond=1e-12)
    return H @ known @ np.linalg.solve(S, G).T, T - H @ known @ H.T


def below(second, first):
    """Whether the information of `second` is at most that of `first`."""
    return np.linalg.eigvalsh(told(*first) - told(*second))[0] > -1e-12 * told(*first).max()


def test_states_in_other_bases_follow_each_other_iff_the_information_falls():
    shape, rng = (4, 4), np.random.default_rng(3)
    halve = matrix(units(shape).reshape(16, 2, 2, 2, 2).mean((2, 4)).reshape(16, 2, 2))
    small = dpss.vp().signal(0.5).item() * 2 * halve, dpss.vp().noise(0.5).item() ** 2 * np.eye(4)
    states = {
        "vp": gain_and_covariance(dpss.vp(), 0.1, shape),
        "blurring": gain_and_covariance(dpss.blurring(shape, 1.0), 0.7, shape),
        "osmotic": gain_and_covariance(dpss.osmotic(1 + rng.random(shape), 0.2, 1.5), 0.5, shape),
        "halved": small,
    }
    pairs = {(a, b): below(states[b], states[a]) for a in states for b in states if a != b}
    assert pairs["vp", "blurring"] and pairs["vp", "osmotic"] and pairs["osmotic", "halved"]
    assert not any(pairs["halved", b] for b in ("vp", "blurring", "osmotic"))
    assert not pairs["blurring", "vp"] and not pairs["blurring", "osmotic"]
    for (a, b), legal in pairs.items():
        (G, S), (H, T) = states[a], states[b]
        K, R = matrix_step(states[a], states[b])
        right = np.allclose(K @ G, H, atol=1e-9) and np.linalg.eigvalsh(R)[0] > -1e-9
        assert right == legal, (a, b)
        if legal:
            assert np.allclose(K @ S @ K.T + R, T, atol=1e-9)
        else:  # two starts that are told apart better afterwards: no transition can do it
            values, vectors = np.linalg.eigh(told(H, T) - told(G, S))
            x = vectors[:, -1]
            kl = [
                reference.kl_normal(M @ x, C, np.zeros(len(C)), C)
                for M, C in (states[a], states[b])
            ]
            assert kl[1] - kl[0] == pytest.approx(0.5 * values[-1]) and kl[1] > kl[0]


def test_matrix_steps_compose_and_are_those_of_the_kernel():
    shape = (3, 4)
    for process in (dpss.vp(), dpss.blurring(shape, 1.0, 0.05), dpss.osmotic(GUIDANCE, 0.5, 0.3)):
        states = [gain_and_covariance(process, t, shape) for t in (0.2, 0.4, 0.7)]
        (first, noise), (second, more), (both, total) = (
            matrix_step(states[i], states[j]) for i, j in ((0, 1), (1, 2), (0, 2))
        )
        assert np.allclose(second @ first, both, atol=1e-9)
        assert np.allclose(more + second @ noise @ second.T, total, atol=1e-9)
        kernel = process.kernel(0.2, 0.7)
        assert np.allclose(both, matrix(kernel(units(shape)).mean), atol=1e-9)
        assert np.allclose(total, covariance(process.basis, kernel.std, shape), atol=1e-9)


def test_a_noisy_state_and_a_small_image_without_noise_are_not_comparable():
    tiles = (-1.0) ** (torch.arange(8)[:, None] + torch.arange(8)).double()
    assert (tiles.reshape(4, 2, 4, 2).mean((1, 3)) == 0).all()  # small images: the same
    for t, b in ((0.3, 0.03 + 9.95 * 0.09), (0.9, 0.09 + 9.95 * 0.81)):
        law, grey = (dpss.vp().marginal(u, t) for u in (tiles, 0 * tiles))
        assert float(law.kl(grey)) == pytest.approx(0.5 * 64 / math.expm1(b), rel=1e-9)
    flat = torch.ones(8, 8, dtype=torch.float64)  # small images: different for certain
    apart = float(dpss.vp().marginal(flat, 0.3).kl(dpss.vp().marginal(0 * flat, 0.3)))
    assert math.isfinite(apart)
