"""Exercises by code of page Blurring diffusion."""

import numpy as np

from .cosines import cosines
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


@corner.reference
def corner_extremes(f, t):
    """Both directions at once, with the eigenvalues of the grid."""
    n = len(f)
    B, rates = cosines(n), (np.pi * np.arange(n) / n) ** 2
    modes = B @ np.outer(f, f) @ B.T
    image = B.T @ (np.exp(-t * (rates[:, None] + rates)) * modes) @ B
    return image.min(), image.max()


def _on_line(f, t, B=None):
    B = cosines(len(f)) if B is None else B
    return B.T @ (np.exp(-t * (np.pi * np.arange(len(f)) / len(f)) ** 2) * (B @ f))


def _of_product(g):
    return np.outer(g, g).min(), np.outer(g, g).max()


@corner.mistake(
    "Does your picture leave its range at all?",
    "You took the eigenvalues of the grid, 2 − 2 cos(πk/n). Those of the continuum are (πk/n)².",
)
def of_the_grid(f, t):
    k, B = np.arange(len(f)), cosines(len(f))
    return _of_product(B.T @ (np.exp(t * (2 * np.cos(np.pi * k / len(f)) - 2)) * (B @ f)))


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
    "How many pixels has the picture of which you took the extremes?",
    "`g * g` is the diagonal of the picture alone. All products g_i g_j are g[:, None] * g.",
)
def diagonal_of_the_square(f, t):
    g = _on_line(f, t)
    return (g**2).min(), (g**2).max()


@corner.mistake(
    "Which of your two numbers is larger?", "Return the least value first, then the largest."
)
def exchanged(f, t):
    return corner_extremes(f, t)[::-1]


@corner.mistake(
    "By which power of t does your picture depend on time?",
    "t is the diffusion time, the gain exp(−tμ). You took t for the blur, exp(−t²μ/2).",
)
def time_for_blur(f, t):
    return corner_extremes(f, t**2 / 2)


@corner.mistake(
    "Blur for a time of 0. Do you get f back?",
    "All your b_k have the factor √(2/n). The flat one, b_0, has √(1/n).",
)
def flat_wave_too_long(f, t):
    return _of_product(_on_line(f, t) + f.mean())


@corner.mistake(
    "Let f be 1 everywhere. Which modes do you get from it?",
    "With the vectors b_k as rows of B, the modes are B @ f. You went back, Bᵀ, first.",
)
def back_first(f, t):
    return _of_product(_on_line(f, t, cosines(len(f)).T))


factor = Exercise(
    "08-2",
    asks="the number Z_d of the bound of q_k, for a least gain d",
    inputs=[(0.5,), (0.1,), (0.001,), (1e-6,)],
    tolerance=1e-3,
)


def _product_log(y):
    """The solution z of z exp(z) = y > 0.036, by Newton's method for z + log z = log y."""
    z = 0.035
    for _ in range(20):
        z = z * (np.log(y) + 1 - np.log(z)) / (1 + z)
    return z


@factor.reference
def largest_factor(d):
    """The function of x is largest where (x − 1) exp(x) = (1 − d)/d, and there it is x − 1."""
    return _product_log((1 - d) / (np.e * d))


def _quotient(x, d):
    return x * (1 - d) / (1 - d + d * np.exp(x))


@factor.mistake(
    "Is Z_d the largest value of a function, or the place where it is taken?",
    "You returned the x at which the function is largest. Z_d is its value there.",
)
def place(d):
    return 1 + largest_factor(d)


@factor.mistake(
    "At which x does the denominator begin to count, if d is small?",
    "You took the function at x = 1, where x exp(−x) is largest. The quotient is largest at a "
    "larger x.",
)
def at_one(d):
    return _quotient(1.0, d)


@factor.mistake(
    "Where is the function largest for d = 1e-6: inside your grid, or at its end?",
    "Your grid ends at x = 10. For d = 1e-6 the function is largest near x = 11.5.",
)
def grid_too_short(d):
    return _quotient(np.linspace(0, 10, 100001), d).max()


@factor.mistake(
    "Of which function is q the derivative: of the gain or of its logarithm?",
    "You left out the denominator: q is the derivative of −log of the bracket.",
)
def not_of_logarithm(d):
    return (1 - d) / np.e


@factor.mistake(
    "The gain is (1 − d) e^(−x) + d. What is its derivative?",
    "In the numerator the factor 1 − d is missing.",
)
def numerator_without(d):
    return largest_factor(d) / (1 - d)


@factor.mistake(
    "Which value has your function at x = 0, and which value has q there, at t = 0?",
    "The derivative of exp(−λτ_t) has the factor λτ′, which gives an x before the quotient.",
)
def without_x(d):
    return 1 - d


@factor.mistake(
    "Which bound is this, that of q or that of its integral over time?",
    "log(1/d) bounds the integral of q. Z_d bounds q itself, over 2π cot(πt/2).",
)
def of_the_integral(d):
    return -np.log(d)


@factor.mistake(
    "Which factors stand before Z_d in the bound?",
    "2π cot(πt/2) is not a part of Z_d: divide by 2π.",
)
def with_two_pi(d):
    return 2 * np.pi * largest_factor(d)


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


@enough.mistake(
    "Is the line a ring?",
    "You took 4 sin²(π/n), of a ring. The coarsest wave of a line is half a wave: 4 sin²(π/2n).",
)
def on_a_ring(n, sigma, nats):
    return enough_blur(n, sigma, nats) * np.sin(np.pi / (2 * n)) / np.sin(np.pi / n)


@enough.mistake(
    "Try pictures of another size. Which numbers in your function change?",
    "Your λ₁ is that of 28 × 28 pixels. For n × n it is 4 sin²(π/2n).",
)
def wave_of_28_pixels(n, sigma, nats):
    return enough_blur(n, sigma, nats) * np.sin(np.pi / (2 * n)) / np.sin(np.pi / 56)


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
    "Your blur is too large by √2. At t = 1, τ = σ_B²/2, and the exponent 2λ₁τ is λ₁σ_B².",
)
def exponent_halved(n, sigma, nats):
    return enough_blur(n, sigma, nats) * np.sqrt(2)


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
    b = cosines(len(u))[1:]
    waves = b[:, :, None] * b[::-1, None, :]
    modes = np.sum(waves * u, axis=(1, 2))
    return u + np.tensordot(Q @ modes - modes, waves, 1)


def _modes(u):
    B = cosines(len(u))
    return B @ u @ B.T


def _pixels(modes):
    B = cosines(len(modes))
    return B.T @ modes @ B


@blind.mistake(
    "Apply a rotation by a small angle to the first of the modes alone. Which way does it go?",
    "You applied the transpose of Q. The new modes are Q @ modes.",
)
def transposed(u, Q):
    return turned(u, Q.T)


@blind.mistake(
    "In what order come the modes, and what is the first of them?",
    "You ordered them from (n − 1, 1) to (1, n − 1). The first is (1, n − 1).",
)
def other_order(u, Q):
    return turned(u, Q[::-1, ::-1])


@blind.mistake(
    "Add the two numbers of each mode that you change. Are the sums the same?",
    "You changed the modes (k, k). The modes with the eigenvalue 4 are (k, n − k).",
)
def diagonal(u, Q):
    c, k = _modes(u), np.arange(1, len(u))
    c[k, k] = Q @ c[k, k]
    return _pixels(c)


@blind.mistake(
    "How many modes does Q change in your function, and how many should it change?",
    "A slice such as c[1:, 1:] is a block of (n − 1)² modes. The n − 1 modes are c[k, n − k] with "
    "an array k.",
)
def whole_block(u, Q):
    c = _modes(u)
    c[1:, 1:] = Q @ c[1:, 1:]
    return _pixels(c)


@blind.mistake(
    "When your loop comes to the second mode, which value has the first?",
    "Your loop uses modes that it has changed already. Compute all new ones from the old ones.",
)
def overwritten(u, Q):
    c, k = _modes(u), np.arange(1, len(u))
    for i in k:
        c[i, len(u) - i] = Q[i - 1] @ c[k, len(u) - k]
    return _pixels(c)


@blind.mistake(
    "Look at your result: is it an image, or are these modes?",
    "You returned the modes. Go back to pixels at the end.",
)
def left_in_modes(u, Q):
    return _modes(turned(u, Q))


@blind.mistake(
    "Let Q be the identity. Is the result u?",
    "You went the same way twice. The way to the modes is B u Bᵀ, the way back Bᵀ c B.",
)
def same_way_twice(u, Q):
    return _modes(_modes(turned(u, Q)))


@blind.mistake(
    "Let u be flat and Q the identity. Is the result u?",
    "All your b_k have the factor √(2/n). The flat one, b_0, has √(1/n).",
)
def flat_modes_too_large(u, Q):
    c = _modes(turned(u, Q))
    c[0] *= 2
    c[:, 0] *= 2
    return _pixels(c)
