"""Exercises by code of page Nonlinear diffusion."""

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(3)

step = Exercise(
    "03-2",
    asks="one explicit step of Perona–Malik diffusion on a line of pixels",
    inputs=[
        (np.array([0.0, 1.0]), 0.25, 0.5),
        (np.array([0.0, 1.0, 0.5]), 0.5, 0.8),
        (_rng.uniform(-1, 1, 9), 0.4, 0.3),
    ],
)


def _steepness(u):
    """|∇u|² at each pixel: half the sum of the squared differences to its neighbours."""
    square = np.diff(u) ** 2
    return (np.append(square, 0) + np.append(0, square)) / 2


def _moved(u, tau, weights):
    """u + τ L u, for the weights of the edges."""
    through = tau * weights * np.diff(u)
    return u + np.append(through, 0) - np.append(0, through)


@step.reference
def line_step(u, tau, contrast):
    g = 1 / (1 + _steepness(u) / contrast**2)
    return _moved(u, tau, (g[1:] + g[:-1]) / 2)


@step.mistake(
    "Where does the definition compute the diffusivity: at pixels, or on edges?",
    "You took g of the difference over each edge. The weight is the mean of g at its two ends, and "
    "g at a pixel knows both of its differences.",
)
def by_edges(u, tau, contrast):
    return _moved(u, tau, 1 / (1 + np.diff(u) ** 2 / contrast**2))


@step.mistake(
    "For a ramp of slope 1, what is |∇u|² inside?",
    "You added the squares of the differences. Half of their sum is |∇u|².",
)
def without_the_half(u, tau, contrast):
    g = 1 / (1 + 2 * _steepness(u) / contrast**2)
    return _moved(u, tau, (g[1:] + g[:-1]) / 2)


@step.mistake(
    "How many differences does the first pixel see? Look at |∇u|² there.",
    "At its ends the line has one difference only, and the missing one counts as 0. You gave the "
    "pixels at the ends the full slope.",
)
def full_slope_at_the_ends(u, tau, contrast):
    gap = np.pad(np.diff(u), 1, mode="edge")
    g = 1 / (1 + (gap[1:] ** 2 + gap[:-1] ** 2) / (2 * contrast**2))
    return _moved(u, tau, (g[1:] + g[:-1]) / 2)


@step.mistake(
    "Multiply u and the contrast by 2. Is your result twice what it was?",
    "You divided |∇u|² by the contrast. It is the square of the contrast: z has no unit.",
)
def contrast_not_squared(u, tau, contrast):
    g = 1 / (1 + _steepness(u) / contrast)
    return _moved(u, tau, (g[1:] + g[:-1]) / 2)


@step.mistake(
    "Does the mean of u stay?",
    "You multiplied the Laplacian at each pixel by g there. The factor belongs to the flow through "
    "an edge: what leaves one pixel must enter the other.",
)
def outside_of_the_divergence(u, tau, contrast):
    change = _moved(u, 1.0, np.ones(len(u) - 1)) - u
    return u + tau * change / (1 + _steepness(u) / contrast**2)


@step.mistake(
    "Which diffusivity is Perona–Malik's?",
    "This is Charbonnier's, with a root. Perona–Malik's is 1 / (1 + z).",
)
def with_a_root(u, tau, contrast):
    g = 1 / np.sqrt(1 + _steepness(u) / contrast**2)
    return _moved(u, tau, (g[1:] + g[:-1]) / 2)


@step.mistake(
    "Is your result smoother than u, or rougher?",
    "Grey value flows uphill in your step: the sign of the flow.",
)
def uphill(u, tau, contrast):
    return line_step(u, -tau, contrast)


@step.mistake(
    "Is the result the change, or the image after it?", "You returned τ L u. The step is u + τ L u."
)
def only_the_change(u, tau, contrast):
    return line_step(u, tau, contrast) - u


cycle = Exercise(
    "03-4",
    asks="the steps of the shortest cycle of fast explicit diffusion to the time t, ascending",
    inputs=[(0.1, 0.25), (1.0, 0.5), (20.0, 0.25), (7.3, 0.125)],
)


def _steps(n, limit):
    """Ascending: the longest is that of j = 1."""
    return limit / 2 / np.sin(np.pi * np.arange(n, 0, -1) / (2 * n + 1)) ** 2


def _least(t, limit):
    """The least n with limit (n² + n)/3 ≥ t."""
    return int(np.ceil(np.sqrt(3 * t / limit + 0.25) - 0.5 - 1e-9))


@cycle.reference
def cycle_to(t, limit):
    steps = _steps(_least(t, limit), limit)
    return steps * (t / np.sum(steps))


@cycle.mistake(
    "What is the sum of your steps?",
    "Your steps add up to the full cycle, beyond t. Shorten all of them by one factor.",
)
def not_shortened(t, limit):
    return _steps(_least(t, limit), limit)


@cycle.mistake(
    "Compare the ratios of your steps with those of the full cycle.",
    "You cut off the longest step alone. Shorten all of them by one factor, else the product of "
    "the steps is no longer that of a cycle.",
)
def cut_at_the_end(t, limit):
    steps = _steps(_least(t, limit), limit)
    return np.append(steps[:-1], t - steps[:-1].sum())


@cycle.mistake(
    "Which comes first in your list, the shortest or the longest step?",
    "The order: j = 1 has the longest step. Ascending means that it comes last.",
)
def descending(t, limit):
    return cycle_to(t, limit)[::-1]


@cycle.mistake(
    "How long is your longest step for a limit of 1/4, and how long for another?",
    "You took the 8 of the page for every limit. It is 2 / limit.",
)
def always_a_quarter(t, limit):
    return cycle_to(t, 0.25)


@cycle.mistake(
    "How many steps has your cycle? Compare with explicit steps.",
    "Your steps are all alike: explicit steps, as many as it takes. Those of a cycle differ.",
)
def explicit_steps(t, limit):
    n = int(np.ceil(t / limit - 1e-9))
    return np.full(n, t / n)


@cycle.mistake(
    "Is the product of your steps stable? Try eigenvalues between 0 and 2 / limit.",
    "The number of steps is right, but they are all alike, and beyond the limit. Take 1 / sin².",
)
def equal_steps(t, limit):
    n = _least(t, limit)
    return np.full(n, t / n)


@cycle.mistake(
    "Where in the formula does n stand?", "You divided the angle by 2n. It is π j / (2n + 1)."
)
def angle_without_the_one(t, limit):
    n = _least(t, limit)
    steps = 1 / np.sin(np.pi * np.arange(n, 0, -1) / (2 * n)) ** 2
    return steps * (t / np.sum(steps))
