"""Exercises by code of page Denoising is diffusion."""

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(18)

shares_of = Exercise(
    "18-2",
    asks="the gains of α D for data with the mode variances κ λ^(−γ/2)",
    inputs=[
        (np.array([0.0, 2.0]), 0.5, 2.0, 4.0),
        (np.array([0.0, 1.0, 3.0]), 0.1, 2.7, 20.0),
        (np.linspace(0, 8, 9), 0.03, 2.4, 0.7),
        (_rng.uniform(0, 8, (3, 4)), 0.25, 1.0, 3.0),
    ],
)


@shares_of.reference
def shares(eigenvalues, kappa, gamma, snr):
    """By the odds of a mode, SNR times its variance; the mean has infinite odds."""
    power = np.power(eigenvalues, gamma / 2)
    return kappa * snr / (kappa * snr + power)


@shares_of.mistake(
    "Let the SNR grow without bound. What should the gains do?",
    "You multiplied by the SNR where you should divide: the step is 1/(κ SNR).",
)
def step_grows_with_the_snr(eigenvalues, kappa, gamma, snr):
    return 1 / (1 + snr * np.power(eigenvalues, gamma / 2) / kappa)


@shares_of.mistake(
    "Which power of λ is the variance of a mode, and which power of the frequency?",
    "You took λ^γ. Power falls like frequency^(−γ), and λ is about the frequency squared.",
)
def whole_exponent(eigenvalues, kappa, gamma, snr):
    return 1 / (1 + np.power(eigenvalues, gamma) / (kappa * snr))


@shares_of.mistake(
    "Try γ = 1 and γ = 2. Does anything change in yours?",
    "You took the implicit step for every γ. Raise λ to the power γ/2.",
)
def exponent_forgotten(eigenvalues, kappa, gamma, snr):  # noqa: ARG001
    return 1 / (1 + np.asarray(eigenvalues) / (kappa * snr))


@shares_of.mistake(
    "Is the SNR a ratio of amplitudes, or of variances?",
    "You took the root of the SNR. It is α²/σ² already.",
)
def root_of_the_snr(eigenvalues, kappa, gamma, snr):
    return 1 / (1 + np.power(eigenvalues, gamma / 2) / (kappa * np.sqrt(snr)))


@shares_of.mistake(
    "What does your filter do to a flat picture?",
    "You set the gain of the mean to 0. Nothing is known about it in advance: keep what you see.",
)
def mean_removed(eigenvalues, kappa, gamma, snr):
    return np.where(
        np.asarray(eigenvalues) > 0, shares(np.asarray(eigenvalues), kappa, gamma, snr), 0.0
    )


@shares_of.mistake(
    "Where the SNR is small, what do the best guess and the blur of it look like?",
    "You blurred by homogeneous diffusion, exp(−τ λ^(γ/2)). The filter is an implicit step.",
)
def blur_in_place_of_a_step(eigenvalues, kappa, gamma, snr):
    return np.exp(-np.power(eigenvalues, gamma / 2) / (kappa * snr))


@shares_of.mistake(
    "What is λ^(−γ/2) at λ = 0?",
    "The variance of the mean is infinite: you get ∞/∞. Divide both by SNR times the variance.",
)
def infinity_over_infinity(eigenvalues, kappa, gamma, snr):
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = snr * kappa * np.power(np.asarray(eigenvalues, dtype=float), -gamma / 2)
        return odds / (1 + odds)


@shares_of.mistake(
    "What does your filter do to a flat picture, and to a picture without noise?",
    "You returned 1 − ρ, the share that is hidden. The gain is the share that is known.",
)
def what_is_hidden(eigenvalues, kappa, gamma, snr):
    return 1 - shares(np.asarray(eigenvalues), kappa, gamma, snr)


_snrs = np.array([100.0, 25.0, 4.0, 1.0])

slope_of = Exercise(
    "18-3",
    asks="the exponent of the spectrum, from the best steps at several signal-to-noise ratios",
    inputs=[
        (np.array([100.0, 1.0]), np.array([0.5, 50.0])),
        (np.array([100.0, 1.0]), np.array([0.5, 5.0])),
        (np.array([0.1, 1.0, 10.0]), np.array([40.0, 9.0, 1.5])),
        (_snrs, 3.0 * _snrs ** (-2 / 2.7)),
        (_snrs, 30.0 * _snrs**-0.8 * np.exp(_rng.normal(0, 0.1, 4))),
    ],
)


@slope_of.reference
def exponent_from(snrs, steps):
    """By least squares, written out."""
    x, y = np.log(snrs), np.log(steps)
    x, y = x - x.mean(), y - y.mean()
    return -2 * (x @ x) / (x @ y)


@slope_of.mistake(
    "Steps grow like 1/SNR for which exponent? Which number does yours give then?",
    "You returned the slope, or minus the slope, of the line. It is −2/γ.",
)
def the_slope(snrs, steps):
    return -2 / exponent_from(snrs, steps)


@slope_of.mistake(
    "What should come out if the step is proportional to 1/SNR?",
    "You returned minus the slope. The slope is −2/γ: solve for γ.",
)
def minus_the_slope(snrs, steps):
    return 2 / exponent_from(snrs, steps)


@slope_of.mistake(
    "What should come out if the step is proportional to 1/SNR: which spectrum has this rule?",
    "You are off by the factor 2 between λ and the frequency: variances are κ λ^(−γ/2).",
)
def exponent_in_the_eigenvalue(snrs, steps):
    return exponent_from(snrs, steps) / 2


@slope_of.mistake(
    "Solve SNR κ λ^(−γ/2) = 1 for λ. Is γ in the numerator of the power of the SNR?",
    "You multiplied the slope by −2. It is the other way round: γ is −2 divided by the slope.",
)
def times_instead_of_over(snrs, steps):
    return 4 / exponent_from(snrs, steps)


@slope_of.mistake(
    "Which of the two is plotted over which?",
    "You exchanged the axes, or fitted the SNR over the step. With scatter that is another line.",
)
def axes_exchanged(snrs, steps):
    x, y = np.log(snrs), np.log(steps)
    x, y = x - x.mean(), y - y.mean()
    return -2 * (x @ y) / (y @ y)


@slope_of.mistake(
    "Is a power law a straight line in these coordinates?",
    "You fitted a line without logarithms. Take the logarithm of both.",
)
def without_logarithms(snrs, steps):
    return -2 / np.polyfit(snrs, steps, 1)[0]


@slope_of.mistake(
    "If more noise needs longer steps, which sign has the slope in the SNR?",
    "The sign is wrong: steps fall with the SNR, and γ is positive.",
)
def wrong_sign(snrs, steps):
    return -exponent_from(snrs, steps)
