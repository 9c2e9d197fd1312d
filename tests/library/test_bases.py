"""Bases against dense matrices, scipy.fft and the formulas of the book."""

import math

import numpy as np
import pytest
import scipy.fft
import torch
from hypothesis import given
from matrices import matrix, units
from reference import GRIDS, SHAPES, drift, eigenvalues, noise, osmosis, positive, seeds, shapes

from dpss.bases import Basis, Cosines, Osmotic, Pixels

KINDS = ["discrete", "continuous"]

# Sums of at most 49 products of numbers of size one: rounding stays below 49 · 2⁻⁵³ ≈ 5e-15.
ROUNDING = 1e-13
# The same in single precision, for values up to about 8.
SINGLE = 2e-5


@given(shapes, seeds)
def test_analysis_is_the_orthonormal_dct(shape, seed):
    u = noise((2, *shape), seed)
    modes = Cosines(shape).analyse(torch.as_tensor(u))
    np.testing.assert_allclose(
        modes, scipy.fft.dctn(u, axes=(-2, -1), norm="ortho"), atol=ROUNDING, rtol=0
    )


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


# --- the osmotic basis ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", GRIDS)
def test_osmotic_basis_diagonalises_the_operator_of_osmosis(shape):
    v = positive(shape, 2, 50.0)
    basis = Osmotic(v)
    B, B_inverse, rates = (
        matrix(basis.analyse(units(basis.shape))),
        matrix(basis.synthesise(units(basis.shape))),
        np.asarray(basis.eigenvalues).ravel(),
    )
    np.testing.assert_allclose(B @ B_inverse, np.eye(len(B)), atol=1e-12)
    np.testing.assert_allclose(B @ osmosis(*drift(v)) @ B_inverse, -np.diag(rates), atol=1e-11)
    assert (
        rates[0] == 0 and (np.diff(rates) >= 0).all() and (rates[1:] > 0).all() and rates[-1] <= 8
    )  # each edge adds at most 2
    first = B_inverse[:, 0].reshape(shape)  # the steady state
    np.testing.assert_allclose(first / first.sum(), v / v.sum(), rtol=1e-8)
    # (Q Qᵀ = I): the inverse squared is the guidance, scaled to mean 1
    np.testing.assert_allclose(B_inverse @ B_inverse.T, np.diag((v / v.mean()).ravel()), atol=1e-11)


@pytest.mark.parametrize("shape", GRIDS)
def test_osmotic_volume_and_transpose(shape):
    basis = Osmotic(positive(shape, 3, 50.0))
    B = matrix(basis.analyse(units(basis.shape)))
    assert math.isclose(basis.log_abs_det, -np.linalg.slogdet(B)[1], rel_tol=1e-9, abs_tol=1e-11)
    np.testing.assert_allclose(matrix(basis.pull_back(units(basis.shape))), B.T, atol=1e-12)
    assert not basis.orthonormal and Cosines(shape).orthonormal


def test_osmotic_basis_of_a_flat_guidance_has_the_rates_of_the_cosines():
    basis = Osmotic(np.full((4, 6), 7.0))
    np.testing.assert_allclose(
        np.sort(basis.eigenvalues.numpy().ravel()), np.sort(eigenvalues(4, 6).ravel()), atol=1e-13
    )
    assert abs(basis.log_abs_det) < 1e-13


def test_osmotic_bases_are_equal_iff_their_guidances_are():
    v = positive((3, 4), 5)
    assert Osmotic(v) == Osmotic(v.copy()) and hash(Osmotic(v)) == hash(Osmotic(v.copy()))
    np.testing.assert_allclose(
        Osmotic(7 * v).analyse(v), Osmotic(v).analyse(v), atol=1e-12
    )  # the scale does not matter, but for rounding
    assert Osmotic(v) != Osmotic(v[::-1].copy()) and Osmotic(v) != Cosines((3, 4))
    assert "(3, 4)" in repr(Osmotic(v))


@pytest.mark.parametrize("wrap", [np.float32, np.float64, torch.float32, torch.float64])
def test_osmotic_modes_have_the_kind_dtype_and_batch_of_the_image(wrap):
    basis, u = Osmotic(positive((3, 4), 6)), noise((2, 5, 3, 4))
    u = torch.as_tensor(u).to(wrap) if isinstance(wrap, torch.dtype) else u.astype(wrap)
    modes = basis.analyse(u)
    assert type(modes) is type(u) and modes.dtype == u.dtype and modes.shape == u.shape
    np.testing.assert_allclose(
        basis.synthesise(modes), u, atol=1e-4 if "32" in str(u.dtype) else 1e-12
    )


def test_osmotic_basis_survives_contrast_beyond_exp():
    """Eleven orders of magnitude over six pixels."""
    v = 10.0 ** np.array([[-11.0, -6.0, -3.0, 0.0, -1.0, -5.0]])
    basis = Osmotic(v)
    np.testing.assert_allclose(basis.synthesise(basis.analyse(v)), v, rtol=1e-9)
    first = np.asarray(basis.synthesise(np.eye(6)[:1]))
    np.testing.assert_allclose(first / first.max(), v, rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((3, 4)),
        -np.ones((3, 4)),
        np.ones((2, 3, 4)),
        np.ones(4),
        np.full((3, 4), np.nan),
        np.ones((3, 4), int),
        None,
    ],
)
def test_what_is_no_guidance_is_refused(bad):
    with pytest.raises((TypeError, ValueError), match="guidance"):
        Osmotic(bad)


def test_a_basis_must_say_how_it_maps():
    for method in ("analyse", "synthesise"):
        with pytest.raises(NotImplementedError):
            getattr(Basis(), method)(np.ones((2, 2)))
    with pytest.raises(ValueError, match="modes"):
        Osmotic(positive((3, 4))).synthesise(np.ones((4, 3)))


def test_pull_back_is_the_transpose_of_analysis():
    for basis in (Cosines((3, 4)), Cosines((3, 4), "continuous")):
        np.testing.assert_allclose(
            matrix(basis.pull_back(units(basis.shape))),
            matrix(basis.analyse(units(basis.shape))).T,
            atol=ROUNDING,
        )
