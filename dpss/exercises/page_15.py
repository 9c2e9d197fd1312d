"""Exercises by code of page Generalised."""

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(15)

clamp = Exercise(
    "15-2",
    asks="variance of the noise of the clamped chain, over that of the mended design",
    inputs=[
        (np.array([1.0, 0.5, 0.8, 0.6]), np.array([0.0, 1.0, 0.8, 0.9])),
        (np.array([1.0, 0.9, 0.9, 0.9, 0.7]), np.array([0.0, 1.8, 0.9, 1.8, 0.9])),
        (np.append(1.0, _rng.uniform(0.3, 1.2, 9)), np.append(0.0, _rng.uniform(0.2, 1, 9))),
    ],
)


@clamp.reference
def excess_noise(alpha, sigma):
    z = (sigma / alpha) ** 2  # 1 / SNR
    return np.maximum(np.diff(z), 0).sum() / z.max()


@clamp.mistake(
    "With which design do you compare: with the wish, or with the mended one?",
    "You divided by the variance that the refused design promises at the end. The mended design "
    "has the past maximum of 1/SNR.",
)
def over_the_wish(alpha, sigma):
    z = (sigma / alpha) ** 2
    return excess_noise(alpha, sigma) * z.max() / z[-1]


@clamp.mistake(
    "Which noise level has the mended design that keeps the gains of the wish?",
    "You divided by the largest σ². The mended design has α², at the end, times the largest "
    "(σ/α)².",
)
def over_the_largest_level(alpha, sigma):
    return in_different_units(alpha, sigma) * ((sigma / alpha) ** 2).max() / (sigma**2).max()


@clamp.mistake(
    "In which units is V, and in which is the past maximum of 1/SNR?",
    "You divided V by the maximum of 1/SNR. The variance of the mended design is α² times it, with "
    "α at the end.",
)
def in_different_units(alpha, sigma):
    return excess_noise(alpha, sigma) * alpha[-1] ** 2


@clamp.mistake(
    "Your result has a unit. Which one?",
    "This is V / α², the sum of rises. Divide by 1/SNR of the mended design, the past maximum.",
)
def only_the_sum(alpha, sigma):
    return excess_noise(alpha, sigma) * ((sigma / alpha) ** 2).max()


@clamp.mistake(
    "Of what is your result a quotient: of variances, or of noise levels?",
    "You took σ/α in place of 1/SNR, which is (σ/α)².",
)
def without_squares(alpha, sigma):
    z = sigma / alpha
    return np.maximum(np.diff(z), 0).sum() / z.max()


@clamp.mistake(
    "At which time does the first noise come in? Is it in your sum?",
    "The rise from 1/SNR = 0 at the first time is missing. It is the first step that adds noise.",
)
def without_the_first_rise(alpha, sigma):
    z = (sigma / alpha) ** 2
    return excess_noise(alpha, sigma) - z[1] / z.max()


def _chain(alpha, sigma, power, least=0.0):
    """V_n by steps, the gain of a step taken to a power, over the variance of the mended design."""
    variance = 0.0
    for i in range(len(alpha) - 1):
        gain = alpha[i + 1] / alpha[i]
        added = sigma[i + 1] ** 2 - gain**2 * sigma[i] ** 2
        variance = gain**power * variance + np.maximum(added, least)
    return variance / (alpha[-1] ** 2 * ((sigma / alpha) ** 2).max())


@clamp.mistake(
    "By what does a step multiply the variance, if it multiplies the state by its gain?",
    "By the square of the gain.",
)
def gain_not_squared(alpha, sigma):
    return _chain(alpha, sigma, 1)


@clamp.mistake(
    "Does your chain ever lose variance by something else than its gains?",
    "You did not clamp: a negative variance is put to 0 in each step, before it is added.",
)
def not_clamped(alpha, sigma):
    return _chain(alpha, sigma, 2, -np.inf)


def _smooth(n):
    """A function that could be a denoiser, of vectors of n grey values."""
    A, shift = _rng.normal(size=(n, n)), _rng.normal(size=n)

    def D(u):
        return np.tanh(A @ u + shift)

    return D


faces = Exercise(
    "15-3",
    asks="the denoiser of the normal form at u, from the denoiser D of the design",
    inputs=[
        (
            _smooth(2),
            np.array([[1.0, 0.5], [-0.3, 1.2]]),
            *np.array([[0.9, 0.6], [0.3, 1.1], [0.4, -0.2]]),
        ),
        (
            _smooth(3),
            np.eye(3) + 0.4 * _rng.normal(size=(3, 3)),
            np.array([1.0, 0.5, 0.3]),
            np.array([1.5, 0.4, 0.8]),
            0.5 * _rng.normal(size=3),
        ),
        (
            _smooth(5),
            np.eye(5) + 0.3 * _rng.normal(size=(5, 5)),
            _rng.uniform(0.3, 1, 5),
            _rng.uniform(0.3, 2, 5),
            0.5 * _rng.normal(size=5),
        ),
    ],
)


@faces.reference
def denoiser_of_normal_form(D, B, alpha, sigma, u):
    snr = (alpha / sigma) ** 2
    C = np.linalg.inv(B) @ np.diag(np.sqrt(snr / (1 + snr)) / alpha) @ B
    return D(np.linalg.solve(C, u))


def _scaled(B, factors, u):
    """The image whose modes are those of u, each times a factor of its own."""
    return np.linalg.solve(B, factors * (B @ u))


@faces.mistake(
    "On which scale does D expect the grey values of its argument?",
    "You forgot to change the units: D knows states of the design, C⁻¹u and not u.",
)
def in_the_wrong_units(D, B, alpha, sigma, u):
    return D(u)


@faces.mistake(
    "If u is a state of the normal form, which state of the design belongs to it?",
    "The normal form is Ũ = C U, so it is U = C⁻¹u that you put into D. You put C u into it.",
)
def the_other_way(D, B, alpha, sigma, u):
    return D(_scaled(B, 1 / np.hypot(alpha, sigma), u))


@faces.mistake(
    "Check α̃² + σ̃² = 1 for your gains.", "You took SNR / (1 + SNR) for the gain. It is its square."
)
def gain_not_rooted(D, B, alpha, sigma, u):
    return D(_scaled(B, (alpha**2 + sigma**2) / alpha, u))


@faces.mistake(
    "Take a mode with α = σ = 1. Which gain has it in normal form? Which factor leads back?",
    "You multiplied the modes by α² + σ². The quotient α/α̃ is the root of it, √(α² + σ²).",
)
def root_forgotten(D, B, alpha, sigma, u):
    return D(_scaled(B, alpha**2 + sigma**2, u))


@faces.mistake(
    "In which units is U_0, in the design and in its normal form?",
    "Both start from the same U_0, so the result of D is right as it is: do not multiply it by C.",
)
def back_to_the_units(D, B, alpha, sigma, u):
    estimate = denoiser_of_normal_form(D, B, alpha, sigma, u)
    return _scaled(B, 1 / np.hypot(alpha, sigma), estimate)


@faces.mistake(
    "What is multiplied by α̃/α: a grey value, or a mode?",
    "You divided the pixels of u. C acts on modes: analyse by B, divide, synthesise by B⁻¹.",
)
def in_pixels(D, B, alpha, sigma, u):
    return D(np.hypot(alpha, sigma) * u)


@faces.mistake(
    "Does D expect an image or modes?",
    "You divided the modes and put them into D. Go back to the image by B⁻¹ before.",
)
def modes_into_the_denoiser(D, B, alpha, sigma, u):
    return D(np.hypot(alpha, sigma) * (B @ u))


@faces.mistake(
    "Is B orthonormal?",
    "Nobody said that B is orthonormal: synthesise by B⁻¹, not by the transposed matrix.",
)
def transposed_for_inverse(D, B, alpha, sigma, u):
    return D(B.T @ (np.hypot(alpha, sigma) * (B @ u)))


equal = Exercise(
    "15-4",
    asks="gains and noise levels of the normal form in which all modes drown at once",
    inputs=[
        (0.5, np.array([4.0])),
        (1.2, np.array([2.0, 0.3])),
        (2.0, np.array([0.01, 0.5, 3.0])),
        (3.0, _rng.uniform(0.1, 30, 6)),
    ],
)


@equal.reference
def equal_ratios(L, power):
    angle = np.arctan2(np.sqrt(power), np.exp(0.5 * L))
    return np.cos(angle), np.sin(angle)


def _normal(snr):
    return np.sqrt(snr / (1 + snr)), np.sqrt(1 / (1 + snr))


@equal.mistake(
    "Which mode is to have more noise: a strong or a weak one?",
    "The sign of the logarithm: ℓ_k = L − log c², so SNR is e^L divided by the mean square.",
)
def multiplied(L, power):
    return _normal(np.exp(L) * power)


@equal.mistake(
    "Compute SNR times the mean square for your results. Is it the same in all modes?",
    "You divided e^L by the root of the mean square. SNR compares squares.",
)
def root_of_power(L, power):
    return _normal(np.exp(L) / np.sqrt(power))


@equal.mistake(
    "What is the SNR if L = 0?",
    "L is the logarithm of the SNR: the SNR is e^L over the mean square, not L over it.",
)
def without_exponential(L, power):
    return _normal(L / power)


@equal.mistake(
    "Compute (α/σ)² for your results. What should it be?",
    "Yours is e^(ℓ/2). The SNR is e^ℓ, and α² = SNR / (1 + SNR).",
)
def half_of_the_logarithm(L, power):
    return _normal(np.sqrt(np.exp(L) / power))


@equal.mistake(
    "Compute log(α²/σ²) for your results, with `power` = 1. Is it L?",
    "Your SNR is e^(2ℓ), as if ℓ were log(α/σ). On this page ℓ is the log of the SNR: SNR = e^ℓ.",
)
def twice_the_logarithm(L, power):
    return _normal((np.exp(L) / power) ** 2)


@equal.mistake(
    "Check that α² + σ² = 1.",
    "You returned the squares α² and σ². Gain and noise level are their roots.",
)
def squares(L, power):
    alpha, sigma = equal_ratios(L, power)
    return alpha**2, sigma**2


@equal.mistake(
    "Check that α² + σ² = 1, in each mode.",
    "These are the units of cosine VP. They are right, but the normal form is asked for.",
)
def in_other_units(L, power):
    alpha, sigma = _normal(np.exp(L))
    return alpha + 0 * power, sigma * np.sqrt(power)


@equal.mistake(
    "For large L the picture wins. Which of your two results is then nearly 1?",
    "You returned them in the wrong order: gains first, then noise levels.",
)
def exchanged(L, power):
    return equal_ratios(L, power)[::-1]


reach = Exercise(
    "15-6",
    asks="the smallest s for which a transition leads to u_0 + √s ε",
    inputs=[
        (np.array([[1.0, 0.0], [-1.0, 1.0]]), np.array([2.0, 0.8])),
        (np.array([[1.0, 2.0, 0.0], [0.5, 1.0, 0.5], [1.0, 0.0, 2.0]]), np.array([0.5, 0.2, 3.0])),
        (np.eye(6) - np.eye(6, k=-1), np.exp(-0.8 * np.arange(6)) / 0.4),
    ],
)


@reach.reference
def least_variance(B, snr):
    back = np.linalg.inv(B) / np.sqrt(snr)  # its square is the inverse of J
    return np.linalg.norm(back, 2) ** 2


def _eigenvalues(B, snr):
    return np.linalg.eigvalsh(B.T @ np.diag(snr) @ B)


@reach.mistake(
    "I/s is to be below J_t in every direction. Which direction is the worst?",
    "You took the largest eigenvalue of J_t. 1/s must not be above the smallest one.",
)
def by_the_largest(B, snr):
    return 1 / _eigenvalues(B, snr)[-1]


@reach.mistake(
    "If all ratios are twice as large, does s become larger or smaller?",
    "You returned the smallest eigenvalue of J_t. That is 1/s.",
)
def not_inverted(B, snr):
    return _eigenvalues(B, snr)[0]


@reach.mistake(
    "Is VE a design in the basis B?",
    "Yours is 1 over the smallest ratio, as if VE had the basis B as well. VE has J = I/s in "
    "pixels: compare it with Bᵀ diag(SNR) B.",
)
def without_basis(B, snr):
    return 1 / snr.min()


@reach.mistake(
    "Which vectors does your J_t act on, images or modes?",
    "The matrix is transposed: J_t = Bᵀ diag(SNR) B, not B diag(SNR) Bᵀ.",
)
def transposed(B, snr):
    return 1 / _eigenvalues(B.T, snr)[0]


@reach.mistake(
    "Is your J_t a symmetric matrix?",
    "`snr * B` multiplies the columns of B. diag(SNR) B multiplies its rows: `snr[:, None] * B`.",
)
def columns_for_rows(B, snr):
    return 1 / np.linalg.eigvalsh(B.T @ (B * snr))[0]


@reach.mistake(
    "What does B do, and what B⁻¹? In which of them is an image analysed?",
    "You put B⁻¹ in place of B: J_t = Bᵀ diag(SNR) B.",
)
def inverse_basis(B, snr):
    return 1 / _eigenvalues(np.linalg.inv(B), snr)[0]


@reach.mistake(
    "x in Loewner's order is any vector. Did you try only unit vectors?",
    "You took the largest variance of a single pixel. Sums of pixels may have more: the largest "
    "eigenvalue of the covariance decides.",
)
def noisiest_pixel(B, snr):
    return np.linalg.inv(B.T @ np.diag(snr) @ B).diagonal().max()


@reach.mistake(
    "Is s the variance of the noise of VE, or its level?",
    "You took the root. In u_0 + √s ε the variance is s.",
)
def noise_level(B, snr):
    return np.sqrt(least_variance(B, snr))
