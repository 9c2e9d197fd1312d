"""Numerics of osmosis: e^{tA}x and implicit steps for a large sparse A, what A sends to zero, also
where some pixels are held, and when e^{tA}x has come there."""

import numpy as np
import scipy

ROUNDING = 1e-17  # series end where their remaining weights are below it
# of a steady state, relative; the first before refinement, which squares it
LARGEST_ERROR, LARGEST_RESIDUAL = 1e-6, 1e-12
# share of the diagonal of A that factors of A resolve, with four digits to spare
RESOLVED = 1e-12


def balanced(values, rows, columns, n):
    """The sparse matrix (CSC, n×n) of these off-diagonals whose columns sum to zero."""
    off = scipy.sparse.csc_array((values, (rows, columns)), shape=(n, n))
    return (off - scipy.sparse.diags_array(off.sum(axis=0))).tocsc()


def chebyshev_terms(z):
    """Terms of the Chebyshev series of e^{−z(1 − X)}: its weights fall like exp(−k²/2z)."""
    return 12 + 9 * np.sqrt(z) + min(z, 30)


def chebyshev(S, x, t, width):
    """e^{tS}x for a symmetric S with spectrum in [−width, 0], x `(N, m)`.

    With S = (width/2)(X − I) and z = t·width/2: e^{tS} = e^{−z}(I₀(z) + 2 Σ I_k(z) T_k(X)), T_k the
    Chebyshev polynomials, weights e^{−z}I_k(z).
    """
    z = 0.5 * t * width
    weights = scipy.special.ive(np.arange(int(chebyshev_terms(z)) + 1), z)
    before, now = x, (2 / width) * (S @ x) + x
    result = weights[0] * before + 2 * weights[1] * now
    for weight in weights[2:]:
        before, now = now, 2 * ((2 / width) * (S @ now) + now) - before
        result += 2 * weight * now
    return result


def poisson_terms(z):
    """Terms of the Poisson series: its weights are above rounding within 10√z of z."""
    return z + 10 * np.sqrt(z) + 30


def poisson(A, x, t, rate):
    """e^{tA}x = Σ_k e^{−z} z^k/k! P^k x with P = I + A/rate stochastic and z = t·rate.

    Uniformisation: all terms are positive where x is, nothing cancels, whatever the contrast.
    Starts at the first and ends at the last weight above rounding.
    """
    z = t * rate
    k = np.arange(int(poisson_terms(z)))
    weights = np.exp(k * np.log(z) - z - scipy.special.gammaln(k + 1))
    result = np.zeros_like(x)
    for weight in weights / weights.sum():  # the sum is 1 up to rounding of the logarithms
        if weight > ROUNDING:
            result += weight * x
        x = x + (A @ x) / rate
    return result


def factor(matrix):
    """LU factors of a matrix whose diagonal dominates its columns, without pivoting."""
    return scipy.sparse.linalg.splu(
        scipy.sparse.csc_array(matrix),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0,
        relax=1,
        panel_size=4,
        options={"SymmetricMode": True},
    )


def implicit(A, x, step, steps):
    """`steps` solutions of M x_new = x, M = I − step·A, whose columns sum to one.

    However long the step, while M comes next to a singular matrix: all is divided by
    1 + step·max|a_ii|, and the last pixel is eliminated last, with the pivot that the sums of the
    columns give: no difference of large numbers. What rounding loses of the mass is shared out in
    proportion to |x_new|, so that positive images stay positive.
    """
    fastest = np.abs(A.diagonal()).max()
    kept = 1 / (1 + step * fastest)
    moved = step * kept if kept else 1 / fastest
    inner = kept * scipy.sparse.eye_array(A.shape[0] - 1) - moved * A[:-1, :-1]
    to_last, from_last = moved * A[[-1], :-1], moved * A[:-1, [-1]].toarray().ravel()
    factors, mass = factor(inner), x.sum(axis=0)
    spread = factors.solve(from_last)[:, None]
    for _ in range(steps):
        inside = factors.solve(x[:-1])
        last = (x[-1:] + to_last @ inside) / (1 + spread.sum())
        x = np.vstack([kept * inside + spread * last, last])
        size = np.abs(x)
        x += size * ((mass - x.sum(axis=0)) / size.sum(axis=0).clip(min=np.finfo(float).tiny))
    return x


def null_vector(A):
    """w ≥ 0 with A w = 0 and Σw = 1, for an operator of osmosis on a connected grid.

    Columns of A sum to zero, so one equation says what the others say. The last is dropped and
    w_N = 1 put in; the rest is a regular M-matrix.
    """
    if A.shape[0] == 1:
        return np.ones(1)
    inner, last = -A[:-1, :-1], A[:-1, [-1]].toarray().ravel()
    factors = factor(inner)
    w = factors.solve(last)
    # the error of w; what is left after adding it is about its square
    correction = factors.solve(last - inner @ w)
    error = np.abs(correction).max() / np.abs(w).max()
    w = np.append(w + correction, 1.0)
    residual = np.abs(A @ w).max() / (np.abs(A.diagonal()).max() * w.max())
    if not (error < LARGEST_ERROR and residual < LARGEST_RESIDUAL):  # NaN included
        raise ArithmeticError(
            f"the steady state is lost to rounding (error {error:.1e} before refinement, "
            f"residual {residual:.1e}): the drift is too strong"
        )
    return w / w.sum()


def hold(u, known, operators, which=0, rate=0.0):
    """Change the images `u` (..., H, W), in C order, where they are not `known`, to A u = 0 there.

    `known`: boolean masks that broadcast to u, `which`: the number among the `operators` of the A
    of each image. Images with the same of both share a factorisation. With a `rate` to
    A u = rate · (u − u before): an implicit step of length 1/rate.
    """
    lines = u.reshape(-1, u.shape[-2] * u.shape[-1])
    masks = [one.tobytes() for one in known.reshape(-1, lines.shape[1])]
    places = np.arange(len(masks)).reshape(known.shape[:-2])
    groups = {}  # the images of each pair of a mask and an operator
    pairs = (np.broadcast_to(part, u.shape[:-2]).ravel().tolist() for part in (places, which))
    for image, (place, number) in enumerate(zip(*pairs)):
        groups.setdefault((masks[place], number), []).append(image)
    for (mask, number), images in groups.items():
        known = np.frombuffer(mask, bool)
        if not known.all():
            rows = operators[number].tocsr()[~known]
            held, free = np.ix_(images, known), np.ix_(images, ~known)
            given, matrix = rows[:, known] @ lines[held].T, -rows[:, ~known]
            if rate:
                given += rate * lines[free].T
                matrix += rate * scipy.sparse.eye_array(len(given))
            lines[free] = factor(matrix).solve(given).T


def is_over(A, w, t):
    """Whether e^{tA}x is (Σx) w for every x, to rounding; w is the null vector of sum 1.

    The χ²-distance Σ(u − w)²/w falls at least like e^{−2γt}, γ the first positive eigenvalue of
    −S, S the symmetric part of W^{−½} A W^{½}, W = diag(w); so |u − (Σx)w| ≤ e^{−γt}/min(w) · w
    Σ|x|. By Sylvester's law of inertia γ ≥ μ exactly if −S − μI has one negative pivot, that of
    √w.
    """
    if not w.min() > 0:  # lost to underflow
        return False
    log_w, S = np.log(w), A.tocoo()
    needed = -(np.log(ROUNDING) + log_w.min()) / t
    i, j = S.coords
    S.data = S.data * np.exp(0.5 * (log_w[j] - log_w[i]))
    least = max(needed, RESOLVED * np.abs(A.diagonal()).max())
    shifted = -0.5 * (S + S.T) - least * scipy.sparse.eye_array(A.shape[0])
    return (factor(shifted).U.diagonal() < 0).sum() == 1
