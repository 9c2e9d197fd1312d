"""Bases against dense matrices, scipy.fft and the formulas of the book."""

import math

import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given

import dpss
from dpss.bases import Cosines, Pixels
from reference import SHAPES, cosine_matrix, eigenvalues, image, laplacian, noise, seeds, shapes

KINDS = ["discrete", "continuous"]

# Sums of at most 49 products of numbers of size one: rounding stays below 49 · 2⁻⁵³ ≈ 5e-15, times a little.
ROUNDING = 1e-13
# The same in single precision, for values up to about 8.
SINGLE = 2e-5


def test_public_names_are_at_top_level():
    assert dpss.Pixels is Pixels and dpss.Cosines is Cosines


@given(shapes, seeds)
def test_analysis_is_the_orthonormal_dct(shape, seed):
    u = noise((2, *shape), seed)
    modes = Cosines(shape).analyse(torch.as_tensor(u))
    np.testing.assert_allclose(modes, scipy.fft.dctn(u, axes=(-2, -1), norm="ortho"), atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_cosine_vectors_are_eigenvectors_of_the_reflecting_laplacian(shape):
    basis, size = Cosines(shape), shape[0] * shape[1]
    vectors = basis.synthesise(torch.eye(size, dtype=torch.float64).reshape(size, *shape))
    vectors = np.asarray(vectors).reshape(size, size)  # row k: image of mode k
    values = np.asarray(basis.eigenvalues).ravel()
    np.testing.assert_allclose(vectors @ laplacian(*shape), -values[:, None] * vectors, atol=ROUNDING)


@pytest.mark.parametrize("shape", SHAPES)
def test_cosine_basis_is_orthonormal(shape):
    basis, size = Cosines(shape), shape[0] * shape[1]
    unit = torch.eye(size, dtype=torch.float64).reshape(size, *shape)
    matrix = np.asarray(basis.analyse(unit)).reshape(size, size).T  # column i: modes of pixel i
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(size), atol=ROUNDING)
    np.testing.assert_allclose(matrix, cosine_matrix(*shape), atol=ROUNDING)
    assert float(basis.log_abs_det) == 0 and float(Pixels().log_abs_det) == 0


@given(shapes)
def test_eigenvalues_lie_in_0_to_8_and_vanish_only_for_the_mean(shape):
    values = np.asarray(Cosines(shape).eigenvalues)
    assert values.shape == shape
    assert values[0, 0] == 0 and (values.ravel()[1:] > 0).all() and (values < 8).all()
    # An independent route to the same numbers: the spectrum of the dense matrix.
    np.testing.assert_allclose(np.sort(values.ravel()), np.sort(np.linalg.eigvalsh(-laplacian(*shape))), atol=ROUNDING)


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
    # x² − x⁴/12 ≤ 4 sin²(x/2) ≤ x² for each axis; sums of fourth powers are at most the squared sum of squares.
    assert (continuous - discrete <= continuous**2 / 12 + ROUNDING).all()


def test_the_two_laplacians_agree_to_second_order_in_the_grid_spacing():
    lengths = np.array([32, 64, 128, 256])
    defects = [1 - np.asarray(Cosines((1, n)).eigenvalues)[0, 3] * n**2 / (3 * math.pi) ** 2 for n in lengths]
    orders = -np.diff(np.log(defects)) / np.log(2)
    # The next term of the series is 4th order: at n = 32 it moves the measured order by about 0.01.
    np.testing.assert_allclose(orders, 2, atol=0.02)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, ROUNDING), (torch.float32, SINGLE)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_synthesis_inverts_analysis_and_keeps_dtype_and_batch(shape, kind, dtype, tolerance):
    u = torch.as_tensor(noise((2, 3, *shape)), dtype=dtype)
    for basis in (Cosines(shape, laplacian=kind), Pixels()):
        modes = basis.analyse(u)
        assert modes.shape == u.shape and modes.dtype == dtype
        back = basis.synthesise(modes)
        assert back.dtype == dtype
        torch.testing.assert_close(back, u, atol=tolerance, rtol=0)


@pytest.mark.parametrize("shape", [(64, 1), (33, 130), (200, 7)])
def test_long_sides_follow_the_same_formula(shape):
    u = noise(shape)
    modes = Cosines(shape).analyse(torch.as_tensor(u))
    # Up to 4290 terms: a hundred roundings of numbers up to 8.
    np.testing.assert_allclose(modes, scipy.fft.dctn(u, norm="ortho"), atol=1e-11)


def test_analysis_is_differentiable():
    basis = Cosines((3, 4))
    u = torch.as_tensor(noise((3, 4))).requires_grad_()
    weights = torch.as_tensor(noise((3, 4), 1))
    (basis.analyse(u) * weights).sum().backward()
    # The gradient of ⟨Bu, w⟩ is Bᵀw, which is the synthesis since B is orthonormal.
    torch.testing.assert_close(u.grad, basis.synthesise(weights), atol=ROUNDING, rtol=0)


def test_pixels_is_the_identity():
    u = torch.as_tensor(noise((2, 3, 4)))
    assert torch.equal(Pixels().analyse(u), u) and torch.equal(Pixels().synthesise(u), u)


@given(shapes, seeds)
def test_energy_of_differences_is_the_sum_of_eigenvalues_times_squared_modes(shape, seed):
    u = image(shape, seed)
    modes, basis = Cosines(shape).analyse(u), Cosines(shape)
    energy = (np.diff(u, axis=0) ** 2).sum() + (np.diff(u, axis=1) ** 2).sum()
    assert abs((basis.eigenvalues.numpy() * modes**2).sum() - energy) < 1e-12 * (1 + energy)
    assert abs((modes**2).sum() - (u**2).sum()) < 1e-12 * (1 + (u**2).sum())
