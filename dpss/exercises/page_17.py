"""Exercises by code of page Trajectories."""

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(17)

limit = Exercise(
    "17-2",
    asks="the modes of osmosis towards noise, for a large offset",
    inputs=[
        (np.array([1.0]), np.array([-0.5]), np.array([0.3]), 2.0),
        (np.array([2.0, 3.0]), np.array([1.0, -1.0]), np.array([0.0, 2.0]), 0.5),
        (_rng.normal(0, 3, 5), _rng.normal(0, 1, 5), np.linspace(0, 4, 5), 0.2),
        (_rng.normal(0, 3, (3, 4)), _rng.normal(0, 1, (3, 4)), _rng.uniform(0, 8, (3, 4)), 0.1),
    ],
)


@limit.reference
def modes_at(c, noise, eigenvalues, t):
    """By a straight line from what will be there at last to what was there at first."""
    return noise + np.exp(-np.multiply(eigenvalues, t)) * np.subtract(c, noise)


@limit.mistake(
    "Let t be 0. Do you get the picture?",
    "You have exchanged the picture and the noise: yours begins with the noise, as the way back.",
)
def the_way_back(c, noise, eigenvalues, t):
    return modes_at(noise, c, eigenvalues, t)


@limit.mistake(
    "After a long time, how large is each mode?",
    "You blurred the noise as well. Mode k of the noise comes in with 1 − exp(−λ_k t).",
)
def both_are_blurred(c, noise, eigenvalues, t):
    return np.exp(-np.multiply(eigenvalues, t)) * np.add(c, noise)


@limit.mistake(
    "For small t, what does your picture look like? Is all the noise there at once?",
    "You added the whole noise from the start. Its mode k comes in with 1 − exp(−λ_k t).",
)
def noise_at_once(c, noise, eigenvalues, t):
    return np.exp(-np.multiply(eigenvalues, t)) * c + noise


@limit.mistake(
    "Add gain and noise level of a mode. What should the sum be, what the sum of squares?",
    "You made the sum of their squares 1, as in VP. Here the levels themselves add up to 1.",
)
def squares_add_up(c, noise, eigenvalues, t):
    gain = np.exp(-np.multiply(eigenvalues, t))
    return gain * c + np.sqrt(1 - gain**2) * noise


@limit.mistake(
    "Which rate has a mode of u under Δu, and which has its square?",
    "Your exponent is twice what it should be: −2 λ_k t belongs to the energy of a mode.",
)
def rate_of_the_energy(c, noise, eigenvalues, t):
    return modes_at(c, noise, eigenvalues, 2 * t)


@limit.mistake(
    "What are the eigenvalues that you are given: those of Δ, or frequencies?",
    "You squared λ_k. It is the rate of mode k as it stands.",
)
def eigenvalue_squared(c, noise, eigenvalues, t):
    return modes_at(c, noise, np.square(eigenvalues), t)


share = Exercise(
    "17-3",
    asks="the share of the way that an image has gone",
    inputs=[
        (np.array([[1.0, 3.0]]), np.array([[0.0, 4.0]]), np.array([[4.0, 0.0]])),
        (np.array([[0.5, 0.0]]), np.array([[1.0, 1.0]]), np.array([[0.0, 0.5]])),
        tuple(_rng.normal(0, 1, (3, 2, 3))),
        tuple(_rng.normal(1, 2, (3, 4, 4))),
    ],
)


@share.reference
def share_done(u, start, end):
    """From the energies of what is left and of the whole way."""
    left, whole = (np.sum(np.square(np.subtract(x, end))) for x in (u, start))
    return 1 - np.sqrt(left / whole)


@share.mistake(
    "What is the share at the start, and what at the end?",
    "You have the share that is left. Take it from 1.",
)
def share_left(u, start, end):
    return 1 - share_done(u, start, end)


@share.mistake(
    "From where to where do you measure? A state need not lie on the straight line.",
    "You measured how far the state has come from the start. The definition measures how far it "
    "still has to go.",
)
def distance_from_the_start(u, start, end):
    return np.linalg.norm(np.subtract(u, start)) / np.linalg.norm(np.subtract(end, start))


@share.mistake(
    "In the middle of the straight line, is your share one half?",
    "You took squares, and forgot the root.",
)
def without_the_root(u, start, end):
    return 1 - (1 - share_done(u, start, end)) ** 2


@share.mistake(
    "Which distance does the definition take?",
    "You added up magnitudes. Add up squares, and take the root.",
)
def sum_of_magnitudes(u, start, end):
    left, whole = (np.sum(np.abs(np.subtract(x, end))) for x in (u, start))
    return 1 - left / whole


@share.mistake(
    "By what do you divide? Multiply all three images by 2: does your share change?",
    "You divided by the size of the end, or by nothing. Divide by the distance from start to end.",
)
def by_the_size_of_the_end(u, _start, end):
    return 1 - np.linalg.norm(np.subtract(u, end)) / np.linalg.norm(end)
