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


def _solver(u, noise, alpha_t, sigma_t, alpha_s, sigma_s, times=1):
    """The step as the page writes it, with any guess of the noise, and e^h to a power."""
    exponential = (alpha_s / sigma_s * sigma_t / alpha_t) ** times
    return alpha_s / alpha_t * u - sigma_s * (exponential - 1) * noise


@solver.mistake(
    "What is e to the power ℓ, written with α and σ?",
    "Your ℓ is the whole log-SNR, log(α²/σ²). The solver takes half of it, log(α/σ).",
)
def whole_log_snr(u, D, alpha_t, sigma_t, *levels):
    return _solver(u, (u - alpha_t * D) / sigma_t, alpha_t, sigma_t, *levels, times=2)


@solver.mistake(
    "Is your h positive? At which of the two times is there less noise?",
    "You took h = ℓ_t − ℓ_s. On the way back ℓ rises, and h = ℓ_s − ℓ_t is positive.",
)
def reversed_h(u, D, alpha_t, sigma_t, *levels):
    return _solver(u, (u - alpha_t * D) / sigma_t, alpha_t, sigma_t, *levels, times=-1)


@solver.mistake(
    "Write e^h with the four levels. Are all of them in yours?",
    "You took e^h = σ_t / σ_s. That is right for VE; ℓ = log(α/σ) has the gains in it as well.",
)
def h_without_gains(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    return alpha_s / alpha_t * u - (sigma_t - sigma_s) * (u - alpha_t * D) / sigma_t


@solver.mistake(
    "A step to a state that is nearly clean: how large can the last term be?",
    "In front of e^h − 1 stands σ_s, the noise level after the step. You took σ_t.",
)
def noise_level_before(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    noise = (u - alpha_t * D) / sigma_s  # that σ_t stands before it
    return _solver(u, noise, alpha_t, sigma_t, alpha_s, sigma_s)


@solver.mistake(
    "Which image does the step multiply by e^h − 1: a guess of what?",
    "The formula has ε̂ = (u − α_t D) / σ_t, the guess of the noise. You put the guess of the "
    "clean image, D, in its place.",
)
def clean_for_noise(u, D, *levels):
    return _solver(u, D, *levels)


@solver.mistake(
    "Which part of the state does D stand for: how much of it is in u at time t?",
    "At time t the guess is in the state with the gain: ε̂ = (u − α_t D) / σ_t. You subtracted D.",
)
def gain_forgotten(u, D, alpha_t, sigma_t, *levels):
    return _solver(u, (u - D) / sigma_t, alpha_t, sigma_t, *levels)


@solver.mistake(
    "At which of the two times is the noise ε̂ that you see?",
    "ε̂ = (u − α_t D) / σ_t belongs to the state at t. You took gain and noise level at s.",
)
def noise_seen_at_s(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    return _solver(u, (u - alpha_s * D) / sigma_s, alpha_t, sigma_t, alpha_s, sigma_s)


@solver.mistake(
    "Your step keeps too little noise for a step without fresh noise. Which sampler is it from?",
    "This is the mean of the ancestral step, η = 1. The solver is the step with η = 0: it keeps "
    "noise of strength σ_s.",
)
def mean_of_the_ancestral_step(u, D, alpha_t, sigma_t, alpha_s, sigma_s):
    kept = alpha_t / alpha_s * (sigma_s / sigma_t) ** 2
    return alpha_s * D + kept * (u - alpha_t * D)


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
    return noise_s**2, two_moments(eta, gain, noise_s, noise_t)[1] / noise_t


@moments.mistake(
    "Do the squares of your two factors add up to σ_s²?",
    "You forgot the fresh noise in the variance: its share is η² σ̃².",
)
def without_fresh_noise(eta, gain, noise_s, noise_t):
    covariance = two_moments(eta, gain, noise_s, noise_t)[1]
    return (covariance / noise_t) ** 2, covariance


@moments.mistake(
    "η is a factor of the fresh noise. What is its factor in the variance?",
    "Under the root stands η² σ̃², the square of the factor of ε. You have η σ̃².",
)
def eta_not_squared(eta, *levels):
    return two_moments(np.sqrt(eta), *levels)


@moments.mistake(
    "There are two variances that look alike, with and without a tilde. Which one have you taken?",
    "You took σ_{t|s}², the noise of the step forward, for σ̃² = σ_{t|s}² σ_s² / σ_t².",
)
def of_the_step_forward(eta, gain, noise_s, noise_t):
    kept2 = noise_s**2 - eta**2 * (noise_t**2 - (gain * noise_s) ** 2)
    return noise_s**2, noise_t * np.sqrt(kept2)


@moments.mistake(
    "Your results are right where the gain is 1. By what does a step multiply a variance?",
    "σ_{t|s}² = σ_t² − α_{t|s}² σ_s²: the variance is multiplied by the square of the gain.",
)
def gain_not_squared(eta, gain, *levels):
    return two_moments(eta, np.sqrt(gain), *levels)


@moments.mistake(
    "In a covariance, how often does the factor of ε̂ in the result occur?",
    "The factor of ε̂ is the root of σ_s² − η² σ̃². You multiplied σ_t by its square.",
)
def root_forgotten(eta, gain, noise_s, noise_t):
    variance, covariance = two_moments(eta, gain, noise_s, noise_t)
    return variance, covariance**2 / noise_t


@moments.mistake(
    "What is the unit of your first result: that of a grey value, or of its square?",
    "You returned the standard deviation σ_s first. The variance is asked for.",
)
def deviation(eta, gain, noise_s, noise_t):
    return noise_s, two_moments(eta, gain, noise_s, noise_t)[1]


best = Exercise(
    "10-4",
    asks="mean and variance of a step back with the best variance",
    inputs=[
        (0.0, 0.1, 2.0, 0.8, 0.6, 0.9, 0.3),
        (1.0, 0.4, 0.7, 1.0, 2.0, 1.0, 0.5),
        (*np.array([[-0.8, 0.1, 0.9], [-0.6, 0.2, 0.5], [0.1, 3.0, 0.2]]), 0.5, 0.9, 0.7, 0.6),
    ],
)


@best.reference
def best_step(u, D, slope, alpha_t, sigma_t, alpha_s, sigma_s):
    """By the second formula of Tweedie, for the noise between s and t."""
    gain = alpha_t / alpha_s
    forward = sigma_t**2 - (gain * sigma_s) ** 2
    of_start = alpha_s * forward / sigma_t**2
    of_state = gain * sigma_s**2 / sigma_t**2
    mean = of_start * D + of_state * u
    return mean, forward / gain * (of_start * slope + of_state)


def _parts(u, D, slope, alpha_t, sigma_t, alpha_s, sigma_s):
    """Mean, σ_{t|s}², σ̃², b, and Var(X|u)."""
    forward = sigma_t**2 - (alpha_t / alpha_s * sigma_s) ** 2
    mean, known = best_step(u, D, 0 * slope, alpha_t, sigma_t, alpha_s, sigma_s)
    return mean, forward, known, alpha_s * forward / sigma_t**2, sigma_t**2 / alpha_t * slope


@best.mistake(
    "What does your variance do with the slope: is a state between two lumps more uncertain?",
    "You returned σ̃², the variance if the start is known. Add b² Var(X|u), which the slope tells.",
)
def without_doubt(u, D, slope, *levels):
    return best_step(u, D, 0 * slope, *levels)


@best.mistake(
    "In the result of the step the unknown start has the factor b. Which factor has its variance?",
    "The factor of Var(X|u) is b², not b.",
)
def weight_not_squared(*given):
    mean, _, known, b, doubt = _parts(*given)
    return mean, known + b * doubt


@best.mistake(
    "How does the slope of the denoiser become a variance?",
    "The slope itself is no variance: Var(X|u) = σ_t² / α_t times the slope.",
)
def slope_for_variance(u, D, slope, *levels):
    mean, _, known, b, _ = _parts(u, D, slope, *levels)
    return mean, known + b**2 * slope


@best.mistake(
    "Two variances add up in the step. Which of them remains if the denoiser is constant?",
    "You added b² Var(X|u) to σ_{t|s}². It is to be added to σ̃² = σ_{t|s}² σ_s² / σ_t².",
)
def doubt_and_forward(*given):
    mean, forward, _, b, doubt = _parts(*given)
    return mean, forward + b**2 * doubt


@best.mistake(
    "What is the unit of your second result: that of a grey value, or of its square?",
    "You returned the standard deviation. The variance is asked for.",
)
def deviation_of_step(*given):
    mean, variance = best_step(*given)
    return mean, np.sqrt(variance)


@best.mistake(
    "Your variance is right. Which η belongs to your mean?",
    "Your mean is the DDIM step, η = 0, which keeps noise of strength σ_s. The ancestral mean "
    "keeps the share γ: α_s D + γ (u − α_t D).",
)
def mean_of_ddim(u, D, slope, alpha_t, sigma_t, alpha_s, sigma_s):
    mean = alpha_s * D + sigma_s * (u - alpha_t * D) / sigma_t
    return mean, best_step(u, D, slope, alpha_t, sigma_t, alpha_s, sigma_s)[1]


@best.mistake(
    "Your variance is right. What does your mean give if there is no noise to be seen, u = α_t D?",
    "You multiplied u by γ. To α_s D belongs γ (u − α_t D), the noise that you see; to u itself "
    "belongs b D.",
)
def mean_of_both(u, D, slope, alpha_t, sigma_t, alpha_s, sigma_s):
    mean, variance = best_step(u, D, slope, alpha_t, sigma_t, alpha_s, sigma_s)
    return mean + alpha_t**2 / alpha_s * (sigma_s / sigma_t) ** 2 * D, variance


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


def _theta(c, ratio):
    """Angles, one row for each time."""
    return np.arctan(np.append(0.0, ratio)[:, None] / np.sqrt(c))


def _share(c, steps, power=2):
    """The share that is left if each mode makes steps of these angles."""
    return (c * np.prod(np.cos(steps) ** power, axis=0)).sum() / c.sum()


@angles.mistake(
    "A mode that holds hardly any variance: how much may it count?",
    "You took the mean of the shares over the modes. The share of all variance is Σ c·share / Σ c.",
)
def mean_of_shares(c, ratio):
    return np.mean([share_left(c[[k]], ratio) for k in range(len(c))])


@angles.mistake(
    "What are you asked for: a variance, or a part of the whole?",
    "You returned the variance that is left, summed over the modes. Divide it by the sum of c.",
)
def variance_left(c, ratio):
    return share_left(c, ratio) * c.sum()


@angles.mistake(
    "What does a step multiply the variance by, and what the state?",
    "You multiplied cosines. They belong to the state; the variance has their squares.",
)
def cosine_not_squared(c, ratio):
    return _share(c, np.diff(_theta(c, ratio), axis=0), power=1)


@angles.mistake(
    "How many angles are there, and how many steps? Where does the walk end?",
    "The last step, from t_1 to the data, is missing: it begins at θ_1 and ends at θ_0 = 0.",
)
def last_step_forgotten(c, ratio):
    return _share(c, np.diff(_theta(c, ratio)[1:], axis=0))


@angles.mistake(
    "The walk goes from angle to angle. By how much does it turn in one step?",
    "You multiplied cos² of the angles themselves. A step has the difference, θ_i − θ_{i−1}.",
)
def angles_for_differences(c, ratio):
    return _share(c, _theta(c, ratio))


@angles.mistake(
    "Print your angles in the order of the walk. Do they ever turn back?",
    "You turned `ratio` round and put θ_0 = 0 before it. It rises already: 0 comes before t_1.",
)
def turned_round(c, ratio):
    return _share(c, np.diff(_theta(c, ratio[::-1]), axis=0))


@angles.mistake(
    "Put σ = α √c into your angle. Are signal and noise then equal, and is the angle π/4?",
    "tan θ = σ / (α √c): the standard deviation of the mode. You divided by c.",
)
def divided_by_variance(c, ratio):
    return _share(c, np.diff(_theta(c**2, ratio), axis=0))


@angles.mistake(
    "Does each mode have its own schedule of angles in your function, or is there one for all?",
    "You took one variance, the mean of c, for the angles of all modes. Each mode has its own "
    "angles.",
)
def angles_of_the_mean(c, ratio):
    return share_left(c.mean(keepdims=True), ratio)


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
    "If all grey values are halved, what becomes of their variance?",
    "The step multiplies the state by 1 − τ/c. The variance is multiplied by its square.",
)
def gain_of_the_state(V, c, tau, m):
    return _iterated(V, 1 - tau / c, 2 * tau, m)


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
    "Is c a variance or a standard deviation?",
    "You took −u/c² as the score, as if c were the standard deviation. It is the variance: −u/c.",
)
def c_squared(V, c, tau, m):
    return _iterated(V, (1 - tau / c**2) ** 2, 2 * tau, m)


@langevin.mistake(
    "Does your variance depend on how the time τ m is cut into steps?",
    "This is the exact process, with e^(−2τ/c). A step of Euler and Maruyama multiplies the "
    "state by 1 − τ/c and adds the variance 2τ.",
)
def exact_process(V, c, tau, m):
    return c + (V - c) * np.exp(-2 * tau * m / c)


@langevin.mistake(
    "Compare two steps of length τ with one of length 2τ. Do they give the same?",
    "You made one step of length m τ. Make m steps of length τ, one after the other.",
)
def one_long_step(V, c, tau, m):
    return (1 - m * tau / c) ** 2 * V + 2 * m * tau


@langevin.mistake(
    "What happens in the second step to the noise that came in by the first?",
    "You added m · 2τ in the end. The noise of a step is damped by all the steps after it.",
)
def noise_never_damped(V, c, tau, m):
    return (1 - tau / c) ** (2 * m) * V + 2 * tau * m


@langevin.mistake(
    "Does the score pull a state to the likely values, or push it away?",
    "The sign of the score: of N(0, c) it is −u/c, and a step multiplies the state by 1 − τ/c.",
)
def pushed_away(V, c, tau, m):
    return _iterated(V, (1 + tau / c) ** 2, 2 * tau, m)


noise_solver = Exercise(
    "10-7",
    asks="the state after a step of second order in the predicted noise",
    inputs=[
        (1.0, 0.5, 0.2, np.array([0.6, 0.8]), np.array([-1.0, -0.3, 0.2])),
        (np.array([-0.7, 1.1]), np.array([0.2, 0.9]), np.array([0.3, 0.1]),
         np.array([1.0, 1.0]), np.array([-2.0, -0.5, 1.0])),
        (*_rng.normal(0, 1, (3, 3, 4)), np.array([0.3, 0.95]), np.array([-1.7, -1.1, 1.5])),
    ],
)  # fmt: skip


def _in_noise(u, eps, slope, alpha, ell, first=None, second=None):
    """The step with the two weights, those of ε̂ and of its slope."""
    h, sigma = ell[2] - ell[1], alpha[1] * np.exp(-ell[2])
    first = np.expm1(h) if first is None else first
    second = np.expm1(h) - h if second is None else second
    return alpha[1] / alpha[0] * u - sigma * (first * eps + second * slope)


@noise_solver.reference
def noise_step(u, eps, before, alpha, ell):
    """By antiderivatives of e^(−ℓ) and of e^(−ℓ) (ℓ − ℓ_i) at both ends."""
    slope = (eps - before) / (ell[1] - ell[0])
    constant = np.exp(-ell[1]) - np.exp(-ell[2])
    rising = constant - (ell[2] - ell[1]) * np.exp(-ell[2])
    return alpha[1] * (u / alpha[0] - constant * eps - rising * slope)


@noise_solver.mistake(
    "Does your result depend on the noise that was predicted one step before?",
    "This is the DDIM step, of first order. Put a line through both predictions in the integral.",
)
def first_order(u, eps, before, alpha, ell):
    return _in_noise(u, eps, 0 * eps, alpha, ell)


@noise_solver.mistake(
    "If ε̂ has grown in the last step, will it be larger or smaller in the next one?",
    "The slope of your line has the wrong sign: it is (ε̂ now − ε̂ before)/(ℓ now − ℓ before).",
)
def slope_reversed(u, eps, before, alpha, ell):
    return _in_noise(u, eps, (before - eps) / (ell[1] - ell[0]), alpha, ell)


@noise_solver.mistake(
    "Let the step before have been twice as long. Should the same change of ε̂ count as much?",
    "The slope is a difference over the step of ℓ that it was made in. Divide by ℓ_i − ℓ_{i+1}.",
)
def slope_without_step(u, eps, before, alpha, ell):
    return _in_noise(u, eps, eps - before, alpha, ell)


@noise_solver.mistake(
    "You divide by a step of ℓ. Is it the one in which ε̂ has changed?",
    "You divided the change of ε̂ by the coming step. It was made in the step before.",
)
def slope_of_the_coming_step(u, eps, before, alpha, ell):
    return _in_noise(u, eps, (eps - before) / (ell[2] - ell[1]), alpha, ell)


@noise_solver.mistake(
    "Your step is right for short steps. Is the integral of a line times an exponential exact?",
    "You took ε̂ from the middle of the step. The exact weight of the slope is e^h − 1 − h.",
)
def middle_of_the_step(u, eps, before, alpha, ell):
    h = ell[2] - ell[1]
    return _in_noise(
        u, eps, (eps - before) / (ell[1] - ell[0]), alpha, ell, second=np.expm1(h) * h / 2
    )


@noise_solver.mistake(
    "Let ε̂ be constant. Which noise level does a state have after the step?",
    "In front of e^h − 1 stands σ after the step, α e^(−ℓ) of the last entries. You took σ before.",
)
def noise_level_of_the_start(u, eps, before, alpha, ell):
    h, slope = ell[2] - ell[1], (eps - before) / (ell[1] - ell[0])
    growth = alpha[0] / alpha[1] * np.exp(h)
    return _in_noise(u, eps, slope, alpha, ell, growth * np.expm1(h), growth * (np.expm1(h) - h))


@noise_solver.mistake(
    "Which function multiplies ε̂ under the integral, e^ℓ or e^(−ℓ)?",
    "You took the weights of the step in D, 1 − e^(−h) and h − 1 + e^(−h). The flow of U/α runs in "
    "e^(−ℓ).",
)
def weights_of_the_image(u, eps, before, alpha, ell):
    h, slope = ell[2] - ell[1], (eps - before) / (ell[1] - ell[0])
    return _in_noise(u, eps, slope, alpha, ell, -np.expm1(-h), h + np.expm1(-h))
