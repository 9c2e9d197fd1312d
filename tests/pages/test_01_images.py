"""Page 01, images, modes and eigenvalues: claims I1 to I5 by dense matrices and sums over edges."""

import math

import numpy as np
import pytest
from hypothesis import given
from matrices import matrix, units
from reference import SHAPES, cosine_matrix, eigenvalues, image, laplacian, seeds, shapes

from dpss.bases import Cosines, Pixels

ROUNDING = 1e-13  # sums of at most 49 products of numbers of size one: below 49 · 2⁻⁵³ ≈ 5e-15


# --- I1 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_cosine_vectors_are_eigenvectors_of_the_reflecting_laplacian(shape):
    basis = Cosines(shape)
    waves = matrix(basis.synthesise(units(shape)))  # column k: image of mode k
    rates = np.asarray(basis.eigenvalues).ravel()
    np.testing.assert_allclose(laplacian(*shape) @ waves, -rates * waves, atol=ROUNDING)


# --- I2 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_cosine_basis_is_orthonormal(shape):
    basis = Cosines(shape)
    B = matrix(basis.analyse(units(shape)))
    np.testing.assert_allclose(B @ B.T, np.eye(len(B)), atol=ROUNDING)
    np.testing.assert_allclose(B, cosine_matrix(*shape), atol=ROUNDING)
    assert float(basis.log_abs_det) == 0 and float(Pixels().log_abs_det) == 0


# --- I3 -------------------------------------------------------------------------------------------


@given(shapes)
def test_eigenvalues_lie_in_0_to_8_and_vanish_only_for_the_mean(shape):
    values = np.asarray(Cosines(shape).eigenvalues)
    assert values.shape == shape
    assert values[0, 0] == 0 and (values.ravel()[1:] > 0).all() and (values < 8).all()
    # An independent route to the same numbers: the spectrum of the dense matrix.
    np.testing.assert_allclose(
        np.sort(values.ravel()), np.sort(np.linalg.eigvalsh(-laplacian(*shape))), atol=ROUNDING
    )


# --- I4 -------------------------------------------------------------------------------------------


@given(shapes)
def test_discrete_eigenvalues_are_below_the_continuous_ones_and_close_at_low_frequencies(shape):
    discrete = np.asarray(Cosines(shape, laplacian="discrete").eigenvalues)
    continuous = np.asarray(Cosines(shape, laplacian="continuous").eigenvalues)
    np.testing.assert_allclose(discrete, eigenvalues(*shape), atol=ROUNDING)
    np.testing.assert_allclose(continuous, eigenvalues(*shape, "continuous"), rtol=1e-14)
    nonzero = continuous > 0
    ratio = discrete[nonzero] / continuous[nonzero]
    # (2/π)² is sinc² at the highest frequency, which no finite grid attains.
    assert (ratio < 1).all() and (ratio > 4 / math.pi**2).all()
    # x² − x⁴/12 ≤ 4 sin²(x/2) ≤ x² for each axis;
    # sums of fourth powers are at most the squared sum of squares.
    assert (continuous - discrete <= continuous**2 / 12 + ROUNDING).all()


def test_the_two_laplacians_agree_to_second_order_in_the_grid_spacing():
    lengths = np.array([32, 64, 128, 256])
    defects = [
        1 - np.asarray(Cosines((1, n)).eigenvalues)[0, 3] * n**2 / (3 * math.pi) ** 2
        for n in lengths
    ]
    orders = -np.diff(np.log(defects)) / np.log(2)
    # The next term of the series is 4th order: at n = 32 it moves the measured order by about 0.01.
    np.testing.assert_allclose(orders, 2, atol=0.02)


# --- I5 -------------------------------------------------------------------------------------------


@given(shapes, seeds)
def test_energy_of_differences_is_the_sum_of_eigenvalues_times_squared_modes(shape, seed):
    u = image(shape, seed)
    modes, basis = Cosines(shape).analyse(u), Cosines(shape)
    energy = (np.diff(u, axis=0) ** 2).sum() + (np.diff(u, axis=1) ** 2).sum()
    assert abs((basis.eigenvalues.numpy() * modes**2).sum() - energy) < 1e-12 * (1 + energy)
    assert abs((modes**2).sum() - (u**2).sum()) < 1e-12 * (1 + (u**2).sum())
