"""Exercises by code of page Variance exploding."""

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(6)

steps = Exercise(
    "06-1",
    asks="the variances σ²_{t|s} of the steps between neighbouring times",
    inputs=[
        (np.array([1.0, 0.5]), np.array([0.4, 0.6])),
        (np.array([1.0, 0.8, 0.9]), np.array([0.0, 0.6, 0.5])),
        (_rng.uniform(0.4, 1.6, 7), _rng.uniform(0.1, 1, 7)),
    ],
)


@steps.reference
def step_variances(alpha, sigma):
    """By the rise of 1 / SNR, as in the proof of E1."""
    inverse = (sigma / alpha) ** 2
    return alpha[1:] ** 2 * np.diff(inverse)


@steps.mistake(
    "How does the variance of a state change if the state is multiplied by a gain?",
    "You multiplied σ_s² by α_{t|s}. A variance is multiplied by the square of the gain.",
)
def gain_not_squared(alpha, sigma):
    return sigma[1:] ** 2 - alpha[1:] / alpha[:-1] * sigma[:-1] ** 2


@steps.mistake(
    "What becomes of the noise at time s when the picture fades?",
    "σ_t² − σ_s² is right for the gain 1 only. The noise at s fades too: subtract α_{t|s}² σ_s².",
)
def gain_forgotten(alpha, sigma):
    return np.diff(sigma**2)


@steps.mistake(
    "What adds up for independent noises: standard deviations or variances?",
    "You subtracted noise levels. Square them first: σ_t² − α_{t|s}² σ_s².",
)
def levels_for_variances(alpha, sigma):
    return sigma[1:] - alpha[1:] / alpha[:-1] * sigma[:-1]


@steps.mistake(
    "By which factor does the signal change from s to t?",
    "You divided α_s by α_t. The gain of the step is α_{t|s} = α_t / α_s.",
)
def gain_inverted(alpha, sigma):
    return sigma[1:] ** 2 - (alpha[:-1] / alpha[1:] * sigma[:-1]) ** 2


@steps.mistake(
    "Let s and t be close together. How much does the picture fade in between?",
    "You took the gain α_t, from time 0 to t. The gain of the step is α_{t|s} = α_t / α_s.",
)
def gain_since_the_start(alpha, sigma):
    return sigma[1:] ** 2 - (alpha[1:] * sigma[:-1]) ** 2


@steps.mistake(
    "Does your result depend on sigma?",
    "1 − α_{t|s}² is the variance of a step of VP. Here α and σ are not tied together.",
)
def of_variance_preserving(alpha, sigma):
    return 1 - (alpha[1:] / alpha[:-1]) ** 2


@steps.mistake(
    "Is this the variance of a step of U, or of U divided by its gain?",
    "You returned the rise of 1/SNR. Multiply it by α_t².",
)
def rise_of_the_inverse_ratio(alpha, sigma):
    return np.diff((sigma / alpha) ** 2)


@steps.mistake(
    "Which sign has your result if the noise fades and the picture does not?",
    "You replaced negative numbers. Leave them: they tell that no such process exists.",
)
def cut_off_at_zero(alpha, sigma):
    return np.maximum(step_variances(alpha, sigma), 0)


share = Exercise(
    "06-2",
    asks="the share of the final variance of VE that m Euler–Maruyama steps reach",
    inputs=[(1, 3.0), (2, 10.0), (7, 40.0), (10, 5000.0)],
)


@share.reference
def euler_share(m, r):
    """The sum is a geometric series."""
    x = 2 * np.log(r) / m
    return x / np.expm1(x)


def _sum(r, h, times):
    return h * np.sum(2 * np.log(r) * r ** (2 * times)) / (r**2 - 1)


@share.mistake(
    "Is your share above 1? At which times do you take g²?",
    "You took g² at the end of each step. The scheme takes it at the beginning.",
)
def at_the_end_of_steps(m, r):
    return _sum(r, 1 / m, np.arange(1, m + 1) / m)


@share.mistake(
    "How many steps do you take if m = 1?",
    "You took m + 1 steps: one begins at t = 1, where the process ends.",
)
def one_step_too_many(m, r):
    return _sum(r, 1 / m, np.arange(m + 1) / m)


@share.mistake(
    "At which time does your last step begin, and how long is it?",
    "Your m times reach from 0 to 1. The last step begins at 1 − h: the times are i/m, i < m.",
)
def times_up_to_one(m, r):
    return _sum(r, 1 / m, np.linspace(0, 1, m))


@share.mistake(
    "What is the derivative of r^(2t)? Try r = e.",
    "A factor 2 is missing: g² = (σ²)′ = 2 σ_min² r^(2t) log r.",
)
def derivative_without_two(m, r):
    return euler_share(m, r) / 2


@share.mistake(
    "What is the derivative of r^(2t)? Try a large r.",
    "The factor log r is missing: g² = (σ²)′ = 2 σ_min² r^(2t) log r.",
)
def derivative_without_logarithm(m, r):
    return euler_share(m, r) / np.log(r)


@share.mistake(
    "By what do you divide? What is σ_1?",
    "You divided by σ_max². At t = 1 the variance is σ_max² − σ_min².",
)
def share_of_largest_level(m, r):
    return euler_share(m, r) * (1 - r**-2)


@share.mistake(
    "Twice as many steps: does your share double?",
    "The length of the steps is missing: a step adds h g², with h = 1/m.",
)
def without_step_length(m, r):
    return m * euler_share(m, r)


@share.mistake(
    "Does your result depend on r?",
    "This is the share for the usual σ_max / σ_min = 5000. Compute g² with r.",
)
def for_the_usual_levels(m, _r):
    return euler_share(m, 5000.0)


rate = Exercise(
    "06-3",
    asks="the derivative of the entropy of Gaussian pixels with given variances at the start",
    inputs=[
        (np.array([0.5]), 0.8, 0.6, -0.7, 1.9),
        (np.array([0.2, 3.0]), 1.0, 0.5, 0.0, 1.3),
        (_rng.uniform(0.1, 2, 5), 0.6, 0.7, -1.5, 2.2),
    ],
)


@rate.reference
def entropy_rate(c, alpha, sigma, f, g2):
    """Of ½ Σ log v, where each v solves v′ = 2 f v + g²."""
    v = alpha**2 * c + sigma**2
    return np.sum((2 * f * v + g2) / (2 * v))


@rate.mistake(
    "If all pixels fade by one factor, what does each of them add to the change of the entropy?",
    "The first term is N f, and N is the number of pixels. You have f.",
)
def drift_of_one_pixel(c, alpha, sigma, f, g2):
    return f + entropy_rate(c, alpha, sigma, 0.0, g2)


@rate.mistake(
    "Leave out the noise. What does fading do to the entropy?", "The drift is missing: add N f."
)
def without_drift(c, alpha, sigma, _f, g2):
    return entropy_rate(c, alpha, sigma, 0.0, g2)


@rate.mistake(
    "Is J large for a wide law or for a narrow one?",
    "You added up variances. The Fisher information of a Gaussian pixel is one over its variance.",
)
def variance_for_its_inverse(c, alpha, sigma, f, g2):
    return len(c) * f + 0.5 * g2 * np.sum(alpha**2 * c + sigma**2)


@rate.mistake(
    "At which time do you take the law of the pixels?",
    "You took J of the start, Σ 1/c_k. At time t the variances are α_t² c_k + σ_t².",
)
def of_the_start(c, alpha, sigma, f, g2):
    return entropy_rate(c, 1.0, 0.0, f, g2)


@rate.mistake(
    "Is a pixel at time t known but for the noise, or was its start drawn, too?",
    "You took the variance σ_t² of the noise alone. The pixels have α_t² c_k + σ_t².",
)
def of_the_noise_alone(c, alpha, sigma, f, g2):
    return entropy_rate(np.zeros(len(c)), alpha, sigma, f, g2)


@rate.mistake(
    "What does a gain do to a variance?",
    "The variance at time t is α_t² c_k + σ_t²: you have not squared the gain.",
)
def gain_not_squared_in_variance(c, alpha, sigma, f, g2):
    return entropy_rate(c, np.sqrt(alpha), sigma, f, g2)


@rate.mistake(
    "What is J of a pixel whose grey values hardly vary? Does one such pixel show in your result?",
    "You took the mean of the variances first. J is a sum over pixels of one over the variance.",
)
def of_the_mean_variance(c, alpha, sigma, f, g2):
    return len(c) * entropy_rate(np.mean(c), alpha, sigma, f, g2)


@rate.mistake(
    "Take the same pixel twice. What becomes of the entropy?",
    "You took the mean over the pixels. The entropies of independent pixels add up.",
)
def mean_over_pixels(c, alpha, sigma, f, g2):
    return entropy_rate(c, alpha, sigma, f, g2) / len(c)


score = Exercise(
    "06-4",
    asks="the score, from the velocity of the probability flow at u",
    inputs=[
        (0.4, 0.7, 0.8, 0.6, -0.9, 1.2),
        (-1.3, 0.5, 1.0, 2.0, 0.0, 0.7),
        (np.array([0.3, -0.8, 1.1]), np.array([1.5, 0.2, -0.4]), 0.3, 0.7, -1.0, 1.0),
    ],
)


@score.reference
def score_from_velocity(w, u, alpha, sigma, alpha_rate, sigma_rate):
    """By the guesses of start and noise that w and u are made of."""
    system = np.array([[alpha, sigma], [alpha_rate, sigma_rate]])
    noise = np.tensordot(np.linalg.inv(system)[1], np.array([u, w]), 1)
    return -noise / sigma


@score.mistake(
    "Which factor stands in front of Δp in the equation?",
    "You have half of the score: w = f u − ½ g² ∇log p. With the whole g² it would be the drift of "
    "another equation, with noise.",
)
def whole_noise_in_velocity(w, u, *levels):
    return score_from_velocity(w, u, *levels) / 2


@score.mistake(
    "Without drift, does w point to where the density is larger or to where it is smaller?",
    "The sign of your score is wrong. Diffusion flows downhill: w = f u − ½ g² ∇log p.",
)
def uphill(w, u, *levels):
    return -score_from_velocity(w, u, *levels)


@score.mistake(
    "Is g² the derivative of σ² for a process that fades?",
    "g² = (σ²)′ − 2 f σ². You left out the second term, for the noise that fades.",
)
def noise_does_not_fade(w, u, alpha, sigma, alpha_rate, sigma_rate):
    return (alpha_rate / alpha * u - w) / (sigma * sigma_rate)


@score.mistake(
    "Is f the derivative of α, or of something else?",
    "f = α′/α is the derivative of log α. You took α′.",
)
def drift_not_divided(w, u, alpha, sigma, alpha_rate, sigma_rate):
    return score_from_velocity(w, u, 1.0, sigma, alpha_rate, sigma_rate)


@score.mistake(
    "The picture fades. Does that show in the velocity?",
    "You left out the drift: f u is a part of the velocity. Take it away first.",
)
def without_drift_in_velocity(w, u, *levels):
    return score_from_velocity(w, 0 * u, *levels)


@score.mistake("What is the derivative of σ²?", "A factor 2 is missing: (σ²)′ = 2 σ σ′.")
def square_without_two(w, u, alpha, sigma, alpha_rate, sigma_rate):
    f = alpha_rate / alpha
    return 2 * (f * u - w) / (sigma * sigma_rate - 2 * f * sigma**2)


@score.mistake(
    "Does your score depend on the rates of gain and noise level? Should it?",
    "This is the score for α = 1 − t and σ = t only. For others, take f = α′/α and g² with the "
    "rates that you are given.",
)
def of_flow_matching(w, u, _alpha, sigma, _alpha_rate, _sigma_rate):
    return -(u + (1 - sigma) * w) / sigma


@score.mistake(
    "Let the noise level be small. How large is a score then, and how large is your result?",
    "You found the mean of the noise, given u. The score is that divided by −σ.",
)
def noise_for_score(w, u, alpha, sigma, alpha_rate, sigma_rate):
    return -sigma * score_from_velocity(w, u, alpha, sigma, alpha_rate, sigma_rate)


def _binary(u, sigma):
    return np.tanh(u / sigma**2)


def _gaussian(u, sigma):
    return 0.2 + 0.3 / (0.3 + sigma**2) * (u - 0.2)


translation = Exercise(
    "06-6",
    asks="the denoiser of VP that a denoiser D(u, sigma) of VE contains",
    inputs=[
        (_binary, 0.3, 0.8, 0.6),
        (_gaussian, np.array([-0.7, 1.2]), 0.6, 0.8),
        (_binary, _rng.uniform(-1, 1, (2, 3)), 0.5, 0.7),
    ],
)


@translation.reference
def vp_denoiser(D, u, alpha, sigma):
    """As the state of VE at which the log-SNR is the same."""
    log_snr = 2 * np.log(alpha / sigma)
    return D(u / alpha, np.exp(-log_snr / 2))


@translation.mistake(
    "Are gain and noise level of VE what they are for VP?",
    "You called D as it is. U_t/α_t has the law of a VE state, with the noise level σ_t/α_t.",
)
def not_translated(D, u, alpha, sigma):
    return D(u, sigma)


@translation.mistake(
    "How much noise is in the state that you give to D?",
    "If you divide the state by α, you divide its noise, too: the noise level is σ/α.",
)
def level_not_divided(D, u, alpha, sigma):
    return D(u / alpha, sigma)


@translation.mistake(
    "How much of the picture is in the state that you give to D? How much in a state of VE?",
    "A state of VE has the gain 1: divide u by α, too.",
)
def state_not_divided(D, u, alpha, sigma):
    return D(u, sigma / alpha)


@translation.mistake(
    "What does D estimate, the state or the start?",
    "You multiplied the result by α. But D estimates U_0, which both processes share.",
)
def multiplied_again(D, u, alpha, sigma):
    return alpha * vp_denoiser(D, u, alpha, sigma)


@translation.mistake(
    "What does D estimate, a scaled start or the start?",
    "You divided the result by α. But D estimates U_0, which both processes share.",
)
def divided_again(D, u, alpha, sigma):
    return vp_denoiser(D, u, alpha, sigma) / alpha


@translation.mistake(
    "Which gain has the state that you give to D? Which gain has VE?",
    "You multiplied by α. To get the gain 1, divide: u/α and σ/α.",
)
def multiplied_by_the_gain(D, u, alpha, sigma):
    return D(alpha * u, alpha * sigma)


@translation.mistake(
    "Does D take a noise level or a variance?",
    "You gave D the variance σ²/α². It takes the noise level σ/α.",
)
def variance_for_level(D, u, alpha, sigma):
    return D(u / alpha, (sigma / alpha) ** 2)


@translation.mistake(
    "Let there be hardly any noise. What does D return for a state with your noise level?",
    "You turned the ratio round. The noise level after division by α is σ/α.",
)
def ratio_inverted(D, u, alpha, sigma):
    return D(u / alpha, alpha / sigma)
