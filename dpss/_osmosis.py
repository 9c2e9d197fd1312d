"""Numerics of osmosis: e^{tA}x for a large sparse A, and the vector that A sends to zero."""

import numpy as np
import scipy.sparse.linalg
from scipy.special import gammaln, ive

ROUNDING = 1e-17  # series end where their remaining weights are below it
LARGEST_ERROR, LARGEST_RESIDUAL = (
    1e-6,
    1e-12,
)  # of a steady state, relative; the first before refinement, which squares it


def chebyshev(S, x, t, width):
    """e^{tS}x for a symmetric S with spectrum in [−width, 0], x `(N, m)`.

    With S = (width/2)(X − I) and z = t·width/2: e^{tS} = e^{−z}(I₀(z) + 2 Σ I_k(z) T_k(X)), T_k the Chebyshev
    polynomials. The weights e^{−z}I_k(z) fall like exp(−k²/2z): about 9√z terms.
    """
    z = 0.5 * t * width
    terms = int(12 + 9 * np.sqrt(z) + min(z, 30))
    weights = ive(np.arange(terms + 1), z)
    before, now = x, (2 / width) * (S @ x) + x
    result = weights[0] * before + 2 * weights[1] * now
    for weight in weights[2:]:
        before, now = now, 2 * ((2 / width) * (S @ now) + now) - before
        result += 2 * weight * now
    return result


def poisson(A, x, t, rate):
    """e^{tA}x = Σ_k e^{−z} z^k/k! P^k x with P = I + A/rate stochastic and z = t·rate (uniformisation).

    All terms are positive where x is: nothing cancels, whatever the contrast. Starts at the first and ends at the last
    weight above rounding, within 10√z of z.
    """
    z = t * rate
    k = np.arange(int(z + 10 * np.sqrt(z) + 30))
    weights = np.exp(k * np.log(z) - z - gammaln(k + 1))
    result = np.zeros_like(x)
    for weight in weights / weights.sum():  # the sum is 1 up to rounding of the logarithms
        if weight > ROUNDING:
            result += weight * x
        x = x + (A @ x) / rate
    return result


def null_vector(A):
    """w ≥ 0 with A w = 0 and Σw = 1, for an operator of osmosis on a connected grid.

    Columns of A sum to zero, so one equation says what the others say. The last is dropped and w_N = 1 put in; the
    rest is a regular M-matrix, factorised without pivoting (diagonally dominant by columns).
    """
    n = A.shape[0]
    if n == 1:
        return np.ones(1)
    inner, last = -A[:-1, :-1].tocsc(), A[:-1, [n - 1]].toarray().ravel()
    factor = scipy.sparse.linalg.splu(
        inner,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0,
        relax=1,
        panel_size=4,
        options={"SymmetricMode": True},
    )
    w = factor.solve(last)
    correction = factor.solve(
        last - inner @ w
    )  # the error of w; what is left after adding it is about its square
    error = np.abs(correction).max() / np.abs(w).max()
    w = np.append(w + correction, 1.0)
    residual = np.abs(A @ w).max() / (np.abs(A.diagonal()).max() * w.max())
    if not (error < LARGEST_ERROR and residual < LARGEST_RESIDUAL):  # NaN included
        raise ArithmeticError(
            f"the steady state is lost to rounding (error {error:.1e} before refinement, residual {residual:.1e}): "
            "the drift is too strong"
        )
    return w / w.sum()
