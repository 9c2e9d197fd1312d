"""Exercises by code of page Bayes."""

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(9)

between = Exercise(
    "09-1",
    asks="mean and variance at clock x between two ends",
    inputs=[(0.0, 1.0, 0.5, 2.0), (2.0, -1.0, 0.9, 1.2), (-0.4, 0.3, 0.1, 0.7)],
)


@between.reference
def bridge(u0, ut, x, y):
    """Two independent witnesses: the start, with noise x, and the end, with noise y − x."""
    variance = 1 / (1 / x + 1 / (y - x))
    return variance * (u0 / x + ut / (y - x)), variance


@between.mistake(
    "Let x tend to 0. To which of the two ends does your mean go?",
    "The weights of the ends are exchanged: the mean is u_0 + (x/y)(u_t − u_0).",
)
def ends_exchanged(u0, ut, x, y):
    return bridge(ut, u0, x, y)


@between.mistake(
    "Let x tend to y. What should become of the variance?",
    "x is the variance if only the start is known. The end is known too: x (y − x) / y.",
)
def one_end_only(u0, ut, x, y):
    return bridge(u0, ut, x, y)[0], x


@between.mistake(
    "Let x tend to 0. What should become of the variance?",
    "y − x is the variance of the step from x to y. Given both ends it is x (y − x) / y.",
)
def noise_of_the_step(u0, ut, x, y):
    return bridge(u0, ut, x, y)[0], y - x


@between.mistake(
    "What is the unit of a clock that is a variance, and what that of your second result?",
    "You did not divide by y: the variance is x (y − x) / y.",
)
def not_divided(u0, ut, x, y):
    return bridge(u0, ut, x, y)[0], x * (y - x)


@between.mistake(
    "What is the unit of your second result: that of a grey value, or of its square?",
    "You returned the standard deviation. The variance is asked for.",
)
def deviation(u0, ut, x, y):
    mean, variance = bridge(u0, ut, x, y)
    return mean, np.sqrt(variance)


@between.mistake(
    "Are x and y noise levels, or their squares?",
    "You squared x and y. The clock is σ² already: put σ_s² = x and σ_t² = y.",
)
def clock_squared(u0, ut, x, y):
    return bridge(u0, ut, x**2, y**2)


@between.mistake(
    "Does your mean know where the path ends?",
    "You returned u_0, the mean if only the start is known. With the end it is "
    "u_0 + (x/y)(u_t − u_0).",
)
def mean_is_the_start(u0, ut, x, y):
    return u0, bridge(u0, ut, x, y)[1]


@between.mistake(
    "Shift all grey values by 1. Is your mean shifted by 1 as well?",
    "The end pulls by its distance from the start: u_0 + (x/y)(u_t − u_0). You added (x/y) u_t.",
)
def start_not_subtracted(u0, ut, x, y):
    return u0 + x / y * ut, bridge(u0, ut, x, y)[1]


@between.mistake(
    "If both ends are at 1, where should the path be in between?",
    "You returned the pull of the end alone. The mean is u_0 + (x/y)(u_t − u_0).",
)
def pull_alone(u0, ut, x, y):
    return x / y * (ut - u0), bridge(u0, ut, x, y)[1]


@between.mistake(
    "Put both ends at 1. Where should the path be in between, and where is yours?",
    "You forgot the start: the mean is (1 − x/y) u_0 + (x/y) u_t.",
)
def share_of_the_end(u0, ut, x, y):
    return x / y * ut, bridge(u0, ut, x, y)[1]


@between.mistake(
    "Let x tend to y: the end is at hand. How uncertain is the path there?",
    "x²/y is what the end explains of the variance x. What is left is x − x²/y = x (y − x) / y.",
)
def explained_variance(u0, ut, x, y):
    return bridge(u0, ut, x, y)[0], x**2 / y


@between.mistake(
    "Does your answer depend on x?",
    "This is the middle, x = y/2. Asked is the mean and the variance at any clock x.",
)
def at_half_way(u0, ut, x, y):
    return (u0 + ut) / 2 + 0 * x, y / 4


coin = Exercise(
    "09-2",
    asks="denoiser, score and variance of a black or white pixel",
    inputs=[(0.3, 0.8), (-1.2, 1.5), (np.array([-0.9, 0.1, 0.6, 2.0]), 0.7)],
)


@coin.reference
def black_or_white(u, sigma):
    """From the probability of white, by Bayes' rule."""
    white = 1 / (1 + np.exp(((u - 1) ** 2 - (u + 1) ** 2) / (2 * sigma**2)))
    score = (white * (1 - u) - (1 - white) * (1 + u)) / sigma**2
    return 2 * white - 1, score, 4 * white * (1 - white)


def _of(D, u, sigma):
    return D, (D - u) / sigma**2, 1 - D**2


@coin.mistake(
    "What is in the exponents of Bayes' rule: a noise level, or a variance?",
    "You divided u by σ. The squares in the exponents are divided by 2σ², so D = tanh(u/σ²).",
)
def divided_by_level(u, sigma):
    return _of(np.tanh(u / sigma), u, sigma)


@coin.mistake(
    "What becomes of your guess if there is a lot of noise?",
    "Your D does not know the noise level: tanh(u/σ²).",
)
def without_noise_level(u, sigma):
    return _of(np.tanh(u), u, sigma)


@coin.mistake(
    "Expand (u − 1)² and (u + 1)². What is left of them in the quotient?",
    "You have a factor 2 too little: the weights are e^(±u/σ²), and D = tanh(u/σ²).",
)
def half_argument(u, sigma):
    return _of(np.tanh(u / (2 * sigma**2)), u, sigma)


@coin.mistake(
    "Expand (u − 1)² and (u + 1)², and mind the 2 of 2σ². What is left in the quotient?",
    "You have a factor 2 too much: the weights are e^(±u/σ²), and D = tanh(u/σ²).",
)
def double_argument(u, sigma):
    return _of(np.tanh(2 * u / sigma**2), u, sigma)


@coin.mistake(
    "Between which two numbers can the mean of a pixel lie that is 1 or −1?",
    "You returned the probability of white for D. The mean is that minus the probability of black.",
)
def probability_for_mean(u, sigma):
    D, score, variance = black_or_white(u, sigma)
    return (D + 1) / 2, score, variance


@coin.mistake(
    "Where does the score point for a large u: to likely states, or away from them?",
    "The sign of your score is wrong: it is (D − u)/σ².",
)
def score_reversed(u, sigma):
    D, score, variance = black_or_white(u, sigma)
    return D, -score, variance


@coin.mistake("By what does Tweedie's formula divide?", "Your score is D − u. Divide it by σ².")
def score_not_divided(u, sigma):
    D, score, variance = black_or_white(u, sigma)
    return D, score * sigma**2, variance


@coin.mistake(
    "Does Tweedie's formula divide by the noise level, or by its square?",
    "You divided D − u by σ. The score is (D − u)/σ².",
)
def score_over_level(u, sigma):
    D, score, variance = black_or_white(u, sigma)
    return D, score * sigma, variance


@coin.mistake(
    "Near 0 and with little noise the pixel may be either. How large can its variance be at most?",
    "You returned the derivative of D. By the second formula the variance is σ² times it.",
)
def derivative_for_variance(u, sigma):
    D, score, variance = black_or_white(u, sigma)
    return D, score, variance / sigma**2


@coin.mistake(
    "At u = 0 the pixel is black or white with equal probability. Which variance has it?",
    "You multiplied by σ² once more. σ² times the derivative of tanh(u/σ²) is 1 − D².",
)
def variance_times_noise(u, sigma):
    D, score, variance = black_or_white(u, sigma)
    return D, score, variance * sigma**2


@coin.mistake(
    "Is your variance the same for u and −u?",
    "1 − D is not it. The variance is E U_0² − D², and U_0² is always 1.",
)
def mean_not_squared(u, sigma):
    D, score, _ = black_or_white(u, sigma)
    return D, score, 1 - D


@coin.mistake(
    "What is the unit of your third result: that of a grey value, or of its square?",
    "You returned the standard deviation. The variance is asked for.",
)
def deviation_of_pixel(u, sigma):
    D, score, variance = black_or_white(u, sigma)
    return D, score, np.sqrt(variance)


@coin.mistake(
    "In which order are the three results asked for?",
    "You returned the variance before the score. The order is: denoiser, score, variance.",
)
def out_of_order(u, sigma):
    D, score, variance = black_or_white(u, sigma)
    return D, variance, score


@coin.mistake(
    "Which way does your score point from u = 1.1 if there is hardly any noise: to 1, or to 0?",
    "−u/σ² is the score of the noise alone. By Tweedie's formula it is (D − u)/σ².",
)
def score_of_the_noise(u, sigma):
    D, _, variance = black_or_white(u, sigma)
    return D, -u / sigma**2, variance


@coin.mistake(
    "Which variance do you have for a large u, and for a large −u?",
    "(1 − D)² is the square of a distance from white. The variance is 1 − D².",
)
def distance_from_white(u, sigma):
    D, score, _ = black_or_white(u, sigma)
    return D, score, (1 - D) ** 2


@coin.mistake(
    "Is the pixel Gaussian?",
    "This is Wiener's filter for data of variance 1. A pixel that is ±1 has the denoiser "
    "tanh(u/σ²).",
)
def as_if_gaussian(u, sigma):
    total = 1 + sigma**2
    return u / total, -u / total, sigma**2 / total + 0 * u


@coin.mistake(
    "If u is a large positive number: is the pixel black or white?",
    "The sign of your D: the pixel is +1 with the weight e^(u/σ²), and D = tanh(u/σ²).",
)
def colours_exchanged(u, sigma):
    return _of(-black_or_white(u, sigma)[0], u, sigma)


risk = Exercise(
    "09-3",
    asks="an estimate of the squared error of F that does not use the clean image",
    inputs=[
        (np.array([1.0]), np.array([0.7]), 0.5, 1.0, 0.2),
        (np.array([0.5, -1.0, 0.8]), np.array([0.2, -0.6, 0.9]), 1.4, 0.8, 0.5),
        (_rng.normal(0, 1, (4, 3)), _rng.normal(0, 1, (4, 3)), 5.0, 0.5, 0.7),
    ],
)


@risk.reference
def estimated_error(u, F, divergence, alpha, sigma):
    """Estimates of |U_0|², U_0·F and |F|² one by one."""
    start = ((u**2).sum() - u.size * sigma**2) / alpha**2
    both = ((u * F).sum() - sigma**2 * divergence) / alpha
    return start - 2 * both + (F**2).sum()


def _parts(u, F, divergence, alpha, sigma):
    return (
        ((F - u / alpha) ** 2).sum(),
        u.size * sigma**2 / alpha**2,
        2 * sigma**2 / alpha * divergence,
    )


@risk.mistake(
    "How many pixels are noisy? Compare the terms for one pixel and for many.",
    "The second term is N σ²/α². You forgot the number N of pixels.",
)
def one_pixel_of_noise(u, F, *rest):
    misfit, noise, spread = _parts(u, F, *rest)
    return misfit - noise / u.size + spread


@risk.mistake(
    "A filter that returns the state itself, F = u, α = 1: which error has it?",
    "The factor 2 of the divergence is missing: the last term is (2σ²/α) div F.",
)
def half_the_divergence(u, F, *rest):
    misfit, noise, spread = _parts(u, F, *rest)
    return misfit - noise + spread / 2


@risk.mistake(
    "A filter that returns the state itself, F = u, α = 1: what is its error, and is it positive?",
    "The divergence is missing. A filter that follows the noise looks too good without it.",
)
def divergence_forgotten(u, F, *rest):
    misfit, noise, _ = _parts(u, F, *rest)
    return misfit - noise


@risk.mistake(
    "Who should pay more: a filter that follows each grey value, or one that is constant?",
    "The divergence has the sign plus: (2σ²/α) div F is added.",
)
def divergence_subtracted(u, F, *rest):
    misfit, noise, spread = _parts(u, F, *rest)
    return misfit - noise - spread


@risk.mistake(
    "A constant filter F: the state is farther from it than the clean image. By how much?",
    "The noise N σ²/α² is subtracted, not added: the distance from the state contains it.",
)
def noise_added(u, F, *rest):
    misfit, noise, spread = _parts(u, F, *rest)
    return misfit + noise + spread


@risk.mistake(
    "A constant filter F: the state is farther from it than the clean image. By how much?"
    " Which term says so?",
    "The term N σ²/α², the noise in the state, is missing. Subtract it.",
)
def noise_forgotten(u, F, *rest):
    misfit, _, spread = _parts(u, F, *rest)
    return misfit + spread


@risk.mistake(
    "Is the sum of squared errors asked for, or their mean?",
    "You divided by the number of pixels. The sum over all pixels is asked for.",
)
def mean_for_sum(u, F, *rest):
    return estimated_error(u, F, *rest) / u.size


@risk.mistake(
    "You took a mean over pixels somewhere, and a sum elsewhere. Which term is which?",
    "You took the mean of the squares (F − u/α)². The other terms are sums over all pixels.",
)
def mean_of_the_misfit(u, F, *rest):
    misfit, noise, spread = _parts(u, F, *rest)
    return misfit / u.size - noise + spread


@risk.mistake(
    "With which image do you compare F: is the state an estimate of the start?",
    "F is compared with u/α. You took u itself.",
)
def state_without_gain(u, F, divergence, alpha, sigma):
    _, noise, spread = _parts(u, F, divergence, alpha, sigma)
    return ((F - u) ** 2).sum() - noise + spread


@risk.mistake(
    "Is sigma a noise level or a variance?", "You took σ for σ². Square it in both terms."
)
def level_for_variance(u, F, divergence, alpha, sigma):
    return estimated_error(u, F, divergence, alpha, np.sqrt(sigma))


@risk.mistake(
    "How large is α for VE, and how large is it here? Where did it go?",
    "You left out α. F is compared with u/α, the noise is N σ²/α², the divergence has 2σ²/α.",
)
def gain_left_out(u, F, divergence, alpha, sigma):
    return estimated_error(u, F, divergence, alpha / alpha, sigma)


@risk.mistake(
    "How many pixels has an image of 4 rows and 3 columns?",
    "len(u) is the number of rows. N is the number of all pixels, u.size (of a tensor: u.numel()).",
)
def rows_for_pixels(u, F, *rest):
    misfit, noise, spread = _parts(u, F, *rest)
    return misfit - noise / u.size * len(u) + spread


@risk.mistake(
    "Look at the powers of σ: what has an estimate of a square to contain?",
    "The divergence has the factor 2σ²/α. You have 2σ/α: the other σ comes from the integration by "
    "parts.",
)
def one_sigma_missing(u, F, divergence, alpha, sigma):
    misfit, noise, spread = _parts(u, F, divergence, alpha, sigma)
    return misfit - noise + spread / sigma


@risk.mistake(
    "How many factors 1/α come with each σ²?",
    "The divergence has the factor 2σ²/α, with one α: F has none.",
)
def gain_squared_at_the_divergence(u, F, divergence, alpha, sigma):
    misfit, noise, spread = _parts(u, F, divergence, alpha, sigma)
    return misfit - noise + spread / alpha


@risk.mistake(
    "What is the noise level of u/α?",
    "The noise of u/α has the variance σ²/α². You subtracted N σ².",
)
def noise_without_gain(u, F, divergence, alpha, sigma):
    misfit, noise, spread = _parts(u, F, divergence, alpha, sigma)
    return misfit - noise * alpha**2 + spread


expected = Exercise(
    "09-4",
    asks="the mean square error that Wiener's filter should have",
    inputs=[
        (np.array([1.0]), 0.5),
        (np.array([2.0, 0.1]), 0.4),
        (np.array([0.0, 0.03, 0.5, 4.0, 9.0]), 0.2),
    ],
)


@expected.reference
def expected_error(c, sigma):
    """Signal that the filter loses, and noise that it lets through."""
    share = c / (c + sigma**2)
    return np.mean((1 - share) ** 2 * c + share**2 * sigma**2)


@expected.mistake(
    "Is the error of a pixel asked for, or that of the whole image?",
    "You added up the modes. The mean square error of a pixel is the mean over the modes.",
)
def summed(c, sigma):
    return expected_error(c, sigma) * len(c)


@expected.mistake(
    "Is the noise level in your formula squared?",
    "You took σ for σ². A mode has the error c σ²/(c + σ²).",
)
def noise_level_for_variance(c, sigma):
    return expected_error(c, np.sqrt(sigma))


@expected.mistake(
    "Is c a variance, or a standard deviation?",
    "You squared c. It is the variance of a mode already.",
)
def variance_squared(c, sigma):
    return expected_error(c**2, sigma)


@expected.mistake(
    "A mode without any variance, c = 0: what does the filter do, and what is its error?",
    "You returned σ²-free shares c/(c + σ²), what passes. The error of a mode is σ² times that.",
)
def share_that_passes(c, sigma):
    return np.mean(c / (c + sigma**2))


@expected.mistake(
    "What does the filter do to the picture itself, beside the noise?",
    "This is only the noise that passes. The filter loses signal too: in all c σ²/(c + σ²).",
)
def noise_that_passes(c, sigma):
    return np.mean((c / (c + sigma**2)) ** 2 * sigma**2)


@expected.mistake(
    "Does your filter let noise pass?",
    "This is only the signal that is lost. Some noise passes as well: in all c σ²/(c + σ²).",
)
def signal_that_is_lost(c, sigma):
    return np.mean((sigma**2 / (c + sigma**2)) ** 2 * c)


@expected.mistake(
    "Is your result small if the noise is small?",
    "c²/(c + σ²) is the variance of the guess. What is missing from c is the error.",
)
def variance_of_the_guess(c, sigma):
    return np.mean(c**2 / (c + sigma**2))


@expected.mistake(
    "Do you filter each mode by its own variance?",
    "You took the mean of c first, so this is the error for white data. Take the mean of the "
    "errors.",
)
def mean_spectrum(c, sigma):
    return expected_error(np.full(len(c), c.mean()), sigma)


@expected.mistake(
    "Is a mean square asked for, or its root?",
    "You took the root. The mean of the squares is asked for.",
)
def root_of_the_mean(c, sigma):
    return np.sqrt(expected_error(c, sigma))


@expected.mistake(
    "A mode without any variance, c = 0: can its error be large?",
    "You returned the shares σ²/(c + σ²) that are filtered away. The error of a mode is c times "
    "that.",
)
def share_that_is_lost(c, sigma):
    return np.mean(sigma**2 / (c + sigma**2))


@expected.mistake(
    "Is the error asked for, or which part of the variance of the data it is?",
    "You divided by the sum of c. The mean over the modes is asked for.",
)
def part_of_the_variance(c, sigma):
    return (c * sigma**2 / (c + sigma**2)).sum() / c.sum()


_three = np.array([0.2, 0.5, 0.3]), np.array([-1.0, 0.4, 2.0]), np.array([0.5, 1.2, 0.3])

guide = Exercise(
    "09-5",
    asks="the score of a mixture with guidance towards kind j",
    inputs=[
        (0.3, 0, 1.0, np.array([0.3, 0.7]), np.array([-1.0, 1.0]), np.array([0.5, 0.5])),
        (-0.5, 1, 3.0, np.array([0.6, 0.4]), np.array([0.0, 0.5]), np.array([0.4, 2.0])),
        (1.1, 2, 0.0, *_three),
        (0.6, 0, 2.5, *_three),
        (-0.2, 2, 0.5, *_three),
    ],
)


@guide.reference
def guided_score(u, j, w, weights, means, variances):
    """Derivative of log p + w log r_j, by a step in the imaginary direction."""
    at = u + 1e-20j
    parts = weights / np.sqrt(variances) * np.exp(-0.5 * (at - means) ** 2 / variances)
    return ((1 - w) * np.log(parts.sum()) + w * np.log(parts[j])).imag * 1e20


def _kinds(u, weights, means, variances):
    """Responsibilities and scores of the kinds."""
    parts = weights / np.sqrt(variances) * np.exp(-0.5 * (u - means) ** 2 / variances)
    return parts / parts.sum(), (means - u) / variances


@guide.mistake(
    "Try w = 1. Whose score should come out?",
    "You took (1 + w) s_j − w s, which has the score of the kind at w = 0. Here w counts from the "
    "score of the mixture: s + w (s_j − s).",
)
def counted_from_the_kind(u, j, w, *mixture):
    return guided_score(u, j, w + 1, *mixture)


@guide.mistake(
    "Try w = 0. What should be left?",
    "You returned the guidance alone. It is added to the score of the mixture.",
)
def guidance_alone(u, j, w, *mixture):
    return guided_score(u, j, w, *mixture) - guided_score(u, j, 0, *mixture)


@guide.mistake(
    "Does a large w lead to states of kind j, or away from them?",
    "The sign of the guidance: it is + w (s_j − s).",
)
def led_away(u, j, w, *mixture):
    return guided_score(u, j, -w, *mixture)


@guide.mistake(
    "What has the gradient that guidance adds: the responsibility, or its logarithm?",
    "You took the gradient of r_j. It is that of log r_j: divide by r_j.",
)
def gradient_of_the_responsibility(u, j, w, *mixture):
    r, scores = _kinds(u, *mixture)
    return r @ scores + w * r[j] * (scores[j] - r @ scores)


@guide.mistake(
    "Who votes on the score of the mixture at u: do all states give the kinds the same say?",
    "You averaged the scores of the kinds with the weights. They are averaged with the "
    "responsibilities at u.",
)
def weights_for_responsibilities(u, j, w, weights, means, variances):
    scores = (means - u) / variances
    return (1 - w) * (weights @ scores) + w * scores[j]


@guide.mistake(
    "How high is the peak of a narrow Gaussian, and how high that of a wide one?",
    "Your densities lack the factor 1/√variance. It does not cancel, as the kinds differ in it.",
)
def densities_not_normalised(u, j, w, weights, means, variances):
    return guided_score(u, j, w, weights * np.sqrt(variances), means, variances)


@guide.mistake(
    "Which kinds are rare? Does your vote know it?",
    "Your responsibilities lack the weights of the kinds.",
)
def weights_forgotten(u, j, w, weights, means, variances):
    return guided_score(u, j, w, np.ones(len(weights)), means, variances)


@guide.mistake(
    "Are you given variances or standard deviations?",
    "You squared the variances, as if they were standard deviations.",
)
def variances_squared(u, j, w, weights, means, variances):
    return guided_score(u, j, w, weights, means, variances**2)


@guide.mistake(
    "Where are the likely states, and where does each of your scores point?",
    "The sign of the scores: that of a Gaussian is (mean − u)/variance.",
)
def scores_reversed(u, j, w, *mixture):
    return -guided_score(u, j, w, *mixture)


@guide.mistake(
    "Do all kinds take part in your score, as long as w is not 1?",
    "You returned w times the score of kind j, plus that of the mixture. Subtract the score of the "
    "mixture from that of the kind: s + w (s_j − s).",
)
def mixture_not_subtracted(u, j, w, *mixture):
    return guided_score(u, j, 0, *mixture) + w * _kinds(u, *mixture)[1][j]


@guide.mistake(
    "Does your score change with w, and does it know the other kinds?",
    "You returned the score of kind j. It is s + w (s_j − s) with the score s of the mixture.",
)
def kind_alone(u, j, _w, weights, means, variances):
    return _kinds(u, weights, means, variances)[1][j]


@guide.mistake(
    "Which score do you have for w = 0?",
    "You returned w times the score of kind j. It is s + w (s_j − s) with the score s of the "
    "mixture.",
)
def kind_times_w(u, j, w, *mixture):
    return w * _kinds(u, *mixture)[1][j]


@guide.mistake(
    "Try w = 0 and w = 1. Which should give the mixture, and which the kind?",
    "The shares are exchanged: the kind has the share w and the mixture 1 − w.",
)
def mixture_and_kind_exchanged(u, j, w, *mixture):
    return guided_score(u, j, 1 - w, *mixture)


@guide.mistake(
    "By what do you divide the distance from the mean?",
    "The score of a Gaussian is (mean − u)/variance. You divided by the standard deviation.",
)
def divided_by_deviation(u, j, w, weights, means, variances):
    r, scores = _kinds(u, weights, means, variances)
    scores = scores * np.sqrt(variances)
    return r @ scores + w * (scores[j] - r @ scores)


@guide.mistake(
    "Differentiate log r_j once more: which kinds occur in its denominator?",
    "You added w r_j s_j. The gradient of log r_j is s_j − s, with the score s of the mixture.",
)
def share_of_the_kind(u, j, w, *mixture):
    r, scores = _kinds(u, *mixture)
    return r @ scores + w * r[j] * scores[j]


@guide.mistake(
    "Try a mixture of two equal kinds. Whose score should come out?",
    "You added up the scores of all kinds. The score of the mixture is their mean, with the "
    "responsibilities as weights.",
)
def scores_added(u, j, w, *mixture):
    _, scores = _kinds(u, *mixture)
    return scores.sum() + w * (scores[j] - scores.sum())


@guide.mistake(
    "What stands in the exponent of a Gaussian, beside the square and the variance?",
    "The 2 is missing: the exponent is −(u − mean)² / (2 variance).",
)
def half_missing(u, j, w, weights, means, variances):
    parts = weights / np.sqrt(variances) * np.exp(-((u - means) ** 2) / variances)
    scores = (means - u) / variances
    s = parts @ scores / parts.sum()
    return s + w * (scores[j] - s)


soft = Exercise(
    "09-6",
    asks="the denoiser of a memory whose images are blurred by noise of level rho",
    inputs=[
        (np.array([0.2]), np.array([[-1.0], [1.0]]), 0.5, 0.8),
        (np.array([0.3, -0.4]), np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.5]]), 0.9, 0.6),
        (_rng.normal(0, 1, 4), _rng.normal(0, 0.7, (5, 4)), 0.4, 1.0),
    ],
)


@soft.reference
def soft_memory(u, stored, rho, sigma):
    """A filter for each kind, under a vote."""
    total = rho**2 + sigma**2
    filtered = stored + rho**2 / total * (u - stored)
    fit = -((u - stored) ** 2).sum(1) / (2 * total)
    return np.exp(fit) / np.exp(fit).sum() @ filtered


def _soft(u, stored, share, total):
    """share: of u in the result; total: variance in the weights."""
    fit = np.exp(-((u - stored) ** 2).sum(1) / (2 * total))
    return share * u + (1 - share) * fit @ stored / fit.sum()


@soft.mistake(
    "How far do states of kind i spread around the image u_i?",
    "Your weights are those at the noise level σ. The kinds are blurred already: their states have "
    "the variance ρ² + σ².",
)
def weights_of_the_memory(u, stored, rho, sigma):
    return _soft(u, stored, rho**2 / (rho**2 + sigma**2), sigma**2)


@soft.mistake(
    "What does the sum of two independent noises have: the sum of the levels, or of the variances?",
    "Your weights are those at the level ρ + σ. Variances add up: the level is √(ρ² + σ²).",
)
def levels_added(u, stored, rho, sigma):
    return _soft(u, stored, rho**2 / (rho**2 + sigma**2), (rho + sigma) ** 2)


@soft.mistake(
    "With hardly any noise: should the denoiser trust the state, or what is stored?",
    "The two shares are exchanged: u has the share ρ²/(ρ² + σ²).",
)
def shares_exchanged(u, stored, rho, sigma):
    return _soft(u, stored, sigma**2 / (rho**2 + sigma**2), rho**2 + sigma**2)


@soft.mistake(
    "With hardly any noise: can the clean image lie between the stored ones?",
    "This is the memory at the level √(ρ² + σ²). It has only the share σ²/(ρ² + σ²), u the other.",
)
def only_the_memory(u, stored, rho, sigma):
    return _soft(u, stored, 0.0, rho**2 + sigma**2)


@soft.mistake(
    "What stands in the exponent of a Gaussian beside the squared distance?",
    "The 2 is missing: the exponent is −|u − u_i|² / (2 (ρ² + σ²)).",
)
def half_forgotten(u, stored, rho, sigma):
    total = rho**2 + sigma**2
    return _soft(u, stored, rho**2 / total, total / 2)


@soft.mistake(
    "Is your exponent divided by a variance or by a standard deviation?",
    "You divided by √(ρ² + σ²). In the exponent stands the variance ρ² + σ².",
)
def level_in_the_exponent(u, stored, rho, sigma):
    total = rho**2 + sigma**2
    return _soft(u, stored, rho**2 / total, np.sqrt(total))


@soft.mistake(
    "Is the share of the state a quotient of levels, or of variances?",
    "Your shares are ρ/(ρ + σ) and σ/(ρ + σ). They are quotients of variances: ρ²/(ρ² + σ²).",
)
def shares_of_levels(u, stored, rho, sigma):
    return _soft(u, stored, rho / (rho + sigma), rho**2 + sigma**2)


@soft.mistake(
    "Do you ask one image, or all of them?",
    "You took the nearest image alone. The denoiser is a mean over all, with the weights.",
)
def nearest_alone(u, stored, rho, sigma):
    return _soft(u, stored, rho**2 / (rho**2 + sigma**2), 1e-3)


@soft.mistake(
    "Does every image have the same weight, however far it is from the state?",
    "You took the mean of all images. The weights fall with the distance from u.",
)
def mean_of_all(u, stored, rho, sigma):
    return _soft(u, stored, rho**2 / (rho**2 + sigma**2), 1e9)


@soft.mistake(
    "Is the squared distance in the exponent that of whole images?",
    "Your exponent has the distance |u − u_i|, not its square.",
)
def distance_not_squared(u, stored, rho, sigma):
    share = rho**2 / (rho**2 + sigma**2)
    fit = np.exp(-np.sqrt(((u - stored) ** 2).sum(1)) / (2 * (rho**2 + sigma**2)))
    return share * u + (1 - share) * fit @ stored / fit.sum()


@soft.mistake(
    "Does ρ play a part in what you return?",
    "This is the memory at the level σ, without ρ. Blur spreads the kinds, and a part of the state "
    "is kept.",
)
def sharp_memory(u, stored, rho, sigma):
    return _soft(u, stored, 0.0 * rho, sigma**2)


@soft.mistake("Do your weights add up to 1?", "Divide the exponentials by their sum.")
def weights_not_normalised(u, stored, rho, sigma):
    total = rho**2 + sigma**2
    fit = np.exp(-((u - stored) ** 2).sum(1) / (2 * total))
    return (sigma**2 * fit @ stored + rho**2 * u) / total


@soft.mistake(
    "Does every pixel bear witness on its own, or do you average their votes?",
    "You took the mean of the squares over the pixels. In the exponent stands their sum.",
)
def mean_in_the_exponent(u, stored, rho, sigma):
    total = rho**2 + sigma**2
    return _soft(u, stored, rho**2 / total, total * len(u))


@soft.mistake(
    "How far do states of kind i spread around the image u_i, if there is a lot of noise?",
    "Your weights are those at the level ρ. The noise spreads the states too: ρ² + σ².",
)
def weights_of_the_blur(u, stored, rho, sigma):
    return _soft(u, stored, rho**2 / (rho**2 + sigma**2), rho**2)


collapse = Exercise(
    "09-7",
    asks="the time at which a memory of n images of N pixels becomes certain",
    inputs=[(1.0, 100, 4), (0.4, 1000, 20), (2.5, 50, 3), (1.0, 20_000, 60)],
)


@collapse.reference
def collapse_time(c, n, N):
    """With x = n to the power −2/N, so that SNR = (1 − x) / (c x)."""
    x = n ** (-2 / N)
    return 0.5 * np.log((1 - x + c * x) / (1 - x))


def _time(snr):
    return 0.5 * np.log1p(1 / snr)


@collapse.mistake(
    "The information has a factor in front of its sum. Have you kept it?",
    "N/2 · log(1 + c SNR) = log n, so 1 + c SNR is n to the power 2/N. You have 1/N.",
)
def half_of_the_information(c, n, N):
    return _time((n ** (1 / N) - 1) / c)


@collapse.mistake(
    "How does the gain of this process depend on t: which power of e is α²?",
    "SNR = 1/(e^(2t) − 1), so t is half of log(1 + 1/SNR). The half is missing.",
)
def half_of_the_time(c, n, N):
    return 2 * collapse_time(c, n, N)


@collapse.mistake(
    "For which SNR is log(1 + c SNR) zero, and is yours zero for n = 1?",
    "You forgot the 1 in log(1 + c SNR): SNR = (n^(2/N) − 1)/c.",
)
def one_forgotten(c, n, N):
    return _time(n ** (2 / N) / c)


@collapse.mistake(
    "Images with more variance are farther apart. Does the memory decide earlier on its way back?",
    "c is at the wrong place: SNR = (n^(2/N) − 1)/c, and t = ½ log(1 + c/(n^(2/N) − 1)).",
)
def variance_at_the_wrong_place(c, n, N):
    return _time((n ** (2 / N) - 1) * c)


@collapse.mistake(
    "Does the variance of the images play a part in your time?",
    "You took c = 1. In general t = ½ log(1 + c/(n^(2/N) − 1)).",
)
def unit_variance(c, n, N):
    return collapse_time(1.0 + 0 * c, n, N)


@collapse.mistake(
    "Is the SNR of this process e^(−2t)? Look at its noise level.",
    "σ² = 1 − e^(−2t) is not 1: SNR = e^(−2t)/(1 − e^(−2t)) = 1/(e^(2t) − 1).",
)
def noise_of_level_one(c, n, N):
    return -0.5 * np.log((n ** (2 / N) - 1) / c)


@collapse.mistake(
    "What are you asked for: a time, or a signal-to-noise ratio?",
    "You returned the SNR. Solve SNR = 1/(e^(2t) − 1) for t.",
)
def ratio_for_time(c, n, N):
    return (n ** (2 / N) - 1) / c


@collapse.mistake(
    "Is the larger SNR at the earlier or at the later time?",
    "You solved e^(2t) − 1 = SNR. It is 1/(e^(2t) − 1) = SNR: the inverse is missing.",
)
def ratio_upside_down(c, n, N):
    return _time(c / (n ** (2 / N) - 1))


@collapse.mistake(
    "How does the sum over N modes enter, and is it a sum or a single mode?",
    "You set ½ log(1 + c SNR) = log n, as if there were one pixel. There are N of them.",
)
def one_mode(c, n, N):
    return _time((n**2.0 - 1 + 0 * N) / c)


@collapse.mistake(
    "Is your time too large by the same factor for all inputs? In which unit is information?",
    "You took logarithms to the base 2. Time comes from α = e^(−t), so the logarithm is natural.",
)
def in_bits(c, n, N):
    return collapse_time(c, n, N) / np.log(2)


@collapse.mistake(
    "Does your time agree with the definition SNR = α²/σ²? Are there two halves in your formula?",
    "You took the half twice: t = ½ log(1 + c/(n^(2/N) − 1)).",
)
def half_twice(c, n, N):
    return collapse_time(c, n, N) / 2


@collapse.mistake(
    "There are two halves on the way, in the information and in the time. Have you used them?",
    "Both are missing: log(1 + c SNR) = 2 log(n)/N, and t is half of log(1 + 1/SNR).",
)
def no_halves(c, n, N):
    return 2 * half_of_the_information(c, n, N)


@collapse.mistake(
    "Is the exponent of n small for large images?",
    "You have n to the power N/2. From N/2 · log(1 + c SNR) = log n follows n^(2/N).",
)
def exponent_upside_down(c, n, N):
    return _time(np.expm1(np.log(n) * N / 2) / c)
