"""Exercises by code of page Variance preserving."""

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(5)

memory = Exercise(
    "05-2",
    asks="the correlation of a pixel after step s of the chain with itself after step t",
    inputs=[
        (np.array([0.5, 0.2, 0.4]), 1, 2),
        (np.array([0.3, 0.5, 0.2]), 0, 2),
        (np.array([0.1, 0.6, 0.3, 0.2]), 1, 3),
        (_rng.uniform(0.01, 0.3, 12), 4, 9),
    ],
)


@memory.reference
def correlation(beta, s, t):
    """By the covariance with the state after step s, which each step multiplies."""
    covariance = 1.0
    for step in range(s + 1, t + 1):
        covariance *= np.sqrt(1 - beta[step - 1])
    return covariance


@memory.mistake(
    "By what does one step multiply the state: by 1 − β or by something else?",
    "You multiplied the numbers 1 − β: that is the square of the gain. The root is missing.",
)
def gain_squared(beta, s, t):
    return np.prod(1 - beta[s:t])


@memory.mistake(
    "Take t = s + 1. Which one of the numbers in beta makes the step between them?",
    "Off by one: Python counts from 0, so that β_1 is beta[0]. Steps s + 1, …, t are beta[s:t].",
)
def one_step_late(beta, s, t):
    return np.sqrt(np.prod(1 - beta[s + 1 : t + 1]))


@memory.mistake(
    "Take t = s + 1. How many steps lie between the two states, and how many do you take?",
    "You took one step too many. From s to t lead the steps s + 1, …, t: beta[s], …, beta[t − 1].",
)
def one_step_too_many(beta, s, t):
    return np.sqrt(np.prod(1 - beta[s : t + 1]))


@memory.mistake(
    "Your result is right from s = 1 on. What is it for s = 0, and why?",
    "Where alpha holds α_1, …, α_m, alpha[s − 1] is alpha[−1] for s = 0, which is the last gain in "
    "Python. Put α_0 = 1 in front.",
)
def last_gain_for_the_first(beta, s, t):
    alpha = np.sqrt(np.cumprod(1 - beta))
    return alpha[t - 1] / alpha[s - 1]


@memory.mistake(
    "Let one β be nearly 1. What does its step leave of the state, and what in your formula?",
    "exp(−½ Σ β) is the gain in continuous time. A step of the chain multiplies by √(1 − β_i).",
)
def of_continuous_time(beta, s, t):
    return np.exp(-0.5 * np.sum(beta[s:t]))


@memory.mistake(
    "Take t = s. What should the correlation be, and what is yours?",
    "α_s α_t is the correlation if the noises of the two states have nothing in common. But U_t "
    "contains the noise of U_s: the correlation is α_t / α_s.",
)
def only_the_start_in_common(beta, s, t):
    return np.sqrt(np.prod(1 - beta[:s]) * np.prod(1 - beta[:t]))


@memory.mistake(
    "Is the start a fixed image here? Which variance has U_s?",
    "α_{t|s} σ_s² is the covariance if the start is one image. Here U_0 has variance 1, and so has "
    "U_s.",
)
def covariance_for_one_start(beta, s, t):
    return np.sqrt(np.prod(1 - beta[s:t])) * (1 - np.prod(1 - beta[:s]))


@memory.mistake(
    "Take s = 0. Have U_0 and U_t nothing in common?",
    "α_{t|s} σ_s / σ_t is the correlation if the start is one image. Here U_0 has variance 1, and "
    "so have U_s and U_t.",
)
def correlation_for_one_start(beta, s, t):
    gain2 = np.append(1.0, np.cumprod(1 - beta))
    return np.sqrt(gain2[t] / gain2[s] * (1 - gain2[s]) / (1 - gain2[t]))


step = Exercise(
    "05-3",
    asks="the state after one Euler–Maruyama step of linear VP",
    inputs=[
        (0.8, 0.5, 0.01, -1.0),
        (np.array([-1.0, 0.0, 0.3]), 0.0, 0.2, np.array([0.4, 1.1, -0.7])),
        (_rng.uniform(-1, 1, (3, 4)), 0.7, 0.05, _rng.normal(size=(3, 4))),
    ],
)


def _rate(t):
    return 0.1 + 19.9 * t


def _integral(t):
    return 0.1 * t + 9.95 * t**2


def _step(u, drift, noise):
    return u + drift * u + noise


@step.reference
def euler_maruyama(u, t, h, noise):
    increment = np.sqrt(h) * noise  # of W
    slope = -_rate(t) / 2 * u
    return u + h * slope + np.sqrt(_rate(t)) * increment


@step.mistake(
    "Let u be 0. Which variance has your result?",
    "The noise has the standard deviation √(βh), you gave it βh, which is its variance.",
)
def variance_for_deviation(u, t, h, noise):
    return _step(u, -_rate(t) / 2 * h, _rate(t) * h * noise)


@step.mistake(
    "What is g: the coefficient of the noise, or its square?",
    "You multiplied √h ε by β. The equation has g = √β there; β is g².",
)
def square_of_the_coefficient(u, t, h, noise):
    return _step(u, -_rate(t) / 2 * h, _rate(t) * np.sqrt(h) * noise)


@step.mistake(
    "Which variance has W over a time of length h?",
    "You multiplied the noise by h. An increment of W over the time h is √h ε, not h ε.",
)
def noise_times_h(u, t, h, noise):
    return _step(u, -_rate(t) / 2 * h, np.sqrt(_rate(t)) * h * noise)


@step.mistake(
    "Make the step tiny. Does the state stay where it is?",
    "Your noise does not know how long the step is. An increment of W over the time h is √h ε.",
)
def noise_without_h(u, t, h, noise):
    return _step(u, -_rate(t) / 2 * h, np.sqrt(_rate(t)) * noise)


@step.mistake(
    "By which factor does your step multiply u? Does it come from the chain or from the equation?",
    "This is a step of the chain. The scheme only knows f and g: it adds h f u, so that u is "
    "multiplied by 1 − ½βh and not by √(1 − βh).",
)
def step_of_the_chain(u, t, h, noise):
    return np.sqrt(1 - _rate(t) * h) * u + np.sqrt(_rate(t) * h) * noise


@step.mistake(
    "Leave out the noise. What does one step make of u = 1?",
    "The drift is −½βu. The factor ½ is missing.",
)
def whole_rate_in_the_drift(u, t, h, noise):
    return _step(u, -_rate(t) * h, np.sqrt(_rate(t) * h) * noise)


@step.mistake(
    "What does your step know of β at times after t?",
    "This is the exact step of VP, by its transition. The scheme takes f and g at t for the whole "
    "step: u + h f u + √h g ε.",
)
def exact_step(u, t, h, noise):
    gain2 = np.exp(_integral(t) - _integral(t + h))
    return np.sqrt(gain2) * u + np.sqrt(1 - gain2) * noise


@step.mistake(
    "Make the step tiny. What should become of the state?",
    "You returned the change of the state. Add the state before.",
)
def only_the_change(u, t, h, noise):
    return euler_maruyama(u, t, h, noise) - u


enough = Exercise(
    "05-6",
    asks="the β_max with which every image of N pixels ends within some nats of noise",
    inputs=[(1, 0.5, 0.1), (16, 1.0, 0.5), (784, 0.01, 0.1), (784, 40.0, 1.0)],
)


def _largest_gain2(N, nats):
    return -np.expm1(-2 * nats / N)


@enough.reference
def enough_noise(N, nats, beta_min):
    """From the ratio a / (1 − a), which is exp(2 nats / N) − 1, and a = ratio / (1 + ratio)."""
    ratio = np.expm1(2 * nats / N)
    return 2 * np.log((1 + ratio) / ratio) - beta_min


@enough.mistake(
    "What is the area under a straight line from β_min to β_max?",
    "∫β is the mean of β_min and β_max, not their sum. The factor ½ is missing.",
)
def sum_for_mean(N, nats, beta_min):
    return -np.log(_largest_gain2(N, nats)) - beta_min


@enough.mistake(
    "If hardly any nats are allowed, is your a nearly 0 or nearly 1?",
    "−log(1 − a) = x means a = 1 − e^(−x). The 1 − is missing.",
)
def one_minus_forgotten(N, nats, beta_min):
    return 4 * nats / N - beta_min


@enough.mistake(
    "Does your result depend on β_min? Should it?", "∫β = ½(β_min + β_max): you forgot β_min."
)
def without_beta_min(N, nats, beta_min):
    return enough_noise(N, nats, 0.0)


@enough.mistake(
    "Is a a gain, or the square of one?",
    "a is α_1², and −log a = ∫β. You took a for α_1 and doubled its logarithm.",
)
def gain_for_its_square(N, nats, beta_min):
    return -4 * np.log(_largest_gain2(N, nats)) - beta_min


@enough.mistake(
    "What stands before the logarithm in part 3 of V5?",
    "The bound is (N/2)(−log(1 − a)). The factor ½ is missing.",
)
def whole_logarithm(N, nats, beta_min):
    return enough_noise(2 * N, nats, beta_min)


@enough.mistake(
    "Does an image with more pixels need more noise, less, or as much? And with your formula?",
    "You forgot the N of the bound (N/2)(−log(1 − a)): the nats of all pixels add up.",
)
def of_one_pixel(N, nats, beta_min):
    return enough_noise(1, nats, beta_min)


@enough.mistake(
    "Your result is nearly right where few nats are left. Which function have you simplified?",
    "You put −log(1 − a) ≈ a, or 1 − e^(−x) ≈ x, which is true for small numbers only.",
)
def small_gain(N, nats, beta_min):
    return -2 * np.log(2 * nats / N) - beta_min


@enough.mistake(
    "Compare your result with 20, the usual value of what is asked for. What is it that you have?",
    "This is ∫β, which is ½(β_min + β_max). Solve for β_max.",
)
def the_integral(N, nats, beta_min):
    return -np.log(_largest_gain2(N, nats))


clock = Exercise(
    "05-7",
    asks="the time of the cosine schedule with the log-SNR of the linear one at time t",
    inputs=[(0.2,), (0.05,), (0.5,), (0.8,)],
)


@clock.reference
def same_time(t):
    """By the ratio: of the cosine schedule, σ / α is the tangent of the angle."""
    return 2 / np.pi * np.arctan(np.sqrt(np.expm1(_integral(t))))


@clock.mistake(
    "Put your time into α² of the cosine schedule. Is that α² of the linear one?",
    "You took the arc cosine of α², or left out the ½ in α = exp(−½ ∫β). It is cos(πt′/2) = α_t.",
)
def of_the_squared_gain(t):
    return 2 / np.pi * np.arccos(np.exp(-_integral(t)))


@clock.mistake(
    "Near t = 0 there is no noise. Which time do you return there?",
    "You exchanged gain and noise level: the cosine schedule has the gain cos(πt′/2). So take the "
    "arc cosine of α_t, or the arc tangent of σ_t / α_t.",
)
def sine_for_cosine(t):
    return 1 - same_time(t)


@clock.mistake(
    "Is β the same all the way from 0 to t?",
    "You multiplied β(t) by t. The gain has the integral of β: 0.1 t + 9.95 t².",
)
def last_rate_all_the_way(t):
    return 2 / np.pi * np.arccos(np.exp(-0.5 * _rate(t) * t))


@clock.mistake(
    "Which gain has the linear schedule at t = 0?",
    "You put β(t) itself into the exponent. The gain has the integral of β: 0.1 t + 9.95 t².",
)
def rate_for_its_integral(t):
    return 2 / np.pi * np.arccos(np.exp(-0.5 * _rate(t)))


@clock.mistake(
    "Is the SNR of the cosine schedule a cotangent, or the square of one?",
    "SNR = α²/σ² = cot²(πt′/2). You forgot the root.",
)
def ratio_without_root(t):
    return 2 / np.pi * np.arctan(np.expm1(_integral(t)))


@clock.mistake(
    "Does your time go from 0 to 1?",
    "You returned the angle. It is πt′/2, and the time is 2/π times as large.",
)
def angle(t):
    return np.pi / 2 * same_time(t)


@clock.mistake(
    "At t = 1, linear VP is nearly pure noise. Which time do you return there?",
    "You divided the angle by π. It is πt′/2: divide by π and multiply by 2.",
)
def half_the_time(t):
    return same_time(t) / 2


@clock.mistake(
    "Of which schedule is the time that you are given, and of which the one that you return?",
    "You went the other way: t belongs to the linear schedule, and you return a time of the cosine "
    "one.",
)
def the_other_way(t):
    integral = -2 * np.log(np.cos(np.pi * t / 2))
    return (-0.1 + np.sqrt(0.01 + 4 * 9.95 * integral)) / 19.9
