"""Exercises by code of page Forward."""

import numpy as np

from .exercise import Exercise

strip = Exercise(
    "12-2",
    asks="the largest b of a Markov process, and the largest b whose entropy never falls",
    inputs=[(0.0,), (0.5,), (2.0,), (5.0,)],
    tolerance=1e-2,
)


@strip.reference
def largest_b(a):
    """By the slopes of log SNR, b − 2a − 1/t, and of log σ², 1/t − b, at many times."""
    t = np.linspace(0.01, 1, 100)
    return np.min(2 * a + 1 / t), np.min(1 / t)


@strip.mistake(
    "Which power of the gain is in the signal-to-noise ratio, and which of the noise?",
    "SNR is α²/σ², and σ² is t e^(−bt). One of the two squares is missing or there twice.",
)
def amplitudes_for_powers(a):
    return a + 1, 1.0


@strip.mistake(
    "Your first number is right. For b a little below your second one, compare σ² at t = ½ and 1.",
    "You let the Markov property decide about the entropy as well. H(U_t|U_0) depends on σ alone.",
)
def both_by_the_chain(a):
    return 2 * a + 1, 2 * a + 1


@strip.mistake(
    "Try a = 0, a process that does not fade. Has t e^(−bt), with b = ½, a slope below 0?",
    "You dropped log t. Its slope 1/t is 1 at least, and so much b may be larger.",
)
def reciprocal_forgotten(a):
    return 2 * a, 0.0


@strip.mistake(
    "Your second number is right. Let a = 0 and b = ½. Nothing fades, σ² rises: is it legal?",
    "You dropped log t in log SNR = −2at + bt − log t. Its slope makes room for b up to 2a + 1.",
)
def reciprocal_forgotten_once(a):
    return 2 * a, 1.0


@strip.mistake(
    "Does a process have more room for b if it fades faster, or less?",
    "Your sign of a is wrong. log SNR = −2at + bt − log t has the slope b − 2a − 1/t.",
)
def sign_of_fading(a):
    return 1 - 2 * a, 1.0


@strip.mistake(
    "Does the second of your numbers depend on the gain? Should it?",
    "The noise alone decides whether H(U_t|U_0) falls. The number for the Markov process comes "
    "first.",
)
def exchanged(a):
    return 1.0, 2 * a + 1


@strip.mistake(
    "Does H(U_t|U_0) know how much is left of the picture?",
    "You put the gain into the entropy. Given the start, only the noise is uncertain: log σ².",
)
def entropy_of_the_faded(a):
    return 2 * a + 1, 1 - 2 * a


quiet = Exercise(
    "12-4",
    asks="gain and variance of a step of VP for data of variance v",
    inputs=[(1.0, 0.6, 2.0), (0.8, 0.5, 0.35), (0.9, 0.1, 4.0), (0.3, 0.2, 0.05)],
)


@quiet.reference
def quiet_step(alpha_s, alpha_t, v):
    """By the noise levels of both times."""
    gain = alpha_t / alpha_s
    return gain, v * (1 - alpha_t**2) - gain**2 * v * (1 - alpha_s**2)


@quiet.mistake(
    "Your gain is right. In which unit is your second number?",
    "You returned the standard deviation of the step. Its variance is asked for.",
)
def deviation_for_variance(alpha_s, alpha_t, v):
    gain, variance = quiet_step(alpha_s, alpha_t, v)
    return gain, np.sqrt(variance)


@quiet.mistake(
    "Your gain is right. Is the noise that was there at s still as strong at t?",
    "You took σ_t² − σ_s². The old noise fades with the gain: σ_t² − α_{t|s}² σ_s².",
)
def increase_of_the_noise(alpha_s, alpha_t, v):
    return alpha_t / alpha_s, v * (alpha_s**2 - alpha_t**2)


@quiet.mistake(
    "Your gain is right. How much noise does your step add if it begins at s = t?",
    "σ_t² is all the noise since t = 0. The step from s adds σ_t² − α_{t|s}² σ_s².",
)
def all_the_noise(alpha_s, alpha_t, v):
    return alpha_t / alpha_s, v * (1 - alpha_t**2)


@quiet.mistake(
    "Two steps in a row: do your gains multiply to that of the whole way?",
    "This is the step from t = 0. From s it has the gain α_t / α_s.",
)
def from_the_start(_alpha_s, alpha_t, v):
    return alpha_t, v * (1 - alpha_t**2)


@quiet.mistake(
    "Your gain is right. Which law does your step leave unchanged: which variance?",
    "Your step is that of VP, or α²v + σ² = 1. It shall leave N(0, v I) unchanged: α²v + σ² = v.",
)
def step_of_vp(alpha_s, alpha_t, v):
    return quiet_step(alpha_s, alpha_t, 1.0)


@quiet.mistake(
    "Your gain is right. Put data of variance v through your step: what is the variance after it?",
    "You took v − gain². The gain acts on the variance v of the data: gain² v + variance = v.",
)
def v_before_one_only(alpha_s, alpha_t, v):
    gain = alpha_t / alpha_s
    return gain, v - gain**2


@quiet.mistake(
    "Your gain is right. Is v a variance or a standard deviation?",
    "Your step leaves N(0, v² I) unchanged. v is the variance.",
)
def v_squared(alpha_s, alpha_t, v):
    return quiet_step(alpha_s, alpha_t, v**2)


@quiet.mistake(
    "Your gain is right. A pixel of variance v, times the gain: what is its variance?",
    "The gain is not squared. The step takes v to gain² v, and adds v (1 − gain²).",
)
def gain_not_squared(alpha_s, alpha_t, v):
    return alpha_t / alpha_s, v * (1 - alpha_t / alpha_s)


dip = Exercise(
    "12-5",
    asks="time and depth of the dip of the entropy under sub-VP",
    inputs=[(1.0,), (0.35,), (1.4,)],
    tolerance=2e-3,
)


@dip.reference
def entropy_dip(v):
    """By a search on a fine grid of times."""
    t = np.linspace(0, 1, 100001)
    a = np.exp(-0.1 * t - 9.95 * t**2)
    entropy = 0.5 * np.log(a * v + (1 - a) ** 2)
    return t[entropy.argmin()], entropy[0] - entropy.min()


def _time(integral):
    return (-0.1 + np.sqrt(0.01 + 39.8 * integral)) / 19.9


@dip.mistake(
    "Your depth is right. At your time, what is the gain, and what is its square?",
    "1 − v/2 is α², and α² = e^(−∫β) without a factor ½ in the exponent.",
)
def gain_for_its_square(v):
    return _time(-2 * np.log(1 - v / 2)), entropy_dip(v)[1]


@dip.mistake(
    "Your depth is right. What is the unit of your first number?",
    "You returned α², the square of the gain. Asked is the time, when 0.1 t + 9.95 t² = −log α².",
)
def gain_for_time(v):
    return 1 - v / 2, entropy_dip(v)[1]


@dip.mistake(
    "Your depth is right. Which of the two is asked for: the gain of the dip or its time?",
    "You returned α, the root of 1 − v/2. Asked is the time, when 0.1 t + 9.95 t² = −2 log α.",
)
def root_for_time(v):
    return np.sqrt(1 - v / 2), entropy_dip(v)[1]


@dip.mistake(
    "Your depth is right. Put your time into the integral of β. Is it −log(1 − v/2)?",
    "You dropped 0.1 t, which matters for early times. Solve the quadratic equation.",
)
def first_term_dropped(v):
    return np.sqrt(-np.log(1 - v / 2) / 9.95), entropy_dip(v)[1]


@dip.mistake(
    "Your time is right. By how much does the entropy of a pixel fall if its variance is halved?",
    "The entropy is *half* the logarithm of the variance, plus a constant.",
)
def without_half(v):
    time, depth = entropy_dip(v)
    return time, 2 * depth


@dip.mistake(
    "Your time is right. How many nats has the entropy *fallen*: above 0, or below?",
    "You returned the change of the entropy, which is negative. The fall is positive.",
)
def negative(v):
    time, depth = entropy_dip(v)
    return time, -depth


@dip.mistake(
    "Your time is right. Is your second number a difference of entropies, or of variances?",
    "You returned v²/4, by which the variance falls. The entropy falls by −½ log(1 − v/4).",
)
def of_the_variance(v):
    return entropy_dip(v)[0], v**2 / 4


@dip.mistake(
    "Your time is right. From which height has the entropy fallen?",
    "You returned half the logarithm of the lowest variance. The fall is its distance from that at "
    "the start, ½ log v.",
)
def lowest_entropy(v):
    time, depth = entropy_dip(v)
    return time, 0.5 * np.log(v) - depth
