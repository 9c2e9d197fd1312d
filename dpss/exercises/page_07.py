"""Exercises by code of page Heat."""

import numpy as np

from .cosines import cosines
from .exercise import Exercise

_rng = np.random.default_rng(7)

legal = Exercise(
    "07-1",
    asks="the variance of the step from s to t, for each eigenvalue in lam",
    inputs=[
        (np.array([0.0]), (0.5, 1.5), (0.8, 0.6), (0.2, 0.3)),
        (np.array([0.0, 2.0]), (0.1, 0.4), (0.9, 0.5), (0.3, 0.1)),
        (np.array([0.5, 0.0, 3.0, 7.5]), (0.02, 0.3), (0.7, 0.65), (0.8, 0.9)),
    ],
)


@legal.reference
def step_variance(lam, taus, gammas, sigmas):
    before, after = (np.exp(-lam * tau) * gamma for tau, gamma in zip(taus, gammas, strict=True))
    rise = (sigmas[1] / after) ** 2 - (sigmas[0] / before) ** 2  # of 1/SNR
    return after**2 * rise


@legal.mistake(
    "What is the variance of a·X, if X has the variance σ²?",
    "The gain of the step enters squared: the old noise keeps α²σ_s², not ασ_s².",
)
def gain_not_squared(lam, taus, gammas, sigmas):
    return step_variance(lam / 2, taus, np.sqrt(gammas), sigmas)


@legal.mistake(
    "Which quantities add up for independent noises?",
    "You took noise levels for variances. Square σ_s and σ_t.",
)
def levels_not_squared(lam, taus, gammas, sigmas):
    return step_variance(lam, taus, gammas, np.sqrt(sigmas))


@legal.mistake(
    "Try λ = 0. Does your result depend on the fades?",
    "The fade is part of the gain: α_t/α_s has the factor γ_t/γ_s.",
)
def no_fade(lam, taus, gammas, sigmas):
    return step_variance(lam, taus, (1.0, 1.0), sigmas)


@legal.mistake(
    "Let s and t come together. Does the noise of your step vanish?",
    "You took the gain of time t, α_t. The gain of the step is α_t/α_s.",
)
def from_the_start(lam, taus, gammas, sigmas):
    return step_variance(lam, (0.0, taus[1]), (1.0, gammas[1]), sigmas)


@legal.mistake(
    "Which way does your step lead, to more blur or to less?",
    "You exchanged s and t. In each pair the number at s comes first.",
)
def way_back(lam, taus, gammas, sigmas):
    return step_variance(lam, taus[::-1], gammas[::-1], sigmas[::-1])


@legal.mistake(
    "For one mode: which of the two noise levels has the state that your step acts on?",
    "σ²(1 − α²) is right if the noise level stays the same. Here σ_s and σ_t differ.",
)
def level_that_stays(lam, taus, gammas, sigmas):
    return step_variance(lam, taus, gammas, (sigmas[1], sigmas[1]))


@legal.mistake(
    "What would an illegal process look like in your result?",
    "You cut off at 0. Return the negative numbers too: they say that there is no such step.",
)
def cut_off(lam, taus, gammas, sigmas):
    return np.maximum(step_variance(lam, taus, gammas, sigmas), 0)


@legal.mistake(
    "Let the picture fade away, γ_t → 0. What should become of the variance, and of yours?",
    "You returned 1/SNR_t − 1/SNR_s. Its sign is right; the variance is α_t² times it.",
)
def over_signal(lam, taus, gammas, sigmas):
    return step_variance(lam, taus, gammas, sigmas) / (gammas[1] * np.exp(-lam * taus[1])) ** 2


fresh = Exercise(
    "07-2",
    asks="the covariance matrix of the noise of a step of heat, on a line of n pixels",
    inputs=[(2, 0.0, 1.0, 0.5), (3, 1.0, 1.25, 2.0), (5, 0.3, 0.5, 0.2), (8, 3.0, 5.0, 1.5)],
)


def _covariance(minus_laplacian, blur_s, blur_t, sigma):
    rates, vectors = np.linalg.eigh(minus_laplacian)
    return (vectors * sigma**2 * (1 - np.exp(-rates * (blur_t**2 - blur_s**2)))) @ vectors.T


@fresh.reference
def noise_covariance(n, blur_s, blur_t, sigma):
    steps = np.diff(np.eye(n), axis=0)
    return _covariance(steps.T @ steps, blur_s, blur_t, sigma)


@fresh.mistake(
    "Which power of the gain of a step belongs to a variance?",
    "You have T_τ for T_2τ: old noise has the factor exp(−λτ), its variance exp(−2λτ).",
)
def gain_once(n, blur_s, blur_t, sigma):
    return noise_covariance(n, blur_s / np.sqrt(2), blur_t / np.sqrt(2), sigma)


@fresh.mistake(
    "Which τ belongs to a blur of 1 pixel?",
    "The blur is √(2τ): 2τ = blur². You took τ = blur², twice the time.",
)
def time_not_halved(n, blur_s, blur_t, sigma):
    return noise_covariance(n, blur_s * np.sqrt(2), blur_t * np.sqrt(2), sigma)


@fresh.mistake(
    "Blur by 3 pixels and then by 4. By how many pixels have you blurred?",
    "Blurs do not add up, times do: the step has 2τ = blur_t² − blur_s², not the square of the "
    "difference.",
)
def difference_of_blurs(n, blur_s, blur_t, sigma):
    return noise_covariance(n, 0.0, blur_t - blur_s, sigma)


@fresh.mistake(
    "What is the largest eigenvalue of −Δ on a line of pixels?",
    "You took (πk/n)², of the continuous line. The grid has 2 − 2 cos(πk/n).",
)
def continuous(n, *step):
    b = cosines(n)
    return _covariance(b.T * (np.pi * np.arange(n) / n) ** 2 @ b, *step)


@fresh.mistake(
    "Blur a flat line with your blur. Does it stay flat?",
    "The pixels at the ends have one neighbour: there the diagonal of Δ is −1, not −2.",
)
def black_outside(n, *step):
    return _covariance(2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1), *step)


@fresh.mistake(
    "Add up the squares of the entries of each of your vectors b_k. What do you get?",
    "All your b_k have the factor √(2/n). The flat one, b_0, has √(1/n).",
)
def flat_wave_too_long(n, blur_s, blur_t, sigma):
    return noise_covariance(n, blur_s, blur_t, sigma) - sigma**2 / n


@fresh.mistake(
    "Between which quantities are your covariances, pixels or modes?",
    "Your matrix is diagonal: that of the modes. In pixels it is BᵀDB, with b_k in the rows of B.",
)
def of_modes(n, *step):
    b = cosines(n)
    return b @ noise_covariance(n, *step) @ b.T


@fresh.mistake(
    "Print your vectors b_k one by one. Does each of them run over the pixels?",
    "You have BDBᵀ with b_k in the rows of B. The sum over k of b_k b_kᵀ is BᵀDB.",
)
def columns_for_rows(n, *step):
    b = cosines(n)
    return b @ of_modes(n, *step) @ b.T


belief = Exercise(
    "07-3",
    asks="the root of the total mean square error of an estimate that believes in another noise",
    inputs=[
        (np.array([0.5]), np.array([2.0]), 0.4, 0.1),
        (np.array([0.9, 0.1]), np.array([3.0, 0.7]), 0.2, 0.6),
        (_rng.uniform(0.2, 1, 6), _rng.uniform(0.1, 4, 6), 0.5, 0.05),
    ],
)


@belief.reference
def total_error(alpha, v, sigma, believed):
    power = alpha**2 * v + sigma**2  # of y
    slope = alpha * v / power
    excess = alpha * v / (power - sigma**2 + believed**2) - slope
    return np.sqrt(np.sum(v - slope**2 * power + excess**2 * power))


@belief.mistake(
    "Does your result change with the noise that is really there?",
    "You computed the error that the estimate believes it has. The picture has the noise σ, "
    "whatever is believed.",
)
def believed_error(alpha, v, sigma, believed):
    return total_error(alpha, v, believed, believed)


@belief.mistake(
    "Does your result change with the noise that is believed?",
    "Your slope knows the true σ, and your error is the least one. The slope has σ′.",
)
def knows_the_truth(alpha, v, sigma, believed):
    return total_error(alpha, v, sigma, sigma)


@belief.mistake(
    "Which of the two noise levels is in the slope, and which in the picture?",
    "You exchanged σ and σ′: the slope is made with σ′, the noise has the level σ.",
)
def noises_exchanged(alpha, v, sigma, believed):
    return total_error(alpha, v, believed, sigma)


@belief.mistake(
    "Believe in the true noise, σ′ = σ. Is your error 0?",
    "You returned by how much the error is larger than the least one. The least one, "
    "vσ²/(α²v + σ²) for each mode, is part of it.",
)
def excess_alone(alpha, v, sigma, believed):
    least = total_error(alpha, v, sigma, sigma)
    return np.sqrt(total_error(alpha, v, sigma, believed) ** 2 - least**2)


@belief.mistake(
    "Let there be no noise, in truth and in belief. By what must y be multiplied to give c?",
    "You multiplied y by ρ. The slope is ρ/α.",
)
def share_for_slope(alpha, v, sigma, believed):
    w = alpha**2 * v / (alpha**2 * v + believed**2)
    return np.sqrt(np.sum((1 - w * alpha) ** 2 * v + (w * sigma) ** 2))


@belief.mistake(
    "What is asked for if there is one mode only: its mean square error?",
    "The root is missing: you returned the total mean square error.",
)
def no_root(alpha, v, sigma, believed):
    return total_error(alpha, v, sigma, believed) ** 2


@belief.mistake(
    "Put the same mode into your function twice. By which factor should the result grow?",
    "Total means the sum over the modes. You took their average.",
)
def average(alpha, v, sigma, believed):
    return total_error(alpha, v, sigma, believed) / np.sqrt(np.size(v))


@belief.mistake(
    "Which errors add up to the total: those of the modes or their squares?",
    "You added the roots. Add the mean square errors first, then take the root.",
)
def sum_of_roots(alpha, v, sigma, believed):
    return sum(total_error(*mode, sigma, believed) for mode in zip(alpha, v, strict=True))


decimals = Exercise(
    "07-4",
    asks="the blur, in pixels, at which an error θ of what is stored has grown to 0.1",
    inputs=[(0.0023, 8.0), (3e-8, 0.0126), (6e-17, 0.5), (0.02, 2.0)],
)


@decimals.reference
def longest_blur(theta, lam):
    decades = np.log10(0.1) - np.log10(theta)
    return (decades * np.log(100) / lam) ** 0.5


@decimals.mistake(
    "Which unit does your result have, pixels or pixels squared?",
    "You returned the diffusion time τ. The blur is √(2τ).",
)
def diffusion_time(theta, lam):
    return longest_blur(theta, lam) ** 2 / 2


@decimals.mistake(
    "Which unit does your result have?",
    "You returned 2τ, the square of the blur. The root is missing.",
)
def square_of_blur(theta, lam):
    return longest_blur(theta, lam) ** 2


@decimals.mistake(
    "Which τ belongs to a blur of 1 pixel? And how does an error grow in this time?",
    "Yours is 1/√2 of what it should be. The blur is √(2τ), not √τ; and errors grow like exp(λτ), "
    "only variances like exp(2λτ).",
)
def root_of_time(theta, lam):
    return longest_blur(theta, lam) / np.sqrt(2)


@decimals.mistake(
    "By how many pixels has a picture been blurred at the time τ = 2?",
    "You have 2√τ. The 2 stands under the root: the blur is √(2τ).",
)
def two_outside_the_root(theta, lam):
    return longest_blur(theta, lam) * np.sqrt(2)


@decimals.mistake(
    "Which is lost first, the finest mode or the coarsest? Compare λ = 8 with λ = 0.0126.",
    "You multiplied by λ. From λτ = log(0.1/θ) follows τ = log(0.1/θ)/λ.",
)
def times_lambda(theta, lam):
    return longest_blur(theta, lam) * lam


@decimals.mistake(
    "Make λ four times as large. By which factor does the blur fall?",
    "λ stands under the root: the blur is √(2 log(0.1/θ) / λ).",
)
def lambda_outside(theta, lam):
    return longest_blur(theta, lam) / np.sqrt(lam)


@decimals.mistake(
    "How large is the error at your blur?", "Yours has grown to 1. Solve θ exp(λτ) = 0.1."
)
def grown_to_one(theta, lam):
    return np.sqrt(-2 * np.log(theta) / lam)


@decimals.mistake(
    "Insert your τ into θ exp(λτ). Do you get 0.1?",
    "You took the logarithm to base 10. The inverse of exp is math.log.",
)
def base_ten(theta, lam):
    return longest_blur(theta, lam) / np.sqrt(np.log(10))


sampler = Exercise(
    "07-5",
    asks="the variance of one mode after all steps of the original's sampler",
    inputs=[
        (2.0, 0.5, np.array([1.5, 1.0]), 0.3, 0.4),
        (0.6, 2.0, np.array([1.2, 0.9, 0.4]), 0.5, 0.6),
        (5.0, 0.1, np.array([6.0, 5.0, 3.5, 3.0]), 0.2, 0.2),
        (1.0, 1.0, np.array([2.0, 1.7, 1.4, 1.1, 0.8, 0.5]), 0.4, 0.5),
    ],
)


@sampler.reference
def sampler_variance(v, lam, blurs, sigma, delta):
    """The state as a combination of independent variables of variance 1."""
    alphas = np.exp(-lam * blurs**2 / 2)
    parts = [alphas[0] * np.sqrt(v), sigma]
    for later, earlier in zip(alphas[:-1], alphas[1:], strict=True):
        slope = earlier * (later * v / (later**2 * v + sigma**2))
        parts = [slope * part for part in parts] + [delta]
    return np.sum(np.square(parts))


def _run(v, lam, blurs, sigma, step, start=None):
    """V after all steps; `step` gives the next V of V, a, and ρ of t, of s and of the start."""
    alphas = np.exp(-lam * blurs**2 / 2)
    shares = alphas**2 * v / (alphas**2 * v + sigma**2)
    V = alphas[0] ** 2 * v + sigma**2 if start is None else start
    for i in range(len(blurs) - 1):
        V = step(V, alphas[i] / alphas[i + 1], shares[i], shares[i + 1], shares[0])
    return V


@sampler.mistake(
    "What does the sampler see when it makes its guess: the state before the step or after it?",
    "ρ is the share of signal in the state that is seen, at the later time t, not at s.",
)
def share_at_the_end(v, lam, blurs, sigma, delta):
    return _run(v, lam, blurs, sigma, lambda V, a, _, rho, __: (rho / a) ** 2 * V + delta**2)


@sampler.mistake(
    "The picture gets sharper from step to step. What does that change in a step?",
    "You took the ρ of blurs[0] in all steps. The share of signal grows as the blur falls: "
    "compute ρ in each step.",
)
def share_of_the_start(v, lam, blurs, sigma, delta):
    return _run(v, lam, blurs, sigma, lambda V, a, _, __, rho: (rho / a) ** 2 * V + delta**2)


@sampler.mistake(
    "Call your function with a single level of blur. Is that the variance of y?",
    "You started with v + σ². At blurs[0] the signal has been blurred: α²v + σ².",
)
def sharp_start(v, lam, blurs, sigma, delta):
    step = lambda V, a, rho, *_: (rho / a) ** 2 * V + delta**2
    return _run(v, lam, blurs, sigma, step, start=v + sigma**2)


@sampler.mistake(
    "Which τ belongs to a blur of 1 pixel?",
    "The gain is exp(−λ blur²/2). You left out the half: 2τ = blur².",
)
def blur_not_halved(v, lam, blurs, sigma, delta):
    return sampler_variance(v, 2 * lam, blurs, sigma, delta)


@sampler.mistake(
    "In which unit are the blurs, and in which the clock τ?",
    "You put the blurs in pixels for τ. The gain is exp(−λτ) with 2τ = blur².",
)
def blur_for_clock(v, lam, blurs, sigma, delta):
    return sampler_variance(v, lam, np.sqrt(2 * blurs), sigma, delta)


@sampler.mistake(
    "How many steps are there between n levels of blur? At which blur does yours end?",
    "You made a step from blurs[-1] to no blur. The variance at blurs[-1] is asked for.",
)
def step_to_no_blur(v, lam, blurs, sigma, delta):
    return sampler_variance(v, lam, np.append(blurs, 0.0), sigma, delta)


@sampler.mistake(
    "What happens to the noise that was in the state, in the sampler of the original?",
    "You made the step of the chain, which keeps a part of the old noise. The original throws "
    "it away: α_s ĉ + δε.",
)
def step_of_the_chain(v, lam, blurs, sigma, delta):
    def step(V, a, rho, *_):
        return (rho / a + a * (1 - rho)) ** 2 * V + sigma**2 * (1 - a**2)

    return _run(v, lam, blurs, sigma, step)


@sampler.mistake(
    "In which steps does your result depend on the variance of the state before?",
    "H9, part 2, gives the variance after one step from the right law. After the first step the "
    "law is no longer right: let V go through, (ρ/a)²V + δ².",
)
def right_law_each_time(v, lam, blurs, sigma, delta):
    return sampler_variance(v, lam, blurs[-2:], sigma, delta)
