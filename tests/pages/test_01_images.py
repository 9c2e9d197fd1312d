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
    np.testing.assert_allclose(waves, cosine_matrix(*shape).T, atol=ROUNDING)
    np.testing.assert_allclose(rates, eigenvalues(*shape).ravel(), atol=ROUNDING)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 8])
def test_with_zero_boundary_no_cosine_wave_is_an_eigenvector_of_four_pixels_or_more(n):
    leaky = laplacian(1, n)
    leaky[0, 0] = leaky[-1, -1] = -2  # every pixel has two neighbours, those outside are 0
    waves = matrix(Cosines((1, n)).synthesise(units((1, n))))
    products = leaky @ waves
    nearest = (waves * products).sum(0)  # the waves have length 1
    misfits = np.abs(products - nearest * waves).max(0)
    assert (misfits.min() > 0.05) == (n >= 4)  # 0 for all at n = 1, 2, for the middle one at n = 3


# --- I2 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_cosine_basis_is_orthonormal(shape):
    basis = Cosines(shape)
    B = matrix(basis.analyse(units(shape)))
    np.testing.assert_allclose(B @ B.T, np.eye(len(B)), atol=ROUNDING)
    np.testing.assert_allclose(B, cosine_matrix(*shape), atol=ROUNDING)
    arrays = matrix(basis.analyse(np.asarray(units(shape))))  # another transform than for tensors
    np.testing.assert_allclose(arrays, B, atol=ROUNDING)
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


@given(shapes, seeds)
def test_mode_zero_is_the_mean_times_the_root_of_the_number_of_pixels(shape, seed):
    u = image(shape, seed)
    first = Cosines(shape).analyse(u)[0, 0]
    assert abs(first - math.sqrt(u.size) * u.mean()) < ROUNDING


def test_a_line_cut_in_two_has_two_flat_images():
    cut = np.zeros((8, 8))
    cut[:4, :4] = cut[4:, 4:] = laplacian(1, 4)
    zeros = (np.abs(np.linalg.eigvalsh(cut)) < ROUNDING).sum()
    assert zeros == 2 and (np.asarray(Cosines((1, 8)).eigenvalues) == 0).sum() == 1


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


@pytest.mark.parametrize("n", [2, 3, 8, 64])
def test_on_a_line_the_relative_error_is_positive_and_at_most_x_squared_over_three(n):
    x = math.pi * np.arange(1, n) / (2 * n)
    kinds = ("discrete", "continuous")
    discrete, continuous = (np.asarray(Cosines((1, n), kind).eigenvalues)[0, 1:] for kind in kinds)
    np.testing.assert_allclose(discrete / continuous, (np.sin(x) / x) ** 2, rtol=1e-12)
    error = 1 - discrete / continuous
    assert (error > 0).all() and (error <= x**2 / 3).all()
    assert error[0] > 0.7 * x[0] ** 2 / 3  # and x²/3 is no larger than it must be


@pytest.mark.parametrize("n", [3, 4, 8, 33])
def test_with_continuous_eigenvalues_pixels_at_even_distances_push(n):
    basis = Cosines((1, n), laplacian="continuous")
    M = matrix(basis.synthesise(basis.eigenvalues * basis.analyse(units((1, n)))))
    i, j = np.mgrid[:n, :n]
    assert ((M > 0) == ((i - j) % 2 == 0))[i != j].all()
    flow = matrix(
        Cosines((1, n)).synthesise(Cosines((1, n)).eigenvalues * basis.analyse(units((1, n))))
    )
    np.testing.assert_allclose(flow, -laplacian(1, n), atol=ROUNDING)  # only neighbours, and draw


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


@pytest.mark.parametrize("shape", SHAPES)
def test_parsevals_identity(shape):
    u = image(shape)
    assert abs((Cosines(shape).analyse(u) ** 2).sum() - (u**2).sum()) < ROUNDING * (1 + u.size)


@given(shapes, seeds)
def test_energy_of_differences_is_the_sum_of_eigenvalues_times_squared_modes(shape, seed):
    u = image(shape, seed)
    modes, basis = Cosines(shape).analyse(u), Cosines(shape)
    energy = (np.diff(u, axis=0) ** 2).sum() + (np.diff(u, axis=1) ** 2).sum()
    assert abs((basis.eigenvalues.numpy() * modes**2).sum() - energy) < 1e-12 * (1 + energy)
