"""Answers to the exercises of page Reverse, written by others than their authors."""

import math

import numpy as np
import scipy.optimize
import torch


def by_brent(snr, c, m, nats):
    def over(t):
        total = -nats
        for variance, mean in zip(c, m):
            x = float(snr(t)) * variance
            y = x * x / (1 + 2 * x)
            total += 0.5 * (y - math.log1p(y)) + mean**2 * y / (2 * variance)
        return total

    return scipy.optimize.brentq(over, 1e-3, 1.0)


def by_start(snr, c, m, nats):
    x = lambda t: snr(t) * c
    price = lambda t: (0.5 * (x(t) - np.log(1 + x(t))) + m**2 * x(t) / (2 * c)).sum() - nats
    return scipy.optimize.brentq(price, 1e-3, 1.0)


def on_a_grid(snr, c, m, nats):
    times = np.linspace(0.01, 1, 101)
    return times[np.argmax([by_brent(snr, c, m, nats) <= t for t in times])]


def by_kernel(K, p, q):
    K, p, q = (torch.from_numpy(x.copy()) for x in (K, p, q))
    joint = K * p  # of the state at t and the one at s
    back = (joint / joint.sum(1, keepdim=True)).T
    assert torch.allclose(back.sum(0), torch.ones(len(p), dtype=torch.float64))
    q_s = back @ q
    return [(q_ * (p_ / q_ - 1) ** 2).sum() for p_, q_ in ((K @ p, q), (p, q_s))]


def own_kernel(K, p, q):
    joint = K * q
    q_s = (joint / joint.sum(1, keepdims=True)).T @ q
    return ((q * (K @ p / q - 1) ** 2).sum(), (q_s * (p / q_s - 1) ** 2).sum())


def rows_to_one(K, p, q):
    back = K.T / K.T.sum(0)
    q_s = back @ q
    return ((q * (K @ p / q - 1) ** 2).sum(), (q_s * (p / q_s - 1) ** 2).sum())


def by_logarithms(D, log_p, R, u):
    ahead = log_p(R(u)) - np.logaddexp(log_p(u), log_p(R(u)))
    return D(u) + np.exp(ahead) * (R(D(R(u))) - D(u))


def by_gradient(n):
    """Where the derivatives of the deficit in all levels between 0 and 1 vanish."""

    def slopes(inner):
        zeta = np.concatenate([[0.0], inner, [1.0]])
        share = np.diff(zeta) / zeta[1:]  # revealed in each step, of what was unknown
        return 2 * share[:-1] - share[:-1] ** 2 - 2 * share[1:]

    inner = scipy.optimize.fsolve(slopes, (np.arange(1, n) / n) ** 1.5, xtol=1e-12)
    return [0.0, *inner, 1.0]


def in_two_steps(g, m, c, alpha, sigma, eta):
    mean, variance = alpha * torch.tensor(g), torch.tensor(sigma**2)
    v = alpha**2 * torch.tensor(c) + sigma**2
    kappa = alpha * torch.sqrt(torch.tensor(c) / v)
    gain = kappa ** (eta**2) * torch.sqrt(torch.tensor(c) / v)
    added = torch.tensor(c) * (1 - kappa ** (2 * eta**2))
    return torch.tensor(m) + gain * (mean - alpha * torch.tensor(m)), gain**2 * variance + added


RIGHT = {
    "14-1": [by_brent],
    "14-3": [by_kernel],
    "14-4": [by_logarithms],
    "14-5": [by_gradient],
    "14-6": [in_two_steps],
}


def price_of(y_of, means=lambda m, c: m**2 / (2 * c)):
    """The time at which a price with this y is low enough."""

    def time(snr, c, m, nats):
        def over(t):
            y = y_of(snr(t), c)
            return (0.5 * (y - np.log(1 + y)) + means(m, c) * y).sum() - nats

        return scipy.optimize.brentq(over, 1e-3, 1.0)

    return time


def by_joint(K, p, q):
    joint = K * p
    q_s = joint / joint.sum(1)[:, None] @ q  # not transposed
    return ((q * (K @ p / q - 1) ** 2).sum(), (q_s * (p / q_s - 1) ** 2).sum())


def along_the_columns(K, p, q):
    q_s = K.T * p / (K @ p) @ q
    return ((q * (K @ p / q - 1) ** 2).sum(), (q_s * (p / q_s - 1) ** 2).sum())


def levels_with(n, factor):
    a, levels = 1.0, [1.0]
    for _ in range(n - 1):
        levels = [x * (1 - factor * a) for x in levels] + [1.0]
        a -= a * a / 4
    return [0.0, *levels]


def two_steps_with(kappa_gain, noises):
    def answer(g, m, c, alpha, sigma, eta):
        v = alpha**2 * c + sigma**2
        kappa = alpha * (c / v) ** 0.5
        gain = kappa ** (eta**2) * kappa_gain(c, v)
        forth, back = gain**2 * sigma**2, c * (1 - kappa ** (2 * eta**2))
        return m + gain * alpha * (g - m), noises(forth, back)

    return answer


WRONG = {
    "14-1": {
        "of_the_start": by_start,
        "differs": on_a_grid,
        "divided_by_variance": price_of(lambda snr, c: (snr / c) ** 2 / (1 + 2 * snr / c)),
        "means_without_variances": price_of(
            lambda snr, c: (snr * c) ** 2 / (1 + 2 * snr * c), lambda m, c: m**2 / 2
        ),
    },
    "14-3": {
        "of_its_own_kernel": own_kernel,
        "of_uniform_data": rows_to_one,
        "rows_for_columns": by_joint,
        "p_along_the_wrong_axis": along_the_columns,
    },
    "14-4": {
        "turned_afterwards": lambda D, log_p, R, u: by_logarithms(lambda _: D(u), log_p, R, u),
        "differs": lambda D, log_p, R, u: by_logarithms(D, lambda v: 0.5 * log_p(v), R, u),
    },
    "14-5": {
        "halved": lambda n: [0.0, *np.cumprod([0.5] * (n - 1))[::-1], 1.0],
        "differs": lambda n: levels_with(n, 0.25),
        "whole_deficit": lambda n: levels_with(n, 1.0),
    },
    "14-6": {
        "eta_not_squared": lambda g, m, c, alpha, sigma, eta: in_two_steps(
            g, m, c, alpha, sigma, eta**0.5
        ),
        "fails": lambda g, m, c, alpha, sigma, eta: in_two_steps(g, m, c, alpha, sigma, eta)[0],
        "without_backward_noise": two_steps_with(lambda c, v: (c / v) ** 0.5, lambda a, b: a),
        "correlation_for_gain": two_steps_with(lambda c, v: 1.0, lambda a, b: a + b),
        "differs": two_steps_with(lambda c, v: c / v, lambda a, b: a + b),
    },
}
