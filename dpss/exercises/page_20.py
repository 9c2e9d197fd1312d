"""Exercises by code of page Inpainting."""

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(20)
_root = _rng.normal(0, 1, (5, 5))
_walks = np.cumsum(_rng.normal(0, 1, (2, 7)), axis=1)

filling = Exercise(
    "20-2",
    asks="the posterior mean of a Gaussian law, as a whole picture",
    inputs=[
        (np.array([[1.0, 0.5], [0.5, 2.0]]), np.array([True, False]), np.array([1.0, 0.0])),
        (np.array([[4.0, 1.0], [1.0, 1.0]]), np.array([False, True]), np.array([9.0, 2.0])),
        (
            np.array([[2.0, 1.0, 0.5], [1.0, 2.0, 1.0], [0.5, 1.0, 2.0]]),
            np.array([True, False, True]),
            np.array([1.0, 0.0, -1.0]),
        ),
        (
            _root @ _root.T + np.eye(5),
            np.array([False, True, True, False, True]),
            _rng.normal(0, 1, 5),
        ),
    ],
)


@filling.reference
def fill(C, known, x):
    """By the precision: the exponent is largest where its derivative vanishes."""
    precision = np.linalg.inv(np.asarray(C, float))
    known, x = np.asarray(known, bool), np.array(x, float)
    missing = ~known
    x[missing] = -np.linalg.solve(
        precision[np.ix_(missing, missing)], precision[np.ix_(missing, known)] @ x[known]
    )
    return x


@filling.mistake(
    "Let the known pixels have another variance than 1. Does your answer notice?",
    "You did not divide by the covariance of the known pixels.",
)
def not_divided(C, known, x):
    C, known, x = np.asarray(C, float), np.asarray(known, bool), np.array(x, float)
    x[~known] = C[np.ix_(~known, known)] @ x[known]
    return x


@filling.mistake(
    "By which block do you divide: that of the known or that of the missing pixels?",
    "You divided by the covariance of the missing pixels. It is the known ones whose randomness "
    "has to be taken out.",
)
def divided_by_the_missing(C, known, x):
    C, known, x = np.asarray(C, float), np.asarray(known, bool), np.array(x, float)
    x[~known] = np.linalg.solve(C[np.ix_(~known, ~known)], C[np.ix_(~known, known)] @ x[known])
    return x


@filling.mistake(
    "Two pixels with a positive correlation: if one is bright, what of the other?",
    "Your sign is wrong. The minus belongs to the formula with the precision, the inverse of C.",
)
def of_the_wrong_sign(C, known, x):
    known = np.asarray(known, bool)
    return np.where(known, x, -fill(C, known, x))


@filling.mistake(
    "Which matrix does the formula with the minus belong to?",
    "That is the formula for the precision, the inverse of C. With the covariance it is "
    "C_MK C_KK⁻¹ x_K.",
)
def as_if_a_precision(C, known, x):
    C, known, x = np.asarray(C, float), np.asarray(known, bool), np.array(x, float)
    x[~known] = -np.linalg.solve(C[np.ix_(~known, ~known)], C[np.ix_(~known, known)] @ x[known])
    return x


@filling.mistake(
    "How many entries does your answer have?",
    "Return the whole picture, with the known pixels in their places.",
)
def the_missing_alone(C, known, x):
    return fill(C, known, x)[~np.asarray(known, bool)]


@filling.mistake(
    "What should stand at the known pixels?",
    "You smoothed the known pixels as well. They are known, and stay.",
)
def known_ones_smoothed(C, known, x):
    C, known, x = np.asarray(C, float), np.asarray(known, bool), np.array(x, float)
    block = C[np.ix_(known, known)]
    return C[:, known] @ np.linalg.solve(block + np.eye(len(block)), x[known])


on_a_line = Exercise(
    "20-3",
    asks="a draw from the posterior on a line of pixels",
    inputs=[
        (np.array([0.0, 1.0, 0.0]), np.array([2.0, 0.0, 4.0]), np.array([True, False, True])),
        (
            np.array([1.0, 3.0, 2.0, 1.0]),
            np.array([0.0, 7.0, 7.0, 3.0]),
            np.array([True, False, False, True]),
        ),
        (_walks[0], _walks[1], np.array([True, False, False, True, False, True, True])),
    ],
)


@on_a_line.reference
def draw(w, f, known):
    """Piece by piece: on a straight line from one known misfit to the next, on top of w."""
    w, f = np.asarray(w, float), np.asarray(f, float)
    at, result = np.flatnonzero(known), w.copy()
    for left, right in zip(at, at[1:]):
        share = np.arange(right - left + 1) / (right - left)
        gaps = f[left] - w[left], f[right] - w[right]
        result[left : right + 1] = w[left : right + 1] + (1 - share) * gaps[0] + share * gaps[1]
    return result


@on_a_line.mistake(
    "Draw twice, with two pictures w. Are the results different?",
    "That is the mean, the harmonic filling of f. A draw needs w between the known pixels.",
)
def the_mean(w, f, known):
    at = np.flatnonzero(known)
    return np.interp(np.arange(len(w)), at, np.asarray(f, float)[at])


@on_a_line.mistake(
    "What does your result hold at the known pixels?",
    "You forgot to add w after you had filled in the misfit f − w.",
)
def the_misfit(w, f, known):
    at = np.flatnonzero(known)
    return np.interp(np.arange(len(w)), at, np.subtract(f, w)[at])


@on_a_line.mistake(
    "Put f = w. What should come out, and what does?",
    "You added w to the filling of f, so w is counted at the known pixels as well. Fill in f − w.",
)
def with_w_on_top(w, f, known):
    return the_mean(w, f, known) + np.asarray(w, float)


@on_a_line.mistake(
    "Look at your result next to a known pixel. Is there a jump?",
    "You put f into w where it is known. The pixels between do not learn of it that way.",
)
def pasted(w, f, known):
    return np.where(known, f, w)
