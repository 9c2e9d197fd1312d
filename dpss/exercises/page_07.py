"""Exercises by code of page Heat."""

import numpy as np

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


def _gain(lam, taus, gammas):
    return gammas[1] / gammas[0] * np.exp(-lam * (taus[1] - taus[0]))


@legal.mistake(
    "What is the variance of a·X, if X has the variance σ²?",
    "The gain of the step enters squared: the old noise keeps α²σ², not ασ².",
)
def gain_not_squared(lam, taus, gammas, sigmas):
    return sigmas[1] ** 2 - _gain(lam, taus, gammas) * sigmas[0] ** 2


@legal.mistake(
    "Which quantities add up for independent noises?",
    "You subtracted noise levels. Variances add up, so square each level first.",
)
def levels_subtracted(lam, taus, gammas, sigmas):
    return sigmas[1] - _gain(lam, taus, gammas) * sigmas[0]


@legal.mistake(
    "Try σ = 3 at s, σ = 5 at t and the gain 1. Which variance must be added?",
    "You squared a difference of levels. Needed: the difference of the squares.",
)
def square_of_difference(lam, taus, gammas, sigmas):
    return (sigmas[1] - _gain(lam, taus, gammas) * sigmas[0]) ** 2


@legal.mistake(
    "Does the gain of your step weaken a fine mode or enlarge it?",
    "Your gain is α_s/α_t, that of the way back. The step from s to t has α_t/α_s.",
)
def way_back(lam, taus, gammas, sigmas):
    return sigmas[1] ** 2 - (sigmas[0] / _gain(lam, taus, gammas)) ** 2


@legal.mistake(
    "Try λ = 0. Does your result depend on the fades?",
    "The fade is part of the gain: α_t/α_s has the factor γ_t/γ_s.",
)
def no_fade(lam, taus, gammas, sigmas):
    return step_variance(lam, taus, (1.0, 1.0), sigmas)


@legal.mistake(
    "Which of the modes has the largest variance in your result, and does it depend on λ?",
    "You left the blur out: α_t/α_s has the factor exp(−λ(τ_t − τ_s)).",
)
def no_blur(lam, taus, gammas, sigmas):
    return step_variance(0.0 * lam, taus, gammas, sigmas)


@legal.mistake(
    "Let s and t come together. Does the noise of your step vanish?",
    "You took the gains of time t, α_t. The gain of the step is α_t/α_s.",
)
def from_the_start(lam, taus, gammas, sigmas):
    return sigmas[1] ** 2 - (gammas[1] * np.exp(-lam * taus[1]) * sigmas[0]) ** 2


@legal.mistake(
    "Does a clock that runs on make your gain larger or smaller?",
    "The exponent of a gain is −λ(τ_t − τ_s); yours has the other sign.",
)
def blur_that_sharpens(lam, taus, gammas, sigmas):
    return step_variance(-lam, taus, gammas, sigmas)


@legal.mistake(
    "Of which of the two noise levels can the step take a part away?",
    "The step acts on the old noise: σ_t² minus α²σ_s². You exchanged σ_s and σ_t.",
)
def levels_exchanged(lam, taus, gammas, sigmas):
    return sigmas[0] ** 2 - (_gain(lam, taus, gammas) * sigmas[1]) ** 2


@legal.mistake(
    "What would an illegal process look like in your result?",
    "You cut off at 0. Return the negative numbers too: they say that there is no such step.",
)
def cut_off(lam, taus, gammas, sigmas):
    return np.maximum(step_variance(lam, taus, gammas, sigmas), 0)


@legal.mistake(
    "Your gain has two factors. What happens to each of them in a variance?",
    "You squared the blur and not the fade: (γ_t/γ_s)² is needed.",
)
def fade_not_squared(lam, taus, gammas, sigmas):
    roots = np.sqrt(gammas[0]), np.sqrt(gammas[1])
    return step_variance(lam, taus, roots, sigmas)


@legal.mistake(
    "In a variance, which power has each of the two factors of the gain?",
    "You squared the fade and not the blur: exp(−2λ(τ_t − τ_s)) is needed.",
)
def blur_not_squared(lam, taus, gammas, sigmas):
    return step_variance(lam / 2, taus, gammas, sigmas)


@legal.mistake(
    "For one mode: which of the two noise levels has the state that your step acts on?",
    "σ²(1 − α²) is right if the noise level stays the same. Here σ_s and σ_t differ.",
)
def level_that_stays(lam, taus, gammas, sigmas):
    return step_variance(lam, taus, gammas, (sigmas[1], sigmas[1]))


@legal.mistake(
    "Let the picture fade further after the step. Is your noise larger or smaller than that?",
    "You returned 1/SNR_t − 1/SNR_s. Its sign is right; the variance is α_t² times it.",
)
def over_signal(lam, taus, gammas, sigmas):
    return step_variance(lam, taus, gammas, sigmas) / (gammas[1] * np.exp(-lam * taus[1])) ** 2


@legal.mistake(
    "Take no blur and no fade, and noise that grows. Which sign should the result have?",
    "You subtracted the new variance from the old one: the other way round.",
)
def other_sign(lam, taus, gammas, sigmas):
    return -step_variance(lam, taus, gammas, sigmas)


fresh = Exercise(
    "07-2",
    asks="the covariance matrix of the noise of a step of heat, on a line of n pixels",
    inputs=[(2, 0.0, 1.0, 0.5), (3, 1.0, 1.25, 2.0), (5, 0.3, 0.5, 0.2), (8, 3.0, 5.0, 1.5)],
)


def _line(n, periodic=False, zero=False):
    """The Laplacian of a line of n pixels, with reflecting boundary or another one."""
    A = np.eye(n, k=1) + np.eye(n, k=-1)
    if periodic:
        A[0, -1] += 1
        A[-1, 0] += 1
    return A - (2 * np.eye(n) if zero else np.diag(A.sum(0)))


def _blurred(n, time, **boundary):
    values, vectors = np.linalg.eigh(_line(n, **boundary))
    return (vectors * np.exp(time * values)) @ vectors.T


@fresh.reference
def noise_covariance(n, blur_s, blur_t, sigma):
    return sigma**2 * (np.eye(n) - _blurred(n, blur_t**2 - blur_s**2))


@fresh.mistake(
    "Which power of the gain of a step belongs to a variance?",
    "You have T_τ for T_2τ: old noise has the factor exp(−λτ), its variance exp(−2λτ).",
)
def gain_once(n, blur_s, blur_t, sigma):
    return sigma**2 * (np.eye(n) - _blurred(n, (blur_t**2 - blur_s**2) / 2))


@fresh.mistake(
    "Blur by 3 pixels and then by 4. By how many pixels have you blurred?",
    "Blurs do not add up, times do: the step has 2τ = blur_t² − blur_s², not the square of the "
    "difference.",
)
def difference_of_blurs(n, blur_s, blur_t, sigma):
    return noise_covariance(n, 0.0, blur_t - blur_s, sigma)


@fresh.mistake(
    "Which τ belongs to a blur of 1 pixel?",
    "The blur is √(2τ): 2τ = blur². You took τ = blur², twice the time.",
)
def time_not_halved(n, blur_s, blur_t, sigma):
    return sigma**2 * (np.eye(n) - _blurred(n, 2 * (blur_t**2 - blur_s**2)))


@fresh.mistake(
    "Let the step start at the blur at which it ends. Is your noise 0?",
    "You blurred for the whole time up to t. The step lasts from s to t only.",
)
def from_no_blur(n, blur_s, blur_t, sigma):
    return noise_covariance(n, 0.0, blur_t, sigma)


@fresh.mistake(
    "Double σ. By which factor does a covariance grow?", "A covariance has σ², you have σ."
)
def level_not_squared(n, blur_s, blur_t, sigma):
    return noise_covariance(n, blur_s, blur_t, sigma) / sigma


@fresh.mistake(
    "Square your matrix. What is it?",
    "You returned the matrix that makes ξ out of white noise, with the standard deviations of "
    "the modes. The covariance has their squares.",
)
def root_of_covariance(n, blur_s, blur_t, sigma):
    values, vectors = np.linalg.eigh(noise_covariance(n, blur_s, blur_t, sigma))
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


@fresh.mistake(
    "Take a step that lasts very long. Which noise is then all there is, old or fresh?",
    "You returned what is left of the old noise, σ²T_2τ. Fresh is the rest, σ²(I − T_2τ).",
)
def old_noise(n, blur_s, blur_t, sigma):
    return sigma**2 * np.eye(n) - noise_covariance(n, blur_s, blur_t, sigma)


@fresh.mistake(
    "Add up a row of your matrix. What does H2, part 4, say about the mean grey value?",
    "You added white noise of level σ. Then the noise level would grow with every step.",
)
def white(n, blur_s, blur_t, sigma):
    return sigma**2 * np.eye(n)


@fresh.mistake(
    "How are the first and the last pixel related in your matrix?",
    "Your line is a ring: the first pixel is a neighbour of the last. The boundary reflects.",
)
def ring(n, blur_s, blur_t, sigma):
    return sigma**2 * (np.eye(n) - _blurred(n, blur_t**2 - blur_s**2, periodic=True))


@fresh.mistake(
    "Blur a flat line with your blur. Does it stay flat?",
    "The pixels at the ends have one neighbour: there the diagonal of Δ is −1, not −2.",
)
def black_outside(n, blur_s, blur_t, sigma):
    return sigma**2 * (np.eye(n) - _blurred(n, blur_t**2 - blur_s**2, zero=True))


@fresh.mistake(
    "What is the largest eigenvalue of −Δ on a line of pixels?",
    "You took (πk/n)², of the continuous line. The grid has 2 − 2 cos(πk/n).",
)
def continuous(n, blur_s, blur_t, sigma):
    k = np.arange(n)
    B = np.cos(np.pi * k[:, None] * (k + 0.5) / n)
    B /= np.linalg.norm(B, axis=1)[:, None]
    falls = np.exp(-((np.pi * k / n) ** 2) * (blur_t**2 - blur_s**2))
    return sigma**2 * (np.eye(n) - B.T @ (falls[:, None] * B))


@fresh.mistake(
    "What are the variances on the diagonal of your matrix: can they be negative?",
    "The covariance is σ²(I − T_2τ), not σ²(T_2τ − I).",
)
def negative_variance(n, blur_s, blur_t, sigma):
    return -noise_covariance(n, blur_s, blur_t, sigma)


@fresh.mistake(
    "Which matrix leaves an image as it is?",
    "`1 - T` subtracts T from a matrix full of ones. I is np.eye(n).",
)
def full_of_ones(n, blur_s, blur_t, sigma):
    return noise_covariance(n, blur_s, blur_t, sigma) + sigma**2 * (1 - np.eye(n))


@fresh.mistake(
    "Does your step depend only on how far 2τ_t is from 2τ_s?",
    "You subtracted the blurs of the two states, T_2τ_s − T_2τ_t. The step acts on noise of "
    "covariance σ²I, and what it takes from it is σ²(I − T_2τ), τ = τ_t − τ_s.",
)
def difference_of_states(n, blur_s, blur_t, sigma):
    return sigma**2 * (_blurred(n, blur_s**2) - _blurred(n, blur_t**2))


@fresh.mistake(
    "np.exp of a matrix: what does it do with the entries that are 0?",
    "The exponential of a matrix is not that of its entries. Take it of the eigenvalues.",
)
def exponential_of_entries(n, blur_s, blur_t, sigma):
    return sigma**2 * (np.eye(n) - np.exp((blur_t**2 - blur_s**2) * _line(n)))


@fresh.mistake(
    "Between which quantities are your covariances, pixels or modes?",
    "Your matrix is diagonal: that of the modes. In pixels it is BᵀDB.",
)
def of_modes(n, blur_s, blur_t, sigma):
    eigenvalues = 2 - 2 * np.cos(np.pi * np.arange(n) / n)
    return sigma**2 * np.diag(1 - np.exp(-eigenvalues * (blur_t**2 - blur_s**2)))


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


def _errors(w, alpha, v, sigma):
    return (1 - w * alpha) ** 2 * v + w**2 * sigma**2


def _slope(alpha, v, sigma):
    return alpha * v / (alpha**2 * v + sigma**2)


@belief.mistake(
    "Does your result change with the noise that is believed?",
    "Your slope knows the true σ, and your error is the least one. The slope has σ′.",
)
def knows_the_truth(alpha, v, sigma, believed):
    return total_error(alpha, v, sigma, sigma)


@belief.mistake(
    "Does your result change with the noise that is really there?",
    "You computed the error that the estimate believes it has. The picture has the noise σ, "
    "whatever is believed.",
)
def believed_error(alpha, v, sigma, believed):
    return total_error(alpha, v, believed, believed)


@belief.mistake(
    "Which of the two noise levels is in the slope, and which in the picture?",
    "You exchanged σ and σ′: the slope is made with σ′, the noise has the level σ.",
)
def levels_exchanged_again(alpha, v, sigma, believed):
    return total_error(alpha, v, believed, sigma)


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
    return np.sum(np.sqrt(_errors(_slope(alpha, v, believed), alpha, v, sigma)))


@belief.mistake(
    "Is the total one number, or one for each mode?",
    "You returned the error of each mode. Add the squares up before the root.",
)
def mode_by_mode(alpha, v, sigma, believed):
    return np.sqrt(_errors(_slope(alpha, v, believed), alpha, v, sigma))


@belief.mistake(
    "An estimate believes in no noise at all. Is its error 0?",
    "You left out the noise that gets through: w′²σ².",
)
def no_noise(alpha, v, sigma, believed):
    return np.sqrt(np.sum((1 - _slope(alpha, v, believed) * alpha) ** 2 * v))


@belief.mistake(
    "The estimate believes in very much noise and always says the mean. Which error has it?",
    "You left out the error of the signal, (1 − w′α)²v; the noise w′²σ² is only one half.",
)
def noise_only(alpha, v, sigma, believed):
    return np.sqrt(np.sum((_slope(alpha, v, believed) * sigma) ** 2))


@belief.mistake(
    "Let there be no noise, in truth and in belief. By what must y be multiplied to give c?",
    "You multiplied y by ρ. The slope is ρ/α.",
)
def share_for_slope(alpha, v, sigma, believed):
    w = alpha * _slope(alpha, v, believed)
    return np.sqrt(np.sum(_errors(w, alpha, v, sigma)))


@belief.mistake(
    "Which quantity stands beside α²v in the slope: a level or a variance?",
    "The slope is αv/(α²v + σ′²). You did not square σ′.",
)
def belief_not_squared(alpha, v, sigma, believed):
    return total_error(alpha, v, sigma, np.sqrt(believed))


@belief.mistake(
    "Which quantity stands beside w′² in the error: a level or a variance?",
    "The noise that gets through has the variance w′²σ². You did not square σ.",
)
def noise_not_squared(alpha, v, sigma, believed):
    w = _slope(alpha, v, believed)
    return np.sqrt(np.sum(_errors(w, alpha, v, np.sqrt(sigma))))


@belief.mistake(
    "How many numbers do you return, and in which unit?",
    "These are the mean square errors of the modes. Add them up and take the root.",
)
def squares_mode_by_mode(alpha, v, sigma, believed):
    return _errors(_slope(alpha, v, believed), alpha, v, sigma)


@belief.mistake(
    "What is asked for if there are two equal modes: twice something?",
    "You returned the average of the squares. Take the sum, and then the root.",
)
def average_of_squares(alpha, v, sigma, believed):
    return total_error(alpha, v, sigma, believed) ** 2 / np.size(v)


@belief.mistake(
    "The noise in y is multiplied by w′. What is its variance then?",
    "The noise that gets through is w′²σ²; you have w′σ².",
)
def slope_not_squared_again(alpha, v, sigma, believed):
    w = _slope(alpha, v, believed)
    return np.sqrt(np.sum((1 - w * alpha) ** 2 * v + w * sigma**2))


@belief.mistake(
    "Does your result change with what is believed?",
    "You divided by α, the inverse, which is the limit σ′ → 0. The slope has σ′.",
)
def inverse(alpha, v, sigma, believed):
    return np.sqrt(np.sum((sigma / alpha) ** 2 + 0 * v))


@belief.mistake(
    "An estimate that always says the mean: which error has it, for a mode of variance v?",
    "The error of the signal is (1 − w′α)²v. You left out v.",
)
def signal_without_variance(alpha, v, sigma, believed):
    w = _slope(alpha, v, believed)
    return np.sqrt(np.sum((1 - w * alpha) ** 2 + w**2 * sigma**2))


@belief.mistake(
    "Let there be no noise, and the slope 1/α. Is your error 0?",
    "The estimate of c is w′y, and y = αc + …: the signal misses (1 − w′α)c, not (1 − w′)c.",
)
def signal_not_blurred(alpha, v, sigma, believed):
    w = _slope(alpha, v, believed)
    return np.sqrt(np.sum((1 - w) ** 2 * v + w**2 * sigma**2))


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
    "Which τ belongs to a blur of 1 pixel? And how does an error grow in this time?",
    "Yours is 1/√2 of what it should be. The blur is √(2τ), not √τ; and errors grow like exp(λτ), "
    "only variances like exp(2λτ).",
)
def root_of_time(theta, lam):
    return longest_blur(theta, lam) / np.sqrt(2)


@decimals.mistake(
    "Insert your τ into θ exp(λτ). Do you get 0.1?",
    "You took the logarithm to base 10. The inverse of exp is np.log.",
)
def base_ten(theta, lam):
    return longest_blur(theta, lam) / np.sqrt(np.log(10))


@decimals.mistake(
    "How large is the error at your blur?", "Yours has grown to 1. Solve θ exp(λτ) = 0.1."
)
def grown_to_one(theta, lam):
    return np.sqrt(-2 * np.log(theta) / lam)


@decimals.mistake(
    "Which is lost first, the finest mode or the coarsest? Compare λ = 8 with λ = 0.0126.",
    "You multiplied by λ. From λτ = log(0.1/θ) follows τ = log(0.1/θ)/λ.",
)
def times_lambda(theta, lam):
    return longest_blur(theta, lam) * lam


@decimals.mistake(
    "Which is lost first, a fine mode or a coarse one?", "Your result does not depend on λ."
)
def no_lambda(theta, lam):
    return longest_blur(theta, lam) * np.sqrt(lam)


@decimals.mistake(
    "Which unit does your result have?",
    "You returned 2τ, the square of the blur. The root is missing.",
)
def square_of_blur(theta, lam):
    return longest_blur(theta, lam) ** 2


@decimals.mistake(
    "Make λ four times as large. By which factor does the blur fall?",
    "λ stands under the root: the blur is √(2 log(0.1/θ) / λ).",
)
def lambda_outside(theta, lam):
    return longest_blur(theta, lam) / np.sqrt(lam)


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
    """V after all steps; `step` gives the next V of V, ρ of the two times, a."""
    alphas = np.exp(-lam * blurs**2 / 2)
    shares = alphas**2 * v / (alphas**2 * v + sigma**2)
    V = alphas[0] ** 2 * v + sigma**2 if start is None else start
    for i in range(len(blurs) - 1):
        V = step(V, shares[i], shares[i + 1], alphas[i] / alphas[i + 1])
    return V


@sampler.mistake(
    "What does the sampler see when it makes its guess: the state before the step or after it?",
    "ρ is the share of signal in the state that is seen, at the later time t, not at s.",
)
def share_at_the_end(v, lam, blurs, sigma, delta):
    return _run(v, lam, blurs, sigma, lambda V, _, rho, a: (rho / a) ** 2 * V + delta**2)


@sampler.mistake(
    "Let there be no noise, δ = σ = 0. Does the variance come back?",
    "The slope of a step is ρ/a. You left out 1/a, the way back from the blur.",
)
def no_way_back(v, lam, blurs, sigma, delta):
    return _run(v, lam, blurs, sigma, lambda V, rho, _, a: rho**2 * V + delta**2)


@sampler.mistake(
    "A step goes back to less blur. Does it enlarge what is certain, or weaken it?",
    "You multiplied by a, the gain of the way there. The step has the slope ρ/a.",
)
def blurs_once_more(v, lam, blurs, sigma, delta):
    return _run(v, lam, blurs, sigma, lambda V, rho, _, a: (rho * a) ** 2 * V + delta**2)


@sampler.mistake(
    "Which power of a slope belongs to a variance?",
    "The state has the slope ρ/a, so its variance has (ρ/a)².",
)
def slope_not_squared(v, lam, blurs, sigma, delta):
    return _run(v, lam, blurs, sigma, lambda V, rho, _, a: rho / a * V + delta**2)


@sampler.mistake(
    "Which noise is added in a step, and what is its variance?",
    "δε has the variance δ². You added δ.",
)
def delta_not_squared(v, lam, blurs, sigma, delta):
    return _run(v, lam, blurs, sigma, lambda V, rho, _, a: (rho / a) ** 2 * V + delta)


@sampler.mistake(
    "Change δ. Does your result change?",
    "You added σ² in each step. The fresh noise of the sampler is δε, with the variance δ².",
)
def sigma_for_delta(v, lam, blurs, sigma, delta):
    return sampler_variance(v, lam, blurs, sigma, sigma)


@sampler.mistake(
    "How many steps are there between n levels of blur?",
    "You made one step too few: the state must arrive at blurs[-1].",
)
def one_step_short(v, lam, blurs, sigma, delta):
    return sampler_variance(v, lam, blurs[:-1], sigma, delta)


@sampler.mistake(
    "Call your function with a single level of blur. What should it return?",
    "You started with the signal alone. The right law at blurs[0] has the variance α²v + σ².",
)
def clean_start(v, lam, blurs, sigma, delta):
    start = np.exp(-lam * blurs[0] ** 2) * v
    return _run(v, lam, blurs, sigma, lambda V, r, _, a: (r / a) ** 2 * V + delta**2, start)


@sampler.mistake(
    "Call your function with a single level of blur. Is that the variance of y?",
    "You started with v + σ². At blurs[0] the signal has been blurred: α²v + σ².",
)
def sharp_start(v, lam, blurs, sigma, delta):
    start = v + sigma**2
    return _run(v, lam, blurs, sigma, lambda V, r, _, a: (r / a) ** 2 * V + delta**2, start)


@sampler.mistake(
    "Call your function with a single level of blur. Is there no signal left at all?",
    "You started in pure noise. The right law at blurs[0] has the variance α²v + σ².",
)
def noise_start(v, lam, blurs, sigma, delta):
    start = sigma**2
    return _run(v, lam, blurs, sigma, lambda V, r, _, a: (r / a) ** 2 * V + delta**2, start)


@sampler.mistake(
    "Which τ belongs to a blur of 1 pixel?",
    "The gain is exp(−λ blur²/2). You left out the half: 2τ = blur².",
)
def blur_not_halved(v, lam, blurs, sigma, delta):
    return sampler_variance(v, 2 * lam, blurs, sigma, delta)


@sampler.mistake(
    "What happens to the noise that was in the state, in the sampler of the original?",
    "You made the step of the chain, which keeps a part of the old noise. The original throws "
    "it away: α_s ĉ + δε.",
)
def step_of_the_chain(v, lam, blurs, sigma, delta):
    def step(V, rho, _, a):
        return (rho / a + a * (1 - rho)) ** 2 * V + sigma**2 * (1 - a**2)

    return _run(v, lam, blurs, sigma, step)


@sampler.mistake(
    "In which steps does your result depend on the variance of the state before?",
    "H9, part 2, gives the variance after one step from the right law. After the first step the "
    "law is no longer right: let V go through, (ρ/a)²V + δ².",
)
def right_law_each_time(v, lam, blurs, sigma, delta):
    return sampler_variance(v, lam, blurs[-2:], sigma, delta)


@sampler.mistake(
    "Is the state after a step an estimate of the clean picture?",
    "The slope of ĉ is ρ/α_t, but the next state is α_s ĉ + δε: it is blurred again, by α_s.",
)
def not_blurred_again(v, lam, blurs, sigma, delta):
    V = np.exp(-lam * blurs[0] ** 2) * v + sigma**2
    for blur in blurs[:-1]:
        signal = np.exp(-lam * blur**2)
        V = (signal * v / (signal * v + sigma**2)) ** 2 / signal * V + delta**2
    return V


@sampler.mistake(
    "Let the sampler know nothing, ρ = 0. Which variance has the state after a step?",
    "You left out the fresh noise: each step adds δ².",
)
def no_fresh_noise(v, lam, blurs, sigma, delta):
    return sampler_variance(v, lam, blurs, sigma, 0.0 * delta)


@sampler.mistake(
    "Does your sampler divide by the gain, or does it make the best estimate?",
    "You undo the blur with 1/a alone. The best estimate weakens by ρ: the slope is ρ/a.",
)
def divides(v, lam, blurs, sigma, delta):
    return _run(v, lam, blurs, sigma, lambda V, r, _, a: V / a**2 + 0 * r + delta**2)


@sampler.mistake(
    "Call your function with a single level of blur. Which power of the gain is in it?",
    "You started with αv + σ². The right law at blurs[0] has the variance α²v + σ².",
)
def start_not_squared(v, lam, blurs, sigma, delta):
    start = np.exp(-lam * blurs[0] ** 2 / 2) * v + sigma**2
    return _run(v, lam, blurs, sigma, lambda V, r, _, a: (r / a) ** 2 * V + delta**2, start)
