"""Exercises by code of page Reverse."""

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(14)


def _named(name, function):
    function.__name__ = name
    return function


_ratios = [
    _named("exp(2 − 9 t)", lambda t: np.exp(2 - 9 * t)),
    _named("1 / (exp(10 t² + 0.01) − 1)", lambda t: 1 / np.expm1(10 * t**2 + 0.01)),
    _named("exp(6 − 16 t)", lambda t: np.exp(6 - 16 * t)),
]

turn = Exercise(
    "14-1",
    asks="the smallest T from which a start in noise costs so many nats on arrival at 0",
    inputs=[
        (_ratios[0], np.array([1.0]), np.zeros(1), 0.05),
        (_ratios[1], np.array([2.0, 0.5]), np.array([0.3, -1.0]), 0.1),
        (_ratios[2], _rng.uniform(0.1, 3, 6), _rng.normal(size=6), 0.02),
    ],
    tolerance=1e-4,
)


def _first(price, nats):
    """The smallest time at which a falling price is at most so many nats."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if price(middle) <= nats else (middle, high)
    return high


@turn.reference
def turning_time(snr, c, m, nats):
    def price(t):
        """The divergence of N(m, c) from the law that arrives, added up."""
        x = snr(t) * c
        mean, var = m / (1 + x), c * (1 + 2 * x) / (1 + x) ** 2
        return 0.5 * (c / var - 1 - np.log(c / var) + (m - mean) ** 2 / var).sum()

    return _first(price, nats)


def _price(y, c, m):
    return (0.5 * (y - np.log1p(y)) + m**2 / (2 * c) * y).sum()


@turn.mistake(
    "At which of its two ends does the way back have the price that you compute?",
    "You took the price at T, with x. On arrival at 0 it has y = x² / (1 + 2x) in place of x.",
)
def of_the_start(snr, c, m, nats):
    return _first(lambda t: _price(snr(t) * c, c, m), nats)


@turn.mistake(
    "How large is x at the time that you return?",
    "You used ¼ Σ x⁴, which is for small x. Here x is not small: take ψ(y) as it is.",
)
def of_small_ratios(snr, c, m, nats):
    return _first(lambda t: 0.25 * ((snr(t) * c) ** 4).sum(), nats)


@turn.mistake(
    "Which modes are forgotten first, those that are strong in the data or the weak ones?",
    "Your x is the SNR divided by c. A mode of variance c has signal c: x = SNR c.",
)
def divided_by_variance(snr, c, m, nats):
    return _first(lambda t: _price(snr(t) / c / (2 + c / snr(t)), c, m), nats)


@turn.mistake(
    "Try your function on data whose means are large. Does the time change?",
    "The term m² / (2c) y is missing: a start of mean 0 has the wrong mean, too.",
)
def without_means(snr, c, m, nats):
    return turning_time(snr, c, 0 * m, nats)


@turn.mistake(
    "Write all grey values in other units, twice as large. Does your price change?",
    "The means cost m² / (2c) y. You forgot to divide by the variance of the mode.",
)
def means_without_variances(snr, c, m, nats):
    return turning_time(snr, c, m * np.sqrt(c), nats)


@turn.mistake(
    "What does a second mode, equal to the first, do to your price?",
    "You averaged over the modes. The modes are independent, so their divergences add up.",
)
def of_the_average(snr, c, m, nats):
    return turning_time(snr, c, m, nats * len(c))


@turn.mistake(
    "Does the price rise or fall with the time? Then on which side of T is it too high?",
    "Your bisection keeps the wrong half and ends in 0 or 1. Where the price at the middle is low "
    "enough, T is not later than the middle.",
)
def the_wrong_half(snr, c, m, nats):
    return float(turning_time(snr, c, m, nats) < 0.5)


chi = Exercise(
    "14-3",
    asks="χ² of the right and the wrong law at t, and one step back, at s",
    inputs=[
        (np.array([[0.9, 0.3], [0.1, 0.7]]), np.array([0.6, 0.4]), np.array([0.2, 0.8])),
        (
            np.array([[0.7, 0.2, 0.1], [0.3, 0.5, 0.3], [0.0, 0.3, 0.6]]),
            np.array([0.5, 0.2, 0.3]),
            np.array([0.25, 0.35, 0.4]),
        ),
        (0.5 * np.eye(5) + 0.5 * _rng.dirichlet(np.ones(5), 5).T, *_rng.dirichlet([3] * 5, 2)),
    ],
)


def _chi(p, q):
    return (q * (p / q - 1) ** 2).sum()


@chi.reference
def chi_squares(K, p, q):
    p_t = K @ p
    ratio = K.T @ (q / p_t)  # at s: the mean over the forward process
    return (p_t**2 / q).sum() - 1, (p / ratio).sum() - 1


@chi.mistake(
    "Add up the law that you have at s. Is it 1? What if K forgets everything?",
    "You went back with the transposed matrix. The reverse kernel has Bayes' rule in it: "
    "K[i, j] p[j] / p_t[i].",
)
def without_bayes(K, p, q):
    return _chi(K @ p, q), _chi(p, K.T @ q)


@chi.mistake(
    "Where does the right law p enter your reverse kernel?",
    "You made the sums of the transposed matrix 1. That is Bayes' rule for data that are in all "
    "states alike; put p into it.",
)
def of_uniform_data(K, p, q):
    return _chi(K @ p, q), _chi(p, K.T @ (q / K.sum(1)))


@chi.mistake(
    "How many laws have to be known to write down the reverse kernel? Which?",
    "You put q into Bayes' rule. The reverse kernel is that of the right law, with p and p_t.",
)
def of_its_own_kernel(K, p, q):
    return _chi(K @ p, q), _chi(p, q * (K.T @ (q / (K @ q))))


@chi.mistake(
    "Add up each column of your kernel. Along which axis does NumPy multiply?",
    "In the reverse kernel, (target, source), each row has its own p: K.T * p[:, None]. You "
    "multiplied the columns by p.",
)
def p_along_the_wrong_axis(K, p, q):
    return _chi(K @ p, q), _chi(p, (K.T * p / (K @ p)) @ q)


@chi.mistake(
    "Which index of your matrix is the state at t, and over which one does `@ q` add up?",
    "K[i, j] p[j] / p_t[i] has the source i in the rows. To take q back, transpose it: (target, "
    "source).",
)
def rows_for_columns(K, p, q):
    return _chi(K @ p, q), _chi(p, K @ (p * q) / (K @ p))


@chi.mistake(
    "Which of the two laws stands in the denominator of χ² here?",
    "You exchanged p and q: it is Σ q (p/q − 1)², with the wrong law in the denominator.",
)
def exchanged(K, p, q):
    return _chi(q, K @ p), _chi(p * (K.T @ (q / (K @ p))), p)


@chi.mistake(
    "At which time does the process have the law p, and at which the law q?",
    "At t you compared q with p, which is the law at s. The right law at t is K p.",
)
def at_different_times(K, p, q):
    return _chi(p, q), chi_squares(K, p, q)[1]


def _finite(images, alpha, sigma):
    """Denoiser and log p_t, up to a constant, of a set of images, as functions of u."""

    def exponents(u):
        gap = (u - alpha * images).reshape(len(images), -1)
        return -(gap**2).sum(1) / (2 * sigma**2)

    def D(u):
        weights = np.exp(exponents(u) - exponents(u).max())
        return np.tensordot(weights / weights.sum(), images, 1)

    def log_p(u):
        e = exponents(u)
        return e.max() + np.log(np.exp(e - e.max()).mean())

    return D, log_p


_pairs = np.array([[1.0, -0.5], [0.2, 0.6]])
_rows = _rng.normal(size=(3, 4))
_squares = _rng.normal(size=(4, 3, 3))

closing = Exercise(
    "14-4",
    asks="the denoiser of the closed set, from D, log p and R of the given one",
    inputs=[
        (
            *_finite(_pairs, 0.8, 0.9),
            _named("flip", lambda u: u[::-1].copy()),
            np.array([0.3, 0.5]),
        ),
        (*_finite(_rows, 0.6, 0.8), _named("negative", lambda u: -u), _rng.normal(size=4)),
        (
            *_finite(_squares, 0.5, 1.2),
            _named("transpose", lambda u: u.T.copy()),
            _rng.normal(size=(3, 3)),
        ),
    ],
)


@closing.reference
def closed_denoiser(D, log_p, R, u):
    top = np.maximum(log_p(u), log_p(R(u)))
    here, there = np.exp(log_p(u) - top), np.exp(log_p(R(u)) - top)
    return (here * D(u) + there * R(D(R(u)))) / (here + there)


def _mixed(log_p, R, u, one, other):
    weight = 1 / (1 + np.exp(log_p(R(u)) - log_p(u)))
    return weight * one + (1 - weight) * other


@closing.mistake(
    "u looks like an image of the given set, and not at all like one of the others. How much "
    "should the estimate of the others count?",
    "You took the plain mean. The weights are p(u) and p(Ru), divided by their sum.",
)
def plain_mean(D, _log_p, R, u):
    return 0.5 * (D(u) + R(D(R(u))))


@closing.mistake(
    "Try an image u that is like a mirrored one of the given set. Does your denoiser know it?",
    "This is D(u) alone. The closed set has both kinds of images: mix the two.",
)
def of_the_given_set(D, _log_p, _R, u):
    return D(u)


@closing.mistake(
    "Which way does a shoe look in D(Ru)? And in u?",
    "You forgot to turn the estimate back: it is R D(Ru), not D(Ru).",
)
def not_turned_back(D, log_p, R, u):
    return _mixed(log_p, R, u, D(u), D(R(u)))


@closing.mistake(
    "Which images does D know? And what does it see when you give it u?",
    "You turned the estimate of u, R D(u). Somebody who knows only turned images has to see Ru: "
    "R D(Ru).",
)
def turned_afterwards(D, log_p, R, u):
    return _mixed(log_p, R, u, D(u), R(D(u)))


@closing.mistake(
    "Take a u that is almost an image of the given set. Which of the two estimates wins?",
    "Your weights are exchanged: D(u) has the weight p(u), R D(Ru) has p(Ru).",
)
def weights_exchanged(D, log_p, R, u):
    return _mixed(log_p, R, u, R(D(R(u))), D(u))


@closing.mistake(
    "By which factor do your weights differ if log p(u) and log p(Ru) are −1000 and −1001?",
    "You took the logarithms as weights. Take p itself; only log p(u) − log p(Ru) matters.",
)
def logarithms_as_weights(D, log_p, R, u):
    here, there = log_p(u), log_p(R(u))
    return (here * D(u) + there * R(D(R(u)))) / (here + there)


@closing.mistake(
    "If D(u) and R D(Ru) are the same image, what do you return?",
    "Your weights do not add up to 1. Divide by p(u) + p(Ru).",
)
def not_normalised(D, log_p, R, u):
    return np.exp(log_p(u)) * D(u) + np.exp(log_p(R(u))) * R(D(R(u)))


@closing.mistake(
    "Is your result a continuous function of u?",
    "You chose the likelier of the two. The denoiser is a mean: both count, with their weights.",
)
def the_likelier_one(D, log_p, R, u):
    return D(u) if log_p(u) >= log_p(R(u)) else R(D(R(u)))


steps = Exercise(
    "14-5",
    asks="ζ_0 = 0, …, ζ_n = 1 with the smallest deficit of the plug-in chain",
    inputs=[(2,), (3,), (5,), (24,)],
    tolerance=1e-4,  # for those who minimise numerically
)


@steps.reference
def best_levels(n):
    quotients = np.zeros(n + 1)  # ζ_{i−1} / ζ_i, from d deficit / d ζ_i = 0
    for i in range(1, n):
        quotients[i + 1] = 0.5 * (1 + quotients[i] ** 2)
    return np.append(0.0, np.cumprod(quotients[:1:-1])[::-1].tolist() + [1.0])


def _deficits(n):
    """a_1, …, a_n."""
    a = [1.0]
    for _ in range(n - 1):
        a.append(a[-1] - 0.25 * a[-1] ** 2)
    return np.array(a)


def _scaled(quotients):
    """ζ from the quotients ζ_{n−1} / ζ_n, …, ζ_1 / ζ_2."""
    return np.append(0.0, np.cumprod(np.append(1.0, quotients))[::-1])


@steps.mistake(
    "For n = 2 your levels are the best. Move one of them a little for n = 3: can it be better?",
    "These are equal steps in ζ. The best z for the last step is 1 − ½ a_{n−1}, not 1 − 1/n.",
)
def equal_steps(n):
    return np.arange(n + 1) / n


@steps.mistake(
    "Compute the deficit of your levels for n = 2. Then move the one in the middle: can it fall?",
    "These are equal steps in √ζ, good for many steps, but not the best. Minimise "
    "a_{n−1} z + (1 − z)² over z.",
)
def equal_in_the_root(n):
    return (np.arange(n + 1) / n) ** 2


@steps.mistake(
    "Is a_{n−1} the same for all n?",
    "You halve in every step, which is right for the first one only: z = 1 − ½ a_{n−1}.",
)
def halved(n):
    return _scaled(np.full(n - 1, 0.5))


@steps.mistake(
    "For n = 2 there is one level to choose. Which one makes z + (1 − z)² smallest?",
    "Off by one: before the step from ζ_n there are n − 1 others, so z = 1 − ½ a_{n−1}.",
)
def one_step_too_far(n):
    return _scaled(1 - 0.5 * _deficits(n)[:0:-1])


@steps.mistake(
    "For which z is the derivative of a z + (1 − z)² zero?",
    "z = 1 − ½ a_{n−1}. You forgot the factor ½, so that ζ_1 is 0 as well.",
)
def whole_deficit(n):
    return _scaled(1 - _deficits(n - 1)[::-1])


@steps.mistake(
    "Go through your levels for n = 3: with a_1 or with a_2 in the first step down from 1?",
    "Your a run the wrong way round. From ζ_n = 1 down comes a_{n−1} first, and a_1 last.",
)
def wrong_way_round(n):
    return _scaled(1 - 0.5 * _deficits(n - 1))


@steps.mistake(
    "Are your levels a share of 1, or of the level before?",
    "z = 1 − ½ a_{n−1} is for the last step, which ends at 1. The others end at ζ_i: multiply.",
)
def not_scaled(n):
    return np.concatenate([[0.0], 1 - 0.5 * _deficits(n - 1), [1.0]])


@steps.mistake(
    "Which of your levels is ζ_0, and what is known at the time t_0?",
    "These are the right levels from the noise to the data. Return them rising, from 0 to 1.",
)
def from_noise_to_data(n):
    return best_levels(n)[::-1]


edit = Exercise(
    "14-6",
    asks="mean and variance of what an edit makes of the guide g, mode by mode",
    inputs=[
        (np.array([1.0]), np.array([0.5]), np.array([0.8]), 0.6, 0.8, 1.0),
        (np.array([1.0, -2.0]), np.array([0.2, 0.4]), np.array([2.0, 0.3]), 0.7, 0.5, 0.0),
        (*_rng.normal(size=(2, 4)), _rng.uniform(0.2, 2, 4), 1.0, 1.3, 0.5),
        (*_rng.normal(size=(2, 6)), _rng.uniform(0.2, 2, 6), 0.9, 0.4, 1.5),
    ],
)


@edit.reference
def edited(g, m, c, alpha, sigma, eta):
    noise = sigma**2 / (alpha**2 * c + sigma**2)  # 1 − κ²
    left = (1 - noise) ** (0.5 * (1 + eta**2))
    return m + left * (g - m), c * (1 - left**2)


def _back(c, alpha, sigma, eta):
    """Gain and variance of the way back, from T to 0."""
    share = c / (alpha**2 * c + sigma**2)
    kept = (alpha * np.sqrt(share)) ** (eta**2)
    return kept * np.sqrt(share), c * (1 - kept**2)


@edit.mistake(
    "For η = 0 the way back is a map. Does the edit always give the same image then?",
    "Your variance is that of the way back alone. On the way forth there was noise, too: σ², "
    "which the gain multiplies by its square.",
)
def without_forward_noise(g, m, *law):
    return edited(g, m, *law)[0], _back(*law)[1]


@edit.mistake(
    "Let T be so early that hardly any noise came in, and η large. Is the edit still certain?",
    "Your variance is what is left of the noise of the way forth. With η > 0 the way back adds "
    "noise of its own, c (1 − κ^(2η²)).",
)
def without_backward_noise(g, m, c, alpha, sigma, eta):
    gain, _ = _back(c, alpha, sigma, eta)
    return edited(g, m, c, alpha, sigma, eta)[0], gain**2 * sigma**2


@edit.mistake(
    "What is random at T, given this one g?",
    "You let the state at T have the variance v_T of the data, so you get c, whatever T is. But g "
    "is given: at T there is the variance σ² only.",
)
def of_random_guides(g, m, c, *levels):
    return edited(g, m, c, *levels)[0], c


@edit.mistake(
    "Let the guide be the mean of the data, g = m. Does m come out, on average?",
    "At T the data have the mean α m, not m: the gain multiplies the deviation from α m.",
)
def from_the_wrong_mean(g, m, c, alpha, sigma, eta):
    gain, _ = _back(c, alpha, sigma, eta)
    return m + gain * (alpha * g - m), edited(g, m, c, alpha, sigma, eta)[1]


@edit.mistake(
    "What is the mean of the state at T?",
    "You started the way back in g. On the way forth g is multiplied by α.",
)
def without_the_gain(g, m, *law):
    return m + _back(*law)[0] * (g - m), edited(g, m, *law)[1]


@edit.mistake(
    "Take η = 0, and m = 0. By what does the flow multiply a state at T?",
    "κ^(η²) is the correlation of the two times. The gain has a second factor, √(v_0 / v_T).",
)
def correlation_for_gain(g, m, c, alpha, sigma, eta):
    kept = np.sqrt(1 - _back(c, alpha, sigma, eta)[1] / c)
    return m + kept * alpha * (g - m), kept**2 * sigma**2 + c * (1 - kept**2)


@edit.mistake(
    "Compare η = 0.5 with η = 0 and 1, for which you are right.",
    "κ is raised to the power η², not η.",
)
def eta_not_squared(g, m, c, alpha, sigma, eta):
    return edited(g, m, c, alpha, sigma, np.sqrt(eta))


@edit.mistake(
    "In which unit is your second result: that of grey values, or its square?",
    "You returned the standard deviation. The variance is asked for.",
)
def standard_deviation(*given):
    mean, variance = edited(*given)
    return mean, np.sqrt(variance)
