"""Exercises by code of page Reverse."""

import numpy as np

from .exercise import Exercise

_rng = np.random.default_rng(14)


def _named(name, function):
    function.__name__ = name
    return function


turn = Exercise(
    "14-1",
    asks="the smallest T from which a start in noise costs so many nats on arrival at 0",
    inputs=[
        (_named("exp(2 − 9 t)", lambda t: np.exp(2 - 9 * t)), np.array([1.0]), np.zeros(1), 0.05),
        (
            _named("1 / (exp(10 t² + 0.01) − 1)", lambda t: 1 / np.expm1(10 * t**2 + 0.01)),
            np.array([2.0, 0.5]),
            np.array([0.3, -1.0]),
            0.1,
        ),
        (
            _named("exp(6 − 16 t)", lambda t: np.exp(6 - 16 * t)),
            _rng.uniform(0.1, 3, 6),
            _rng.normal(size=6),
            0.02,
        ),
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


def _price(x, c, m):
    """At 0, for ratios x at the start: the divergence of N(m, c) from the law that arrives."""
    mean, var = m / (1 + x), c * (1 + 2 * x) / (1 + x) ** 2
    return 0.5 * (c / var - 1 - np.log(c / var) + (m - mean) ** 2 / var)


@turn.reference
def turning_time(snr, c, m, nats):
    price = lambda t: _price(snr(t) * c, c, m).sum()
    return _first(price, nats)


def _time(snr, c, nats, price):
    """The time at which the price of the ratios x = SNR c, added up, is at most so many nats."""
    return _first(lambda t: price(snr(t) * c).sum(), nats)


def _psi(y):
    return 0.5 * (y - np.log1p(y))


def _arrived(x):
    return x**2 / (1 + 2 * x)


def _with(y, c, m):
    """ψ(y) + m² / (2c) y."""
    return _psi(y) + m**2 / (2 * c) * y


@turn.mistake(
    "At which of its two ends does the way back have the price that you compute?",
    "You took the price at T, with x. On arrival at 0 it has y = x² / (1 + 2x) in place of x.",
)
def of_the_start(snr, c, m, nats):
    return _time(snr, c, nats, lambda x: _with(x, c, m))


@turn.mistake(
    "Try your function on data whose means are large. Does the time change?",
    "The term m² / (2c) y is missing: a start of mean 0 has the wrong mean, too.",
)
def without_means(snr, c, m, nats):
    return turning_time(snr, c, 0 * m, nats)


@turn.mistake(
    "What does a second mode, equal to the first, do to your price?",
    "You averaged over the modes. The modes are independent, so their divergences add up.",
)
def of_the_average(snr, c, m, nats):
    return turning_time(snr, c, m, nats * len(c))


@turn.mistake(
    "How large is x at the time that you return?",
    "You used ¼ Σ x⁴, which is for small x. Here x is not small: take ψ(y) as it is.",
)
def of_small_ratios(snr, c, _m, nats):
    return _time(snr, c, nats, lambda x: 0.25 * x**4)


@turn.mistake(
    "Which of the two laws is the right one, and where does it stand in KL(p_0‖q_0)?",
    "You exchanged the laws: the price is the divergence of the data p_0 from what arrives, q_0.",
)
def of_exchanged_laws(snr, c, m, nats):
    def price(x):
        mean, var = m / (1 + x), c * (1 + 2 * x) / (1 + x) ** 2
        return 0.5 * (var / c - 1 - np.log(var / c) + (m - mean) ** 2 / c)

    return _time(snr, c, nats, price)


@turn.mistake(
    "What is y for a large x?",
    "You took y = x² / (1 + x). For a large x half of it stays: y = x² / (1 + 2x).",
)
def another_denominator(snr, c, m, nats):
    return _time(snr, c, nats, lambda x: _with(x**2 / (1 + x), c, m))


@turn.mistake(
    "What becomes of your price if the data are replaced by their negative, m by −m?",
    "You forgot the square of m: the means cost m² / (2c) y.",
)
def means_not_squared(snr, c, m, nats):
    return _time(snr, c, nats, lambda x: _psi(_arrived(x)) + m / (2 * c) * _arrived(x))


@turn.mistake(
    "How does your price at 0 compare with that at T when x is large?",
    "You put x² for y. That is for small x: y = x² / (1 + 2x).",
)
def of_squares(snr, c, m, nats):
    return _time(snr, c, nats, lambda x: _with(x**2, c, m))


@turn.mistake(
    "Let c be so large that only the mean is wrong. By which factor is its price too large at T?",
    "The term of the means has x in your price. On arrival, both terms have y.",
)
def means_of_the_start(snr, c, m, nats):
    return _time(snr, c, nats, lambda x: _psi(_arrived(x)) + m**2 / (2 * c) * x)


@turn.mistake(
    "Look at the divergence of two Gaussians of equal variance: what is the factor of the square?",
    "The means cost m² / (2c) y: you forgot the factor ½.",
)
def twice_the_means(snr, c, m, nats):
    return turning_time(snr, c, np.sqrt(2) * m, nats)


@turn.mistake(
    "Does the price rise or fall with the time? Then on which side of T is it too high?",
    "Your bisection keeps the wrong half and ends in 0 or 1. Where the price at the middle is low "
    "enough, T is not later than the middle.",
)
def the_wrong_half(snr, c, m, nats):
    return np.round(_first(lambda t: -_price(snr(t) * c, c, m).sum(), -nats), 6)


@turn.mistake(
    "Write down x for one mode. Does it depend on the data?",
    "Your x is the SNR alone. It is SNR times c: the ratio for the variance that the data have.",
)
def without_variances(snr, c, m, nats):
    return _first(lambda t: _price(snr(t), c, m).sum(), nats)


@turn.mistake(
    "What is ψ(y) for a small y: y² times what?",
    "The factor ½ of ψ is missing: ψ(y) = ½ (y − log(1 + y)).",
)
def without_the_half(snr, c, m, nats):
    return _time(snr, c, nats, lambda x: _psi(_arrived(x)) + _with(_arrived(x), c, m))


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
        (
            0.5 * np.eye(5) + 0.5 * _rng.dirichlet(np.ones(5), 5).T,
            _rng.dirichlet(3 * np.ones(5)),
            _rng.dirichlet(3 * np.ones(5)),
        ),
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
    "Add up the law that you have at s.",
    "The denominator of Bayes' rule is missing: divide by p_t = K p, the right law at t.",
)
def without_denominator(K, p, q):
    return _chi(K @ p, q), _chi(p, p * (K.T @ q))


@chi.mistake(
    "With q = K p your wrong law is the right one. What do you get then, at s?",
    "The denominator of Bayes' rule is the right law at t, K p. You divided by p, which belongs to "
    "s.",
)
def divided_by_the_law_at_s(K, p, q):
    return _chi(K @ p, q), _chi(p, p * (K.T @ (q / p)))


@chi.mistake(
    "How many laws have to be known to write down the reverse kernel? Which?",
    "You put q into Bayes' rule. The reverse kernel is that of the right law, with p and p_t.",
)
def of_its_own_kernel(K, p, q):
    return _chi(K @ p, q), _chi(p, q * (K.T @ (q / (K @ q))))


@chi.mistake(
    "Where does the right law p enter your reverse kernel?",
    "You made the sums of the transposed matrix 1. That is Bayes' rule for data that are in all "
    "states alike; put p into it.",
)
def of_uniform_data(K, p, q):
    return _chi(K @ p, q), _chi(p, K.T @ (q / K.sum(1)))


@chi.mistake(
    "For which i and j is Bayes' rule divided by p_t[i]? Add up each column of your kernel.",
    "You divided by p_t along the wrong axis. In the reverse kernel, (target, source), the source "
    "is a state at t: each column is divided by its p_t.",
)
def along_the_wrong_axis(K, p, q):
    back = K.T * p[:, None] / (K @ p)[:, None]
    return _chi(K @ p, q), _chi(p, back @ q)


@chi.mistake(
    "Write down one entry of your kernel, from state 0 to state 1. Which p and which p_t is in it?",
    "Both laws stand along the wrong axis. In the reverse kernel, (target, source), each row is "
    "multiplied by its p, and each column divided by its p_t.",
)
def both_along_the_wrong_axis(K, p, q):
    back = K.T * p / (K @ p)[:, None]
    return _chi(K @ p, q), _chi(p, back @ q)


@chi.mistake(
    "With q = K p your wrong law is the right one. Is it still, one step back?",
    "You made the sum of the law at s 1 in the end. Bayes' rule is normalised for each state at t, "
    "by p_t, before you average over q.",
)
def normalised_in_the_end(K, p, q):
    law = p * (K.T @ q)
    return _chi(K @ p, q), _chi(p, law / law.sum())


@chi.mistake(
    "Let K be the transition to a state that forgets everything. Which law should come back?",
    "You went back with the transposed matrix and made the sum 1. The law p has to enter: Bayes' "
    "rule, K[i, j] p[j] / p_t[i].",
)
def transposed_and_normalised(K, p, q):
    law = K.T @ q
    return _chi(K @ p, q), _chi(p, law / law.sum())


@chi.mistake(
    "In which direction of time does your wrong law go?",
    "You took q forward once more, K q. It is to go back, by the reverse kernel of p.",
)
def taken_forward(K, p, q):
    return _chi(K @ p, q), _chi(p, K @ q)


@chi.mistake(
    "Can your law at s have negative probabilities?",
    "You inverted K, which undoes the step. The reverse kernel does not undo it: it draws from the "
    "law of the state at s, given that at t.",
)
def undone(K, p, q):
    return _chi(K @ p, q), _chi(p, np.linalg.solve(K, q))


@chi.mistake(
    "Which of the two laws stands in the denominator of χ² here?",
    "You exchanged p and q: it is Σ q (p/q − 1)², with the wrong law in the denominator.",
)
def exchanged(K, p, q):
    p_t = K @ p
    return _chi(q, p_t), _chi(p * (K.T @ (q / p_t)), p)


@chi.mistake(
    "A state that the wrong law hardly ever visits: how much should it count?",
    "The weight is missing: Σ q (p/q − 1)², not Σ (p/q − 1)².",
)
def without_weight(K, p, q):
    p_t = K @ p
    q_s = p * (K.T @ (q / p_t))
    return ((p_t / q - 1) ** 2).sum(), ((p / q_s - 1) ** 2).sum()


@chi.mistake(
    "At which time does the process have the law p, and at which the law q?",
    "At t you compared q with p, which is the law at s. The right law at t is K p.",
)
def at_different_times(K, p, q):
    return _chi(p, q), chi_squares(K, p, q)[1]


@chi.mistake(
    "One step back, with which law do you compare the wrong one?",
    "At s you compared with K p, the right law at t. The right law at s is p.",
)
def with_the_law_at_t(K, p, q):
    p_t = K @ p
    return _chi(p_t, q), _chi(p_t, p * (K.T @ (q / p_t)))


@chi.mistake(
    "Which of the two numbers belongs to t?",
    "These are the right numbers in the wrong order: first at t, then at s.",
)
def in_the_other_order(K, p, q):
    return chi_squares(K, p, q)[::-1]


@chi.mistake(
    "Which index of K is where the chain comes from, and which is where it goes?",
    "The reverse kernel goes from i to j, so K stands in it transposed. Yours goes forward again.",
)
def forward_again(K, p, q):
    p_t = K @ p
    return _chi(p_t, q), _chi(p, p * (K @ (q / p_t)))


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


def _mixed(weight, one, two):
    return weight * one + (1 - weight) * two


def _weight(log_p, R, u):
    return 1 / (1 + np.exp(log_p(R(u)) - log_p(u)))


@closing.mistake(
    "Which of the two estimates is in the right position already?",
    "You turned the whole mixture. D(u) is as it should be; turn D(Ru) only.",
)
def all_turned(D, log_p, R, u):
    return R(_mixed(_weight(log_p, R, u), D(u), D(R(u))))


@closing.mistake(
    "Take a u that is like an image of the given set. Does your denoiser know it?",
    "This is R D(Ru) alone, the denoiser of the turned images. The closed set has both kinds.",
)
def of_the_turned_set(D, _log_p, R, u):
    return R(D(R(u)))


@closing.mistake(
    "How bright is your estimate, compared with the images?",
    "You added the two estimates. Take their mean, with weights that add up to 1.",
)
def added_up(D, _log_p, R, u):
    return D(u) + R(D(R(u)))


@closing.mistake(
    "u looks like an image of the given set, and not at all like one of the others. How much "
    "should the estimate of the others count?",
    "You took the plain mean. The weights are p(u) and p(Ru), divided by their sum.",
)
def plain_mean(D, _log_p, R, u):
    return _mixed(0.5, D(u), R(D(R(u))))


@closing.mistake(
    "Which way does a shoe look in D(Ru)? And in u?",
    "You forgot to turn the estimate back: it is R D(Ru), not D(Ru).",
)
def not_turned_back(D, log_p, R, u):
    return _mixed(_weight(log_p, R, u), D(u), D(R(u)))


@closing.mistake(
    "Which images does D know? And what does it see when you give it u?",
    "You turned the estimate of u, R D(u). Somebody who knows only turned images has to see Ru: "
    "R D(Ru).",
)
def turned_afterwards(D, log_p, R, u):
    return _mixed(_weight(log_p, R, u), D(u), R(D(u)))


@closing.mistake(
    "Take a u that is almost an image of the given set. Which of the two estimates wins?",
    "Your weights are exchanged: D(u) has the weight p(u), R D(Ru) has p(Ru).",
)
def weights_exchanged(D, log_p, R, u):
    return _mixed(_weight(log_p, R, u), R(D(R(u))), D(u))


@closing.mistake(
    "If D(u) and R D(Ru) are the same image, what do you return?",
    "Your weights do not add up to 1. Divide by p(u) + p(Ru).",
)
def not_normalised(D, log_p, R, u):
    return np.exp(log_p(u)) * D(u) + np.exp(log_p(R(u))) * R(D(R(u)))


@closing.mistake(
    "Two estimates that agree should have themselves as their mean. Do they, with your weights?",
    "You multiplied by the density of the closed set, ½ (p(u) + p(Ru)). Divide by it.",
)
def half_of_the_sum(D, log_p, R, u):
    return 0.5 * not_normalised(D, log_p, R, u)


@closing.mistake(
    "By which factor do your weights differ if log p(u) and log p(Ru) are −1000 and −1001?",
    "You took the logarithms as weights. Take p itself; only log p(u) − log p(Ru) matters.",
)
def logarithms_as_weights(D, log_p, R, u):
    return _mixed(log_p(u) / (log_p(u) + log_p(R(u))), D(u), R(D(R(u))))


@closing.mistake(
    "Is your result a continuous function of u?",
    "You chose the likelier of the two. The denoiser is a mean: both count, with their weights.",
)
def the_likelier_one(D, log_p, R, u):
    return D(u) if log_p(u) >= log_p(R(u)) else R(D(R(u)))


@closing.mistake(
    "Try an image u that is like a mirrored one of the given set. Does your denoiser know it?",
    "This is D(u) alone. The closed set has both kinds of images: mix the two.",
)
def of_the_given_set(D, _log_p, _R, u):
    return D(u)


steps = Exercise(
    "14-5",
    asks="ζ_0 = 0, …, ζ_n = 1 with the smallest deficit of the plug-in chain",
    inputs=[(2,), (3,), (5,), (24,)],
)


def _backwards(n, share):
    """ζ from ζ_n = 1 down to ζ_1, by shares of a_{n−1}, …, a_1; before them 0."""
    a = [1.0]
    for _ in range(n):
        a.append(a[-1] - 0.25 * a[-1] ** 2)
    levels = [1.0]
    for i in range(n - 1, 0, -1):
        levels.append(levels[-1] * share(a, i))
    return np.array([0.0, *levels[::-1]])


@steps.reference
def best_levels(n):
    quotients = np.zeros(n + 1)  # ζ_{i−1} / ζ_i, from d deficit / d ζ_i = 0
    for i in range(1, n):
        quotients[i + 1] = 0.5 * (1 + quotients[i] ** 2)
    return np.append(0.0, np.cumprod(quotients[:1:-1])[::-1].tolist() + [1.0])


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
    "What is the deficit of your levels for n = 2, and what is a_2?",
    "You returned the smallest deficits a_n. The levels follow from them: ζ_{i−1} is 1 − ½ a_{i−1} "
    "times ζ_i.",
)
def deficits_for_levels(n):
    a = [1.0]
    for _ in range(n - 1):
        a.append(a[-1] - 0.25 * a[-1] ** 2)
    return np.array([0.0, *a[::-1]])


@steps.mistake(
    "Is a_{n−1} the same for all n?",
    "You halve in every step, which is right for the first one only: z = 1 − ½ a_{n−1}.",
)
def halved(n):
    return np.append(0.0, 0.5 ** np.arange(n)[::-1])


@steps.mistake(
    "Where are your steps short, near the data or near the noise? Where should they be?",
    "You took roots, √(i/n). Equal steps in √ζ are ζ = (i/n)², and the best differ from both.",
)
def roots_of_equal_steps(n):
    return np.sqrt(np.arange(n + 1) / n)


@steps.mistake(
    "How many levels do n steps join?",
    "You made n − 1 equal steps. n steps have n + 1 levels, and equal ones are not the best.",
)
def one_step_too_few(n):
    return np.linspace(0, 1, n)


@steps.mistake(
    "Which of your levels is ζ_0, and what is known at the time t_0?",
    "These are the right levels from the noise to the data. Return them rising, from 0 to 1.",
)
def from_noise_to_data(n):
    return best_levels(n)[::-1]


@steps.mistake("How many levels do n steps have?", "ζ_0 = 0 is missing: n steps have n + 1 levels.")
def without_zero(n):
    return best_levels(n)[1:]


@steps.mistake(
    "How many levels do n steps have, and where does the chain start?",
    "ζ_n = 1 is missing: n steps have n + 1 levels.",
)
def without_one(n):
    return best_levels(n)[:-1]


@steps.mistake(
    "For n = 2 there is one level to choose. Which one makes z + (1 − z)² smallest?",
    "Off by one: before the step from ζ_n there are n − 1 others, so z = 1 − ½ a_{n−1}.",
)
def one_step_too_far(n):
    return _backwards(n, lambda a, i: 1 - 0.5 * a[i])


@steps.mistake(
    "For which z is the derivative of a z + (1 − z)² zero?",
    "z = 1 − ½ a_{n−1}. You forgot the factor ½, so that ζ_1 is 0 as well.",
)
def whole_deficit(n):
    return _backwards(n, lambda a, i: 1 - a[i - 1])


@steps.mistake(
    "Go through your levels for n = 3: with a_1 or with a_2 in the first step down from 1?",
    "Your a run the wrong way round. From ζ_n = 1 down comes a_{n−1} first, and a_1 last.",
)
def wrong_way_round(n):
    return _backwards(n, lambda a, i: 1 - 0.5 * a[n - 1 - i])


@steps.mistake(
    "Are your levels a share of 1, or of the level before?",
    "z = 1 − ½ a_{n−1} is for the last step, which ends at 1. The others end at ζ_i: multiply.",
)
def not_scaled(n):
    levels = _backwards(n, lambda a, i: 1 - 0.5 * a[i - 1])
    quotients = levels[1:-1] / levels[2:]
    return np.concatenate([[0.0], quotients, [1.0]])


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


def _correlation(c, alpha, sigma):
    return alpha * np.sqrt(c / (alpha**2 * c + sigma**2))


@edit.reference
def edited(g, m, c, alpha, sigma, eta):
    noise = sigma**2 / (alpha**2 * c + sigma**2)  # 1 − κ²
    left = (1 - noise) ** (0.5 * (1 + eta**2))
    return m + left * (g - m), c * (1 - left**2)


@edit.mistake(
    "For η = 0 the way back is a map. Does the edit always give the same image then?",
    "Your variance is that of the way back alone. On the way forth there was noise, too: σ², "
    "which the gain multiplies by its square.",
)
def without_forward_noise(g, m, c, alpha, sigma, eta):
    kept = _correlation(c, alpha, sigma) ** (eta**2)
    return edited(g, m, c, alpha, sigma, eta)[0], c * (1 - kept**2)


@edit.mistake(
    "Let the guide be the mean of the data. What comes out, on average?",
    "The gain multiplies the deviation from the mean: from α m at T, from m at 0. You multiplied "
    "the image itself.",
)
def towards_zero(g, m, c, alpha, sigma, eta):
    mean, variance = edited(g, m, c, alpha, sigma, eta)
    return mean - edited(0 * g, m, c, alpha, sigma, eta)[0], variance


@edit.mistake(
    "Let the guide be the mean of the data, g = m. Does m come out, on average?",
    "At T the data have the mean α m, not m: the gain multiplies the deviation from α m.",
)
def from_the_wrong_mean(g, m, c, alpha, sigma, eta):
    kept = _correlation(c, alpha, sigma) ** (eta**2)
    gain = kept * np.sqrt(c / (alpha**2 * c + sigma**2))
    return m + gain * (alpha * g - m), edited(g, m, c, alpha, sigma, eta)[1]


@edit.mistake(
    "What is the mean of the state at T?",
    "You started the way back in g. On the way forth g is multiplied by α.",
)
def without_the_gain(g, m, c, alpha, sigma, eta):
    kept = _correlation(c, alpha, sigma) ** (eta**2)
    gain = kept * np.sqrt(c / (alpha**2 * c + sigma**2))
    return m + gain * (g - m), edited(g, m, c, alpha, sigma, eta)[1]


@edit.mistake(
    "What is the mean of the state at T? And of the data at T?",
    "You started the way back in g, with the mean α m taken off. On the way forth g is multiplied "
    "by α as well.",
)
def guide_not_faded(g, m, c, alpha, sigma, eta):
    kept = _correlation(c, alpha, sigma) ** (eta**2)
    gain = kept * np.sqrt(c / (alpha**2 * c + sigma**2))
    return m + gain * (g - alpha * m), edited(g, m, c, alpha, sigma, eta)[1]


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
def standard_deviation(g, m, c, alpha, sigma, eta):
    mean, variance = edited(g, m, c, alpha, sigma, eta)
    return mean, np.sqrt(variance)


@edit.mistake(
    "Is your v_T a variance in both of its terms?",
    "sigma is the noise level, a standard deviation: v_T = α² c + σ².",
)
def level_for_variance(g, m, c, alpha, sigma, eta):
    return edited(g, m, c, alpha, np.sqrt(sigma), eta)


@edit.mistake(
    "What changes in your results if you change η alone?",
    "You took the way back of η = 1, the reverse kernel, for every η.",
)
def always_the_kernel(g, m, c, alpha, sigma, _eta):
    return edited(g, m, c, alpha, sigma, 1.0)


@edit.mistake(
    "Leave out the way forth: for which variance at T does the way back end in the variance c?",
    "The way back adds c (1 − κ^(2η²)), with the exponent 2η²: the gain is squared in it.",
)
def gain_not_squared(g, m, c, alpha, sigma, eta):
    kept = _correlation(c, alpha, sigma) ** (eta**2)
    mean, variance = edited(g, m, c, alpha, sigma, eta)
    return mean, variance + c * (kept**2 - kept)


@edit.mistake(
    "At which time does the noise of the way back end up in the image?",
    "You took v_T for v_s in the noise of the way back. At s → 0 it is v_0 = c.",
)
def noise_of_the_turn(g, m, c, alpha, sigma, eta):
    v = alpha**2 * c + sigma**2
    kept = _correlation(c, alpha, sigma) ** (eta**2)
    mean, variance = edited(g, m, c, alpha, sigma, eta)
    return mean, variance + (v - c) * (1 - kept**2)


@edit.mistake(
    "What is random at T, given this one g?",
    "You let the state at T have the variance v_T of the data, so you get c, whatever T is. But g "
    "is given: at T there is the variance σ² only.",
)
def of_random_guides(g, m, c, alpha, sigma, eta):
    return edited(g, m, c, alpha, sigma, eta)[0], c


@edit.mistake(
    "Take η = 0. Is a guide that went forth and back by the flow the same as before?",
    "Your share is κ^(η²), what the way back leaves. On the way forth a factor κ is lost as well.",
)
def only_the_way_back(g, m, c, alpha, sigma, eta):
    left = _correlation(c, alpha, sigma) ** (eta**2)
    return m + left * (g - m), c * (1 - left**2)


@edit.mistake(
    "Which way does the way back stretch deviations if v_T is larger than c?",
    "Your quotient is upside down: the gain has √(v_s / v_t), which is √(c / v_T) here.",
)
def upside_down(g, m, c, alpha, sigma, eta):
    v = alpha**2 * c + sigma**2
    kept = _correlation(c, alpha, sigma) ** (eta**2)
    added = c * (1 - kept**2)
    return m + kept * np.sqrt(v / c) * alpha * (g - m), added + kept**2 * v / c * sigma**2


@edit.mistake(
    "Which results change with η, and which of yours do?", "You took the flow, η = 0, for every η."
)
def always_the_flow(g, m, c, alpha, sigma, _eta):
    return edited(g, m, c, alpha, sigma, 0.0)


@edit.mistake(
    "Is sigma the standard deviation or the variance of the noise at T?",
    "You added the gain squared times σ. The noise at T has the variance σ².",
)
def noise_not_squared(g, m, c, alpha, sigma, eta):
    v = alpha**2 * c + sigma**2
    kept = _correlation(c, alpha, sigma) ** (eta**2)
    mean, variance = edited(g, m, c, alpha, sigma, eta)
    return mean, variance + kept**2 * c / v * (sigma - sigma**2)


@edit.mistake(
    "Is κ a correlation or its square?",
    "The correlation is κ = α √(c / v_T). You took α² c / v_T for it.",
)
def squared_correlation(g, m, c, alpha, sigma, eta):
    v = alpha**2 * c + sigma**2
    kept = (alpha**2 * c / v) ** (eta**2)
    added = c * (1 - kept**2)
    return m + kept * np.sqrt(c / v) * alpha * (g - m), added + kept**2 * c / v * sigma**2


@edit.mistake(
    "By what does a gain multiply a variance?",
    "The gain multiplies the deviations, so it multiplies the variance σ² by its square.",
)
def noise_times_the_gain(g, m, c, alpha, sigma, eta):
    v = alpha**2 * c + sigma**2
    kept = _correlation(c, alpha, sigma) ** (eta**2)
    added = kept * np.sqrt(c / v) * sigma**2
    return edited(g, m, c, alpha, sigma, eta)[0], c * (1 - kept**2) + added
