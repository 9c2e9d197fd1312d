"""Page 02, Gaussian scale-space: claims S1 to S8, and the cases where they fail."""

import math

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import grids, image, laplacian, positive, seeds, shapes

from dpss import measures
from dpss.bases import Cosines
from dpss.diffusion import homogeneous, step_limit

ROUNDING = 1e-12  # a few hundred roundings of numbers of size one
scales = st.floats(0, 50)


# --- S1 -------------------------------------------------------------------------------------------


@given(shapes, seeds, scales, scales)
def test_semigroup(shape, seed, s, t):
    u = image(shape, seed)
    np.testing.assert_allclose(
        homogeneous(homogeneous(u, s), t), homogeneous(u, s + t), atol=ROUNDING
    )


# --- S2 -------------------------------------------------------------------------------------------


@given(shapes, seeds, scales)
def test_mean_is_preserved(shape, seed, t):
    u = image((3, *shape), seed)
    np.testing.assert_allclose(homogeneous(u, t).mean((-2, -1)), u.mean((-2, -1)), atol=1e-13)


# --- S3 -------------------------------------------------------------------------------------------


@given(shapes, seeds, scales)
def test_maximum_minimum_principle_holds_with_the_discrete_laplacian(shape, seed, t):
    u = np.sign(image(shape, seed))  # steps are the hardest case
    v = homogeneous(u, t)
    assert v.max() <= u.max() + ROUNDING and v.min() >= u.min() - ROUNDING


def continuous(u, t):
    """The filter with the eigenvalues of the continuous Laplacian: what the book warns of."""
    basis = Cosines(u.shape, laplacian="continuous")
    damped = basis.analyse(torch.as_tensor(u)) * torch.exp(-t * torch.as_tensor(basis.eigenvalues))
    return np.asarray(basis.synthesise(damped))


def test_maximum_minimum_principle_fails_with_continuous_eigenvalues():
    step = np.array([[0.0] * 4 + [1.0] * 4])
    assert round(continuous(step, 0.1).max(), 4) == 1.0128  # the number printed in the book
    assert homogeneous(step, 0.1).max() <= 1
    assert (
        continuous(np.array([[0.0, 0, 1]]), 0.1).min() < -5e-3
    )  # n = 3 already, here at the other end


# --- S4 -------------------------------------------------------------------------------------------


@given(shapes, seeds, st.floats(0, 5), st.floats(1e-3, 5), st.integers(1, 10))
def test_even_central_moments_never_increase(shape, seed, s, step, half):
    u = image(shape, seed)
    early, late = homogeneous(u, s), homogeneous(u, s + step)

    def moment(v):
        return np.mean((v - u.mean()) ** (2 * half))

    # Relative: moments of order 20 are tiny, their rounding scales with them.
    assert moment(late) <= moment(early) * (1 + 1e-10) + 1e-25


@given(shapes, seeds, st.floats(0, 5), st.floats(1e-3, 5))
def test_entropy_of_the_normalised_image_never_decreases(shape, seed, s, step):
    u = positive(shape, seed)
    u = u / u.sum()

    def negentropy(v):
        return float(np.sum(scipy.special.xlogy(v, v)))

    assert negentropy(homogeneous(u, s + step)) <= negentropy(homogeneous(u, s)) + ROUNDING


def test_even_moments_of_high_order_can_grow_with_continuous_eigenvalues():
    def moment(v):
        return np.mean((v - v.mean()) ** 20)

    # Found by maximising the ratio over 8-vectors; the growth there is 1.4-fold.
    witness = np.array([[-0.8, 0.5, -0.8, 0.85, 1.0, 0.85, -0.8, -0.8]])
    assert moment(continuous(witness, 0.07)) > 1.3 * moment(witness)
    assert moment(homogeneous(witness, 0.07)) <= moment(witness)


def test_entropy_of_the_grey_value_histogram_is_no_lyapunov_functional():
    half_plane = np.ones((32, 32))
    half_plane[:, :16] = -1
    bits = [float(measures.entropy(homogeneous(half_plane, t))) for t in (0, 1, 10, 100, 1000)]
    # Numbers of the book to one digit (t = 0 may put the border ±1 into one bin more by rounding).
    # Not later than t = 1000: then the values sit at 0, the edge between two bins, and rounding
    # decides between 0 and 1 bit.
    np.testing.assert_allclose(bits, [1, 2.3, 4.5, 5, 1], atol=0.2)
    assert (
        max(bits) > bits[0] + 3 and bits[-1] < max(bits) - 3
    )  # up and down: monotone in neither direction
    half_plane[:, 16:] = 0.9  # a mean inside a bin: the end is certain
    assert float(measures.entropy(homogeneous(half_plane, 1e4))) == 0


# --- S5 -------------------------------------------------------------------------------------------


@given(shapes, seeds, scales, st.floats(-3, 3))
def test_symmetries_flips_transposition_grey_shift_and_scaling(shape, seed, t, c):
    u = image(shape, seed)
    v = homogeneous(u, t)
    for symmetry in (np.flipud, np.fliplr, np.transpose, np.rot90):
        np.testing.assert_allclose(
            homogeneous(np.ascontiguousarray(symmetry(u)), t), symmetry(v), atol=ROUNDING
        )
    np.testing.assert_allclose(homogeneous(u + c, t), v + c, atol=ROUNDING)
    np.testing.assert_allclose(homogeneous(c * u, t), c * v, atol=ROUNDING)


def test_a_permutation_that_is_no_symmetry_of_the_grid_does_not_commute():
    u, swap = image((1, 5)), [1, 0, 2, 3, 4]
    assert np.abs(homogeneous(u[:, swap], 0.5) - homogeneous(u, 0.5)[:, swap]).max() > 0.01


# --- S6 -------------------------------------------------------------------------------------------


@given(grids, seeds, st.floats(0, 100))
def test_the_steady_state_is_flat_and_reached_at_the_rate_of_the_first_eigenvalue(shape, seed, t):
    u = image(shape, seed)
    rate = np.sort(np.linalg.eigvalsh(-laplacian(*shape)))[1]
    distance = np.linalg.norm(homogeneous(u, t) - u.mean())
    assert distance <= math.exp(-rate * t) * np.linalg.norm(u - u.mean()) + ROUNDING
    np.testing.assert_allclose(homogeneous(u, 1e5), np.full(shape, u.mean()), atol=ROUNDING)


def test_the_rate_is_sharp():
    mode = np.cos(math.pi * (np.arange(9) + 0.5) / 9)[None]  # the slowest mode of a 1×9 image
    rate = 4 * math.sin(math.pi / 18) ** 2
    np.testing.assert_allclose(homogeneous(mode, 3.0), math.exp(-3 * rate) * mode, atol=ROUNDING)


# --- S7 -------------------------------------------------------------------------------------------


def test_impulse_response_is_the_discrete_gaussian_of_modified_bessel_functions():
    u = np.zeros((41, 41))
    u[20, 20] = 1
    bessel = scipy.special.ive(np.abs(np.arange(41) - 20), 2 * 1.5)
    # At t = 1.5 the tail beyond the border, 20 pixels away, is below I₂₁(3) e⁻³ ≈ 1e-17.
    np.testing.assert_allclose(homogeneous(u, 1.5), np.outer(bessel, bessel), atol=1e-15)


def test_variance_of_the_impulse_response_is_twice_the_time():
    u = np.zeros((1, 101))
    u[0, 50] = 1
    v = homogeneous(u, 4.0)[0]
    np.testing.assert_allclose(v @ (np.arange(101) - 50) ** 2, 8.0, rtol=1e-10)


# --- S8 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor, stable", [(1.0, True), (1.05, False)])
def test_explicit_steps_are_stable_up_to_the_step_limit_and_not_beyond(factor, stable):
    matrix = np.eye(400) + factor * step_limit() * laplacian(20, 20)
    assert (matrix.min() >= 0) == stable  # entries of a stochastic matrix
    assert step_limit() == 0.25 and step_limit(2.0) == 0.125
