"""Exercises by code of page A diffusion model that drifts towards an image."""

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(21)


def _guidance(*shape):
    """A guidance of mean 1, as those of the page are."""
    v = _rng.uniform(0.1, 2, shape)
    return v / v.mean()


beginning = Exercise(
    "21-3",
    asks="states at the end of the way, from mean brightnesses and noise",
    inputs=[
        (np.array([2.0]), np.array([[0.25, 1.75]]), 2.0, np.array([[[1.0, -1.0]]])),
        (
            np.array([1.0, 3.0]),
            np.array([[0.5, 1.5]]),
            0.5,
            np.array([[[1.0, 2.0]], [[0.0, -1.0]]]),
        ),
        (_rng.uniform(0.2, 1, 3), _guidance(2, 2), 0.3, _rng.normal(0, 1, (3, 2, 2))),
        (_rng.uniform(0.2, 1, 2), _guidance(3, 4), 1.5, _rng.normal(0, 1, (2, 3, 4))),
    ],
)


@beginning.reference
def start(x, v, sigma, noise):
    """Picture by picture."""
    return np.stack([each * v + sigma * v**0.5 * fresh for each, fresh in zip(x, noise)])


@beginning.mistake(
    "What is the variance of a pixel of your states, and what should it be?",
    "You multiplied the noise by v. Its variance is proportional to v, so multiply by the root.",
)
def noise_times_guidance(x, v, sigma, noise):
    return np.stack([each * v + sigma * v * fresh for each, fresh in zip(x, noise)])


@beginning.mistake(
    "Is the noise of a dark pixel as strong as that of a bright one?",
    "Your noise is white. In osmotic modes it is; in pixels its variance is σ² v.",
)
def white_noise(x, v, sigma, noise):
    return np.stack([each * v + sigma * fresh for each, fresh in zip(x, noise)])


@beginning.mistake(
    "Average your states over many noise images: is that a multiple of the mean picture?",
    "Without noise your states are flat. The end is x times the guidance.",
)
def flat_end(x, v, sigma, noise):
    return np.stack([each + 0 * v + sigma * v**0.5 * fresh for each, fresh in zip(x, noise)])


@beginning.mistake(
    "Double x, and look at the noise alone. Does it change?",
    "You made the noise depend on x. Its strength is that of the guidance, for all pictures alike.",
)
def noise_of_the_picture(x, v, sigma, noise):
    return np.stack([each * v + sigma * (each * v) ** 0.5 * fresh for each, fresh in zip(x, noise)])


@beginning.mistake(
    "Does the noise at the end know how bright the picture was?",
    "You multiplied guidance and noise by x together. Only the guidance is: x v + σ √v ε.",
)
def all_times_the_number(x, v, sigma, noise):
    return np.stack([each * (v + sigma * v**0.5 * fresh) for each, fresh in zip(x, noise)])


@beginning.mistake(
    "Is x the mean brightness, or mode 0?",
    "You multiplied by the root of the number of pixels as mode 0 does. x is the mean brightness.",
)
def mode_for_mean(x, v, sigma, noise):
    return start(x * np.size(v) ** 0.5, v, sigma, noise)


@beginning.mistake(
    "Is σ a deviation or a variance?",
    "You took the root of σ as well. σ is a deviation, v a variance.",
)
def root_of_sigma(x, v, sigma, noise):
    return start(x, v, sigma**0.5, noise)


def _operator(v):
    """A of a guidance on a line of pixels."""
    A = np.diag(2 * v[:-1] / (v[:-1] + v[1:]), 1) + np.diag(2 * v[1:] / (v[:-1] + v[1:]), -1)
    return A - np.diag(A.sum(0))


step = Exercise(
    "21-5",
    asks="the denoiser that is one implicit step of osmosis",
    inputs=[
        (np.array([3.0, 1.0]), _operator(np.array([1.0, 3.0])), 0.5, 1.0, 2.0),
        (np.array([1.0, 0.0, 2.0]), _operator(np.array([1.0, 4.0, 2.0])), 0.8, 0.6, 0.3),
        (_rng.uniform(0.1, 2, 5), _operator(_rng.uniform(0.2, 2, 5)), 0.7, 0.3, 0.3),
        (_rng.normal(1, 1, 6), _operator(_rng.uniform(0.2, 2, 6)), 1.0, 2.0, 0.5),
    ],
)


@step.reference
def denoise(u, A, alpha, sigma, kappa):
    """Multiplied by α κ SNR: (α² I − σ²/κ A) x = α u."""
    return np.linalg.solve(alpha**2 * np.eye(len(A)) - sigma**2 / kappa * A, alpha * np.asarray(u))


@step.mistake(
    "Let there be next to no noise. What should be left of u?",
    "You forgot the gain: the step is made with u/α.",
)
def without_the_gain(u, A, alpha, sigma, kappa):
    return alpha * denoise(u, A, alpha, sigma, kappa)


@step.mistake(
    "Should more noise make the step longer or shorter?",
    "Your step size is upside down: it is 1/(κ SNR), with SNR = α²/σ².",
)
def ratio_upside_down(u, A, alpha, sigma, kappa):
    size = alpha**2 / (kappa * sigma**2)
    return np.linalg.solve(np.eye(len(A)) - size * A, u) / alpha


@step.mistake("Is SNR a ratio of deviations or of variances?", "You took σ/α without the square.")
def without_the_square(u, A, alpha, sigma, kappa):
    return np.linalg.solve(np.eye(len(A)) - sigma / alpha / kappa * A, u) / alpha


@step.mistake(
    "The larger κ, the livelier the data. Should one smooth more, or less?",
    "You multiplied by κ. Data with much variance need a short step: divide.",
)
def times_kappa(u, A, alpha, sigma, kappa):
    return np.linalg.solve(np.eye(len(A)) - (sigma / alpha) ** 2 * kappa * A, u) / alpha


@step.mistake(
    "For how large a step does your answer stay positive?",
    "That is the explicit step, (I + τA) u/α. The implicit one solves with I − τA.",
)
def explicit(u, A, alpha, sigma, kappa):
    return (u + (sigma / alpha) ** 2 / kappa * (A @ u)) / alpha


@step.mistake(
    "Which sign have the eigenvalues of A?",
    "With I + τA you make waves larger, not smaller. Those of A are negative: solve with I − τA.",
)
def wrong_sign(u, A, alpha, sigma, kappa):
    return np.linalg.solve(np.eye(len(A)) + (sigma / alpha) ** 2 / kappa * A, u) / alpha


@step.mistake(
    "Is the sum of the answer that of u/α?",
    "You used the transposed matrix. The columns of A sum to 0, and they keep the mass.",
)
def transposed(u, A, alpha, sigma, kappa):
    return denoise(u, np.transpose(A), alpha, sigma, kappa)
