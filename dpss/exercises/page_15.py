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
    "What does the clamped chain do where 1/SNR falls?",
    "You added up all changes of 1/SNR, the falls as well. Where it falls, the variance that would "
    "be added is negative, and the chain puts it to 0.",
)
def all_changes(alpha, sigma):
    z = (sigma / alpha) ** 2
    return np.abs(np.diff(z)).sum() / z.max()


@clamp.mistake(
    "With which design do you compare: with the wish, or with the mended one?",
    "You divided by the variance that the refused design promises at the end. The mended design "
    "has the past maximum of 1/SNR.",
)
def over_the_wish(alpha, sigma):
    z = (sigma / alpha) ** 2
    return excess_noise(alpha, sigma) * z.max() / z[-1]


@clamp.mistake(
    "Of what is your result a quotient: of variances, or of noise levels?",
    "You took σ/α in place of 1/SNR, which is (σ/α)².",
)
def without_squares(alpha, sigma):
    z = sigma / alpha
    return np.maximum(np.diff(z), 0).sum() / z.max()


@clamp.mistake(
    "Is the quotient of variances asked for, or that of noise levels?",
    "You took the root. The variances are compared.",
)
def of_noise_levels(alpha, sigma):
    return np.sqrt(excess_noise(alpha, sigma))


@clamp.mistake(
    "Your result has a unit. Which one?",
    "This is V / α², the sum of rises. Divide by 1/SNR of the mended design, the past maximum.",
)
def only_the_sum(alpha, sigma):
    return excess_noise(alpha, sigma) * ((sigma / alpha) ** 2).max()


@clamp.mistake(
    "In which units is V, and in which is the past maximum of 1/SNR?",
    "You divided V by the maximum of 1/SNR. The variance of the mended design is α² times it, with "
    "α at the end.",
)
def in_different_units(alpha, sigma):
    return excess_noise(alpha, sigma) * alpha[-1] ** 2


@clamp.mistake(
    "This is the variance V itself. What is it to be compared with?",
    "Divide V by the variance of the mended design, α² times the past maximum of 1/SNR.",
)
def only_the_variance(alpha, sigma):
    return only_the_sum(alpha, sigma) * alpha[-1] ** 2


def _chain(alpha, sigma, power, least=0.0):
    """V_n by steps, the gain of a step taken to a power."""
    variance = 0.0
    for i in range(len(alpha) - 1):
        gain = alpha[i + 1] / alpha[i]
        added = sigma[i + 1] ** 2 - gain**2 * sigma[i] ** 2
        variance = gain**power * variance + np.maximum(added, least)
    return variance / (alpha[-1] ** 2 * ((sigma / alpha) ** 2).max())


@clamp.mistake(
    "What does a step do to the noise that is in the state already?",
    "The step multiplies the state by its gain. Your chain only adds variances up.",
)
def without_gains(alpha, sigma):
    return _chain(alpha, sigma, 0)


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


@clamp.mistake(
    "Take 1/SNR = 0, 4, 1, 4. What does your function return? And the chain?",
    "1 is right for one dip only. After each dip the rise is paid for once more.",
)
def never_more(alpha, sigma):
    return 1.0 + 0.0 * alpha[0] * sigma[0]


@clamp.mistake(
    "Does noise come in where 1/SNR rises or where it falls?",
    "You added up the falls of 1/SNR. The chain adds noise where it rises, and the noise of a step "
    "that would have a negative variance is left out.",
)
def sum_of_falls(alpha, sigma):
    z = (sigma / alpha) ** 2
    return np.maximum(-np.diff(z), 0).sum() / z.max()


@clamp.mistake(
    "Which noise level has the mended design that keeps the gains of the wish?",
    "You divided by the largest σ². The mended design has α², at the end, times the largest "
    "(σ/α)².",
)
def over_the_largest_level(alpha, sigma):
    return (
        excess_noise(alpha, sigma)
        * alpha[-1] ** 2
        * ((sigma / alpha) ** 2).max()
        / (sigma**2).max()
    )


@clamp.mistake(
    "Which of the two has more noise? So should your quotient be above 1, or below?",
    "Your quotient is upside down: the clamped chain comes first.",
)
def upside_down(alpha, sigma):
    return 1 / excess_noise(alpha, sigma)


@clamp.mistake(
    "What has a step to add if the gain is less than 1 and the noise level stays?",
    "You took differences of σ². A step also shrinks or stretches the noise that is there: take "
    "differences of (σ/α)².",
)
def of_noise_alone(_alpha, sigma):
    return np.maximum(np.diff(sigma**2), 0).sum() / (sigma**2).max()


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
            np.array([0.9, 0.6]),
            np.array([0.3, 1.1]),
            np.array([0.4, -0.2]),
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


def _units(B, alpha, sigma, power=0.5):
    snr = (alpha / sigma) ** 2
    gain = (snr / (1 + snr)) ** power
    return np.linalg.inv(B) @ np.diag(gain / alpha) @ B


@faces.reference
def denoiser_of_normal_form(D, B, alpha, sigma, u):
    snr = (alpha / sigma) ** 2
    C = np.linalg.inv(B) @ np.diag(np.sqrt(snr / (1 + snr)) / alpha) @ B
    return D(np.linalg.solve(C, u))


@faces.mistake(
    "On which scale does D expect the grey values of its argument?",
    "You forgot to change the units: D knows states of the design, C⁻¹u and not u.",
)
def in_the_wrong_units(D, _B, _alpha, _sigma, u):
    return D(u)


@faces.mistake(
    "If u is a state of the normal form, which state of the design belongs to it?",
    "The normal form is Ũ = C U, so it is U = C⁻¹u that you put into D. You put C u into it.",
)
def the_other_way(D, B, alpha, sigma, u):
    return D(_units(B, alpha, sigma) @ u)


@faces.mistake(
    "In which units is U_0, in the design and in its normal form?",
    "Both start from the same U_0, so the result of D is right as it is: do not multiply it by C.",
)
def back_to_the_units(D, B, alpha, sigma, u):
    return _units(B, alpha, sigma) @ denoiser_of_normal_form(D, B, alpha, sigma, u)


@faces.mistake(
    "What is given: U_t, or U_0?",
    "You changed the units of the estimate. Those of the state, the argument of D, are different.",
)
def of_the_estimate(D, B, alpha, sigma, u):
    return np.linalg.solve(_units(B, alpha, sigma), D(u))


@faces.mistake(
    "You changed the units of the estimate. Which of the two, U_0 or U_t, has units to change?",
    "It is D(C⁻¹u): the state is divided by C. You multiplied the estimate by C.",
)
def estimate_times_the_units(D, B, alpha, sigma, u):
    return _units(B, alpha, sigma) @ D(u)


@faces.mistake(
    "What is multiplied by α̃/α: a grey value, or a mode?",
    "You divided the pixels of u. C acts on modes: analyse by B, divide, synthesise by B⁻¹.",
)
def in_pixels(D, B, alpha, sigma, u):
    return denoiser_of_normal_form(D, np.eye(len(B)), alpha, sigma, u)


@faces.mistake(
    "Does D expect an image or modes?",
    "You divided the modes and put them into D. Go back to the image by B⁻¹ before.",
)
def modes_into_the_denoiser(D, B, alpha, sigma, u):
    return D((B @ u) * np.sqrt(alpha**2 + sigma**2))


@faces.mistake(
    "Is B orthonormal?",
    "Nobody said that B is orthonormal: synthesise by B⁻¹, not by the transposed matrix.",
)
def transposed_for_inverse(D, B, alpha, sigma, u):
    return D(B.T @ ((B @ u) * np.sqrt(alpha**2 + sigma**2)))


@faces.mistake(
    "Which of B and B⁻¹ leads from images to modes?",
    "You exchanged them: analyse by B, divide, synthesise by B⁻¹.",
)
def inverse_first(D, B, alpha, sigma, u):
    return denoiser_of_normal_form(D, np.linalg.inv(B), alpha, sigma, u)


@faces.mistake(
    "Check α̃² + σ̃² = 1 for your gains.", "You took SNR / (1 + SNR) for the gain. It is its square."
)
def gain_not_rooted(D, B, alpha, sigma, u):
    return D(np.linalg.solve(_units(B, alpha, sigma, 1.0), u))


@faces.mistake("Check that the SNR is the same in both units.", "SNR is (α/σ)². You took α/σ.")
def snr_not_squared(D, B, alpha, sigma, u):
    ratio = alpha / sigma
    return D(np.linalg.solve(B, (B @ u) * alpha / np.sqrt(ratio / (1 + ratio))))


@faces.mistake(
    "Which quotient of gains is C: that of the new and the old, or something with one of them?",
    "You divided by the gain of the normal form only. C is α̃/α.",
)
def without_the_old_gain(D, B, alpha, sigma, u):
    return D(np.linalg.solve(B, (B @ u) * np.sqrt(alpha**2 + sigma**2) / alpha))


@faces.mistake(
    "Let there be no noise at all. Which gain has the normal form then, and which C?",
    "You divided the modes by α alone. That makes a gain of 1; divide by C = α̃/α.",
)
def to_gain_one(D, B, alpha, _sigma, u):
    return D(np.linalg.solve(B, (B @ u) / alpha))


@faces.mistake(
    "Is your result an image or its modes?", "You returned modes. D returns an image already."
)
def modes_of_the_estimate(D, B, alpha, sigma, u):
    return B @ denoiser_of_normal_form(D, B, alpha, sigma, u)


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
    "Do your results depend on the mode?",
    "This is cosine VP, with the SNR e^L in all modes. Divide by the mean squares.",
)
def without_power(L, power):
    return _normal(np.exp(L) + 0 * power)


@equal.mistake(
    "Check that α² + σ² = 1.",
    "You returned the squares α² and σ². Gain and noise level are their roots.",
)
def squares(L, power):
    alpha, sigma = equal_ratios(L, power)
    return alpha**2, sigma**2


@equal.mistake(
    "For large L the picture wins. Which of your two results is then nearly 1?",
    "You returned them in the wrong order: gains first, then noise levels.",
)
def exchanged(L, power):
    return equal_ratios(L, power)[::-1]


@equal.mistake(
    "Compute SNR times the mean square for your results. Is it the same in all modes?",
    "You divided e^L by the root of the mean square. SNR compares squares.",
)
def root_of_power(L, power):
    return _normal(np.exp(L) / np.sqrt(power))


@equal.mistake(
    "Check that α² + σ² = 1, in each mode.",
    "These are the units of cosine VP. They are right, but the normal form is asked for.",
)
def in_other_units(L, power):
    alpha, sigma = _normal(np.exp(L))
    return alpha + 0 * power, sigma * np.sqrt(power)


@equal.mistake(
    "What is the SNR if L = 0?",
    "L is the logarithm of the SNR: the SNR is e^L over the mean square, not L over it.",
)
def without_exponential(L, power):
    return _normal(L / power)


@equal.mistake(
    "Your SNR is e^ℓ of what? What is ℓ_k for a mean square of e²?",
    "You subtracted the mean square from L, not its logarithm.",
)
def without_logarithm(L, power):
    return _normal(np.exp(L - power))


@equal.mistake(
    "Compute (α/σ)² for your results. What should it be?",
    "Yours is e^(ℓ/2). The SNR is e^ℓ, and α² = SNR / (1 + SNR).",
)
def half_of_the_logarithm(L, power):
    return _normal(np.sqrt(np.exp(L) / power))


@equal.mistake(
    "Which function turns ℓ into α², and which one into α?",
    "You took α = 1 / (1 + e^−ℓ) and σ² = 1 − α². It is α² that has this value.",
)
def gain_for_its_square(L, power):
    alpha = equal_ratios(L, power)[0] ** 2
    return alpha, np.sqrt(1 - alpha**2)


@equal.mistake(
    "Is `power` the size of a mode, or the mean of its square?",
    "You squared the mean squares once more.",
)
def power_squared(L, power):
    return _normal(np.exp(L) / power**2)


@equal.mistake(
    "When the clock shows a large L, is there much noise or little?",
    "The sign of L: the SNR is e^L divided by the mean square.",
)
def sign_of_the_clock(L, power):
    return _normal(np.exp(-L) / power)


@equal.mistake(
    "Check that α² + σ² = 1. Which of your two results is too large?",
    "You put σ = 1 and the whole ratio into the gain. Divide both by √(1 + SNR).",
)
def unit_noise(L, power):
    return np.sqrt(np.exp(L) / power), 1.0 + 0 * power


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
    "You compared the ratios as if both had the basis B. VE has J = I/s in pixels; compare with "
    "Bᵀ diag(SNR) B.",
)
def without_basis(B, snr):
    return 1 / snr.min() + 0 * B[0, 0]


@reach.mistake(
    "Which vectors does your J_t act on, images or modes?",
    "The matrix is transposed: J_t = Bᵀ diag(SNR) B, not B diag(SNR) Bᵀ.",
)
def transposed(B, snr):
    return 1 / _eigenvalues(B.T, snr)[0]


@reach.mistake(
    "What does B do, and what B⁻¹? In which of them is an image analysed?",
    "You put B⁻¹ in place of B: J_t = Bᵀ diag(SNR) B.",
)
def inverse_basis(B, snr):
    return 1 / _eigenvalues(np.linalg.inv(B), snr)[0]


@reach.mistake(
    "Is s the variance of the noise of VE, or its level?",
    "You took the root. In u_0 + √s ε the variance is s.",
)
def noise_level(B, snr):
    return np.sqrt(least_variance(B, snr))


@reach.mistake(
    "What stands in the middle of J_t: α/σ, or its square?",
    "snr is α²/σ² already. You took its root.",
)
def root_of_ratios(B, snr):
    return 1 / _eigenvalues(B, np.sqrt(snr))[0]


@reach.mistake(
    "What stands in the middle of J_t: α²/σ², or its square?",
    "snr is α²/σ² already. You squared it.",
)
def squared_ratios(B, snr):
    return 1 / _eigenvalues(B, snr**2)[0]


@reach.mistake(
    "Is your J_t a symmetric matrix?",
    "A factor is missing: J_t = Bᵀ diag(SNR) B. eigvalsh looks at one half of the matrix and "
    "believes that the other half is the same.",
)
def one_factor(B, snr):
    return 1 / np.linalg.eigvalsh(np.diag(snr) @ B)[0]


@reach.mistake(
    "In which direction can the state tell two starts apart least well?",
    "You compared the traces. Loewner's order asks for every direction: the smallest eigenvalue.",
)
def by_the_trace(B, snr):
    return len(B) / _eigenvalues(B, snr).sum()


@reach.mistake(
    "x in Loewner's order is any vector. Did you try only unit vectors?",
    "You compared the diagonals. The smallest eigenvalue of J_t decides, and it is smaller.",
)
def by_the_diagonal(B, snr):
    return 1 / (snr @ B**2).min()


@reach.mistake(
    "If all ratios are twice as large, does the state know more or less? Then what about s?",
    "You returned an eigenvalue of J_t, and the largest one. 1/s is the smallest.",
)
def the_largest(B, snr):
    return _eigenvalues(B, snr)[-1]


@reach.mistake(
    "Which modes count most in J_t, those with much noise or with little?",
    "You put 1/SNR into the middle. J_t = Bᵀ diag(SNR) B.",
)
def of_the_inverse_ratios(B, snr):
    return 1 / _eigenvalues(B, 1 / snr)[0]
