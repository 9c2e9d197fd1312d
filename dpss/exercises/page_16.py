"""Exercises by code of page Density and osmosis."""

import math

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(16)

outside = Exercise(
    "16-2",
    asks="the probability of VP outside [−end, end], at an osmosis time",
    inputs=[
        (0.0, 1.0, 0.5, 2.0),
        (1.0, 0.5, 0.3, 1.5),
        (-1.5, 0.2, 0.1, 1.0),
        (0.6, 2.0, 1.0, 4.0),
    ],
)


def _tail(distance):
    """Probability that a standard normal number is larger than this."""
    return math.erfc(distance / math.sqrt(2)) / 2


_STARTS, _SHARES = np.polynomial.hermite_e.hermegauss(60)  # of N(0, 1)


@outside.reference
def probability_outside(mean, std, tau, end):
    """For each start the probability that its noise leads outside, averaged over the starts."""
    gain = math.exp(-tau)
    noise = math.sqrt(1 - gain**2)
    found = 0.0
    for start, share in zip(mean + std * _STARTS, _SHARES / _SHARES.sum(), strict=True):
        found += share * (_tail((end - gain * start) / noise) + _tail((end + gain * start) / noise))
    return found


def _law(mean, std, tau):
    gain = math.exp(-tau)
    return gain * mean, math.sqrt(gain**2 * std**2 + 1 - gain**2)


def _both(mean, std, end):
    return _tail((end - mean) / std) + _tail((end + mean) / std)


@outside.mistake(
    "How many ends has the line?",
    "You took one end only. Add the probabilities beyond both: they differ if the mean is not 0.",
)
def one_end(mean, std, tau, end):
    m, s = _law(mean, std, tau)
    return _tail((end - m) / s)


@outside.mistake(
    "Is as much of the density beyond one end as beyond the other?",
    "You doubled one end. The density lies around α mean: add the probabilities beyond both ends.",
)
def one_end_twice(mean, std, tau, end):
    return 2 * one_end(mean, std, tau, end)


@outside.mistake(
    "Is the start one grey value, or does it scatter?",
    "You have the variance 1 − α² of the noise alone. The start has a variance of its own: it adds "
    "α² std².",
)
def start_at_a_point(mean, std, tau, end):
    return _both(math.exp(-tau) * mean, math.sqrt(1 - math.exp(-2 * tau)), end)


@outside.mistake(
    "Which unit has the number by which you divide, that of a grey value or of its square?",
    "You divided by the variance. Divide by the standard deviation.",
)
def variance_for_deviation(mean, std, tau, end):
    m, s = _law(mean, std, tau)
    return _both(m, s**2, end)


@outside.mistake(
    "Which gain belongs to the osmosis time tau? Look at part 1 of B1.",
    "tau is −log α, so α is exp(−tau). You halved it once more: the ½ of ½∫β is in tau already.",
)
def time_halved(mean, std, tau, end):
    return probability_outside(mean, std, tau / 2, end)


@outside.mistake(
    "A grey value is multiplied by the gain. By what is its variance multiplied?",
    "The variance is α² std² + 1 − α². You took α in place of α².",
)
def gain_for_its_square(mean, std, tau, end):
    gain = math.exp(-tau)
    return _both(gain * mean, math.sqrt(gain * std**2 + 1 - gain), end)


@outside.mistake(
    "Where is the middle of the density after a long time?",
    "Your mean stays where it was. It is multiplied by the gain.",
)
def mean_not_shrunk(mean, std, tau, end):
    return _both(mean, _law(mean, std, tau)[1], end)


@outside.mistake(
    "Try your tail on N(0, 1): how much lies beyond 1?",
    "It should be 0.159. erfc belongs to a Gaussian of variance ½: divide its argument by √2.",
)
def without_the_root_of_two(mean, std, tau, end):
    m, s = _law(mean, std, tau)
    return _both(m, s / math.sqrt(2), end)


gaussian = Exercise(
    "16-3",
    asks="the variance of a Gaussian density after osmosis with a Gaussian guidance",
    inputs=[(1.0, 0.5, 0.3), (0.2, 3.0, 1.0), (1.5, -2.0, 0.4), (2.0, 2.5, 0.05)],
)


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)


@gaussian.reference
def variance_after(s, z, tau):
    """What is left of the start, and what has come in at each earlier time and is left of it."""
    ages = tau * (1 + _NODES) / 2
    return s * np.exp(-2 * tau / z) + 2 * (_WEIGHTS @ np.exp(-2 * ages / z)) * tau / 2


def _relaxed(s, z, decay):
    return z + (s - z) * decay


@gaussian.mistake(
    "Your rate belongs to the mean of the density. What is the rate of its variance?",
    "The mean falls like exp(−τ/z), the variance approaches z like exp(−2τ/z). You forgot the 2.",
)
def rate_of_the_mean(s, z, tau):
    return _relaxed(s, z, np.exp(-tau / z))


@gaussian.mistake(
    "Does a wide guidance pull as hard as a narrow one?",
    "Your rate is 2, whatever the guidance. It is 2/z.",
)
def rate_of_vp(s, z, tau):
    return _relaxed(s, z, np.exp(-2 * tau))


@gaussian.mistake(
    "Let tau be large and z positive. Where does your variance go, and where should it?",
    "You made one explicit step, s + τ ds/dτ. Solve the equation: s − z falls like exp(−2τ/z).",
)
def one_explicit_step(s, z, tau):
    return s + tau * (2 - 2 * s / z)


@gaussian.mistake(
    "Let the guidance be so wide that it is flat. Does your density spread?",
    "You left out the diffusion: ds/dτ has the term 2 besides −2s/z.",
)
def drift_alone(s, z, tau):
    return s * np.exp(-2 * tau / z)


@gaussian.mistake(
    "Start with s = z, the steady state. Does your variance stay?",
    "Your diffusion is half as strong as it should be. By Δp the second moment grows at the rate "
    "2: there is no factor ½ before Δ in osmosis.",
)
def half_the_diffusion(s, z, tau):
    return _relaxed(s, z / 2, np.exp(-2 * tau / z))


@gaussian.mistake(
    "Does your function depend on z? Try a narrow guidance.",
    "This is VP, whose guidance has the variance 1. Here it has the variance z.",
)
def guidance_of_vp(s, _z, tau):
    return _relaxed(s, 1.0, np.exp(-2 * tau))


@gaussian.mistake(
    "Which unit has your result: that of a variance, or of a variance per time?",
    "You returned ds/dτ. Solve ds/dτ = 2 − 2s/z, with s at the start.",
)
def only_the_rate(s, z, _tau):
    return 2 - 2 * s / z


@gaussian.mistake(
    "Let z be positive and tau large. Does your variance come to rest?",
    "It runs away from z. The sign in the exponent is minus: s − z falls like exp(−2τ/z).",
)
def away_from_the_guidance(s, z, tau):
    return _relaxed(s, z, np.exp(2 * tau / z))


def _operator(log_v, h=1.0):
    """The matrix A of osmosis on a line, with the canonical drift of v."""
    d = 2 * np.tanh(np.diff(log_v) / 2)
    A = np.diag(1 - d / 2, 1) + np.diag(1 + d / 2, -1)
    return (A - np.diag(A.sum(0))) / h**2


exact = Exercise(
    "16-4",
    asks="the matrix of the chain that leads back: p_i A_ji / p_j from j to i",
    inputs=[
        (_operator(np.log([1.0, 3.0])), np.array([0.8, 0.2])),
        (_operator(np.log([1.0, 0.5, 2.0])), np.array([0.2, 0.7, 0.1])),
        (_operator(_rng.normal(0, 1, 6), 0.5), _rng.uniform(0.1, 1, 6)),
    ],
)


@exact.reference
def rates_back(A, p):
    """In one formula: column j of the first term sums to (A p)_j / p_j."""
    return A.T * p[:, None] / p - np.diag(A @ p / p)


def _off_diagonal(R):
    return R - np.diag(np.diag(R))


def _columns(R):
    """Diagonal so that columns sum to 0."""
    return _off_diagonal(R) - np.diag(_off_diagonal(R).sum(0))


@exact.mistake(
    "Add up the columns of your matrix.",
    "p_i A_ji / p_j is the rate of a hop, from j to another i. The diagonal is minus the sum of "
    "all rates from j: you left there what the formula gives for i = j.",
)
def diagonal_left(A, p):
    return A.T * p[:, None] / p


@exact.mistake(
    "Where do the grains come from that arrive?",
    "Your diagonal is 0. What arrives at i is lost by j: R_jj is minus the sum of column j.",
)
def diagonal_zero(A, p):
    return _off_diagonal(diagonal_left(A, p))


@exact.mistake(
    "Which sums should be 0 if no grain is lost, those of columns or of rows?",
    "You made the diagonal from the sums of rows. All that leaves j stands in column j.",
)
def diagonal_from_rows(A, p):
    return diagonal_zero(A, p) - np.diag(diagonal_zero(A, p).sum(1))


@exact.mistake(
    "What stands in row i and column j: a hop from j to i, or from i to j?",
    "You exchanged i and j in the rates. That of a hop from j to i is p_i A_ji / p_j, and it "
    "belongs into row i, column j.",
)
def indices_exchanged(A, p):
    return _columns(A * p / p[:, None])


@exact.mistake(
    "Does your result depend on p?",
    "Your rates are A_ji: p is missing, or it has cancelled. p * M / p multiplies column j by p_j "
    "and divides it again; p[:, None] * M / p has p_i / p_j.",
)
def ratio_cancelled(A, _p):
    return _columns(A.T)


@exact.mistake(
    "Let cell i be nearly empty. Do many grains hop there, or few?",
    "You have p_j / p_i, upside down.",
)
def ratio_upside_down(A, p):
    return _columns(A.T * p / p[:, None])


@exact.mistake(
    "Which hops does the way back have to undo?",
    "A grain that hops from j to i goes back on a hop from i to j, whose rate is A_ji. You took "
    "A_ij.",
)
def rates_of_the_way_forth(A, p):
    return _columns(A * p[:, None] / p)


@exact.mistake(
    "Which sign have the rates of your chain?",
    "You returned −A, the equation with negative time. Its rates are negative, no grain can follow "
    "them. For this one p, the chain makes the same change.",
)
def negative_time(A, _p):
    return -A


slow = Exercise(
    "16-5",
    asks="the osmosis time in which the slowest mode of the error falls to half",
    inputs=[
        (np.log([1.0, 3.0, 1.0]), 1.0),
        (np.array([0.0, -1.5, 0.3, 1.0]), 0.5),
        (-2 * (np.abs(np.linspace(-2, 2, 9)) - 1) ** 2, 0.5),
        (_rng.uniform(-0.9, 0.9, 12), 0.1),
    ],
)


@slow.reference
def halving_time(log_v, h):
    """Singular values of the factor of −A that leads from cells to edges."""
    v = np.exp(log_v)
    edges = np.diff(np.eye(len(v)), axis=0) / np.sqrt(v)
    edges = edges * np.sqrt(2 / (1 / v[1:] + 1 / v[:-1]))[:, None]
    return np.log(2) * (h / np.linalg.svd(edges, compute_uv=False)[-1]) ** 2


@slow.mistake(
    "On a grid twice as fine, with the same v: should your time change?",
    "The filter of a density is A/h². You took the eigenvalue of A and did not divide by h².",
)
def without_spacing(log_v, _h):
    return halving_time(log_v, 1.0)


@slow.mistake(
    "By which factor has the error fallen after your time?",
    "You returned 1/Λ, after which it has fallen to 1/e. To half it falls in log(2)/Λ.",
)
def to_one_over_e(log_v, h):
    return halving_time(log_v, h) / np.log(2)


@slow.mistake(
    "Is it the error that has halved after your time, or its square?",
    "You took the rate 2Λ, that of χ². The error itself falls like exp(−Λτ).",
)
def of_its_square(log_v, h):
    return halving_time(log_v, h) / 2


@slow.mistake(
    "After your time, which modes have fallen to half?",
    "You took the fastest mode, the largest eigenvalue of −A/h². The slowest decides.",
)
def of_the_fastest(log_v, h):
    return np.log(2) * h**2 / np.linalg.eigvals(-_operator(log_v)).real.max()


@slow.mistake(
    "Print all eigenvalues. In which order do they come?",
    "eigvals does not sort. Sort them before you take the one numbered 1.",
)
def not_sorted(log_v, h):
    return np.log(2) * h**2 / np.linalg.eigvals(-_operator(log_v)).real[1]


@slow.mistake(
    "On a grid twice as fine, with the same v: how much should your time change?",
    "You divided by h² twice. line_operator returns A/h² already.",
)
def spacing_twice(log_v, h):
    return halving_time(log_v, h) * h**2


@slow.mistake(
    "Is it a time that you return, or the reciprocal of one?",
    "You returned the gap Λ_1, a rate. The time is log(2) divided by it.",
)
def gap_itself(log_v, h):
    return np.log(2) / halving_time(log_v, h)


@slow.mistake(
    "eigvalsh looks at one half of the matrix and believes that the other half is the same.",
    "A is not symmetric. Use eigvals, or make it symmetric first, as the page does for the modes.",
)
def believed_symmetric(log_v, h):
    return np.log(2) * h**2 / np.linalg.eigvalsh(-_operator(log_v))[1]
