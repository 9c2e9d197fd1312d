"""Exercises by code of page Images."""

import numpy as np

from .cosines import cosines
from .exercise import Exercise

_rng = np.random.default_rng(1)

ring = Exercise(
    "01-3",
    asks="the n eigenvalues of −Δ on a ring of n pixels, in ascending order",
    inputs=[(3,), (4,), (5,), (8,)],
)


@ring.reference
def ring_eigenvalues(n):
    """The Fourier transform of a column of −Δ: what a pixel gives away, and to whom."""
    column = np.zeros(n)
    column[0], column[1], column[-1] = 2, -1, -1
    return np.sort(np.fft.fft(column).real)


@ring.mistake(
    "Take n = 3, where each pixel has the same two neighbours. Which matrix has your eigenvalues?",
    "These are the eigenvalues of the line, 4 sin²(πk/2n). A wave has to return to itself after "
    "one round: its angle per pixel is 2πk/n.",
)
def of_the_line(n):
    return 4 * np.sin(np.pi * np.arange(n) / (2 * n)) ** 2


@ring.mistake(
    "Print your numbers for n = 5, one below the other. In which order are they?",
    "The numbers are right, their order is that of k = 0, …, n − 1. Sort them: np.sort.",
)
def not_sorted(n):
    return 4 * np.sin(np.pi * np.arange(n) / n) ** 2


@ring.mistake(
    "Which sign has the rate at which a wave is flattened?",
    "You returned the eigenvalues of Δ. Asked for are those of −Δ, which are not negative.",
)
def of_laplacian(n):
    return -ring_eigenvalues(n)[::-1]


@ring.mistake(
    "How many numbers do you return, and how many independent waves has a ring of n pixels?",
    "You returned each eigenvalue once. Where the sine wave is not zero, it belongs to the same "
    "eigenvalue as the cosine wave, which then occurs twice.",
)
def each_once(n):
    return 4 * np.sin(np.pi * np.arange(n // 2 + 1) / n) ** 2


@ring.mistake(
    "How many numbers do you return, and how many eigenvalues has a matrix of n rows?",
    "Not every eigenvalue occurs twice. The sine wave is zero for k = 0 and, if n is even, for "
    "k = n/2.",
)
def each_twice(n):
    return np.repeat(each_once(n), 2)


@ring.mistake(
    "What is the trace of −Δ, and what is the sum of your numbers?",
    "You took the squares (2πk/n)² of the continuous circle. On the ring of pixels, it is "
    "4 sin²(πk/n).",
)
def of_the_circle(n):
    return np.sort((2 * np.pi * np.fft.fftfreq(n)) ** 2)


@ring.mistake(
    "Let n be even. How fast is the wave (1, −1, 1, −1, …) flattened?",
    "2 − 2 cos θ is 4 sin²(θ/2), with half the angle θ = 2πk/n: 4 sin²(πk/n). You took the whole "
    "angle.",
)
def whole_angle(n):
    return np.sort(4 * np.sin(2 * np.pi * np.arange(n) / n) ** 2)


@ring.mistake(
    "Is 0 among your numbers? What does your flow do to a flat image?",
    "You joined the two ends of the line, but did not count the new edge on the diagonal: on a "
    "ring, each pixel has two neighbours.",
)
def new_edge_not_counted(n):
    shift = np.roll(np.eye(n), 1, axis=0)
    neighbours = np.full(n, 2.0)
    neighbours[[0, -1]] = 1
    return np.linalg.eigvalsh(np.diag(neighbours) - shift - shift.T)


low = Exercise(
    "01-4",
    asks="the image that is left of u when only its modes with k₁ < m and k₂ < m are kept",
    inputs=[
        (np.array([[1.0, 0.0], [0.0, 0.0]]), 2),
        (np.array([[3.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), 1),
        (_rng.uniform(-1, 1, (5, 3)), 2),
        (_rng.uniform(-1, 1, (3, 4, 5)), 2),
        (_rng.uniform(-1, 1, (2, 3, 6, 4)), 3),
    ],
)


@low.reference
def from_low_modes(u, m):
    """By the projections on the lowest waves of columns and of rows, without any modes."""

    def projection(n):
        angle = np.pi / n * np.outer(np.arange(n) + 0.5, np.arange(1, min(m, n)))
        return 1 / n + 2 / n * np.cos(angle) @ np.cos(angle).T

    return np.einsum("ij,...jk,kl->...il", projection(u.shape[-2]), u, projection(u.shape[-1]))


def _bases(u):
    return (cosines(n) for n in u.shape[-2:])


def _lowest(c, m):
    kept = np.zeros_like(c)
    kept[..., :m, :m] = c[..., :m, :m]
    return kept


@low.mistake(
    "Let u be a wave along the rows with k = (0, k₂) and k₂ ≥ m. Is anything left of it?",
    "You set modes to 0 only if both frequencies are m or more. Only those are kept of which both "
    "are less than m.",
)
def one_corner_erased(u, m):
    down, across = _bases(u)
    c = down @ u @ across.T
    c[..., m:, m:] = 0
    return down.T @ c @ across


@low.mistake(
    "Try one channel of a colour image alone, then all three. Is the result for it the same?",
    "You chose modes along the first two axes. The last two are space: c[..., :m, :m].",
)
def channels_erased(u, m):
    down, across = _bases(u)
    c = down @ u @ across.T
    kept = np.zeros_like(c)
    kept[:m, :m] = c[:m, :m]
    return down.T @ kept @ across


@low.mistake(
    "Put m = 1. How many modes do you keep, and which image should be left?",
    "You keep frequencies up to m. The lowest m are 0, …, m − 1.",
)
def one_too_many(u, m):
    return from_low_modes(u, m + 1)


@low.mistake("What is left of a flat image?", "You erased the low modes and kept the others.")
def low_ones_erased(u, m):
    return u - from_low_modes(u, m)


@low.mistake(
    "Look at your result: is it an image, or are these modes?",
    "You returned the modes. Go back to grey values with two more products.",
)
def left_in_modes(u, m):
    down, across = _bases(u)
    return _lowest(down @ u @ across.T, m)


@low.mistake(
    "Let u be flat. Which modes do you get from it?",
    "The waves are the rows of `matrix`. So B_H u B_Wᵀ analyses and B_Hᵀ c B_W synthesises. You "
    "took them the other way round.",
)
def back_first(u, m):
    down, across = _bases(u)
    return down @ _lowest(down.T @ u @ across, m) @ across.T


@low.mistake(
    "Let u have one row only. Which numbers does your analysis multiply with it, and add up?",
    "To the right of u, B_W must be transposed: (u Bᵀ)_k is the inner product of u with row k.",
)
def right_one_not_transposed(u, m):
    down, across = _bases(u)
    return down.T @ _lowest(down @ u @ across, m) @ across.T


@low.mistake(
    "Let u be a wave down the columns with k = (k₁, 0) and k₁ ≥ m. Is anything left of it?",
    "c[..., m:] has the modes with k₂ ≥ m only. Those with k₁ ≥ m must vanish, too.",
)
def one_axis_erased(u, m):
    down, across = _bases(u)
    c = down @ u @ across.T
    c[..., m:] = 0
    return down.T @ c @ across
