"""Exercises by code of page Gaussian scale-space."""

import numpy as np

from .cosines import cosines
from .exercise import Exercise

_rng = np.random.default_rng(2)

back = Exercise(
    "02-2",
    asks="the image that homogeneous diffusion up to time t turns into u",
    inputs=[
        (np.array([[0.75, 0.25]]), 0.5),
        (np.array([[0.0, 1.0, 0.0]]), 0.1),
        (_rng.uniform(-1, 1, (3, 2)), 1.5),
        (_rng.uniform(-1, 1, (4, 5)), 0.7),
    ],
)


@back.reference
def undo(u, t):
    """By the exponential series of −tΔ, in which nothing cancels: −Δ has no negative eigenvalue."""
    found, term = u, u
    for i in range(1, 80):
        v = np.pad(term, 1, mode="edge")
        flow = v[2:, 1:-1] + v[:-2, 1:-1] + v[1:-1, 2:] + v[1:-1, :-2] - 4 * term
        term = -t / i * flow
        found = found + term
    return found


def _discrete(n):
    return 4 * np.sin(np.pi * np.arange(n) / (2 * n)) ** 2


def _continuous(n):
    return (np.pi * np.arange(n) / n) ** 2


def _rates(u, rates=_discrete):
    return rates(u.shape[0])[:, None] + rates(u.shape[1])


def _analyse(u):
    return cosines(u.shape[0]) @ u @ cosines(u.shape[1]).T


def _times(factors, u):
    return cosines(u.shape[0]).T @ (factors * _analyse(u)) @ cosines(u.shape[1])


@back.mistake(
    "Are the contrasts of your result larger than those of u, or smaller?",
    "You blurred once more. What was multiplied by exp(−λt) has to be divided by it.",
)
def blurred_again(u, t):
    return _times(np.exp(-t * _rates(u)), u)


@back.mistake(
    "Blur your result with `homogeneous`. Which modes are too strong?",
    "You took the eigenvalues (πk/n)² of the continuum. `homogeneous` has those of the grid.",
)
def with_continuous_eigenvalues(u, t):
    return _times(np.exp(t * _rates(u, _continuous)), u)


@back.mistake(
    "For which times is your result nearly right?",
    "You went back in one step, u − tΔu. This divides by 1/(1 + λt), the factor of one implicit "
    "step, and not by exp(−λt).",
)
def one_step(u, t):
    return _times(1 + t * _rates(u), u)


@back.mistake(
    "Blur your result with `homogeneous`. Is it u, or nearly u?",
    "You added what one more blur would take away, u − T_t u. This multiplies modes by "
    "2 − exp(−λt), and you need exp(λt).",
)
def sharpened(u, t):
    return _times(2 - np.exp(-t * _rates(u)), u)


@back.mistake(
    "Undo t = 2, and undo t = 1 twice. Do you get the same?",
    "t is the time itself. You took it for the width of the blur, √(2t), and undid the time t²/2.",
)
def time_as_width(u, t):
    return _times(np.exp(t**2 / 2 * _rates(u)), u)


@back.mistake(
    "Let u be flat. Is the result flat?",
    "You multiplied grey values by exp(λt). These factors belong to modes: analyse first, and "
    "synthesise at the end.",
)
def on_pixels(u, t):
    return np.exp(t * _rates(u)) * u


@back.mistake(
    "Look at your result: is it an image, or are these modes?",
    "You returned modes. Go back to grey values: synthesise.",
)
def left_in_modes(u, t):
    return np.exp(t * _rates(u)) * _analyse(u)


excess = Exercise(
    "02-4",
    asks="the total by which the pixels brighter than a exceed a, for each image",
    inputs=[
        (np.array([[0.5, 1.0]]), 0.75),
        (np.array([[0.5, -0.25], [1.0, 0.0]]), 0.0),
        (np.array([[[0.2, 0.7, -0.5]], [[0.4, 0.9, 0.5]], [[-1.0, -0.6, 0.1]]]), 0.3),
        (_rng.uniform(-1, 1, (2, 3, 3, 4)), -0.2),
    ],
)


@excess.reference
def total_excess(u, a):
    """Half the sum of |u − a| and u − a."""
    return np.sum(abs(u - a) + u - a, axis=(-2, -1)) / 2


def _sum(values):
    return np.sum(values, axis=(-2, -1))


@excess.mistake(
    "Make the brightest pixel twice as bright. Does your result change?",
    "You counted the pixels that are brighter than a. Add up by how much they are.",
)
def number_of_pixels(u, a):
    return _sum(u > a)


@excess.mistake(
    "Let all pixels be darker than a. What should the total be?",
    "Pixels that are darker than a enter your sum with negative numbers. They must not enter it: "
    "max(u − a, 0).",
)
def darker_ones_too(u, a):
    return _sum(u - a)


@excess.mistake(
    "What does a pixel add to your sum that is darker than a?",
    "This is the functional of (a), the sum of |u − a|. Darker pixels must not enter.",
)
def both_sides(u, a):
    return _sum(abs(u - a))


@excess.mistake(
    "Let one pixel be just a little brighter than a. What should the total be?",
    "You added up the grey values of the bright pixels. Subtract a from each.",
)
def whole_grey_values(u, a):
    return _sum(np.where(u > a, u, 0))


@excess.mistake(
    "Put two copies of the image side by side. What should happen to the total?",
    "You took the mean over the pixels. A total is their sum.",
)
def mean_excess(u, a):
    return total_excess(u, a) / (u.shape[-2] * u.shape[-1])


@excess.mistake(
    "How many numbers do you return for a stack of three images?",
    "You added over all axes. Only the last two are space: sum((-2, -1)), or axis=(-2, -1).",
)
def all_images_together(u, a):
    return np.sum(total_excess(u, a))


@excess.mistake(
    "Let all pixels be brighter than a. What should the total be?",
    "You have the sign reversed: this is by how much the darker pixels fall short of a.",
)
def shortfall(u, a):
    return total_excess(-u, -a)


@excess.mistake(
    "Let all pixels be darker than a. What should the total be, and which number do you add for "
    "each?",
    "You raised the darker pixels to a, max(u, a), and added up. Subtract a: max(u, a) − a.",
)
def level_not_subtracted(u, a):
    return _sum(np.maximum(u, a))
