"""Symmetries of a process: the maps of images that commute with it, and images on which others are seen not to.

A permutation R of pixels commutes iff R G = G R for the mean map G = B⁻¹ diag(α) B and R Σ = Σ R for the covariance
Σ = B⁻¹ diag(σ²) B⁻ᵀ. Let P = B R B⁻¹ be what R does to modes. In an orthonormal basis both mean: where P_kl ≠ 0,
modes k and l have the same coefficient. So a coefficient may be replaced by any one-to-one function of it, and its
logarithm is taken: coefficients of 1e-300 then count as much as those of 1.

In pixels, and for flips and turns of cosines, P exchanges modes, up to a sign. Under all permutations of pixels all
coefficients must agree, but for that of the mean in cosines. There the coefficients decide. In any other basis it is
a random image that does.
"""

import functools
import math
from typing import Callable, NamedTuple

import torch

from ._conditions import TOLERANCE, apart, block, size
from ._geometry import matrix, probe
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


def carry(basis, move, modes):
    """P c: what a map of images does to modes, without rounding where it exchanges them."""
    if isinstance(basis, Pixels):
        return move(modes)
    if isinstance(basis, Cosines) and move in (
        flip_left_right,
        flip_up_down,
        half_turn,
        quarter_turn,
    ):
        # a flip multiplies mode k by (−1)^k along its axis; a quarter turn is a transposition and a flip of the rows
        modes = modes.mT if move is quarter_turn else modes
        if move is not flip_left_right:
            modes = modes * parity(modes.shape[-2])[:, None]
        return modes if move in (flip_up_down, quarter_turn) else modes * parity(modes.shape[-1])
    moved = basis.analyse(move(basis.synthesise(modes)))
    if isinstance(basis, Cosines):
        moved[..., 0, 0] = modes[..., 0, 0]  # no permutation changes the mean
    return moved


def parity(n):
    return 1.0 - 2.0 * (torch.arange(n) % 2).double()


def coefficients(now, part):
    """log α for the mean, log σ² for the covariance."""
    return now.log_gain if part == "mean" else 2 * now.log_noise


def logarithms(process, shape, t, part):
    """The same at one time, (H, W)."""
    now = block(process, shape, torch.tensor([t], dtype=torch.float64))
    return coefficients(now, part)[0].expand(shape)


def covariance(vectors, weights, u):
    """B⁻¹ diag(weights) B⁻ᵀ u for weights (m, H, W), with the matrix `vectors` of B⁻¹: (m, H, W)."""
    modes = weights * (u.flatten() @ vectors).reshape(u.shape)
    return (modes.flatten(-2) @ vectors.T).reshape(modes.shape)


def mean_gap(process, part, move, modes, t):
    """‖R M u − M R u‖/‖M u‖ in the maximum norm, for the image u of `modes` and M = B⁻¹ diag(α_t) B or B⁻¹ diag(σ_t²) B.

    M may be multiplied by any number, and so gains that underflow are seen.
    """
    basis, logs = process.basis, logarithms(process, modes.shape, t, part)
    moved = carry(basis, move, modes)
    present = (modes != 0) | (moved != 0)
    top = logs[present].max()
    if top == -math.inf:
        return 0.0
    weights = torch.where(present, torch.exp(logs - top), 0.0)
    gap = basis.synthesise(carry(basis, move, weights * modes) - weights * moved)
    return (gap.abs().max() / basis.synthesise(weights * modes).abs().max()).item()


def covariance_gap(process, move, image, t):
    """The same for B⁻¹ diag(σ_t²) B⁻ᵀ, where B is not orthonormal."""
    vectors = matrix(process.basis.synthesise, image.shape)
    logs = logarithms(process, image.shape, t, "covariance")
    weights = torch.exp(logs - logs.max())[None]
    there = covariance(vectors, weights, image)
    gap = move(there) - covariance(vectors, weights, move(image))
    return (gap.abs().max() / there.abs().max()).item()


class Case(NamedTuple):
    """A map and a part of the law at a time: `real` if they do not commute beyond rounding; the relative `gap`."""

    real: bool
    gap: float
    t: float
    part: str
    move: Callable


class Symmetry:
    """Whether the maps of the row `name` commute with a process. `worst`: the `Case` with the largest gap."""

    def __init__(self, name, geometry):
        self.name, self.geometry = name, geometry
        self.basis, self.shape = geometry.basis, geometry.shape
        self.maps = maps(name, geometry.shape)
        self.worst = Case(False, 0.0, 0.0, "mean", self.maps)

    def look(self, now):
        for part in ("mean", "covariance"):
            for real, gap, move in self.cases(coefficients(now, part), part):
                gap = torch.where(real, gap, 0.0) if real.any() else gap
                i = gap.argmax().item()
                case = Case(bool(real[i]), gap[i].item(), now.times[i].item(), part, move)
                self.worst = max(self.worst, case, key=lambda case: case[:2])


class ByCoefficients(Symmetry):
    """In pixels and cosines: the relative difference of coefficients that must agree."""

    def cases(self, logs, part):
        if logs.shape[-2:] == (1, 1):
            return
        for ours, others, move in self.pairs(logs):
            gap = apart(ours, others)
            real = gap > TOLERANCE * (1 + torch.maximum(size(ours), size(others)))
            yield real.flatten(1).any(1), -torch.expm1(-gap.flatten(1).amax(1)), move

    def pairs(self, logs):
        """For each map coefficients of times (m, ...) and those that they must be equal to."""
        if self.name == "permutations":
            flat = logs.flatten(1)[:, self.free :]
            yield flat, flat.amax(1, keepdim=True), cycle
        elif isinstance(self.basis, Pixels):
            for move in self.maps:
                yield logs, move(logs), move
        elif quarter_turn in self.maps:
            yield logs, logs.mT, quarter_turn

    @property
    def free(self):
        """The number of modes that permutations leave alone: the mean of cosines."""
        return 1 if isinstance(self.basis, Cosines) else 0

    def counterexample(self, process):
        """(map, image, where it is, replay)."""
        _, _, t, part, move = self.worst
        logs = logarithms(process, self.shape, t, part)
        if self.name == "permutations":
            flat = logs.flatten()[self.free :]
            i, j = flat.argmax().item() + self.free, flat.argmin().item() + self.free
            if self.free:
                modes, words = self.units(i, j), f"the modes {self.mode(i)} and {self.mode(j)}"
                move = max(self.maps, key=lambda move: mean_gap(process, part, move, modes, t))
            else:
                modes, words = self.units(i), f"the pixel {self.mode(i)}"
                move = functools.partial(exchange, i=i, j=j)
        else:
            ((ours, others, _),) = (pair for pair in self.pairs(logs[None]) if pair[2] is move)
            i = torch.where(ours > others, apart(ours, others), 0.0).argmax().item()
            modes, words = self.units(i), f"the mode {self.mode(i)}"
        replay = functools.partial(mean_gap, process, part, move, modes, t)
        return move, self.basis.synthesise(modes), words, replay

    def units(self, *places):
        modes = torch.zeros(self.shape, dtype=torch.float64)
        modes.view(-1)[list(places)] = 1.0
        return modes

    def mode(self, i):
        return divmod(i, self.shape[1])


class ByProbe(Symmetry):
    """In other bases: a random image, and M with log α or log σ in place of α or σ², but for covariances where B is not orthonormal."""

    def __init__(self, name, geometry):
        super().__init__(name, geometry)
        self.image = probe(geometry.shape)[0]
        self.modes = self.basis.analyse(self.image)
        self.moved = {move: carry(self.basis, move, self.modes) for move in self.maps}
        self.forgiven = TOLERANCE + geometry.rounding

    def cases(self, logs, part):
        if part == "covariance" and not self.basis.orthonormal:
            yield from self.covariances(logs)
            return
        largest = size(logs).amax((1, 2))
        finite = finite_logarithms(logs)
        spread = finite.amax((1, 2)) - finite.amin((1, 2))
        alike = spread <= TOLERANCE * (1 + largest)  # one number times R, twice
        if alike.all():
            return
        finite = torch.where(alike[:, None, None], 0.0, finite)
        weights = torch.exp(logs - logs.amax((1, 2), keepdim=True).nan_to_num(neginf=0.0))
        for move in self.maps:
            gap, _ = self.gap(finite, move)
            real = gap > self.forgiven * (1 + largest) * self.image.abs().max()
            if real.any():
                gap, there = self.gap(weights, move)
                gap = gap / there
            yield real, gap, move

    def gap(self, weights, move):
        """‖R M u − M R u‖ and ‖M u‖ for M = B⁻¹ diag(weights) B, at times (m,)."""
        there = self.basis.synthesise(weights * self.modes)
        gap = move(there) - self.basis.synthesise(weights * self.moved[move])
        return gap.abs().amax((1, 2)), there.abs().amax((1, 2))

    def covariances(self, logs):
        top = logs.amax((1, 2), keepdim=True)
        noisy, vectors, u = top.flatten() > -math.inf, self.geometry.vectors, self.image
        weights = torch.exp(logs - top.nan_to_num(neginf=0.0))
        if logs.shape[-2:] == (1, 1):
            weights = weights.amax(0, keepdim=True)  # covariances that differ by a factor
        there = covariance(vectors, weights, u)
        reach = covariance(vectors.abs(), weights, u.abs()).amax((1, 2))
        forgiven = self.forgiven * (1 + size(logs).amax((1, 2))) * reach
        for move in self.maps:
            gap = (move(there) - covariance(vectors, weights, move(u))).abs().amax((1, 2))
            relative = gap / there.abs().amax((1, 2)).clamp(min=1e-300)
            yield noisy & (gap > forgiven), relative.expand(noisy.shape), move

    def counterexample(self, process):
        """(map, image, where it is, replay)."""
        _, _, t, part, move = self.worst
        if part == "covariance" and not self.basis.orthonormal:
            replay = functools.partial(covariance_gap, process, move, self.image, t)
        else:
            replay = functools.partial(mean_gap, process, part, move, self.modes, t)
        return move, self.image, "a random image", replay


def finite_logarithms(logs):
    """Logarithms (m, H, W) about 0: one-to-one, with −∞ in a place below all others."""
    least = torch.where(logs == -math.inf, math.inf, logs).amin((1, 2), keepdim=True)
    finite = torch.where(logs == -math.inf, (least - 1).nan_to_num(posinf=0.0), logs)
    return finite - 0.5 * (finite.amax((1, 2), keepdim=True) + finite.amin((1, 2), keepdim=True))


def sign_gap(basis, image):
    """How far B or B⁻¹ is from being odd, relative: 0 for every linear map."""
    modes = basis.analyse(image)
    gaps = []
    for there, back in (
        (modes, basis.analyse(-image)),
        (basis.synthesise(modes), basis.synthesise(-modes)),
    ):
        gaps.append((there + back).abs().max() / there.abs().max())
    return max(gaps).item()


def symmetry(name, geometry):
    """The `Symmetry` of a row, by coefficients where it is known what the maps do to modes."""
    known = type(geometry.basis) in (Pixels, Cosines)
    return (ByCoefficients if known else ByProbe)(name, geometry)
