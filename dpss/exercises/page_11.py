"""Exercises by code of page Learning."""

import math

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(11)

turned = Exercise(
    "11-2",
    asks="the guesses of start and noise, from a state and a velocity",
    inputs=[
        (1.0, 0.5, 0.6, 0.8),
        (np.array([2.0, -1.0]), np.array([0.3, 0.1]), 3.0, 4.0),
        (np.array([0.4, -0.7]), np.array([0.2, 0.5]), 0.0, 1.0),
        (np.array([0.4, -0.7]), np.array([0.2, 0.5]), 2.0, 0.0),
        (_rng.normal(0, 1, (3, 4)), _rng.normal(0, 1, (3, 4)), 0.05, 1.0),
        (_rng.normal(0, 1, (3, 4)), _rng.normal(0, 1, (3, 4)), 1.0, 0.5),
    ],
)


@turned.reference
def read_out(u, v, alpha, sigma):
    r = math.hypot(alpha, sigma)
    return alpha * u / r**2 - sigma * v / r, sigma * u / r**2 + alpha * v / r


@turned.mistake(
    "Try α = 3 and σ = 4. Has the state the size that the network is used to?",
    "The state must be divided by r = √(α² + σ²) first; for VP, r = 1, but not for VE.",
)
def state_not_scaled(u, v, alpha, sigma):
    r = math.hypot(alpha, sigma)
    return (alpha * u - sigma * v) / r, (sigma * u + alpha * v) / r


@turned.mistake(
    "Try α = 3 and σ = 4. Are these two a cosine and a sine?",
    "This holds for VP only, where r = 1. Divide the state by r, and α and σ as well.",
)
def without_r(u, v, alpha, sigma):
    return alpha * u - sigma * v, sigma * u + alpha * v


@turned.mistake(
    "Are cos θ and sin θ numbers whose squares add up to 1?",
    "You took α and σ for cos θ and sin θ. These are α/r and σ/r with r = √(α² + σ²).",
)
def levels_for_sines(u, v, alpha, sigma):
    r = math.hypot(alpha, sigma)
    return alpha * u / r - sigma * v, sigma * u / r + alpha * v


@turned.mistake(
    "Put α = 1 and σ = 0. What is the state then, and what should the first result be?",
    "You have the two guesses in the wrong order: first the start, then the noise.",
)
def noise_first(u, v, alpha, sigma):
    return read_out(u, v, alpha, sigma)[::-1]


@turned.mistake(
    "Insert both lines that define state and velocity into your result. Do you find X?",
    "You turned once more in the same direction. Turning back changes the sign of the angle.",
)
def turned_on(u, v, alpha, sigma):
    return read_out(u, -v, alpha, sigma)


@turned.mistake(
    "Your guess of the start is right. Does the noise fit to it?",
    "The noise is sin θ Ỹ + cos θ V: both signs are plus.",
)
def sign_of_the_noise(u, v, alpha, sigma):
    start = read_out(u, v, alpha, sigma)[0]
    return start, read_out(u, -v, alpha, sigma)[1]


@turned.mistake(
    "Which of your formulas would fail at α = 0? The one of the page does not.",
    "You took v for a guess of the noise, (u − σ v)/α. It is the velocity.",
)
def velocity_for_noise(u, v, alpha, sigma):
    return (u - sigma * v) / alpha, v


cost = Exercise(
    "11-3",
    asks="the double sum of the bound, for ratios and errors from t_0 to t_m",
    inputs=[
        (np.array([1.0, 3.0]), np.array([0.5, 0.2])),
        (np.array([0.1, 0.5, 4.0]), np.array([2.0, 1.0, 0.3])),
        (np.sort(_rng.uniform(0, 9, 7)), np.sort(_rng.uniform(0, 1, 7))[::-1].copy()),
    ],
)


@cost.reference
def paid(snr, errors):
    return 0.5 * np.sum(np.diff(snr) * errors[:-1])


@cost.mistake(
    "Two times only, one step. At which of them has the sampler asked the denoiser?",
    "You took the error at the end of each step. The step from t_{i−1} is made with the guess "
    "at t_{i−1}, where there is more noise.",
)
def error_after_the_step(snr, errors):
    return 0.5 * np.sum(np.diff(snr) * errors[1:])


@cost.mistake(
    "Which sum is yours: that of the theorem, or an integral in the limit of small steps?",
    "You took the mean of the errors at both ends. In the bound for finite steps the one at the "
    "beginning counts.",
)
def trapezoid(snr, errors):
    return 0.5 * np.sum(np.diff(snr) * (errors[:-1] + errors[1:]) / 2)


@cost.mistake("Compare the factor in front of the sum.", "The factor ½ of the bound is missing.")
def without_half(snr, errors):
    return 2 * paid(snr, errors)


@cost.mistake(
    "Is a network with errors paid, or does it pay? Look at the sign.",
    "The ratio rises on the way back, from t_0 to t_m: later entry minus earlier one.",
)
def fall_for_rise(snr, errors):
    return -paid(snr, errors)


@cost.mistake(
    "What does a step cost that is so short that nothing changes?",
    "You multiplied the errors by the ratios themselves. Only the rise within a step counts.",
)
def ratio_for_rise(snr, errors):
    return 0.5 * np.sum(snr[:-1] * errors[:-1])


@cost.mistake(
    "Are your weights those of a difference of ratios or of their logarithms?",
    "You took the rise of log SNR. The bound has the rise of SNR itself.",
)
def logarithms(snr, errors):
    return 0.5 * np.sum(np.diff(np.log(snr)) * errors[:-1])


guidance = Exercise(
    "11-5",
    asks="the guided guess for one pixel whose data are lumps",
    inputs=[
        (
            0.5,
            0.6,
            0.8,
            np.array([-1.0, 1.0]),
            np.array([0.5, 0.5]),
            np.array([False, True]),
            0.01,
            1.0,
        ),
        (
            0.3,
            0.6,
            0.8,
            np.array([-0.8, 0.0, 0.8]),
            np.array([0.5, 0.25, 0.25]),
            np.array([False, True, True]),
            0.04,
            2.0,
        ),
        (
            -1.2,
            0.9,
            0.5,
            np.array([-0.8, 0.0, 0.8, 0.3]),
            np.array([0.1, 0.3, 0.4, 0.2]),
            np.array([True, True, False, False]),
            0.2,
            3.0,
        ),
    ],
)


@guidance.reference
def guided_guess(u, alpha, sigma, means, weights, allowed, c, w):
    D = _mean(u, alpha, sigma, means, weights, c)
    return D + w * (_of_label(u, alpha, sigma, means, weights, allowed, c) - D)


def _mean(u, alpha, sigma, means, weights, c, spread=None, prior=True):
    v = alpha**2 * c + sigma**2
    spread = v if spread is None else spread
    fits = (weights if prior else 1) * np.exp(-((u - alpha * means) ** 2) / (2 * spread))
    wiener = means + alpha * c / v * (u - alpha * means)
    return np.sum(fits * wiener) / np.sum(fits)


def _of_label(u, alpha, sigma, means, weights, allowed, c, **options):
    return _mean(u, alpha, sigma, means[allowed], weights[allowed], c, **options)


@guidance.mistake(
    "Put w = 1. What should be left?",
    "You added w times the difference to the guess of the label, as if w counted from there. The "
    "page adds it to D.",
)
def from_the_label(u, alpha, sigma, means, weights, allowed, c, w):
    return guided_guess(u, alpha, sigma, means, weights, allowed, c, 1 + w)


@guidance.mistake(
    "Put w = 1. Is the label obeyed?",
    "The difference has the wrong sign: from D towards the guess of the label.",
)
def away_from_the_label(u, alpha, sigma, means, weights, allowed, c, w):
    return guided_guess(u, alpha, sigma, means, weights, allowed, c, -w)


@guidance.mistake(
    "Where does the width of the lumps enter, and where the noise?",
    "In the responsibilities you took the noise alone. A lump of the state has the variance "
    "α² c + σ².",
)
def noise_alone(u, alpha, sigma, means, weights, allowed, c, w):
    arguments = u, alpha, sigma, means, weights
    D = _mean(*arguments, c, spread=sigma**2)
    return D + w * (_of_label(*arguments, allowed, c, spread=sigma**2) - D)


@guidance.mistake(
    "Does your result change if one lump gets more probable?",
    "The probabilities of the lumps do not enter. They multiply the densities, as Bayes' rule has "
    "it.",
)
def without_weights(u, alpha, sigma, means, weights, allowed, c, w):
    arguments = u, alpha, sigma, means, weights
    D = _mean(*arguments, c, prior=False)
    return D + w * (_of_label(*arguments, allowed, c, prior=False) - D)


@guidance.mistake(
    "What is the guess if one knows for sure which lump it is?",
    "You averaged the means of the lumps. Within a lump the guess is that of its Wiener filter, "
    "which follows the state.",
)
def points_for_lumps(u, alpha, sigma, means, weights, allowed, c, w):
    v = alpha**2 * c + sigma**2
    fits = weights * np.exp(-((u - alpha * means) ** 2) / (2 * v))
    D = np.sum(fits * means) / np.sum(fits)
    Dy = np.sum((fits * means)[allowed]) / np.sum(fits[allowed])
    return D + w * (Dy - D)


@guidance.mistake(
    "Guidance mixes two guesses. Did you mix two laws?",
    "You computed the denoiser of the tilted law, p₀ · p(y|·)^w. At w = 1 it is the same, but not "
    "otherwise: that is the point of the page.",
)
def tilt(u, alpha, sigma, means, weights, allowed, c, w):
    # for lumps that fit the label wholly or not at all
    return (
        _of_label(u, alpha, sigma, means, weights, allowed, c)
        if w
        else _mean(u, alpha, sigma, means, weights, c)
    )
