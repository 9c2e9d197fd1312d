"""Trajectories: B6a–B6e by dense matrices and closed forms."""

import math

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
import torch
from reference import osmosis as dense
from reference import positive

import dpss
from dpss import diffusion, osmosis, reverse

SHAPE = (5, 6)
RNG = np.random.default_rng(17)
F, NOISE = RNG.uniform(-1, 1, SHAPE), RNG.normal(0, 1, SHAPE)


def canonical(v):
    """Drifts of a guidance on the edges, by hand."""
    return tuple(
        2 * (far - near) / (far + near) for near, far in ((v[:-1], v[1:]), (v[:, :-1], v[:, 1:]))
    )


def moved(f, v, t):
    """e^{tA} f by a dense exponential."""
    A = dense(*canonical(v))
    return (scipy.linalg.expm(t * A) @ f.ravel()).reshape(f.shape)


def by_library(f, v, t):
    return osmosis.evolve(f, osmosis.canonical_drift(v), t)


def eigenvalues(shape):
    y, x = (4 * np.sin(np.pi * np.arange(n) / (2 * n)) ** 2 for n in shape)
    return y[:, None] + x


def in_modes(u):
    return scipy.fft.dctn(u, norm="ortho", axes=(-2, -1))


def straight(f, noise, t):
    """The limit, mode by mode."""
    gain = np.exp(-eigenvalues(f.shape) * t)
    return scipy.fft.idctn(
        gain * in_modes(f) + (1 - gain) * in_modes(noise), norm="ortho", axes=(-2, -1)
    )


# --- B6a ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [0.1, 1.0, 20.0])
def test_osmosis_moves_the_difference_from_its_guidance(t):
    v = NOISE + 4
    found = by_library(F + 4, v, t) - 4
    np.testing.assert_allclose(found, moved(F + 4, v, t) - 4, atol=1e-10)
    np.testing.assert_allclose(found, NOISE + moved(F - NOISE, v, t), atol=1e-10)


def test_a_large_offset_is_a_straight_path_in_each_mode_with_order_one():
    for t in (0.2, 2.0, 50.0):
        gaps = [
            np.abs(by_library(F + a, NOISE + a, t) - a - straight(F, NOISE, t)).max()
            for a in (1e3, 1e4)
        ]
        # The next term is max|ε|/a = 0.3 % of the first at a = 1000.
        assert gaps[0] > 1e-6 and abs(math.log10(gaps[0] / gaps[1]) - 1) < 0.02
        filtered = NOISE + diffusion.homogeneous(F - NOISE, t)
        np.testing.assert_allclose(filtered, straight(F, NOISE, t), atol=1e-12)


@pytest.mark.parametrize("offset", [2.6, 4.0, 20.0])
def test_the_bound_of_the_offset_holds_for_small_offsets_and_all_times(offset):
    v = NOISE - NOISE.min() - 2.5 + offset
    noise = v - offset
    slowest = np.sort(eigenvalues(SHAPE).ravel())[1]
    bound = 4 / slowest * (v.max() / v.min()) ** 1.5 * np.ptp(noise) / v.min()
    bound *= np.linalg.norm(F - noise)
    gaps = [
        np.linalg.norm(noise + moved(F - noise, v, t) - straight(F, noise, t))
        for t in (0.01, 0.3, 3.0, 30.0, 3000.0)
    ]
    assert max(gaps) <= bound and max(gaps) > 1e-3


# --- B6b ------------------------------------------------------------------------------------------


def twin(longest=5.0):
    rates = torch.from_numpy(eigenvalues(SHAPE))
    return dpss.Process(
        dpss.Cosines(SHAPE),
        lambda t: -longest * rates * t,
        lambda t: -torch.expm1(-longest * rates * t),
        "towards noise",
    )


def test_the_laws_of_osmosis_towards_noise_are_those_of_a_process():
    process = twin()
    kernels = process.kernel(0.3, 0.8) @ process.kernel(0.1, 0.3)
    assert kernels.isclose(process.kernel(0.1, 0.8))
    snr = process.snr(torch.linspace(0.01, 1, 50)).flatten(1)[:, 1:]
    assert (snr.diff(dim=0) < 0).all()
    drawn = RNG.normal(0, 1, (20000, *SHAPE))
    states = in_modes(drawn + diffusion.homogeneous(F - drawn, 0.5 * 5.0))
    law = process.marginal(torch.from_numpy(F), 0.5)
    gain = np.exp(-eigenvalues(SHAPE) * 2.5)
    np.testing.assert_allclose(in_modes(law.mean.numpy()), gain * in_modes(F), atol=1e-12)
    # Five standard deviations of means and of standard deviations of 20,000 draws.
    np.testing.assert_allclose(states.mean(0), gain * in_modes(F), atol=5 / math.sqrt(20000))
    np.testing.assert_allclose(
        states.std(0), np.broadcast_to(process.noise(0.5).numpy(), SHAPE), atol=5 / math.sqrt(40000)
    )


def test_two_states_determine_the_start_and_one_does_not():
    rates = eigenvalues(SHAPE)
    gains = [np.exp(-rates * t) for t in (0.2, 0.5, 1.5)]
    r, s, t = (in_modes(straight(F, NOISE, x)) for x in (0.2, 0.5, 1.5))
    k = (1, 2)
    pair = np.array([[g[k], 1 - g[k]] for g in gains[:2]])
    start, noise = np.linalg.solve(pair, [r[k], s[k]])
    assert math.isclose(start, in_modes(F)[k]) and math.isclose(noise, in_modes(NOISE)[k])
    assert math.isclose(gains[2][k] * start + (1 - gains[2][k]) * noise, t[k])
    # One state: the variance of the third given the second, for c and ε of variance 1.
    a, b = np.array([gains[1][k], 1 - gains[1][k]]), np.array([gains[2][k], 1 - gains[2][k]])
    assert b @ b - (a @ b) ** 2 / (a @ a) > 0.01


def test_mean_and_variance_of_both_ways_there():
    pixels, drawn = F.size, RNG.normal(0, 1, (20000, *SHAPE))
    alpha, sigma = 0.6, 0.8
    states = alpha * F + sigma * drawn
    expected = alpha**2 * F.var() + (1 - 1 / pixels) * sigma**2
    assert abs(states.var((1, 2)).mean() - expected) < 0.01
    assert abs(states.mean() - alpha * F.mean()) < 0.01
    t = 0.7
    states = drawn + diffusion.homogeneous(F - drawn, t)
    gain = np.exp(-eigenvalues(SHAPE) * t)
    parts = gain**2 * in_modes(F) ** 2 + (1 - gain) ** 2
    expected = (parts.sum() - parts[0, 0]) / pixels
    assert abs(states.var((1, 2)).mean() - expected) < 0.01
    np.testing.assert_allclose(states.mean((1, 2)), F.mean(), atol=1e-12)
    energy = in_modes(F) ** 2
    least = (energy / (1 + energy)).ravel()[1:].sum() / pixels
    assert least <= expected < F.var() + 1


# --- B6c ------------------------------------------------------------------------------------------


def states_of(process, f, noise, times):
    """α f + σ ε in modes, by hand."""
    c, e = (process.basis.analyse(torch.from_numpy(u.copy())) for u in (f, noise))
    modes = [process.signal(t) * c + process.noise(t) * e for t in times]
    return torch.stack([process.basis.synthesise(z.expand(f.shape)) for z in modes])


PROCESSES = [
    dpss.vp_cosine(),
    dpss.flow_matching(),
    dpss.sub_vp(),
    dpss.ve(sigma_max=1.0),
    dpss.heat(SHAPE),
    dpss.blurring(SHAPE),
]


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_the_deterministic_sampler_retraces_with_one_training_image(process):
    D = dpss.Empirical(torch.from_numpy(F)[None]).denoiser(process)
    times = [0.9, 0.4, 0.35, 0.02]
    states = states_of(process, F, NOISE, times)
    found = reverse.sample(process, D, states[0], times, eta=0.0, path=True)
    torch.testing.assert_close(found, states, atol=1e-10, rtol=0)


def test_on_the_way_back_fine_modes_are_first():
    """Shares of the modes on the way back: 1 − e^(−λt), by osmosis itself with a large offset."""
    a, t = 1e6, 0.4
    state = by_library(NOISE + a, F + a, t) - a
    left = np.abs(in_modes(state - F) / in_modes(NOISE - F))
    rates = eigenvalues(SHAPE)
    np.testing.assert_allclose(left, np.exp(-rates * t), atol=1e-3)
    order = np.argsort(rates.ravel())
    assert (np.diff(left.ravel()[order]) < 1e-3).all() and left.min() < 0.1
    assert np.abs(state - straight(F, NOISE, t)).max() > 0.3  # not on the way there


# --- B6d ------------------------------------------------------------------------------------------


def test_two_runs_never_part_and_meet_if_their_means_agree():
    v = positive(SHAPE, 3)
    other = NOISE - NOISE.mean() + F.mean()
    S = dense(*canonical(v)) / np.sqrt(v.ravel())[:, None] * np.sqrt(v.ravel())
    gap = np.sort(-np.linalg.eigvalsh(0.5 * (S + S.T)))[1]
    times = (0.0, 0.1, 0.5, 2.0, 10.0, 40.0)
    differences = [by_library(F, v, t) - by_library(other, v, t) for t in times]
    sums = [np.abs(x).sum() for x in differences]
    assert (np.diff(sums) <= 1e-12).all()
    for t, x in zip(times, differences):
        bound = math.sqrt(v.max() / v.min()) * math.exp(-gap * t) * np.linalg.norm(F - other)
        assert np.linalg.norm(x) <= bound * (1 + 1e-9) + 1e-11
    end = by_library(F, v, 1e4)
    np.testing.assert_allclose(end, F.mean() / v.mean() * v, atol=1e-9)
    parted = by_library(F, v, 1e4) - by_library(NOISE, v, 1e4)  # with another mean they do not
    assert np.abs(parted).max() > 0.01


# --- B6e ------------------------------------------------------------------------------------------


def test_osmosis_commutes_with_the_permutations_that_keep_neighbours():
    v, t = NOISE + 4, 0.7
    moves = {"flip": lambda u: u[::-1], "turn": lambda u: u.T}
    for move in moves.values():
        found = by_library(np.ascontiguousarray(move(F)), np.ascontiguousarray(move(v)), t)
        np.testing.assert_allclose(found, move(by_library(F, v, t)), atol=1e-12)
    exchanged = np.arange(F.size)
    exchanged[[0, -1]] = exchanged[[-1, 0]]
    carry = lambda u: u.ravel()[exchanged].reshape(SHAPE)  # noqa: E731
    assert np.abs(by_library(carry(F), carry(v), t) - carry(by_library(F, v, t))).max() > 0.05


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_scalar_processes_commute_with_every_permutation_and_blur_does_not(process):
    order = np.random.default_rng(3).permutation(F.size)
    carry = lambda u: u.ravel()[order].reshape(SHAPE)  # noqa: E731
    moved, first = (
        states_of(process, f, noise, [0.3])[0].numpy()
        for f, noise in ((carry(F), carry(NOISE)), (F, NOISE))
    )
    defect = np.abs(moved - carry(first)).max()
    assert defect > 0.05 if process.name in ("heat", "blurring") else defect < 1e-12
