"""Answers to the exercises of page Comparison, written by others than their authors."""

import math

import numpy as np


def by_loops(gain, level, power):
    joint = start = state = 0.0
    modes = list(zip(np.ravel(gain), np.ravel(level), np.ravel(power)))
    for a, s, p in modes[1:]:
        joint, start, state = joint + a * p, start + p, state + a * a * p + s * s
    return joint / math.sqrt(start * state)


def by_two_equations(small, large, n, m):
    return np.linalg.solve([[1, 1 / n], [1, 1 / m]], [small, large])[0]


def with_noise(gain, level, power):
    """Forgets that mode 0 has noise, too."""
    joint = (gain * power).sum() - gain[0, 0] * power[0, 0]
    start = power.sum() - power[0, 0]
    state = (gain**2 * power + level**2).sum() - gain[0, 0] ** 2 * power[0, 0]
    return joint / math.sqrt(start * state)


RIGHT = {"19-2": [by_loops], "19-4": [by_two_equations]}

WRONG = {
    "19-2": {
        "with_the_mean": lambda gain, level, power: (
            (gain * power).sum() / math.sqrt(power.sum() * (gain**2 * power + level**2).sum())
        ),
        "with_noise_in_the_mean": with_noise,
        "fails": lambda gain, level, power: gain[99],
    },
    "19-4": {
        "weighted_mean": lambda small, large, n, m: np.average([small, large], weights=[n, m]),
        "cut_off": lambda small, large, n, m: np.clip(
            by_two_equations(small, large, n, m), 0, None
        ),
        "the_slope": lambda small, large, n, m: np.linalg.solve(
            [[1, 1 / n], [1, 1 / m]], [small, large]
        )[1],
        "differs": lambda small, large, n, m: 17.0,
    },
}
