"""Conditions of the certificate: what coefficients must satisfy, looked at block by block of times.

Gains and noise levels enter by their logarithms, so that 1e-300 counts as much as 1: data may be as
large or as small. What is forgiven is rounding: TOLERANCE times the size of the numbers that were
computed, |log α| and |log σ| included, as an exponential turns a rounded exponent into a relative
error.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

TOLERANCE = 2.0**-45  # 128 roundings of double precision, 2.8e-14
ONE = 0.125  # 16 roundings: by this √(1 − α²)² may be wrong, however small it is
BLOCK = 2**18  # coefficients that are looked at together: 2 MB stay in the cache of a processor
SMALLEST = 1e-280  # below it numbers begin to lose digits


@dataclass(frozen=True)
class Block:
    """log α and log σ at some times (m,): (m, 1, 1) each where all modes agree, else (m, H, W)."""

    times: torch.Tensor
    log_gain: torch.Tensor
    log_noise: torch.Tensor


def block(process, shape, times):
    """The `Block` of a process on images of `shape` at `times` (m,)."""
    values = [process.log_signal(times), torch.log(process.noise(times))]
    for i, value in enumerate(values):
        grid = tuple(value.shape[-2:])
        if grid != (1, 1):
            try:
                values[i] = value.expand(-1, *shape)
            except RuntimeError:
                raise ValueError(
                    f"shape is {shape}; needed: {grid}, the grid of the coefficients of {process!r}"
                ) from None
    return Block(times, *values)


def blocks(process, shape, times):
    """The blocks that `times` fall into."""
    for some in times.split(max(1, BLOCK // math.prod(shape))):
        yield block(process, shape, some)


def size(logarithm):
    """|x| of a logarithm, 0 where it is infinite: 0 and ∞ have no rounding."""
    return logarithm.abs().nan_to_num(posinf=0.0)


def apart(x, y):
    """|x − y| of two logarithms: −∞ is infinitely far from any number, and not from −∞."""
    return (x - y).abs().nan_to_num(nan=0.0, posinf=math.inf)


def total(values, shape):
    """The sum over all modes, (m,); one number may stand for all of them."""
    return values.sum((1, 2)) * (math.prod(shape) / math.prod(values.shape[1:]))


class Rise(NamedTuple):
    """A rise by `size` in a mode from the time s to the time t; `real` beyond rounding."""

    real: bool
    size: float
    mode: tuple
    s: float
    t: float


class NeverRises:
    """Numbers that must never rise. `worst`: the largest rise over all pairs of times."""

    def __init__(self):
        self.worst = Rise(False, 0.0, (0, 0), 0.0, 0.0)
        self.least = None  # so far: its value, what is forgiven there, and its time, (1, H, W) each

    def look(self, times, values, forgiven):
        """`values` and what is `forgiven` them, (m, H, W) each, at `times` (m,)."""
        news = values, forgiven, times[:, None, None].expand(values.shape)
        olds = self.least or [x[:1] for x in news]
        values, forgiven, when = (torch.cat([x.expand(y[:1].shape), y]) for x, y in zip(olds, news))
        if not (values[1:] > values[:-1]).any():  # as is the rule, and quickly seen
            self.least = [x[-1:] for x in (values, forgiven, when)]
            return
        least, place = values.cummin(0)
        slack, since = forgiven.gather(0, place), when.gather(0, place)
        self.least = [x[-1:] for x in (least, slack, since)]
        gap = (values - least).nan_to_num(nan=0.0, posinf=math.inf)  # ∞ − ∞: it stays infinite
        real = gap > forgiven + slack
        found = bool(real.any())
        i, y, x = torch.unravel_index(
            (torch.where(real, gap, 0.0) if found else gap).argmax(), gap.shape
        )
        ends = (clock[i, y, x].item() for clock in (since, when))
        rise = Rise(found, gap[i, y, x].item(), (y.item(), x.item()), *ends)
        self.worst = max(self.worst, rise, key=lambda rise: rise[:2])


def log_snr(now):
    """log SNR, −∞ where α = 0, and its rounding."""
    ratio = 2 * (now.log_gain - now.log_noise)
    ratio = torch.where(now.log_gain == -math.inf, now.log_gain, ratio)
    return ratio, TOLERANCE * (1 + 2 * size(now.log_gain) + 2 * size(now.log_noise))


def lost_entropy(now, shape):
    """−Σ log σ, a constant less H(U_t | U_0), and its rounding."""
    values = -now.log_noise, TOLERANCE * (1 + size(now.log_noise))
    return (total(x, shape)[:, None, None] for x in values)


def excess(x):
    """eˣ − 1 − x ≥ 0, to all digits."""
    return torch.where(x.abs() < 1e-4, x**2 * (0.5 + x / 6), torch.expm1(x) - x)


class Largest(NamedTuple):
    """The largest of some numbers, and its time."""

    value: float
    t: float

    def look(self, times, values):
        """This one or the largest of `values` (m,), whichever is larger."""
        i = values.argmax().item()
        return max(self, Largest(values[i].item(), times[i].item()), key=lambda one: one.value)


class NormalStays:
    """α M α + diag(σ²) = M for the covariance M = B Bᵀ of the modes of N(0, I).

    That is α² + σ²/M_kk = 1 in each mode k, and α = 1, σ = 0 in modes that are coupled to others.
    Both are tested as they stand, linear in the violation. `violation` is in units of what is
    forgiven, `nats` is KL(p_t ‖ N(0, I)) of p_0 = N(0, I), summed over the modes: all of it where
    none is coupled.
    """

    def __init__(self, geometry):
        self.geometry = geometry
        self.forgiven = TOLERANCE + (0.0 if geometry.basis.orthonormal else geometry.rounding)
        self.violation = self.nats = Largest(0.0, 0.0)

    def look(self, now):
        log_noise = 2 * now.log_noise - self.geometry.log_norms
        log_variance = torch.logaddexp(2 * now.log_gain, log_noise)
        # |1 − α²| + σ²: how far a mode has moved; where the condition holds, 2 at most
        moved = (torch.expm1(2 * now.log_gain).abs() + torch.exp(log_noise)).clamp(max=2)
        violation = log_variance.abs() + self.geometry.coupling * moved
        violation = violation / (self.forgiven * moved + TOLERANCE * ONE)
        nats = total(0.5 * excess(log_variance), self.geometry.shape)
        self.violation = self.violation.look(now.times, violation.amax((1, 2)))
        self.nats = self.nats.look(now.times, nats)


class Forgets:
    """What is forgotten at t = 1, and what stands still: constant gain and noise level for t > 0.

    `log_gain`: log α_1. `frozen`: whether a mode stands still. (H, W) each.
    """

    def __init__(self, shape):
        self.shape, self.extremes = shape, None

    def look(self, now):
        """The least and the largest log α and log σ so far, and the last log α."""
        later = now.times > 0
        if later.any():
            logs = now.log_gain[later], now.log_noise[later]
            found = [x for log in logs for x in (log.amin(0), -log.amax(0))]
            olds = self.extremes or found
            self.extremes = [x.minimum(y) for x, y in zip(olds, found)]
            self.log_gain = now.log_gain[-1].expand(self.shape)

    @property
    def frozen(self):
        still = torch.ones(self.shape, dtype=torch.bool)
        for least, most in zip(self.extremes[::2], self.extremes[1::2]):
            forgiven = TOLERANCE * (1 + torch.maximum(size(least), size(most)))
            still = still & (apart(least, -most) <= forgiven)
        return still

    @property
    def loudest(self):
        """The largest log σ there is."""
        return -self.extremes[3].min()


def step_gap(process, r, s, t):
    """How far two steps r → s → t are from one, relative, and what is forgiven, at times (m,).

    Gains multiply, variances add up. Gains are compared with themselves, variances with σ_t².
    """
    first, second, whole = process.kernel(r, s), process.kernel(s, t), process.kernel(r, t)
    gain = second.gain * first.gain
    largest = torch.maximum(gain, whole.gain).maximum(SMALLEST * second.gain).clamp(min=SMALLEST)
    level = process.noise(t).clamp(min=math.sqrt(SMALLEST))  # variances are squares
    std, direct = torch.hypot(second.std, second.gain * first.std) / level, whole.std / level
    gap = torch.maximum((gain - whole.gain).abs() / largest, (std - direct).abs() * (std + direct))
    logs = sum(size(process.log_signal(time)) for time in (r, s, t))
    return gap.nan_to_num(nan=0.0), TOLERANCE * (1 + logs)  # NaN: ∞ − ∞, beyond double precision


def compositions(process, triples):
    """(real, gap, (r, s, t)) for the `triples` (3, m) of times between which there are kernels."""
    try:
        gap, forgiven = (x.flatten(1) for x in step_gap(process, *triples))
    except ValueError:  # where α or σ is tiny, kernels forgive less than rounding: one by one
        if triples.shape[1] == 1:
            return []
        return [case for some in triples.tensor_split(2, 1) for case in compositions(process, some)]
    real = gap > forgiven
    found = real.any(1, keepdim=True)
    gap = torch.where(real | ~found, gap, 0.0).amax(1)
    return list(zip(found[:, 0].tolist(), gap.tolist(), triples.T.tolist()))
