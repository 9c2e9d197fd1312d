"""Measures of information against brute force, SciPy and closed forms."""

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpss import measures
from dpss.bases import Cosines, Pixels
from dpss.families import gaussian_scale_space, heat, vp, vp_cosine
from dpss.processes import Gaussian, Process
from reference import image, positive, seeds


@given(seeds, st.sampled_from([2, 16, 256]))
def test_entropy_is_that_of_the_histogram_on_one_fixed_range(seed, bins):
    u = np.clip(np.random.default_rng(seed).normal(0, 0.3, (9, 11)), -1, 1)
    counts = np.histogram(u, bins=bins, range=(-1, 1))[0]
    expected = scipy.stats.entropy(counts / counts.sum(), base=2)
    assert math.isclose(float(measures.entropy(u, bins=bins)), expected, abs_tol=1e-12)
    assert math.isclose(float(measures.entropy(torch.as_tensor(u), bins=bins)), expected, abs_tol=1e-12)


def test_entropy_of_known_images():
    assert float(measures.entropy(np.full((4, 4), 0.3))) == 0
    levels = -1 + 2 * (np.arange(256).reshape(16, 16) + 0.5) / 256
    assert math.isclose(float(measures.entropy(levels)), 8, abs_tol=1e-12)
    assert math.isclose(float(measures.entropy(np.where(np.arange(8) < 4, -1.0, 1.0)[None])), 1, abs_tol=1e-12)
    assert math.isclose(float(measures.entropy(levels * 5, range=(-5, 5))), 8, abs_tol=1e-12)


def test_entropy_is_per_image_and_the_range_does_not_adapt():
    u = image((2, 3, 8, 8))
    bits = measures.entropy(u)
    assert np.asarray(bits).shape == (2, 3)
    np.testing.assert_allclose(bits[1][2], measures.entropy(u[1, 2]))
    # A range that adapted to each image would give equal values here.
    assert float(measures.entropy(0.1 * u[0, 0], bins=16)) < float(measures.entropy(u[0, 0], bins=16)) - 1
    assert torch.is_tensor(measures.entropy(torch.as_tensor(u)))


@pytest.mark.parametrize("process", [vp(), vp_cosine(), heat((3, 4)),
                                     Process(Cosines((3, 4)), lambda t: -t, lambda t: t * torch.arange(1.0, 5, dtype=torch.float64), "by hand")])
@pytest.mark.parametrize("t", [1e-3, 0.5, 1.0])
def test_conditional_entropy_is_that_of_the_marginal(process, t):
    law = process.marginal(torch.zeros(3, 4, dtype=torch.float64), t)
    sigma = np.broadcast_to(np.asarray(process.noise(t)), (3, 4))
    expected = 0.5 * np.log(2 * math.pi * math.e * sigma**2).sum()
    assert math.isclose(float(measures.conditional_entropy(process, t, (3, 4))), expected, rel_tol=1e-10)
    assert math.isclose(float(law.entropy()), expected, rel_tol=1e-10)


def test_conditional_entropy_is_minus_infinity_without_noise():
    assert float(measures.conditional_entropy(vp(), 0.0, (3, 4))) == -math.inf
    assert float(measures.conditional_entropy(gaussian_scale_space((3, 4), 1.0), 0.5, (3, 4))) == -math.inf


def test_conditional_entropy_accepts_many_times():
    t = torch.tensor([0.1, 0.5, 1.0], dtype=torch.float64)
    values = measures.conditional_entropy(vp(), t, (3, 4))
    np.testing.assert_allclose(values, [float(measures.conditional_entropy(vp(), s, (3, 4))) for s in t.tolist()], rtol=1e-12)


@given(seeds, st.floats(0.01, 10))
def test_divergence_on_a_grid_is_the_sum_of_p_log_p_over_q(seed, cell):
    p, q = positive((2, 5, 6), seed), positive((2, 5, 6), seed + 1)
    p, q = (d / d.sum((-2, -1), keepdims=True) / cell for d in (p, q))
    expected = scipy.special.rel_entr(p, q).sum((-2, -1)) * cell
    for wrap in (np.asarray, torch.as_tensor):
        found = measures.kl_grid(wrap(p), wrap(q), cell)
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)
    assert (expected >= 0).all()
    np.testing.assert_allclose(measures.kl_grid(p, p, cell), 0, atol=1e-14)


def test_divergence_on_a_fine_grid_is_that_of_the_normal_laws():
    x = np.linspace(-12, 12, 4801)[None]
    cell = x[0, 1] - x[0, 0]

    def normal(mean, std):
        return np.exp(-((x - mean) ** 2) / (2 * std**2)) / (std * math.sqrt(2 * math.pi))

    exact = Gaussian(torch.tensor([[0.5]], dtype=torch.float64), 0.8, Pixels()).kl(Gaussian(torch.zeros(1, 1, dtype=torch.float64), 1.3, Pixels()))
    # Riemann sums of smooth functions that vanish at both ends converge faster than any power.
    assert math.isclose(float(measures.kl_grid(normal(0.5, 0.8), normal(0, 1.3), cell)), float(exact), rel_tol=1e-10)


def test_divergence_on_a_grid_treats_zeros_as_limits():
    p, q = np.array([[0.5, 0.5, 0.0]]), np.array([[0.25, 0.5, 0.25]])
    assert math.isclose(float(measures.kl_grid(p, q, 1.0)), 0.5 * math.log(2))
    assert float(measures.kl_grid(q, p, 1.0)) == math.inf


@given(seeds)
def test_lyapunov_is_the_sum_of_w_phi_of_u_over_w(seed):
    u, w = positive((3, 4, 5), seed), positive((4, 5), seed + 1)
    expected = ((u / w) ** 3 * w).sum((-2, -1))
    np.testing.assert_allclose(measures.lyapunov(u, w, lambda r: r**3), expected, rtol=1e-12)
    found = measures.lyapunov(torch.as_tensor(u), torch.as_tensor(w), lambda r: r**3)
    assert torch.is_tensor(found)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
