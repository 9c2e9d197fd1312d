"""Exercises by code of page Osmosis."""

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(4)

step = Exercise(
    "04-3",
    asks="one implicit step of osmosis on a line of pixels",
    inputs=[
        (np.array([1.0, 0.0]), np.array([1.0]), 0.4),
        (np.array([0.0, 1.0, 0.0]), np.array([0.5, -1.0]), 2.0),
        (_rng.uniform(0, 1, 8), _rng.uniform(-1.9, 1.9, 7), 0.25),
    ],
)


def _operator(d):
    """The matrix A: of u_i, 1 + d/2 goes to the right and 1 − d/2 of u_{i+1} to the left."""
    right, left = 1 + d / 2, 1 - d / 2
    A = np.diag(left, 1) + np.diag(right, -1)
    return A - np.diag(A.sum(0))


@step.reference
def implicit_step(u, d, tau):
    return np.linalg.solve(np.eye(len(u)) - tau * _operator(d), u)


@step.mistake(
    "At which of the two times does your step look at the flow of brightness?",
    "You made the explicit step, u + τ A u. The implicit step solves u⁺ = u + τ A u⁺ for u⁺.",
)
def explicit(u, d, tau):
    return u + tau * _operator(d) @ u


@step.mistake(
    "Put u = v into your step, with the drift that belongs to v. Does it stand still?",
    "A positive drift blows from left to right. Yours blows to the left: the sign of d.",
)
def against_the_wind(u, d, tau):
    return implicit_step(u, -d, tau)


@step.mistake(
    "Add up the grey values before and after your step.",
    "Columns of A sum to 0, not rows: your matrix is the transposed one. In column i stands where "
    "the brightness of pixel i goes.",
)
def transposed(u, d, tau):
    return np.linalg.solve(np.eye(len(u)) - tau * _operator(d).T, u)


@step.mistake(
    "Which grey values does your step have for a drift of 0: is it a blur?",
    "You solved (I + τA) u⁺ = u, a step back in time. Look at the sign of τ.",
)
def backward(u, d, tau):
    return np.linalg.solve(np.eye(len(u)) + tau * _operator(d), u)


@step.mistake(
    "What are the largest and smallest entries that A may have off its diagonal?",
    "The flow through an edge is (1 + d/2) u_i − (1 − d/2) u_j: each side has half of the drift.",
)
def whole_drift(u, d, tau):
    return implicit_step(u, 2 * d, tau)


@step.mistake(
    "Is the result a multiple of u⁺, or something added to u?",
    "You returned u⁺ − u, the change. The step is the image after it.",
)
def only_the_change(u, d, tau):
    return implicit_step(u, d, tau) - u


gap = Exercise(
    "04-5",
    asks="the smallest positive eigenvalue of −A for osmosis on a line, guided by v",
    inputs=[
        (np.array([1.0, 3.0]),),
        (np.array([1.0, 2.0, 4.0]),),
        (np.array([1.0, 1.0, 1.0, 0.001, 1.0, 1.0]),),
        (_rng.uniform(0.5, 2, 9),),
    ],
)


def _of_guidance(v):
    return _operator(2 * np.diff(v) / (v[1:] + v[:-1]))


@gap.reference
def spectral_gap(v):
    symmetric = _of_guidance(v) * np.sqrt(v) / np.sqrt(v)[:, None]
    return -np.linalg.eigvalsh(symmetric)[-2]


@gap.mistake(
    "Which sign do the eigenvalues of A have, and which sign has a rate of decay?",
    "You returned an eigenvalue of A. The gap is that of −A, a positive number.",
)
def negative(v):
    return -spectral_gap(v)


@gap.mistake(
    "Which image belongs to the eigenvalue that you returned?",
    "You returned Λ_0, which belongs to v and is 0. The gap is the next one, Λ_1.",
)
def zeroth(v):
    return 0.0 * v[0]


@gap.mistake(
    "Which mode do you return, the slowest or the fastest?",
    "eigvalsh sorts from the smallest: of A, the last is 0 and the last but one is −Λ_1. You "
    "returned the first, the fastest mode.",
)
def fastest(v):
    return -np.linalg.eigvals(_of_guidance(v)).real.min()


@gap.mistake(
    "Does your result depend on the contrast of v?",
    "This is λ_1, the gap of blur. Use the drift of v.",
)
def of_blur(v):
    return spectral_gap(np.ones(len(v)))


@gap.mistake(
    "Is A v = 0 for your matrix?",
    "You took differences of log v as drift. The canonical drift is 2 (v_j − v_i) / (v_j + v_i).",
)
def of_logarithms(v):
    drift = np.diff(np.log(v))
    return np.sort(-np.linalg.eigvals(_operator(drift)).real)[1]


@gap.mistake(
    "eigvalsh looks at one half of the matrix and believes that the other half is the same.",
    "A is not symmetric. Give eigvalsh the matrix S, or use eigvals.",
)
def believed_symmetric(v):
    return -np.linalg.eigvalsh(_of_guidance(v))[-2]
