"""Symmetries of a process: maps of images that commute with it, and images on which others do not.

A permutation R of the pixels commutes iff R G = G R for the mean map G = B⁻¹ diag(α) B, and R Σ =
Σ R for the covariance Σ = B⁻¹ diag(σ²) B⁻ᵀ. Let P = B R B⁻¹ be what R does to modes. In an
orthonormal basis both say: where P_kl ≠ 0, modes k and l have the same coefficient. So any
one-to-one function may stand for a coefficient; the logarithm is taken, for which 1e-300 counts as
much as 1.

In pixels, and for flips and turns of cosines, P exchanges modes, up to a sign. Under all
permutations all coefficients must agree, but for that of the mean in cosines. There the
coefficients decide. In any other basis a random image does.
"""

import functools
import math
from typing import Callable, NamedTuple

import torch

from ._conditions import SMALLEST, TOLERANCE, apart, block, first_of_largest, size, worse
from ._geometry import probe, unit_vectors
from .bases import Cosines, Pixels


def flip_left_right(u):
    return u.flip(-1)


def flip_up_down(u):
    return u.flip(-2)


def quarter_turn(u):
    return u.rot90(1, (-2, -1))


def half_turn(u):
    return u.flip(-2, -1)


def cycle(u):
    """Every pixel moves on by one, along the rows."""
    return u.flatten(-2).roll(1, -1).reshape(u.shape)


def exchange(u, i=0, j=1):
    """The pixels i and j of the flattened grid exchanged."""
    order = torch.arange(u.shape[-2] * u.shape[-1])
    order[[i, j]] = order[[j, i]]
    return u.flatten(-2)[..., order].reshape(u.shape)


def maps(name, shape):
    """The maps of a row. One exchange and the cycle generate all permutations."""
    if name == "flips":
        return [flip_left_right, flip_up_down]
    if name == "rotations":
        return [quarter_turn if shape[0] == shape[1] else half_turn]
    return [exchange, cycle] if math.prod(shape) > 1 else []


def parities(n):
    """(−1)^k for k = 0, ..., n − 1."""
    return 1.0 - 2.0 * (torch.arange(n) % 2).double()


def carry(basis, move, modes):
    """P c: what a map of images does to modes. Without rounding where it exchanges them."""
    if type(basis) is Pixels:
        return move(modes)
    if type(basis) is Cosines and move in (flip_left_right, flip_up_down, half_turn, quarter_turn):
        # a flip multiplies the modes by parities; a quarter turn is a transposition and a flip
        modes = modes.mT if move is quarter_turn else modes
        if move is not flip_left_right:
            modes = modes * parities(modes.shape[-2])[:, None]
        return modes * parities(modes.shape[-1]) if move in (flip_left_right, half_turn) else modes
    moved = basis.analyse(move(basis.synthesise(modes)))
    if type(basis) is Cosines:
        moved[..., 0, 0] = modes[..., 0, 0]  # no permutation changes the mean
    return moved


def coefficients(now, part):
    """log α for the mean, log σ² for the covariance."""
    return now.log_gain if part == "mean" else 2 * now.log_noise


def logarithms(process, shape, t, part):
    """The same at one time, (H, W)."""
    now = block(process, shape, torch.tensor([t], dtype=torch.float64))
    return coefficients(now, part)[0].expand(shape)


def mean_gap(process, part, move, modes, t):
    """‖R M u − M R u‖/‖M u‖ in the maximum norm, u the image of `modes`, M = B⁻¹ diag(α or σ²) B.

    A factor of M does not matter, so coefficients are seen that are far too small for images.
    """
    basis, logs = process.basis, logarithms(process, modes.shape, t, part)
    moved = carry(basis, move, modes)
    present = (modes != 0) | (moved != 0)
    weights = torch.where(present, torch.exp(logs - logs[present].max()), 0.0)
    gap = basis.synthesise(carry(basis, move, weights * modes) - weights * moved)
    return (gap.abs().max() / basis.synthesise(weights * modes).abs().max()).item()


def covariance(vectors, weights, u):
    """B⁻¹ diag(σ²) B⁻ᵀ u, by the images of the modes, columns of `vectors`, and their `weights`."""
    modes = weights * (u.flatten() @ vectors).reshape(u.shape)
    return (modes.flatten(-2) @ vectors.T).reshape(modes.shape)


def covariance_gap(process, move, u, t):
    """The same for M = B⁻¹ diag(σ²) B⁻ᵀ, where B is not orthonormal."""
    vectors, log_squares = unit_vectors(process.basis, u.shape)
    logs = logarithms(process, u.shape, t, "covariance") + log_squares
    weights = torch.exp(logs - logs.max())[None]
    there = covariance(vectors, weights, u)
    gap = move(there) - covariance(vectors, weights, move(u))
    return (gap.abs().max() / there.abs().max()).item()


def sign_gap(basis, u):
    """How far B and B⁻¹ are from being odd, relative: 0 for linear maps."""
    c = basis.analyse(u)
    pairs = (c, basis.analyse(-u)), (basis.synthesise(c), basis.synthesise(-c))
    return max((x + y).abs().max() / x.abs().max() for x, y in pairs).item()


class Case(NamedTuple):
    """A map that commutes with a part of the law up to a relative `gap`, `real` beyond rounding."""

    real: bool
    gap: float
    t: float
    part: str
    move: Callable | None


class Symmetry:
    """Whether the maps of the row `name` commute. `worst`: the `Case` of the largest gap."""

    def __init__(self, name, geometry):
        self.name, self.geometry = name, geometry
        self.basis, self.shape = geometry.basis, geometry.shape
        self.maps = maps(name, geometry.shape)
        self.worst = Case(False, 0.0, 0.0, "mean", None)

    def look(self, now):
        for part, cases in (("mean", self.cases), ("covariance", self.covariances)):
            for real, gap, move in cases(coefficients(now, part)):
                gap = torch.where(real, gap, 0.0) if real.any() else gap
                i = first_of_largest(gap)
                case = Case(real[i].item(), gap[i].item(), now.times[i].item(), part, move)
                self.worst = worse(self.worst, case)

    def covariances(self, logs):
        """As for the mean, where B is orthonormal."""
        return self.cases(logs)


class ByCoefficients(Symmetry):
    """In pixels and cosines: the relative difference of coefficients that must agree."""

    def __init__(self, name, geometry):
        super().__init__(name, geometry)
        self.free = 1 if type(self.basis) is Cosines else 0  # modes that no permutation touches

    def cases(self, logs):
        if logs.shape[-2:] == (1, 1):
            return
        for ours, others, move in self.pairs(logs):
            gap = apart(ours, others)
            real = gap > TOLERANCE * (1 + torch.maximum(size(ours), size(others)))
            yield real.flatten(1).any(1), -torch.expm1(-gap.flatten(1).amax(1)), move

    def pairs(self, logs):
        """For each map the coefficients (m, ...), and those that they must be equal to."""
        if self.name == "permutations":
            logs = logs.flatten(1)[:, self.free :]
            yield logs, logs.amax(1, keepdim=True), None
        elif type(self.basis) is Pixels:
            yield from ((logs, move(logs), move) for move in self.maps)
        elif quarter_turn in self.maps:
            yield logs, logs.mT, quarter_turn

    def counterexample(self, process):
        """(map, image, words for it, replay)."""
        _, _, t, part, move = self.worst
        logs = logarithms(process, self.shape, t, part)
        if self.name != "permutations":
            # R takes a mode, the source, to another one; of all pairs take one whose source is
            # louder
            source = torch.arange(logs.numel()).reshape(1, *self.shape)
            ((ours, others, _),) = (pair for pair in self.pairs(logs[None]) if pair[2] is move)
            ((_, source, _),) = (pair for pair in self.pairs(source) if pair[2] is move)
            i = torch.where(others > ours, apart(ours, others), 0.0).argmax()
            modes = self.unit(source.flatten()[i])
        else:
            some = logs.flatten()[self.free :]
            i, j = some.argmax().item() + self.free, some.argmin().item() + self.free
            if type(self.basis) is Pixels:
                move, modes = functools.partial(exchange, i=i, j=j), self.unit(i)
            else:
                modes = self.unit(i) + self.unit(j)
                move = max(self.maps, key=lambda move: mean_gap(process, part, move, modes, t))
        named = " and ".join(f"({y}, {x})" for y, x in modes.nonzero().tolist())
        words = f"the image of mode{'s' if ' and ' in named else ''} {named}"
        replay = functools.partial(mean_gap, process, part, move, modes, t)
        return move, self.basis.synthesise(modes), words, replay

    def unit(self, i):
        """Modes that are 1 in one place."""
        modes = torch.zeros(math.prod(self.shape), dtype=torch.float64)
        modes[i] = 1.0
        return modes.reshape(self.shape)


class ByProbe(Symmetry):
    """In other bases: a random image u, and R M u − M R u.

    M is B⁻¹ diag(log α) B or B⁻¹ diag(log σ²) B; where B is not orthonormal, the covariance itself.
    """

    def __init__(self, name, geometry):
        super().__init__(name, geometry)
        self.image = probe(geometry.shape, 1)[0]
        self.modes = self.basis.analyse(self.image)
        self.moved = {move: carry(self.basis, move, self.modes) for move in self.maps}
        self.forgiven = TOLERANCE + geometry.rounding

    def cases(self, logs):
        finite = about_zero(logs)
        largest, spread = 1 + size(logs).amax((1, 2)), 2 * finite.amax((1, 2))
        alike = spread <= TOLERANCE * largest  # a number times the identity, which commutes
        if alike.all():
            return
        finite = torch.where(alike[:, None, None], 0.0, finite)
        weights = torch.exp(logs - logs.amax((1, 2), keepdim=True).nan_to_num(neginf=0.0))
        for move in self.maps:
            gap, there = self.gap(finite, move)
            real = gap > self.forgiven * (there + largest * self.image.abs().max())
            if real.any():  # seen by the true coefficients
                gap, there = self.gap(weights, move)
            yield real, gap / there.clamp(min=SMALLEST), move

    def gap(self, weights, move):
        """‖R M u − M R u‖ and ‖M u‖ for M = B⁻¹ diag(weights) B: (m,) each."""
        there = self.basis.synthesise(weights * self.modes)
        gap = move(there) - self.basis.synthesise(weights * self.moved[move])
        return gap.abs().amax((1, 2)), there.abs().amax((1, 2))

    def covariances(self, logs):
        if self.basis.orthonormal:
            yield from self.cases(logs)
            return
        noisy = logs.amax((1, 2)) > -math.inf
        if logs.shape[-2:] == (1, 1):
            logs = torch.zeros_like(logs[:1])  # covariances at different times differ by a factor
        vectors, log_squares = self.geometry.vectors
        logs, u = logs + log_squares, self.image
        weights = torch.exp(logs - logs.amax((1, 2), keepdim=True).nan_to_num(neginf=0.0))
        there = covariance(vectors, weights, u)
        reach = covariance(vectors.abs(), weights, u.abs())
        forgiven = self.forgiven * (1 + size(logs).amax((1, 2))) * reach.amax((1, 2))
        for move in self.maps:
            gap = (move(there) - covariance(vectors, weights, move(u))).abs().amax((1, 2))
            relative = gap / there.abs().amax((1, 2)).clamp(min=SMALLEST)
            yield noisy & (gap > forgiven), torch.where(noisy, relative, 0.0), move

    def counterexample(self, process):
        """(map, image, words for it, replay)."""
        _, _, t, part, move = self.worst
        if part == "covariance" and not self.basis.orthonormal:
            replay = functools.partial(covariance_gap, process, move, self.image, t)
        else:
            replay = functools.partial(mean_gap, process, part, move, self.modes, t)
        return move, self.image, "a random image", replay


def about_zero(logs):
    """Logarithms (m, H, W) less the middle of their range, −∞ one below all others."""
    least = torch.where(logs == -math.inf, math.inf, logs).amin((1, 2), keepdim=True)
    finite = torch.where(logs == -math.inf, (least - 1).nan_to_num(posinf=0.0), logs)
    return finite - 0.5 * (finite.amax((1, 2), keepdim=True) + finite.amin((1, 2), keepdim=True))


def symmetry(name, geometry):
    """The `Symmetry` of a row."""
    known = type(geometry.basis) in (Pixels, Cosines)
    return (ByCoefficients if known else ByProbe)(name, geometry)
