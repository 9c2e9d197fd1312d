"""Exercises by code of page Rates."""

import math

import numpy as np

from .exercise import Exercise

_z = np.linspace(-12, 12, 2401)
_weight = np.exp(-(_z**2) / 2) * 0.01 / np.sqrt(2 * np.pi)  # of N(0, 1)

produced = Exercise(
    "13-2",
    asks="g² and the rate of the divergence from N(0, 1), started in one image of one pixel",
    inputs=[(0.5, -1.0, 1.0), (0.9, 2.6, 1.0), (0.3, 0.7, -2.0), (0.6, -0.4, 0.0)],
)


@produced.reference
def g2_and_rate(alpha, d_alpha, u0):
    """The formula of N1, by quadrature."""
    variance = 1 - alpha**2
    g2 = -2 * alpha * d_alpha - 2 * d_alpha / alpha * variance
    u = alpha * u0 + np.sqrt(variance) * _z
    slope = u - (u - alpha * u0) / variance
    return g2, -g2 / 2 * np.sum(slope**2 * _weight)


def _rate(alpha, d_alpha, mean_square):
    g2 = -2 * d_alpha / alpha
    return g2, -g2 / 2 * mean_square


@produced.mistake(
    "What is g² if nothing fades, and what if all fades and no noise is added?",
    "g² = (σ²)′ − 2fσ². You forgot the second term, for the noise that fades.",
)
def fading_forgotten(alpha, d_alpha, u0):
    g2 = -2 * alpha * d_alpha
    return g2, g2_and_rate(alpha, d_alpha, u0)[1] * alpha**2


@produced.mistake(
    "Your g² is right. With g² > 0, does your divergence rise or fall?",
    "The sign: divergence is lost at the rate ½g² E(∂ log p/π)², so its derivative is minus that.",
)
def lost_for_changed(alpha, d_alpha, u0):
    g2, rate = g2_and_rate(alpha, d_alpha, u0)
    return g2, -rate


@produced.mistake(
    "Your g² is right. Which factors stand before the integral?",
    "The factor ½ of the formula is missing.",
)
def without_half(alpha, d_alpha, u0):
    g2, rate = g2_and_rate(alpha, d_alpha, u0)
    return g2, 2 * rate


@produced.mistake(
    "Your g² is right. What would your rate be if p_t were π?",
    "You took the score of p_t alone. The formula has the difference to that of π, which is −u.",
)
def score_of_one_law(alpha, d_alpha, _u0):
    return _rate(alpha, d_alpha, 1 / (1 - alpha**2))


@produced.mistake(
    "Your g² is right. Let u_0 = 0. Is p_t = π then?",
    "You squared the mean. The formula has the mean of the square, to which ε contributes.",
)
def square_of_the_mean(alpha, d_alpha, u0):
    return _rate(alpha, d_alpha, alpha**2 * u0**2)


@produced.mistake(
    "Your g² is right. Do p_t and π differ more if u_0 is far from 0? Does your rate say so?",
    "You took the variance of ∂ log p/π. The formula has the mean of its square, to which its mean "
    "αu_0 contributes.",
)
def mean_forgotten(alpha, d_alpha, _u0):
    return _rate(alpha, d_alpha, alpha**4 / (1 - alpha**2))


@produced.mistake(
    "Your g² is right. What is the score of N(μ, σ²)?",
    "You divided by σ where the score divides by σ²: it is −(u − αu_0)/σ², with σ² = 1 − α².",
)
def score_over_deviation(alpha, d_alpha, u0):
    return _rate(alpha, d_alpha, alpha**2 * u0**2 + (np.sqrt(1 - alpha**2) - 1) ** 2)


@produced.mistake(
    "What is f for a gain α = e^(−t), and what does your f give?", "You took α′ for f. It is α′/α."
)
def f_without_quotient(alpha, d_alpha, u0):
    g2 = -2 * alpha * d_alpha - 2 * d_alpha * (1 - alpha**2)
    right, rate = g2_and_rate(alpha, d_alpha, u0)
    return g2, rate * g2 / right


apart = Exercise(
    "13-3",
    asks="the divergence of the two laws of a pixel with the values ±x, at the gain α of VP",
    inputs=[(0.5, 1.0), (0.6, 0.5), (0.45, 3.0), (0.3, 12.0)],
    tolerance=1e-4,
)


def _apart(m, p=0.9):
    """KL of p N(m, 1) + (1 − p) N(−m, 1) from its mirror image, for the state over σ."""
    total = 0.0
    for weight, center in ((p, m), (1 - p, -m)):
        right, left = m * (center + _z), -m * (center + _z)
        ratio = np.logaddexp(np.log(p) + right, np.log(1 - p) + left)
        ratio -= np.logaddexp(np.log(1 - p) + right, np.log(p) + left)
        total += weight * np.sum(ratio * _weight)
    return total


@apart.reference
def kl_of_states(alpha, x):
    """In units of the noise level, where only α x / σ matters."""
    return _apart(alpha * x / np.sqrt(1 - alpha**2))


@apart.mistake(
    "What is the variance of the noise of VP at the gain α, and what is its noise level?",
    "1 − α² is the variance of the noise. You took it for the standard deviation.",
)
def variance_for_deviation(alpha, x):
    return _apart(alpha * x / (1 - alpha**2))


@apart.mistake(
    "What is the sum of squared gain and variance of the noise in VP, and what is it in yours?",
    "You took 1 − α for the variance. It is 1 − α².",
)
def variance_without_square(alpha, x):
    return _apart(alpha * x / np.sqrt(1 - alpha))


@apart.mistake(
    "Is α of this book the factor of a grey value, or the square of that factor?",
    "You took α for the square of the gain, as some papers do. The means are ±αx, the variance is "
    "1 − α².",
)
def gain_for_its_square(alpha, x):
    return _apart(np.sqrt(alpha / (1 - alpha)) * x)


@apart.mistake(
    "Around which two values do the states at time t lie?",
    "You left the values at ±x. They fade to ±αx.",
)
def not_faded(alpha, x):
    return _apart(x / np.sqrt(1 - alpha**2))


@apart.mistake(
    "Does your result depend on α and x? Let x be tiny: can one still tell the two laws apart?",
    "This is the divergence of the starts. At time t each law is a mixture of two Gaussians.",
)
def of_the_starts(_alpha, _x):
    return 0.8 * np.log(9)


@apart.mistake(
    "Is this what you have computed, or what one might hope for?",
    "This is α² KL(p_0‖q_0), the bound that the exercise asks you to test.",
)
def hoped_for(alpha, _x):
    return alpha**2 * 0.8 * np.log(9)


@apart.mistake(
    "Let x grow. To which number does your result tend, and to which should it?",
    "You returned the share that is left. The divergence itself is asked for.",
)
def share_of_the_start(alpha, x):
    return kl_of_states(alpha, x) / (0.8 * np.log(9))


@apart.mistake(
    "Of which two laws is your divergence: of the states, or of what one reads off them?",
    "This is the divergence of the two laws of the sign of the state, a lower bound. For the state "
    "itself, integrate over grey values.",
)
def of_the_signs(alpha, x):
    plus = 0.5 + 0.4 * math.erf(alpha * x / math.sqrt(2 - 2 * alpha**2))
    return (2 * plus - 1) * np.log(plus / (1 - plus))


even = Exercise(
    "13-5",
    asks="the ratios SNR between which each of m steps loses the same number of nats",
    inputs=[
        (np.array([1.0]), 3.0, 0.5, 2),
        (np.array([2.0, 0.05]), 40.0, 0.1, 4),
        (np.geomspace(3, 1e-3, 10), 500.0, 0.02, 10),
    ],
    tolerance=1e-5,
)


def _between(v, first, last, m, known):
    """SNRs at which a falling function has equally spaced values, by bisection of log SNR."""
    wanted = np.linspace(known(first), known(last), m + 1)
    low, high = np.full(m + 1, np.log(last)), np.full(m + 1, np.log(first))
    for _ in range(60):
        middle = (low + high) / 2
        above = np.array([known(y) for y in np.exp(middle)]) > wanted
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.exp((low + high) / 2)


@even.reference
def equal_snrs(v, first, last, m):
    return _between(v, first, last, m, lambda snr: np.sum(np.log1p(snr * v)))


@even.mistake(
    "How many nats does your first step lose, and how many your last?",
    "Your ratios have equal differences, so the early steps lose least. Nats are to be equal, and "
    "they grow like ½ Σ log(1 + SNR v).",
)
def equal_differences(_v, first, last, m):
    return np.linspace(first, last, m + 1)


@even.mistake(
    "Let the ratio be tiny. Does a step from SNR to SNR/2 still lose log 2 / 2 in each mode?",
    "You made equal steps of log SNR. The clock has log(1 + SNR v): a mode that is drowned has "
    "nothing to lose.",
)
def equal_quotients(_v, first, last, m):
    return np.geomspace(first, last, m + 1)


@even.mistake(
    "Are the modes of your data all alike?",
    "You took one mode with the mean of v. Each mode has its own logarithm; add them up.",
)
def of_the_mean(v, first, last, m):
    return equal_snrs(np.array([v.mean()]), first, last, m)


@even.mistake(
    "Do the variances of the modes add up, or the nats?",
    "You took one logarithm, of 1 + SNR times the sum of v. Nats add up: a logarithm for each "
    "mode.",
)
def of_the_sum(v, first, last, m):
    return equal_snrs(np.array([v.sum()]), first, last, m)


@even.mistake(
    "Is v a variance or a standard deviation?",
    "You squared v, as if it were a standard deviation. log(1 + SNR v) has the variance itself.",
)
def v_squared(v, first, last, m):
    return equal_snrs(v**2, first, last, m)


@even.mistake(
    "Do the numbers from first to last rise or fall?",
    "Your ratios are in the opposite order. SNR falls with time.",
)
def from_last_to_first(v, first, last, m):
    return equal_snrs(v, first, last, m)[::-1]


@even.mistake(
    "How many numbers are needed for m steps?",
    "You returned m ratios. Between them there are m − 1 steps.",
)
def one_too_few(v, first, last, m):
    return equal_snrs(v, first, last, m - 1)


@even.mistake(
    "np.interp wants its second argument in a certain order. Which?",
    "np.interp needs rising numbers, or it answers nonsense, here `last` again and again. Turn "
    "both lists round.",
)
def interpolated_in_falling_order(_v, first, last, m):
    return np.append(np.full(m, last), first)
