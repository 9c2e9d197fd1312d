"""Exercises by code of page Sampling."""

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(10)

solver = Exercise(
    "10-1",
    asks="the step of the first-order DPM-Solver from t to s",
    inputs=[
        (1.0, 0.5, 0.6, 0.8, 0.8, 0.6),
        (np.array([-0.7, 1.1]), np.array([0.2, 0.9]), 1.0, 3.0, 1.0, 0.5),
        (_rng.normal(0, 1, (3, 4)), _rng.normal(0, 1, (3, 4)), 0.3, 0.9, 0.95, 0.2),
    ],
)


@solver.reference
def dpm_solver_step(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    noise = (u - alpha_t * D) / sigma_t
    return alpha_s * D + sigma_s * noise


def _solver(u, noise, h, alpha_t, alpha_s, factor):
    return alpha_s / alpha_t * u - factor * np.expm1(h) * noise


def _half_log_snr(alpha, sigma):
    return np.log(alpha / sigma)


def _h(alpha_t, sigma_t, alpha_s, sigma_s):
    return _half_log_snr(alpha_s, sigma_s) - _half_log_snr(alpha_t, sigma_t)


def _noise(u, D, alpha_t, sigma_t):
    return (u - alpha_t * D) / sigma_t


@solver.mistake(
    "What is e to the power ℓ, written with α and σ?",
    "Your ℓ is the whole log-SNR, log(α²/σ²). The solver takes half of it, log(α/σ).",
)
def whole_log_snr(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    h = 2 * _h(alpha_t, sigma_t, alpha_s, sigma_s)
    return _solver(u, _noise(u, D, alpha_t, sigma_t), h, alpha_t, alpha_s, sigma_s)


@solver.mistake(
    "Is your h positive? At which of the two times is there less noise?",
    "You took h = ℓ_t − ℓ_s. On the way back ℓ rises, and h = ℓ_s − ℓ_t is positive.",
)
def reversed_h(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    h = -_h(alpha_t, sigma_t, alpha_s, sigma_s)
    return _solver(u, _noise(u, D, alpha_t, sigma_t), h, alpha_t, alpha_s, sigma_s)


@solver.mistake(
    "A step to a state that is nearly clean: how large can the last term be?",
    "In front of e^h − 1 stands σ_s, the noise level after the step. You took σ_t.",
)
def noise_level_before(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    h = _h(alpha_t, sigma_t, alpha_s, sigma_s)
    return _solver(u, _noise(u, D, alpha_t, sigma_t), h, alpha_t, alpha_s, sigma_t)


@solver.mistake(
    "Which image does the step multiply by e^h − 1: a guess of what?",
    "The formula has ε̂ = (u − α_t D) / σ_t, the guess of the noise. You put the guess of the "
    "clean image, D, in its place.",
)
def clean_for_noise(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    h = _h(alpha_t, sigma_t, alpha_s, sigma_s)
    return _solver(u, D, h, alpha_t, alpha_s, sigma_s)


@solver.mistake(
    "Try s = t. Does your step leave the state as it is?",
    "The factor is e^h − 1. You forgot to subtract 1.",
)
def one_not_subtracted(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    h = _h(alpha_t, sigma_t, alpha_s, sigma_s)
    noise = _noise(u, D, alpha_t, sigma_t)
    return alpha_s / alpha_t * u - sigma_s * np.exp(h) * noise


@solver.mistake(
    "If D is the true start, which variance should ε̂ have?",
    "ε̂ is u − α_t D divided by σ_t. You did not divide.",
)
def noise_not_divided(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    h = _h(alpha_t, sigma_t, alpha_s, sigma_s)
    return _solver(u, u - alpha_t * D, h, alpha_t, alpha_s, sigma_s)


@solver.mistake(
    "Which part of the state does D stand for: how much of it is in u at time t?",
    "At time t the guess is in the state with the gain: ε̂ = (u − α_t D) / σ_t. You subtracted D.",
)
def gain_forgotten(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    h = _h(alpha_t, sigma_t, alpha_s, sigma_s)
    return _solver(u, (u - D) / sigma_t, h, alpha_t, alpha_s, sigma_s)


@solver.mistake(
    "Does your step take noise away, or add to it?",
    "The sign of the second term is minus: u_s = α_s/α_t u − σ_s (e^h − 1) ε̂.",
)
def noise_added(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    h = _h(alpha_t, sigma_t, alpha_s, sigma_s)
    return _solver(u, _noise(u, D, alpha_t, sigma_t), h, alpha_t, alpha_s, -sigma_s)


@solver.mistake(
    "Look at the first term alone: should the signal grow or fade on the way back?",
    "You multiplied u by α_t / α_s. The signal grows on the way back: α_s / α_t.",
)
def gains_exchanged(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    h = _h(alpha_t, sigma_t, alpha_s, sigma_s)
    return _solver(u, _noise(u, D, alpha_t, sigma_t), h, alpha_s, alpha_t, sigma_s)


@solver.mistake(
    "Let the guess be perfect and the state free of noise: u = α_t D. What should come out?",
    "The first term is α_s/α_t u: the signal has to grow with the gain. You left u as it is.",
)
def without_gains(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    h = _h(alpha_t, sigma_t, alpha_s, sigma_s)
    return _solver(u, _noise(u, D, alpha_t, sigma_t), h, 1.0, 1.0, sigma_s)


@solver.mistake(
    "Your step is nearly right where h is small. Which function of h have you simplified?",
    "You multiply by h. The factor is e^h − 1, which is about h for short steps only.",
)
def h_for_its_exponential(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    h = _h(alpha_t, sigma_t, alpha_s, sigma_s)
    return alpha_s / alpha_t * u - sigma_s * h * _noise(u, D, alpha_t, sigma_t)


@solver.mistake(
    "At which of the two times is the noise ε̂ that you see?",
    "ε̂ = (u − α_t D) / σ_t belongs to the state at t. You took gain and noise level at s.",
)
def noise_seen_at_s(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    h = _h(alpha_t, sigma_t, alpha_s, sigma_s)
    return _solver(u, _noise(u, D, alpha_s, sigma_s), h, alpha_t, alpha_s, sigma_s)


@solver.mistake(
    "Which function takes a ratio α/σ to ℓ?",
    "Your ℓ is α/σ itself. It is the logarithm of that, half the log of the SNR.",
)
def without_logarithm(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    h = alpha_s / sigma_s - alpha_t / sigma_t
    return _solver(u, _noise(u, D, alpha_t, sigma_t), h, alpha_t, alpha_s, sigma_s)


moments = Exercise(
    "10-2",
    asks="the variance of the result of a step, and its covariance with the state before",
    inputs=[
        (1.0, 1.0, 0.5, 0.6),
        (0.5, 1.0, 0.7, 1.0),
        (0.8, 0.6, 0.5, 0.55),
        (0.0, 0.9, 0.4, 0.9),
    ],
)


@moments.reference
def two_moments(eta, gain, noise_s, noise_t):
    """By the matrix that turns the two noises, seen and fresh, into the two states."""
    fresh = eta * noise_s * np.sqrt(noise_t**2 - (gain * noise_s) ** 2) / noise_t
    states = np.array([[np.sqrt(noise_s**2 - fresh**2), fresh], [noise_t, 0]])
    covariance = states @ states.T
    return covariance[0, 0], covariance[0, 1]


def _tilde2(gain, noise_s, noise_t):
    return noise_s**2 * (1 - (gain * noise_s / noise_t) ** 2)


@moments.mistake(
    "Try η = 0. Is the covariance of the deterministic step that of the chain?",
    "α_{t|s} σ_s² is the covariance in the chain. Yours must depend on η: only ε̂ is in both "
    "states.",
)
def always_the_chain(_eta, gain, noise_s, _noise_t):
    return noise_s**2, gain * noise_s**2


@moments.mistake(
    "Which of the two noises is in both states?",
    "This is the covariance with ε̂. The state before contains σ_t ε̂: multiply by σ_t.",
)
def covariance_with_noise(eta, gain, noise_s, noise_t):
    return noise_s**2, np.sqrt(noise_s**2 - eta**2 * _tilde2(gain, noise_s, noise_t))


@moments.mistake(
    "Is your result between −1 and 1 whatever the noise levels?",
    "You divided by both standard deviations: this is the correlation. The covariance is asked "
    "for.",
)
def correlation(eta, gain, noise_s, noise_t):
    kept = np.sqrt(noise_s**2 - eta**2 * _tilde2(gain, noise_s, noise_t))
    return noise_s**2, kept / noise_s


@moments.mistake(
    "Do the squares of your two factors add up to σ_s²?",
    "You forgot the fresh noise in the variance: its share is η² σ̃².",
)
def without_fresh_noise(eta, gain, noise_s, noise_t):
    kept2 = noise_s**2 - eta**2 * _tilde2(gain, noise_s, noise_t)
    return kept2, noise_t * np.sqrt(kept2)


@moments.mistake(
    "η is a factor of the fresh noise. What is its factor in the variance?",
    "Under the root stands η² σ̃², the square of the factor of ε. You have η σ̃².",
)
def eta_not_squared(eta, gain, noise_s, noise_t):
    kept2 = noise_s**2 - eta * _tilde2(gain, noise_s, noise_t)
    return noise_s**2, noise_t * np.sqrt(kept2)


@moments.mistake(
    "η is a factor of the fresh noise. What does it become in a variance?",
    "Under the root stands η² σ̃², and so it does in the share of the fresh noise. You have η "
    "σ̃² in "
    "one and η² σ̃² in the other.",
)
def eta_squared_once(eta, gain, noise_s, noise_t):
    tilde2 = _tilde2(gain, noise_s, noise_t)
    kept2 = noise_s**2 - eta * tilde2
    return kept2 + eta**2 * tilde2, noise_t * np.sqrt(kept2)


@moments.mistake(
    "There are two variances that look alike, with and without a tilde. Which one have you taken?",
    "You took σ_{t|s}², the noise of the step forward, for σ̃² = σ_{t|s}² σ_s² / σ_t².",
)
def of_the_step_forward(eta, gain, noise_s, noise_t):
    kept2 = noise_s**2 - eta**2 * (noise_t**2 - (gain * noise_s) ** 2)
    return noise_s**2, noise_t * np.sqrt(kept2)


@moments.mistake(
    "What is σ_{t|s}² if the gain of the step is not 1?",
    "You took σ_t² − σ_s² for σ_{t|s}². The noise at s fades with the gain: σ_t² − α_{t|s}² σ_s².",
)
def gain_forgotten_in_noise(eta, _gain, noise_s, noise_t):
    return two_moments(eta, 1.0, noise_s, noise_t)


@moments.mistake(
    "What is the unit of your first result: that of a grey value, or of its square?",
    "You returned the standard deviation σ_s first. The variance is asked for.",
)
def deviation(eta, gain, noise_s, noise_t):
    return noise_s, two_moments(eta, gain, noise_s, noise_t)[1]


@moments.mistake(
    "Which noise is in both states? What follows for the covariance at η = 1, and at η = 0?",
    "You computed the covariance of the deterministic step, σ_s σ_t. With η > 0 less of ε̂ is kept.",
)
def always_one_noise(_eta, _gain, noise_s, noise_t):
    return noise_s**2, noise_s * noise_t


@moments.mistake(
    "In which order are the two results asked for?",
    "You returned the covariance first. First comes the variance.",
)
def exchanged(eta, gain, noise_s, noise_t):
    return two_moments(eta, gain, noise_s, noise_t)[::-1]


@moments.mistake(
    "How much of ε̂ is in the state at time t?",
    "You multiplied by σ_s. The state before is at time t and contains σ_t ε̂.",
)
def noise_level_of_s(eta, gain, noise_s, noise_t):
    variance, covariance = two_moments(eta, gain, noise_s, noise_t)
    return variance, covariance / noise_t * noise_s


@moments.mistake(
    "Write U_t with the start and ε̂. Is there a step of the chain in it?",
    "You multiplied by α_{t|s} as well. Its only place is in σ̃; the state is α_t u_0 + σ_t ε̂.",
)
def gain_once_more(eta, gain, noise_s, noise_t):
    variance, covariance = two_moments(eta, gain, noise_s, noise_t)
    return variance, gain * covariance


@moments.mistake(
    "Is there no noise that both states contain?",
    "Your covariance is 0, but ε̂ is computed from the state at t, and it is in the result.",
)
def uncorrelated(_eta, _gain, noise_s, _noise_t):
    return noise_s**2, 0.0


@moments.mistake(
    "The squares of the factors of ε̂ and ε should add up to σ_s². Do yours?",
    "You added η² σ̃² to σ_s². The share of ε̂ is σ_s² − η² σ̃², and both together σ_s².",
)
def fresh_noise_on_top(eta, gain, noise_s, noise_t):
    variance, covariance = two_moments(eta, gain, noise_s, noise_t)
    return variance + eta**2 * _tilde2(gain, noise_s, noise_t), covariance


best = Exercise(
    "10-4",
    asks="mean and variance of a step back with the best variance",
    inputs=[
        (0.0, 0.1, 2.0, 0.8, 0.6, 0.9, 0.3),
        (1.0, 0.4, 0.7, 1.0, 2.0, 1.0, 0.5),
        (
            np.array([-0.8, 0.1, 0.9]),
            np.array([-0.6, 0.2, 0.5]),
            np.array([0.1, 3.0, 0.2]),
            0.5,
            0.9,
            0.7,
            0.6,
        ),
    ],
)


def _step(alpha_t, sigma_t, alpha_s, sigma_s):
    """b, γ, gain α_{t|s} and variance σ_{t|s}² of the step forward."""
    gain = alpha_t / alpha_s
    forward = sigma_t**2 - (gain * sigma_s) ** 2
    return alpha_s * forward / sigma_t**2, gain * sigma_s**2 / sigma_t**2, gain, forward


@best.reference
def best_step(u, D, slope, alpha_t, sigma_t, alpha_s, sigma_s):
    """By the second formula of Tweedie, for the noise between s and t."""
    gain = alpha_t / alpha_s
    forward = sigma_t**2 - (gain * sigma_s) ** 2
    of_start = alpha_s * forward / sigma_t**2
    of_state = gain * sigma_s**2 / sigma_t**2
    mean = of_start * D + of_state * u
    return mean, forward / gain * (of_start * slope + of_state)


@best.mistake(
    "What does your variance do with the slope: is a state between two lumps more uncertain?",
    "You returned σ̃², the variance if the start is known. Add b² Var(X|u), which the slope tells.",
)
def without_doubt(u, D, slope, *levels):
    mean, _ = best_step(u, D, slope, *levels)
    return mean, best_step(u, D, 0 * slope, *levels)[1]


@best.mistake(
    "For which data is your variance the right one? See the exercise before this one.",
    "You returned σ_{t|s}², the noise of the step forward. The best variance is "
    "σ̃² + b² Var(X|u), and it depends on the slope.",
)
def of_the_forward_step(u, D, slope, *levels):
    return best_step(u, D, slope, *levels)[0], _step(*levels)[3] + 0 * slope


@best.mistake(
    "In the result of the step the unknown start has the factor b. Which factor has its variance?",
    "The factor of Var(X|u) is b², not b.",
)
def weight_not_squared(u, D, slope, *levels):
    mean, known = without_doubt(u, D, slope, *levels)
    return mean, known + _step(*levels)[0] * levels[1] ** 2 / levels[0] * slope


@best.mistake(
    "How does the slope of the denoiser become a variance?",
    "The slope itself is no variance: Var(X|u) = σ_t² / α_t times the slope.",
)
def slope_for_variance(u, D, slope, *levels):
    mean, known = without_doubt(u, D, slope, *levels)
    return mean, known + _step(*levels)[0] ** 2 * slope


@best.mistake(
    "Check your Var(X|u) with Gaussian data: the slope is α_t c / v_t, the variance c σ_t² / v_t.",
    "You forgot the gain: Var(X|u) = σ_t² / α_t times the slope, not σ_t² times the slope.",
)
def gain_of_the_slope_forgotten(u, D, slope, *levels):
    mean, known = without_doubt(u, D, slope, *levels)
    return mean, known + _step(*levels)[0] ** 2 * levels[1] ** 2 * slope


@best.mistake(
    "What is Var(X|u) for Gaussian data, whose slope is α_t c / v_t? It should be c σ_t² / v_t.",
    "You divided by α_t twice: Var(X|u) = σ_t² / α_t times the slope. (Times σ_t² / α_t² it would "
    "be the derivative with respect to u / α_t.)",
)
def gain_of_the_slope_squared(u, D, slope, *levels):
    mean, known = without_doubt(u, D, slope, *levels)
    return mean, known + (_step(*levels)[0] * levels[1] / levels[0]) ** 2 * slope


@best.mistake(
    "Two variances add up in the step. Which of them remains if the denoiser is constant?",
    "You added b² Var(X|u) to σ_{t|s}². It is to be added to σ̃² = σ_{t|s}² σ_s² / σ_t².",
)
def doubt_and_forward(u, D, slope, *levels):
    mean, variance = best_step(u, D, slope, *levels)
    known = without_doubt(u, D, slope, *levels)[1]
    return mean, variance - known + _step(*levels)[3]


@best.mistake(
    "Which weight has the start in the mean, and which the state? Whose variance do you add?",
    "You took γ, the weight of the state, for b = α_s σ_{t|s}² / σ_t², the weight of the start.",
)
def weight_of_the_state(u, D, slope, *levels):
    mean, known = without_doubt(u, D, slope, *levels)
    return mean, known + _step(*levels)[1] ** 2 * levels[1] ** 2 / levels[0] * slope


@best.mistake(
    "What is the unit of your second result: that of a grey value, or of its square?",
    "You returned the standard deviation. The variance is asked for.",
)
def deviation_of_step(u, D, slope, *levels):
    mean, variance = best_step(u, D, slope, *levels)
    return mean, np.sqrt(variance)


@best.mistake(
    "Your variance is right. Let s come close to t: where should the mean go?",
    "Your mean is α_s D, without the noise that you see. The ancestral mean keeps the share γ of "
    "it: "
    "α_s D + γ (u − α_t D).",
)
def mean_without_noise(u, D, slope, *levels):
    return levels[2] * D, best_step(u, D, slope, *levels)[1]


@best.mistake(
    "Your variance is right. Which η belongs to your mean?",
    "Your mean is the DDIM step, η = 0, which keeps noise of strength σ_s. The ancestral mean "
    "keeps "
    "the share γ: α_s D + γ (u − α_t D).",
)
def mean_of_ddim(u, D, slope, alpha_t, sigma_t, alpha_s, sigma_s):
    mean = alpha_s * D + sigma_s * (u - alpha_t * D) / sigma_t
    return mean, best_step(u, D, slope, alpha_t, sigma_t, alpha_s, sigma_s)[1]


@best.mistake(
    "Your variance is right. By what do you multiply the noise that you see, and has it been "
    "divided "
    "by σ_t?",
    "γ belongs to u − α_t D = σ_t ε̂. You multiplied ε̂ by γ: a factor σ_t is missing.",
)
def mean_with_unit_noise(u, D, slope, alpha_t, sigma_t, alpha_s, sigma_s):
    levels = (alpha_t, sigma_t, alpha_s, sigma_s)
    mean = alpha_s * D + _step(*levels)[1] * (u - alpha_t * D) / sigma_t
    return mean, best_step(u, D, slope, *levels)[1]


@best.mistake(
    "What is σ_{t|s}² if the gain of the step is not 1?",
    "You took σ_t² − σ_s² for σ_{t|s}². The noise at s fades with the gain: σ_t² − α_{t|s}² σ_s².",
)
def gain_forgotten_forward(u, D, slope, alpha_t, sigma_t, alpha_s, sigma_s):
    forward = sigma_t**2 - sigma_s**2
    b, kept = alpha_s * forward / sigma_t**2, alpha_t / alpha_s * sigma_s**2 / sigma_t**2
    variance = forward * sigma_s**2 / sigma_t**2 + b**2 * sigma_t**2 / alpha_t * slope
    return alpha_s * D + kept * (u - alpha_t * D), variance


@best.mistake(
    "Does the signal grow or fade in a step forward?",
    "Your α_{t|s} is α_s / α_t. The step leads from s to t: α_{t|s} = α_t / α_s.",
)
def gain_upside_down(u, D, slope, alpha_t, sigma_t, alpha_s, sigma_s):
    gain = alpha_s / alpha_t
    forward = sigma_t**2 - (gain * sigma_s) ** 2
    b, kept = alpha_s * forward / sigma_t**2, gain * sigma_s**2 / sigma_t**2
    variance = forward * sigma_s**2 / sigma_t**2 + b**2 * sigma_t**2 / alpha_t * slope
    return alpha_s * D + kept * (u - alpha_t * D), variance


@best.mistake(
    "If you knew the start, would there be no uncertainty left in the step?",
    "You forgot σ̃². It is there even if the start is known; b² Var(X|u) is added to it.",
)
def only_doubt(u, D, slope, *levels):
    mean, variance = best_step(u, D, slope, *levels)
    return mean, variance - without_doubt(u, D, slope, *levels)[1]


@best.mistake(
    "How much of the unknown start is in the state at s, once u is known?",
    "Var(X|u) needs the factor b², with the weight b of the start. You added it as it is.",
)
def weight_forgotten(u, D, slope, *levels):
    mean, known = without_doubt(u, D, slope, *levels)
    return mean, known + levels[1] ** 2 / levels[0] * slope


@best.mistake(
    "Your variance is right. What does your mean give if there is no noise to be seen, u = α_t D?",
    "You multiplied u by γ. To α_s D belongs γ (u − α_t D), the noise that you see; to u itself "
    "belongs b D.",
)
def mean_of_both(u, D, slope, *levels):
    return levels[2] * D + _step(*levels)[1] * u, best_step(u, D, slope, *levels)[1]


angles = Exercise(
    "10-5",
    asks="the share of all variance that DDIM steps leave",
    inputs=[
        (np.array([0.5]), np.array([2.0])),
        (np.array([3.0, 0.2]), np.array([1.5])),
        (np.array([2.0, 0.1]), np.array([0.3, 1.0, 8.0])),
        (_rng.uniform(0.05, 4, 6), np.geomspace(0.05, 50, 12)),
    ],
)


@angles.reference
def share_left(c, ratio):
    """By the slopes of the steps for the state over its gain, one mode and step after the other."""
    left = np.array(c)
    for k, variance in enumerate(c):
        left[k] *= 1 / (variance + ratio[0] ** 2) * variance
        for early, late in zip(ratio[:-1], ratio[1:]):
            slope = (variance + early * late) / (variance + late**2)
            left[k] *= slope**2 * (variance + late**2) / (variance + early**2)
    return left.sum() / c.sum()


def _left(theta):
    """Shares of the modes; one row of angles for each time."""
    return np.prod(np.cos(np.diff(theta, axis=0)) ** 2, axis=0)


def _theta(c, ratio):
    return np.arctan(np.append(0.0, ratio)[:, None] / np.sqrt(c))


@angles.mistake(
    "A mode that holds hardly any variance: how much may it count?",
    "You took the mean of the shares over the modes. The share of all variance is Σ c·share / Σ c.",
)
def mean_of_shares(c, ratio):
    return _left(_theta(c, ratio)).mean()


@angles.mistake(
    "What are you asked for: a variance, or a part of the whole?",
    "You returned the variance that is left, summed over the modes. Divide it by the sum of c.",
)
def variance_left(c, ratio):
    return (c * _left(_theta(c, ratio))).sum()


@angles.mistake(
    "What does a step multiply the variance by, and what the state?",
    "You multiplied cosines. They belong to the state; the variance has their squares.",
)
def cosine_not_squared(c, ratio):
    theta = _theta(c, ratio)
    return (c * np.prod(np.cos(np.diff(theta, axis=0)), axis=0)).sum() / c.sum()


@angles.mistake(
    "How many angles are there, and how many steps? Where does the walk end?",
    "The last step, from t_1 to the data, is missing: it begins at θ_1 and ends at θ_0 = 0.",
)
def last_step_forgotten(c, ratio):
    return (c * _left(_theta(c, ratio)[1:])).sum() / c.sum()


@angles.mistake(
    "Put σ = α √c into your angle. Are signal and noise then equal, and is the angle π/4?",
    "tan θ = σ / (α √c): the standard deviation of the mode. You divided by c.",
)
def divided_by_variance(c, ratio):
    return (c * _left(_theta(c**2, ratio))).sum() / c.sum()


@angles.mistake(
    "Which modes have the larger angle at a given time: those with much or with little variance?",
    "You took arctan of σ √c / α. The variance of the data belongs to the signal: σ / (α √c).",
)
def variance_at_the_noise(c, ratio):
    return (c * _left(_theta(1 / c, ratio))).sum() / c.sum()


@angles.mistake(
    "Do modes of different variance have different angles in your function?",
    "You took the same angle, arctan of σ / α, for all modes. It depends on c: σ / (α √c).",
)
def one_angle_for_all(c, ratio):
    return (c * _left(_theta(np.ones(len(c)), ratio))).sum() / c.sum()


@angles.mistake(
    "Does each mode have its own schedule of angles in your function, or is there one for all?",
    "You took one variance, the mean of c, for the angles of all modes. Each mode has its own "
    "angles.",
)
def angles_of_the_mean(c, ratio):
    return (c * _left(_theta(np.full(len(c), c.mean()), ratio))).sum() / c.sum()


@angles.mistake(
    "For which sampler is the formula that you use?",
    "This is the share that ancestral steps leave. The exercise is about DDIM, η = 0.",
)
def of_ancestral_steps(c, ratio):
    z = np.sin(_theta(c, ratio)) ** 2
    lost = (np.diff(z, axis=0) ** 2 / z[1:]).sum(0)
    return (c * (1 - lost)).sum() / c.sum()


@angles.mistake(
    "What has the reader of your number asked for: what is left, or what is lost?",
    "You returned the share that is lost. Subtract it from 1.",
)
def share_lost(c, ratio):
    return 1 - share_left(c, ratio)


@angles.mistake(
    "Which whole do you compare with? Try one mode and two.",
    "You divided by the number of modes. The whole is the sum of c.",
)
def divided_by_number(c, ratio):
    return (c * _left(_theta(c, ratio))).mean()


@angles.mistake(
    "Does your result depend on the times between the first and the last?",
    "This is one step from t_m to the data. Each step contributes the cosine of its own angle.",
)
def one_long_step(c, ratio):
    return (c * np.cos(_theta(c, ratio)[-1]) ** 2).sum() / c.sum()


@angles.mistake(
    "From which angle does the sampler start?",
    "You added a step from pure noise, π/2. The sampler starts at t_m with the right variance.",
)
def from_pure_noise(c, ratio):
    theta = np.vstack([_theta(c, ratio), np.full(len(c), np.pi / 2)])
    return (c * _left(theta)).sum() / c.sum()


@angles.mistake(
    "Is c a variance or a standard deviation, and which do you add up?",
    "You weighted the modes by √c. Variances add up: the weights are c.",
)
def weighted_by_deviations(c, ratio):
    return (np.sqrt(c) * _left(_theta(c, ratio))).sum() / np.sqrt(c).sum()


@angles.mistake(
    "What is the angle of a right triangle whose legs you know?",
    "You took σ / (α √c) as the angle. It is its tangent.",
)
def tangent_for_angle(c, ratio):
    return (c * _left(np.tan(_theta(c, ratio)))).sum() / c.sum()


langevin = Exercise(
    "10-6",
    asks="the variance after m steps of Langevin dynamics on Gaussian data",
    inputs=[(1.0, 0.5, 0.1, 1), (0.1, 2.0, 0.5, 1), (3.0, 0.8, 0.3, 3), (0.2, 4.0, 1.0, 10)],
)


@langevin.reference
def langevin_variance(V, c, tau, m):
    """In closed form: the distance from the limit shrinks by the same factor in each step."""
    limit = c / (1 - tau / (2 * c))
    kept = (1 - tau / c) ** 2
    return limit + (V - limit) * kept**m


def _iterated(V, gain, added, m):
    for _ in range(m):
        V = gain * V + added
    return V


@langevin.mistake(
    "What is the variance of √(2τ) ε?",
    "Your fresh noise has the variance τ. The factor of ε is √(2τ), so it is 2τ.",
)
def noise_of_variance_tau(V, c, tau, m):
    return _iterated(V, (1 - tau / c) ** 2, tau, m)


@langevin.mistake(
    "Is the number that you add in each step a variance?",
    "Your fresh noise has the variance √(2τ), but this is its standard deviation. Its square is "
    "2τ.",
)
def deviation_added(V, c, tau, m):
    return _iterated(V, (1 - tau / c) ** 2, np.sqrt(2 * tau), m)


@langevin.mistake(
    "If all grey values are halved, what becomes of their variance?",
    "The step multiplies the state by 1 − τ/c. The variance is multiplied by its square.",
)
def gain_not_squared(V, c, tau, m):
    return _iterated(V, 1 - tau / c, 2 * tau, m)


@langevin.mistake(
    "What is the score of N(0, c)? Try it with a very small c: is it steep or flat?",
    "You took −u as the score. That is right for c = 1 only: it is −u/c.",
)
def score_of_unit_variance(V, _c, tau, m):
    return _iterated(V, (1 - tau) ** 2, 2 * tau, m)


@langevin.mistake(
    "How does a factor in front of ε enter the variance?",
    "You took 2τ as factor of ε and added (2τ)². The factor is √(2τ), and its square 2τ.",
)
def root_of_noise_forgotten(V, c, tau, m):
    return _iterated(V, (1 - tau / c) ** 2, (2 * tau) ** 2, m)


@langevin.mistake(
    "From V = 0: what is the variance after one step?",
    "You damp the fresh noise in its own step. First the state is multiplied, then noise is added.",
)
def noise_before_damping(V, c, tau, m):
    for _ in range(m):
        V = (1 - tau / c) ** 2 * (V + 2 * tau)
    return V


@langevin.mistake(
    "What is the unit of your result: that of a grey value, or of its square?",
    "You returned the standard deviation. The variance is asked for.",
)
def deviation_of_state(V, c, tau, m):
    return np.sqrt(langevin_variance(V, c, tau, m))


@langevin.mistake(
    "Expand the square of 1 − τ/c. Which terms have you kept?",
    "You dropped (τ/c)², so this is Euler's method for the variance. The variance of Euler's steps "
    "is multiplied by (1 − τ/c)².",
)
def square_dropped(V, c, tau, m):
    return _iterated(V, 1 - 2 * tau / c, 2 * tau, m)


@langevin.mistake(
    "Expand the square of 1 − τ/c. Are there two terms or three?",
    "(1 − τ/c)² is 1 − 2τ/c + (τ/c)². You squared the two parts and not the difference: state and "
    "score are not independent.",
)
def mixed_term_forgotten(V, c, tau, m):
    return _iterated(V, 1 + (tau / c) ** 2, 2 * tau, m)


@langevin.mistake(
    "Whose score is it: that of the law that you want, or that of the state?",
    "You took the score of the state, −u/V. It is that of the law p: −u/c.",
)
def score_of_the_state(V, _c, tau, m):
    for _ in range(m):
        V = (V - tau) ** 2 / V + 2 * tau
    return V


@langevin.mistake(
    "Is c a variance or a standard deviation?",
    "You took −u/c² as the score, as if c were the standard deviation. It is the variance: −u/c.",
)
def c_squared(V, c, tau, m):
    return _iterated(V, (1 - tau / c**2) ** 2, 2 * tau, m)


@langevin.mistake(
    "What is the log-density of N(0, c), and what its derivative?",
    "You took −u/√c as the score. The log-density is −u²/(2c) and its derivative −u/c.",
)
def root_of_c(V, c, tau, m):
    return _iterated(V, (1 - tau / np.sqrt(c)) ** 2, 2 * tau, m)


@langevin.mistake(
    "The log-density of N(0, c) contains u²/(2c). What is its derivative?",
    "You took −u/(2c) as the score. The derivative of −u²/(2c) is −u/c.",
)
def half_score(V, c, tau, m):
    return _iterated(V, (1 - tau / (2 * c)) ** 2, 2 * tau, m)


@langevin.mistake(
    "Does the score pull a state to the likely values, or push it away?",
    "The sign of the score: of N(0, c) it is −u/c, and a step multiplies the state by 1 − τ/c.",
)
def pushed_away(V, c, tau, m):
    return _iterated(V, (1 + tau / c) ** 2, 2 * tau, m)


@langevin.mistake(
    "Does your variance depend on how the time τ m is cut into steps?",
    "This is the exact process, with e^(−2τ/c). A step of Euler and Maruyama multiplies the "
    "state by "
    "1 − τ/c and adds the variance 2τ.",
)
def exact_process(V, c, tau, m):
    return c + (V - c) * np.exp(-2 * tau * m / c)


@langevin.mistake(
    "What happens in the second step to the noise that came in by the first?",
    "You added m · 2τ in the end. The noise of a step is damped by all the steps after it.",
)
def noise_never_damped(V, c, tau, m):
    return (1 - tau / c) ** (2 * m) * V + 2 * tau * m


@langevin.mistake(
    "Try V = 0 and m = 1. Is it only the signal whose variance changes?",
    "You forgot the fresh noise, which adds 2τ to the variance in every step.",
)
def noise_forgotten(V, c, tau, m):
    return (1 - tau / c) ** (2 * m) * V


@langevin.mistake(
    "Does your result depend on V and m?",
    "This is the limit of many steps. Asked is the variance after m of them.",
)
def only_the_limit(_V, c, tau, _m):
    return c / (1 - tau / (2 * c))


@langevin.mistake(
    "Does your result depend on m? Try m = 1 and m = 2.", "This is one step. Repeat it m times."
)
def one_step(V, c, tau, _m):
    return (1 - tau / c) ** 2 * V + 2 * tau


@langevin.mistake(
    "How many steps do you make for m = 1?",
    "You make one step too few: range(m) has m members, range(1, m) has m − 1.",
)
def a_step_too_few(V, c, tau, m):
    return langevin_variance(V, c, tau, m - 1)


@langevin.mistake(
    "Count your steps for m = 1.",
    "You make one step too many: range(m) has m members, range(m + 1) has m + 1.",
)
def a_step_too_many(V, c, tau, m):
    return langevin_variance(V, c, tau, m + 1)


@langevin.mistake(
    "Which drift and which noise belong to the step in the exercise? Others write it with τ/2.",
    "Your step is u + τ/2 · score + √τ ε, the convention of others. Here the score has the "
    "factor τ, "
    "and the noise √(2τ).",
)
def other_convention(V, c, tau, m):
    return langevin_variance(V, c, tau / 2, m)
