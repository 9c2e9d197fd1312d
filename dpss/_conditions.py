"""Conditions of the certificate: what the coefficients of a process must satisfy, looked at block by block of times.

Every condition is put in a form that neither large nor small numbers can hide from: gains and noise levels enter
through their logarithms, so that 1e-300 counts as much as 1. What is forgiven is rounding and no more: TOLERANCE
times the size of the numbers that were computed, log α and log σ included, since an exponential turns an error of
its exponent into a relative one.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

TOLERANCE = 2.0**-45  # 128 roundings of double precision, 2.8e-14
ONE = 0.125  # 16 roundings: what 1 − α² is off by, however small it is
BLOCK = 2**17  # coefficients that are looked at together, 1 MB: they stay in the cache of a processor
SMALLEST = 1e-280  # below it numbers, and variances, begin to lose digits


@dataclass(frozen=True)
class Block:
    """Coefficients at some times (m,): log α and log σ, each (m, 1, 1) where all modes agree, else (m, H, W)."""

    times: torch.Tensor
    log_gain: torch.Tensor
    log_noise: torch.Tensor

    @property
    def log_snr(self):
        """log(α²/σ²): −∞ where α = 0, +∞ where α > 0 = σ."""
        ratio = 2 * (self.log_gain - self.log_noise)
        return torch.where(self.log_gain == -math.inf, self.log_gain, ratio)


def block(process, shape, times):
    """The `Block` of a process on images of `shape` at `times` (m,)."""
    values = process.log_signal(times), torch.log(process.noise(times))
    grids = {tuple(value.shape[-2:]) for value in values} - {(1, 1), shape}
    if grids:
        raise ValueError(
            f"shape is {shape}; needed: {grids.pop()}, the grid of the coefficients of {process.name!r}"
        )
    return Block(times, *values)


def blocks(process, shape, times):
    """The blocks that `times` fall into."""
    for some in times.split(max(1, BLOCK // (shape[0] * shape[1]))):
        yield block(process, shape, some)


def size(logarithm):
    """|x| of a logarithm, 0 where it is infinite: 0 and ∞ have no rounding."""
    return logarithm.abs().nan_to_num(posinf=0.0)


def apart(x, y):
    """|x − y| of two logarithms, where −∞ is as far as can be from any number, and not from −∞."""
    return (x - y).abs().nan_to_num(nan=0.0, posinf=math.inf)


class Rise(NamedTuple):
    """A rise by `size` in one `mode` from the time `s` to the time `t`; `real` if rounding cannot explain it."""

    real: bool
    size: float
    mode: tuple
    s: float
    t: float


class NeverRises:
    """The largest rise of numbers (m, H, W) over all pairs of times, by their past minima."""

    def __init__(self):
        self.worst = Rise(False, 0.0, (0, 0), 0.0, 0.0)
        self.past = None  # minimum, what is forgiven there, and its time, (1, H, W) each

    def look(self, times, values, forgiven):
        when = times[:, None, None].expand(values.shape)
        if self.past is None:
            self.past = values[:1], forgiven[:1], when[:1]
        past = [
            torch.cat([x.expand(1, *values.shape[1:]), y])
            for x, y in zip(self.past, (values, forgiven, when))
        ]
        least, at = past[0].cummin(0)
        slack, since = past[1].gather(0, at), past[2].gather(0, at)
        self.past = least[-1:], slack[-1:], since[-1:]
        gap = (values - least[1:]).nan_to_num(nan=0.0, posinf=math.inf)  # ∞ − ∞: it stays infinite
        real = gap > forgiven + slack[1:]
        some = bool(real.any())
        flat = (torch.where(real, gap, 0.0) if some else gap).argmax().item()
        i, y, x = (int(n) for n in torch.unravel_index(torch.tensor(flat), gap.shape))
        found = Rise(some, gap[i, y, x].item(), (y, x), since[i + 1, y, x].item(), times[i].item())
        self.worst = max(self.worst, found, key=lambda rise: rise[:2])


def log_snr(now):
    """log SNR, which must never rise (Theorem 1), and its rounding."""
    return now.log_snr, TOLERANCE * (1 + 2 * size(now.log_gain) + 2 * size(now.log_noise))


def lost_entropy(now, shape):
    """−Σ log σ over the modes, which never rises where H(U_t | U_0) never falls, and its rounding: (m, 1, 1) each."""
    log_noise = now.log_noise.expand(-1, *shape)
    rounding = TOLERANCE * (1 + size(log_noise))
    return -log_noise.sum((1, 2), keepdim=True), rounding.sum((1, 2), keepdim=True)


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
    """α M α + diag(σ²) = M for the covariance M = B Bᵀ of the modes of N(0, I); α² + σ² = 1 where B is orthonormal.

    That is: α² + σ²/M_kk = 1 in each mode k, and α = 1, σ = 0 in the modes that are coupled to others. Both are tested
    as they stand, linear in the violation. `violation`: in units of what is forgiven. `nats`: KL(p_t ‖ N(0, I)) of
    p_0 = N(0, I), summed over the modes.
    """

    def __init__(self, geometry):
        self.geometry = geometry
        self.forgiven = TOLERANCE + (0.0 if geometry.basis.orthonormal else geometry.rounding)
        self.violation = self.nats = Largest(0.0, 0.0)

    def look(self, now):
        log_noise = 2 * now.log_noise - self.geometry.log_norms
        log_variance = torch.logaddexp(2 * now.log_gain, log_noise)
        # |1 − α²| + σ²: how far the mode has moved; where the condition holds no more than 2
        moved = (torch.expm1(2 * now.log_gain).abs() + torch.exp(log_noise)).clamp(max=2)
        violation = log_variance.abs() + self.geometry.coupling * moved
        relative = (violation / (self.forgiven * moved + TOLERANCE * ONE)).amax((1, 2))
        nats = 0.5 * excess(log_variance)
        weight = (
            math.prod(self.geometry.shape) / nats[0].numel()
        )  # one number may stand for all modes
        self.violation = self.violation.look(now.times, relative)
        self.nats = self.nats.look(now.times, weight * nats.sum((1, 2)))


class Forgets:
    """What is forgotten at t = 1, and what never moves: has the same gain and the same noise level at all t > 0.

    `frozen`, `log_gain` (log α_1): (H, W).
    """

    def __init__(self, shape):
        self.shape, self.extremes = shape, None

    def look(self, now):
        later = now.times > 0
        if not later.any():
            return
        found = []
        for values in (now.log_gain[later], now.log_noise[later]):
            found += [values.amin(0).expand(self.shape), -values.amax(0).expand(self.shape)]
        found = torch.stack(found)
        self.extremes = found if self.extremes is None else torch.minimum(self.extremes, found)
        self.log_gain = now.log_gain[-1].expand(self.shape)

    @property
    def loudest(self):
        """The largest log σ there is."""
        return -self.extremes[3].min()

    @property
    def frozen(self):
        least, most = self.extremes[::2], -self.extremes[1::2]
        forgiven = TOLERANCE * (1 + torch.maximum(size(least), size(most)))
        return (apart(least, most) <= forgiven).all(0)


def step_gap(process, r, s, t):
    """How far two steps r → s → t are from one, relative, and what is forgiven: for times (m,), (m, H, W) each.

    Gains multiply, variances add up. Gains are compared with themselves, variances with σ_t².
    """
    first, second, whole = process.kernel(r, s), process.kernel(s, t), process.kernel(r, t)
    gain = second.gain * first.gain
    largest = torch.maximum(gain, whole.gain).maximum(SMALLEST * second.gain).clamp(min=SMALLEST)
    level = process.noise(t).clamp(min=math.sqrt(SMALLEST))
    std, direct = torch.hypot(second.std, second.gain * first.std) / level, whole.std / level
    gap = torch.maximum((gain - whole.gain).abs() / largest, (std - direct).abs() * (std + direct))
    logs = sum(size(process.log_signal(time)) for time in (r, s, t))
    return gap.nan_to_num(nan=0.0), TOLERANCE * (1 + logs)  # NaN: ∞ − ∞, beyond double precision


def compositions(process, triples):
    """(real, gap, (r, s, t)) for each of the times `triples` (3, m) between which the process has kernels."""
    try:
        gap, forgiven = (x.flatten(1) for x in step_gap(process, *triples))
    except (
        ValueError
    ):  # kernels forgive less than rounding where α or σ is tiny: look at one after the other
        if triples.shape[1] == 1:
            return []
        return [case for some in triples.tensor_split(2, 1) for case in compositions(process, some)]
    real = gap > forgiven
    some = real.any(1)
    gap = torch.where(real | ~some[:, None], gap, 0.0).amax(1)
    return list(zip(some.tolist(), gap.tolist(), triples.T.tolist()))
