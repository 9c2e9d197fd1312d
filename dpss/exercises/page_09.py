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
    "Shift all grey values by 1. Is your mean shifted by 1 as well?",
    "The end pulls by its distance from the start: u_0 + (x/y)(u_t − u_0). You added (x/y) u_t.",
)
def start_not_subtracted(u0, ut, x, y):
    return u0 + x / y * ut, bridge(u0, ut, x, y)[1]


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
    "Let x tend to y. What should become of the variance, and what becomes of yours?",
    "x (1 − x) is right if the end is at clock 1. It is at y: the variance is x (y − x) / y.",
)
def end_at_clock_one(u0, ut, x, y):
    return bridge(u0, ut, x, y)[0], x * (1 - x)


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


@coin.mistake(
    "What is in the exponents of Bayes' rule: a noise level, or a variance?",
    "You divided u by σ. The squares in the exponents are divided by 2σ², so D = tanh(u/σ²).",
)
def divided_by_level(u, sigma):
    D = np.tanh(u / sigma)
    return D, (D - u) / sigma**2, 1 - D**2


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
    "How many pixels has an image of 4 rows and 3 columns?",
    "len(u) is the number of rows. N is the number of all pixels, u.size (of a tensor: u.numel()).",
)
def rows_for_pixels(u, *rest):
    misfit, noise, spread = _parts(u, *rest)
    return misfit - noise / u.size * len(u) + spread


@risk.mistake(
    "How many pixels are noisy? Compare the terms for one pixel and for many.",
    "The second term is N σ²/α². You forgot the number N of pixels.",
)
def one_pixel_of_noise(u, *rest):
    misfit, noise, spread = _parts(u, *rest)
    return misfit - noise / u.size + spread


@risk.mistake(
    "Is the sum of squared errors asked for, or their mean?",
    "You divided by the number of pixels. The sum over all pixels is asked for.",
)
def mean_for_sum(u, *rest):
    return estimated_error(u, *rest) / u.size


@risk.mistake(
    "You took a mean over pixels somewhere, and a sum elsewhere. Which term is which?",
    "You took the mean of the squares (F − u/α)². The other terms are sums over all pixels.",
)
def mean_of_the_misfit(u, *rest):
    misfit, noise, spread = _parts(u, *rest)
    return misfit / u.size - noise + spread


@risk.mistake(
    "Double all grey values and the noise level. By which factor does each of your terms grow?",
    "You took the distance |F − u/α|, not its square: a norm is the root of a sum of squares.",
)
def distance_not_squared(u, *rest):
    misfit, noise, spread = _parts(u, *rest)
    return np.sqrt(misfit) - noise + spread


@risk.mistake(
    "With which image do you compare F: is the state an estimate of the start?",
    "F is compared with u/α. You took u itself.",
)
def state_without_gain(u, F, divergence, alpha, sigma):
    _, noise, spread = _parts(u, F, divergence, alpha, sigma)
    return ((F - u) ** 2).sum() - noise + spread


@risk.mistake(
    "How many factors 1/α come with each σ²?",
    "The divergence has the factor 2σ²/α, with one α: F has none.",
)
def gain_squared_at_the_divergence(u, F, divergence, alpha, sigma):
    return estimated_error(u, F, divergence / alpha, alpha, sigma)


@risk.mistake(
    "Is div F one number for each pixel, or one for the image?",
    "You multiplied the divergence by N. It is a sum over all pixels already.",
)
def divergence_times_pixels(u, F, divergence, alpha, sigma):
    return estimated_error(u, F, divergence * u.size, alpha, sigma)


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
    "How many modes are there, in the tiles and in your test?",
    "You divided by 1024. Divide by the number of modes that you are given, len(c).",
)
def of_1024_modes(c, sigma):
    return expected_error(c, sigma) * len(c) / 1024


@expected.mistake(
    "Do you filter each mode by its own variance?",
    "You took the mean of c first, so this is the error for white data. Take the mean of the "
    "errors.",
)
def mean_spectrum(c, sigma):
    return expected_error(np.full(len(c), c.mean()), sigma)


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
    "Give both the picture and the noise ten times the contrast. Does your result grow?",
    "You returned the mean of the shares c/(c + σ²) that pass. The error of a mode is σ² times "
    "its share.",
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
    "Is a mean square asked for, or its root?",
    "You took the root. The mean of the squares is asked for.",
)
def root_of_the_mean(c, sigma):
    return np.sqrt(expected_error(c, sigma))


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
    """Densities of the kinds, times their weights, and scores."""
    densities = np.exp(-0.5 * (u - means) ** 2 / variances) / np.sqrt(2 * np.pi * variances)
    return weights * densities, (means - u) / variances


@guide.mistake(
    "Try w = 1. Whose score should come out?",
    "You took (1 + w) s_j − w s, which has the score of the kind at w = 0. Here w counts from the "
    "score of the mixture: s + w (s_j − s).",
)
def counted_from_the_kind(u, j, w, *mixture):
    return guided_score(u, j, w + 1, *mixture)


@guide.mistake(
    "What has the gradient that guidance adds: the responsibility, or its logarithm?",
    "You took the gradient of r_j. It is that of log r_j: divide by r_j.",
)
def gradient_of_the_responsibility(u, j, w, *mixture):
    parts, _ = _kinds(u, *mixture)
    return guided_score(u, j, w * parts[j] / parts.sum(), *mixture)


@guide.mistake(
    "Try a large w. Do all other kinds still take part in what w multiplies?",
    "You added w times the score of kind j. The gradient of log r_j is s_j − s: subtract the "
    "score s of the mixture.",
)
def mixture_not_subtracted(u, j, w, *mixture):
    return guided_score(u, j, 0, *mixture) + w * _kinds(u, *mixture)[1][j]


@guide.mistake(
    "Who votes on the score of the mixture at u: do all states give the kinds the same say?",
    "You averaged the scores of the kinds with the weights. They are averaged with the "
    "responsibilities at u.",
)
def weights_for_responsibilities(u, j, w, weights, means, variances):
    scores = (means - u) / variances
    return (1 - w) * (weights @ scores) + w * scores[j]


@guide.mistake(
    "Try a mixture of two equal kinds. Whose score should come out for w = 0?",
    "Your responsibilities do not add up to 1: divide the densities, times their weights, by "
    "their sum.",
)
def votes_not_normalised(u, j, w, *mixture):
    parts, scores = _kinds(u, *mixture)
    return (1 - w) * (parts @ scores) + w * scores[j]


@guide.mistake(
    "Which kinds are rare? Does your vote know it?",
    "Your responsibilities lack the weights of the kinds.",
)
def weights_forgotten(u, j, w, weights, means, variances):
    return guided_score(u, j, w, np.ones(len(weights)), means, variances)


@guide.mistake(
    "How high is the peak of a narrow Gaussian, and how high that of a wide one?",
    "Your densities lack the factor 1/√variance. It does not cancel, as the kinds differ in it.",
)
def densities_not_normalised(u, j, w, weights, means, variances):
    return guided_score(u, j, w, weights * np.sqrt(variances), means, variances)


@guide.mistake(
    "Are you given variances or standard deviations?",
    "You squared the variances, as if they were standard deviations.",
)
def variances_squared(u, j, w, weights, means, variances):
    return guided_score(u, j, w, weights, means, variances**2)


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


def _soft(u, stored, rho, sigma, power=None, exponent=None):
    """`power` for the variance in the weights, or another exponent."""
    total = rho**2 + sigma**2
    if exponent is None:
        exponent = -((u - stored) ** 2).sum(1, keepdims=True) / (2 * (power or total))
    votes = np.exp(exponent) / np.exp(exponent).sum(0)
    return (rho**2 * u + sigma**2 * (votes * stored).sum(0)) / total


@soft.mistake(
    "How far do states of kind i spread around the image u_i?",
    "Your weights are those at the noise level σ. The kinds are blurred already: their states have "
    "the variance ρ² + σ².",
)
def weights_of_the_memory(u, stored, rho, sigma):
    return _soft(u, stored, rho, sigma, sigma**2)


@soft.mistake(
    "What does the sum of two independent noises have: the sum of the levels, or of the variances?",
    "Your weights are those at the level ρ + σ. Variances add up: the level is √(ρ² + σ²).",
)
def levels_added(u, stored, rho, sigma):
    return _soft(u, stored, rho, sigma, (rho + sigma) ** 2)


@soft.mistake(
    "What stands in the exponent of a Gaussian beside the squared distance?",
    "The 2 is missing: the exponent is −|u − u_i|² / (2 (ρ² + σ²)).",
)
def half_forgotten(u, stored, rho, sigma):
    return _soft(u, stored, rho, sigma, (rho**2 + sigma**2) / 2)


@soft.mistake(
    "Does every pixel bear witness on its own, or do you average their votes?",
    "You took the mean of the squares over the pixels. In the exponent stands their sum.",
)
def mean_in_the_exponent(u, stored, rho, sigma):
    return _soft(u, stored, rho, sigma, (rho**2 + sigma**2) * len(u))


@soft.mistake(
    "Is the squared distance in the exponent that of whole images?",
    "Your exponent has the distance |u − u_i|, not its square.",
)
def root_in_the_exponent(u, stored, rho, sigma):
    distance = np.sqrt(((u - stored) ** 2).sum(1, keepdims=True))
    return _soft(u, stored, rho, sigma, exponent=-distance / (2 * (rho**2 + sigma**2)))


@soft.mistake(
    "How many weights has an image in your function: one, or one for each pixel?",
    "You weigh each pixel by itself. Sum the squares over the pixels, then take exp.",
)
def pixel_by_pixel(u, stored, rho, sigma):
    exponent = -((u - stored) ** 2) / (2 * (rho**2 + sigma**2))
    return _soft(u, stored, rho, sigma, exponent=exponent)


@soft.mistake(
    "With hardly any noise: should the denoiser trust the state, or what is stored?",
    "The two shares are exchanged: u has the share ρ²/(ρ² + σ²).",
)
def shares_exchanged(u, stored, rho, sigma):
    return _soft(u, stored, sigma, rho)


@soft.mistake(
    "With hardly any noise: can the clean image lie between the stored ones?",
    "This is the memory at the level √(ρ² + σ²). It has only the share σ²/(ρ² + σ²), u the other.",
)
def only_the_memory(u, stored, rho, sigma):
    return _soft(u, stored, 0.0, np.sqrt(rho**2 + sigma**2))


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
    "Put the SNR of your time into the bound of part 2. Is it zero?",
    "You took 2 log(n)/N for n^(2/N) − 1. That is an approximation for large N.",
)
def first_order(c, n, N):
    return _time(2 * np.log(n) / N / c)


@collapse.mistake(
    "Images with more variance are farther apart. Does the memory decide earlier on its way back?",
    "c is at the wrong place: SNR = (n^(2/N) − 1)/c, and t = ½ log(1 + c/(n^(2/N) − 1)).",
)
def variance_at_the_wrong_place(c, n, N):
    return _time((n ** (2 / N) - 1) * c)


@collapse.mistake(
    "Is the SNR of this process e^(−2t)? Look at its noise level.",
    "σ² = 1 − e^(−2t) is not 1: SNR = e^(−2t)/(1 − e^(−2t)) = 1/(e^(2t) − 1).",
)
def noise_of_level_one(c, n, N):
    return -0.5 * np.log((n ** (2 / N) - 1) / c)


@collapse.mistake(
    "Is the larger SNR at the earlier or at the later time?",
    "You solved e^(2t) − 1 = SNR. It is 1/(e^(2t) − 1) = SNR: the inverse is missing.",
)
def ratio_upside_down(c, n, N):
    return _time(c / (n ** (2 / N) - 1))


@collapse.mistake(
    "What are you asked for: a time, or a signal-to-noise ratio?",
    "You returned the SNR. Solve SNR = 1/(e^(2t) − 1) for t.",
)
def ratio_for_time(c, n, N):
    return (n ** (2 / N) - 1) / c
