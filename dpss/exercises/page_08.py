"""Exercises by code of page Blurring diffusion."""

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(8)
_step = np.repeat([0.0, 1.0], 4)

corner = Exercise(
    "08-1",
    asks="least and largest value of the image f_i f_j, blurred with continuous eigenvalues",
    inputs=[
        (np.array([0.0, 0.0, 1.0]), 0.05),
        (np.array([0.0, 0.0, 1.0, 1.0, 1.0]), 0.15),
        (_step, 0.3),
        (_step, 0.08),
    ],
)


def _waves(n):
    """The cosine vectors b_k of a line, one in each row."""
    B = np.cos(np.pi * np.arange(n)[:, None] * (np.arange(n) + 0.5) / n)
    return B / np.linalg.norm(B, axis=1)[:, None]


def _on_line(f, t, eigenvalues=None):
    B = _waves(len(f))
    rates = (np.pi * np.arange(len(f)) / len(f)) ** 2 if eigenvalues is None else eigenvalues
    return B.T @ (np.exp(-t * rates) * (B @ f))


@corner.reference
def corner_extremes(f, t):
    """Both directions at once, with the eigenvalues of the grid."""
    n = len(f)
    B, rates = _waves(n), (np.pi * np.arange(n) / n) ** 2
    modes = B @ np.outer(f, f) @ B.T
    image = B.T @ (np.exp(-t * (rates[:, None] + rates)) * modes) @ B
    return image.min(), image.max()


def _of_product(g):
    return np.outer(g, g).min(), np.outer(g, g).max()


@corner.mistake(
    "Does your picture leave its range at all?",
    "You took the eigenvalues of the grid, 2 − 2 cos(πk/n). Those of the continuum are (πk/n)².",
)
def of_the_grid(f, t):
    n = len(f)
    return _of_product(_on_line(f, t, 2 - 2 * np.cos(np.pi * np.arange(n) / n)))


@corner.mistake(
    "Of which picture are these the extremes, the square or the step?",
    "These are the extremes of the line f, or of a square that is blurred in one direction only. "
    "With both directions, the blurred square is a product g_i g_j.",
)
def of_the_line(f, t):
    g = _on_line(f, t)
    return g.min(), g.max()


@corner.mistake(
    "How dark is the picture where one factor is negative and the other one largest?",
    "The least value of a product is not the product of the least values: it is −y(1 + x), not y².",
)
def least_squared(f, t):
    g = _on_line(f, t)
    return g.min() ** 2, g.max() ** 2


@corner.mistake(
    "Which of your two numbers is larger?", "Return the least value first, then the largest."
)
def exchanged(f, t):
    return corner_extremes(f, t)[::-1]


@corner.mistake(
    "How large is the largest value of a picture that is not blurred at all?",
    "You returned how far the picture leaves [0, 1]. Wanted are the values themselves.",
)
def beyond_the_range(f, t):
    low, high = corner_extremes(f, t)
    return -low, high - 1


@corner.mistake(
    "By which power of t does your picture depend on time?",
    "t is the diffusion time, the gain exp(−tμ). You took t for the blur, exp(−t²μ/2).",
)
def time_for_blur(f, t):
    return corner_extremes(f, t**2 / 2)


@corner.mistake(
    "Which gain has the mode k after the time t?",
    "You have exp(−tμ/2). In this section, t is the diffusion time: the gain is exp(−tμ).",
)
def half_the_time(f, t):
    return corner_extremes(f, t / 2)


@corner.mistake(
    "How many half waves has the mode k on a line of n pixels?",
    "You took (2πk/n)², for k whole waves on a ring. Mode k has k half waves: (πk/n)².",
)
def whole_waves(f, t):
    return corner_extremes(f, 4 * t)


@corner.mistake(
    "What does the gain depend on, the frequency or its square?",
    "The eigenvalue is (πk/n)². The square is missing.",
)
def not_squared(f, t):
    return _of_product(_on_line(f, t, np.pi * np.arange(len(f)) / len(f)))


factor = Exercise(
    "08-2",
    asks="the number Z_d of the bound of q_k, for a least gain d",
    inputs=[(0.5,), (0.1,), (0.001,), (1e-6,)],
    tolerance=1e-5,
)


def _product_log(y):
    """The solution z of z exp(z) = y > 0.036, by Newton's method for z + log z = log y."""
    z = 0.035
    for _ in range(20):
        z = z * (np.log(y) + 1 - np.log(z)) / (1 + z)
    return z


@factor.reference
def largest_factor(d):
    """ψ is largest at the x with (x − 1) exp(x) = (1 − d)/d, and there it is x − 1."""
    return _product_log((1 - d) / (np.e * d))


def _largest(psi):
    x = np.linspace(0, 60, 600001)
    return psi(x, np.exp(-x)).max()


@factor.mistake(
    "Is Z_d the largest value of a function, or the place where it is taken?",
    "You returned the x at which ψ is largest. Z_d is ψ there.",
)
def place(d):
    return 1 + largest_factor(d)


@factor.mistake(
    "The gain is (1 − d) e^(−x) + d. What is its derivative?",
    "In the numerator the factor 1 − d is missing.",
)
def numerator_without(d):
    return largest_factor(d) / (1 - d)


@factor.mistake(
    "The gain at t = 0, where x = 0, is 1. Is yours?",
    "The bracket is (1 − d) e^(−x) + d. You left out 1 − d.",
)
def no_share(d):
    return _largest(lambda x, fall: x * fall / (fall + d))


@factor.mistake(
    "Of which function is q the derivative: of the gain or of its logarithm?",
    "You left out the denominator: q is the derivative of −log of the bracket.",
)
def not_of_logarithm(d):
    return (1 - d) / np.e


@factor.mistake(
    "Which bound is this, that of q or that of its integral over time?",
    "log(1/d) bounds the integral of q. Z_d is the largest ψ(x).",
)
def of_the_integral(d):
    return -np.log(d)


@factor.mistake(
    "Let d be tiny. Does your result grow like log(1/d), or like 1/d?",
    "You divided by the least value of the bracket, d. Numerator and denominator depend on x; "
    "take the largest value of the quotient.",
)
def least_denominator(d):
    return (1 - d) / d / np.e


@factor.mistake(
    "Which factors stand before Z_d in the bound?",
    "2π cot(πt/2) is not a part of Z_d: divide by 2π.",
)
def with_two_pi(d):
    return 2 * np.pi * largest_factor(d)


@factor.mistake(
    "What is left of ψ if you take x away?",
    "The derivative of exp(−λτ_t) has the factor λτ′, which gives the x before the quotient.",
)
def without_x(d):
    return 1 - d


@factor.mistake(
    "Which of the two shares is blurred?", "You exchanged d and 1 − d: the share d stays sharp."
)
def shares_exchanged(d):
    return _largest(lambda x, fall: x * d * fall / (d * fall + 1 - d))


enough = Exercise(
    "08-3",
    asks="the least blur for which the bound of H7 is a given number of nats",
    inputs=[(2, 0.5, 0.1), (5, 0.1, 2.0), (28, 0.01, 0.01), (40, 2.0, 0.3)],
)


@enough.reference
def enough_blur(n, sigma, nats):
    A = np.diag(np.full(n - 1, 1.0), 1)
    A = A + A.T
    lowest = np.linalg.eigvalsh(np.diag(A.sum(0)) - A)[1]
    return np.sqrt(np.log(n**2 / (2 * sigma**2 * nats)) / lowest)


@enough.mistake(
    "Which eigenvalue has the coarsest wave of a grid of 2 × 2 pixels?",
    "You took (π/n)², of the continuum. The grid has 4 sin²(π/2n).",
)
def lowest_of_continuum(n, sigma, nats):
    return enough_blur(n, sigma, nats) * 2 * np.sin(np.pi / (2 * n)) / (np.pi / n)


@enough.mistake("How many pixels has the picture?", "N is the number of pixels, n².")
def side_for_pixels(n, sigma, nats):
    return enough_blur(n, sigma * np.sqrt(n), nats)


@enough.mistake(
    "Which power of the noise level is in the bound?",
    "The bound has σ² in its denominator, you have σ.",
)
def level_for_variance(n, sigma, nats):
    return enough_blur(n, np.sqrt(sigma), nats)


@enough.mistake(
    "Put your blur into the bound. By which factor is it off?", "The 2 of 2σ² is missing."
)
def no_two(n, sigma, nats):
    return enough_blur(n, sigma / np.sqrt(2), nats)


@enough.mistake(
    "Which unit has your result, pixels or pixels squared?",
    "You returned σ_B². The root is missing.",
)
def blur_squared(n, sigma, nats):
    return enough_blur(n, sigma, nats) ** 2


@enough.mistake(
    "Which wave is the coarsest of all, and which exponent has the bound?",
    "Your blur is too small by √2. The coarsest waves are (0, 1) and (1, 0), not (1, 1); and the "
    "exponent is λ₁σ_B², not twice that.",
)
def exponent_doubled_or_mode_one_one(n, sigma, nats):
    return enough_blur(n, sigma, nats) / np.sqrt(2)


@enough.mistake(
    "Which τ belongs to the blur σ_B?",
    "Your blur is off by √2. At t = 1, τ = σ_B²/2, and the exponent 2λτ is λσ_B².",
)
def exponent_halved(n, sigma, nats):
    return enough_blur(n, sigma, nats) * np.sqrt(2)


@enough.mistake(
    "Is the line a ring?",
    "You took 4 sin²(π/n), of a ring. The coarsest wave of a line is half a wave: 4 sin²(π/2n).",
)
def on_a_ring(n, sigma, nats):
    return enough_blur(n, sigma, nats) * np.sin(np.pi / (2 * n)) / np.sin(np.pi / n)


@enough.mistake(
    "Try it with nats = 0.01 and with nats = 1. Which needs more blur?",
    "Your result does not depend on the nats, or as if they were 1.",
)
def one_nat(n, sigma, nats):
    return enough_blur(n, sigma, 1.0)


@enough.mistake(
    "Put your blur into the bound. Do you get the nats?",
    "You took the logarithm to base 10. The inverse of exp is np.log.",
)
def base_ten(n, sigma, nats):
    return enough_blur(n, sigma, nats) / np.sqrt(np.log(10))


blind = Exercise(
    "08-4",
    asks="the image with Q applied to its modes (k, n − k), k = 1, …, n − 1",
    inputs=[
        (_rng.uniform(0, 1, (2, 2)), np.array([[-1.0]])),
        (_rng.uniform(0, 1, (3, 3)), np.array([[0.6, 0.8], [-0.8, 0.6]])),
        (_rng.uniform(0, 1, (5, 5)), np.linalg.qr(_rng.normal(size=(4, 4)))[0]),
    ],
)


@blind.reference
def turned(u, Q):
    """With the waves of these modes as images; the other modes are not touched."""
    b = _waves(len(u))[1:]
    waves = b[:, :, None] * b[::-1, None, :]
    modes = np.sum(waves * u, axis=(1, 2))
    return u + np.tensordot(Q @ modes - modes, waves, 1)


def _in_modes(u, change, back=True, B=None):
    B = _waves(len(u)) if B is None else B
    modes = B @ u @ B.T
    modes = change(modes, np.arange(1, len(u)))
    return B.T @ modes @ B if back else modes


def _apply(Q, modes, rows, columns):
    modes[rows, columns] = Q @ modes[rows, columns]
    return modes


@blind.mistake(
    "Apply a rotation by a small angle to the first of the modes alone. Which way does it go?",
    "You applied the transpose of Q. The new modes are Q @ modes.",
)
def transposed(u, Q):
    return turned(u, Q.T)


@blind.mistake(
    "Look at your result: is it an image, or are these modes?",
    "You returned the modes. Go back to pixels at the end.",
)
def left_in_modes(u, Q):
    return _in_modes(u, lambda c, k: _apply(Q, c, k, len(u) - k), back=False)


@blind.mistake(
    "Let Q be the identity. Is the result u?", "You lost the other modes. They stay as they are."
)
def others_lost(u, Q):
    return turned(u, Q) - turned(u, 0 * Q)


@blind.mistake(
    "Add the two numbers of each mode that you change. Are the sums the same?",
    "You changed the modes (k, k). The modes with the eigenvalue 4 are (k, n − k).",
)
def diagonal(u, Q):
    return _in_modes(u, lambda c, k: _apply(Q, c, k, k))


@blind.mistake(
    "Which eigenvalues have the modes that you change? Print them.",
    "Off by one: modes are counted from 0. The modes (k, n − k) begin at (1, n − 1).",
)
def off_by_one(u, Q):
    return _in_modes(u, lambda c, k: _apply(Q, c, k - 1, len(u) - 1 - k))


@blind.mistake(
    "In what order come the modes, and what is the first of them?",
    "You ordered them from (n − 1, 1) to (1, n − 1). The first is (1, n − 1).",
)
def other_order(u, Q):
    return _in_modes(u, lambda c, k: _apply(Q, c, len(u) - k, k))


@blind.mistake(
    "On what does Q act, modes or pixels?",
    "You changed pixels (k, n − k). Analyse first, change the modes, then go back.",
)
def pixels(u, Q):
    return _apply(Q, np.array(u), np.arange(1, len(u)), len(u) - np.arange(1, len(u)))


@blind.mistake(
    "Has your result the same mean as u, and the same sum of squares?",
    "Your cosine waves do not have the length 1. Divide each by its norm.",
)
def waves_not_normalised(u, Q):
    n = len(u)
    B = np.cos(np.pi * np.arange(n)[:, None] * (np.arange(n) + 0.5) / n)
    return _in_modes(u, lambda c, k: _apply(Q, c, k, n - k), B=B)


@blind.mistake(
    "Let u be flat. Which modes do you get from it?",
    "The way to modes is B u Bᵀ, the way back Bᵀ c B. You went the same way twice, or back first.",
)
def back_first(u, Q):
    return _in_modes(u, lambda c, k: _apply(Q, c, k, len(u) - k), B=_waves(len(u)).T)
