"""Slow, obvious references: dense matrices built edge by edge, straight from the book.

Nothing here imports `dpss`, so agreement with the library is evidence and not a tautology.
"""

import math

import numpy as np
from hypothesis import strategies as st

SHAPES = [(1, 1), (1, 2), (1, 7), (6, 1), (2, 2), (3, 5), (4, 6), (5, 5), (8, 3)]
GRIDS = [shape for shape in SHAPES if shape[0] * shape[1] > 1]  # at least one edge

shapes = st.tuples(st.integers(1, 7), st.integers(1, 7))
grids = shapes.filter(lambda shape: shape != (1, 1))
seeds = st.integers(0, 2**31 - 1)


def noise(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def image(shape, seed=0):
    """An image with values in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, shape)


def positive(shape, seed=0, contrast=100.0):
    """A positive image whose logarithm is uniform: values from 1/contrast to 1."""
    return np.exp(np.random.default_rng(seed).uniform(-math.log(contrast), 0, shape))


def edges(height, width):
    """(i, j, axis, position) of each pair of neighbours i → j, towards the larger index.

    `dy` (axis 0) or `dx` (axis 1) holds the drift of the pair at `position`.
    """
    found = []
    for y in range(height):
        for x in range(width):
            i = y * width + x
            if y + 1 < height:
                found.append((i, i + width, 0, (y, x)))
            if x + 1 < width:
                found.append((i, i + 1, 1, (y, x)))
    return found


def laplacian(height, width):
    """−(sum over edges of (e_i − e_j)(e_i − e_j)ᵀ): 5-point Laplacian, reflecting boundary."""
    matrix = np.zeros((height * width, height * width))
    for i, j, _, _ in edges(height, width):
        matrix[i, j] += 1
        matrix[j, i] += 1
        matrix[i, i] -= 1
        matrix[j, j] -= 1
    return matrix


def drift(v):
    """Canonical drift of a guidance image, edge by edge: d = 2 (v_j − v_i) / (v_j + v_i)."""
    height, width = v.shape
    dy, dx = np.zeros((height - 1, width)), np.zeros((height, width - 1))
    flat = v.ravel()
    for i, j, axis, position in edges(height, width):
        (dy, dx)[axis][position] = 2 * (flat[j] - flat[i]) / (flat[j] + flat[i])
    return dy, dx


def osmosis(dy, dx, spacing=1.0):
    """A with A_ij = (1 − d/2)/h², A_ji = (1 + d/2)/h² for the edge i → j; columns sum to 0."""
    height, width = dx.shape[0], dy.shape[1]
    matrix = np.zeros((height * width, height * width))
    for i, j, axis, position in edges(height, width):
        d = (dy, dx)[axis][position]
        matrix[i, j] += (1 - d / 2) / spacing**2
        matrix[j, j] -= (1 - d / 2) / spacing**2
        matrix[j, i] += (1 + d / 2) / spacing**2
        matrix[i, i] -= (1 + d / 2) / spacing**2
    return matrix


def null_image(matrix, u):
    """The steady state of a dense osmosis matrix with the mean of u."""
    w = np.abs(np.linalg.svd(matrix)[2][-1])
    return (w * u.mean() / w.mean()).reshape(u.shape)


def random_drift(shape, seed=0, largest=1.9):
    height, width = shape
    rng = np.random.default_rng(seed)
    return (
        rng.uniform(-largest, largest, (height - 1, width)),
        rng.uniform(-largest, largest, (height, width - 1)),
    )


def cosine_vectors(n):
    """Row k is the orthonormal DCT-II vector k, from its formula."""
    rows = np.array([[math.cos(math.pi * k * (x + 0.5) / n) for x in range(n)] for k in range(n)])
    return rows / np.sqrt((rows**2).sum(axis=1, keepdims=True))


def cosine_matrix(height, width):
    """B of the cosine basis: modes = B @ image.ravel()."""
    return np.kron(cosine_vectors(height), cosine_vectors(width))


def eigenvalues(height, width, kind="discrete"):
    y = math.pi * np.arange(height)[:, None] / height
    x = math.pi * np.arange(width)[None, :] / width
    if kind == "continuous":
        return y**2 + x**2
    return 4 * np.sin(y / 2) ** 2 + 4 * np.sin(x / 2) ** 2


def cosine_covariance(std, shape):
    """Bᵀ diag(std²) B in the cosine basis."""
    B = cosine_matrix(*shape)
    return B.T @ np.diag(np.broadcast_to(np.asarray(std), shape).ravel() ** 2) @ B


# --- schedules: the rows of the book's table, typed in anew ---------------------------------------

T_MAX = 5.0  # of the Gaussian scale-space


def blur_time(t, blur):
    """The diffusion time of heat and of blurring at time t, from the largest blur in pixels."""
    return 0.5 * (blur * math.sin(math.pi * t / 2) ** 2) ** 2


def schedule(
    name, t, shape, betas=(0.1, 20.0), blur=None, sigma=0.01, least=0.001, kind="discrete"
):
    """α and σ of a family per mode, (H, W); the parameters are those of the library's defaults."""
    low, high = betas
    integral, angle = low * t + (high - low) * t**2 / 2, np.pi * t / 2
    lam, level = eigenvalues(*shape, kind), -np.expm1(-integral)
    fade = np.exp(-lam * blur_time(t, min(shape) / 2 if blur is None else blur))
    gain, std = {
        "vp": (np.exp(-integral / 2), np.sqrt(level)),
        "vp_cosine": (np.cos(angle), np.sin(angle)),
        "sub_vp": (np.exp(-integral / 2), level),
        "ve": (1.0, 0.01 * np.sqrt(np.expm1(2 * t * math.log(50 / 0.01)))),
        "heat": (fade, sigma if t > 0 else 0.0),
        "blurring": (np.cos(angle) * ((1 - least) * fade + least), np.sin(angle)),
        "gaussian_scale_space": (np.exp(-lam * t * T_MAX), 0.0),
    }[name]
    return np.broadcast_to(gain, shape), np.broadcast_to(std, shape)


# --- laws and calculus ----------------------------------------------------------------------------


def bell(u, mean, variance):
    """Density of the normal law."""
    return np.exp(-((u - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)


def bells(u, parts, gain=1.0, variance=0.0):
    """Density of a mixture, `parts` of (weight, mean, std), times a gain, plus normal noise."""
    return sum(w * bell(u, gain * m, gain**2 * s**2 + variance) for w, m, s in parts)


def kl_normal(m, S, n, T):
    """KL of two normal laws on vectors, from their means and full covariances."""
    gap = n - m
    return 0.5 * (
        np.trace(np.linalg.solve(T, S))
        - len(m)
        + gap @ np.linalg.solve(T, gap)
        + np.linalg.slogdet(T)[1]
        - np.linalg.slogdet(S)[1]
    )


def slope(function, t, h=1e-4):
    """Fourth-order central difference: its error is about h⁴ times a fifth derivative / 30."""
    near, far = function(t + h) - function(t - h), function(t + 2 * h) - function(t - 2 * h)
    return (8 * near - far) / (12 * h)


def orthogonal(size, seed=0):
    """A random orthogonal matrix."""
    return np.linalg.qr(noise((size, size), seed))[0]


def permutation(shape, move):
    """The matrix of a map of images that only moves pixels."""
    order = move(np.arange(shape[0] * shape[1]).reshape(shape)).ravel()
    return np.eye(len(order))[order]


def moments_agree(samples, mean, cov):
    """Samples (n, pixels) against a mean and covariance, with tolerances from n.

    The mean errs by √(c_ii / n) and the covariance by √((c_ii c_jj + c_ij²) / n); five standard
    deviations over at most 144 + 12 numbers give a false alarm in fewer than one of 10⁴ seeds,
    and the seed is fixed.
    """
    n, variances = len(samples), np.diag(cov)
    floor = 1e-7  # where the law is a point
    assert (np.abs(samples.mean(0) - mean) <= 5 * np.sqrt(variances / n) + floor).all()
    spread = np.sqrt((np.outer(variances, variances) + cov**2) / n)
    assert (np.abs(np.cov(samples.T) - cov) <= 5 * spread + floor).all()
