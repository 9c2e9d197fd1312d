"""Exercises by code of page Comparison."""

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(19)


def _modes(shape):
    return (_rng.uniform(0.1, 1, shape), _rng.uniform(0.1, 1, shape), _rng.uniform(0.5, 3, shape))


correlation = Exercise(
    "19-2",
    asks="the correlation of an ensemble with its start",
    inputs=[
        (np.array([[0.5, 0.5]]), np.array([[2.0, 1.0]]), np.array([[7.0, 4.0]])),
        (np.array([[1.0, 0.5, 0.2]]), np.zeros((1, 3)), np.array([[5.0, 2.0, 1.0]])),
        _modes((2, 2)),
        _modes((3, 4)),
    ],
)


@correlation.reference
def correlation_of(gain, level, power):
    """From the cosine of the angle between the start and the state, mode by mode."""
    gain, level, power = (np.ravel(x)[1:] for x in (gain, level, power))
    joint = np.dot(gain, power)
    return joint / np.sqrt(np.sum(power) * (np.dot(gain**2, power) + np.dot(level, level)))


@correlation.mistake(
    "Add a constant to all pictures: should the correlation change?",
    "You counted mode 0, the mean grey value. It takes no part.",
)
def with_the_mean(gain, level, power):
    now = np.square(gain) * power + np.square(level)
    return np.sum(gain * power) / np.sqrt(np.sum(power) * np.sum(now))


@correlation.mistake(
    "Is there noise in mode 0?",
    "You took out the power of mode 0 and left its noise. Mode 0 takes no part with either.",
)
def with_noise_in_the_mean(gain, level, power):
    power = np.array(power, float)
    power[0, 0] = 0
    return with_the_mean(gain, level, power)


@correlation.mistake(
    "Let the noise be very large. What should be left?",
    "You left out the noise: its power belongs to that of the state.",
)
def without_noise(gain, level, power):
    return correlation_of(gain, np.zeros_like(level), power)


@correlation.mistake(
    "What is the correlation at the start, where the gain is 1 and there is no noise?",
    "You forgot a root: the powers of start and state stand under it.",
)
def without_the_root(gain, level, power):
    gain, level, power = (np.ravel(x)[1:] for x in (gain, level, power))
    return np.dot(gain, power) / (np.sum(power) * (np.dot(gain**2, power) + np.dot(level, level)))


@correlation.mistake(
    "How does the joint moment of start and state depend on the gain?",
    "You squared the gain above. Start times state has the gain once.",
)
def gain_squared_above(gain, level, power):
    gain, level, power = (np.ravel(x)[1:] for x in (gain, level, power))
    now = np.dot(gain**2, power)
    return now / np.sqrt(np.sum(power) * (now + np.dot(level, level)))


@correlation.mistake(
    "Is the level a variance or a standard deviation?",
    "You added the levels. What adds up are their squares.",
)
def level_not_squared(gain, level, power):
    return correlation_of(gain, np.sqrt(level), power)


extrapolation = Exercise(
    "19-4",
    asks="a distance without the term b/n",
    inputs=[(3.0, 2.0, 1, 2), (3.0, 1.0, 1, 2), (16.9, 8.3, 100, 250), (5.0, 4.5, 10, 1000)],
)


@extrapolation.reference
def extrapolated(small, large, n, m):
    """By the slope over 1/n."""
    slope = (small - large) / (1 / n - 1 / m)
    return large - slope / m


@extrapolation.mistake(
    "If both distances are equal, what should come out?",
    "Your weights do not add up to 1: divide by m − n.",
)
def not_divided(small, large, n, m):
    return m * large - n * small


@extrapolation.mistake(
    "Which of the two is nearer to the limit, and on which side of it?",
    "You took a weighted mean of both. The limit lies beyond the larger sample, not between them.",
)
def weighted_mean(small, large, n, m):
    return (m * large + n * small) / (m + n)


@extrapolation.mistake(
    "Is your rule right for other sizes than n and 2n?", "2F − F is right only if m is twice n."
)
def always_doubled(small, large, n, m):
    return 2 * large - small


@extrapolation.mistake(
    "Let m be very large. Which of the two distances should count?",
    "You exchanged the two numbers of pictures.",
)
def exchanged(small, large, n, m):
    return (n * large - m * small) / (n - m)


@extrapolation.mistake(
    "Does the error fall like 1/n, or like its root?",
    "You extrapolated in the root of 1/n. The bias falls like 1/n.",
)
def in_the_root(small, large, n, m):
    return (np.sqrt(m) * large - np.sqrt(n) * small) / (np.sqrt(m) - np.sqrt(n))


@extrapolation.mistake(
    "You cut off at 0: what is then the mean of many?",
    "The result may be negative: it is a difference of two random numbers. Leave it so.",
)
def cut_off(small, large, n, m):
    return max(0.0, (m * large - n * small) / (m - n))


@extrapolation.mistake(
    "What is left of F + b/n if n grows: F or b?",
    "You returned the slope b, which is to be taken away.",
)
def the_slope(small, large, n, m):
    return (small - large) / (1 / n - 1 / m)
