"""Numerics of nonlinear diffusion: differences over edges, steps in time, tridiagonal systems.

An operator A(u) is a list of edges `(offset, weight)`: pixels i and i + offset, in reading order,
are neighbours with the weight w_i, an array of the image's grid that is 0 where i + offset is no
neighbour. (A u)_i = Σ_j w_ij (u_j − u_i): symmetric, rows sum to zero, so means are preserved. In
reading order an image is one long line, which NumPy passes through twice as fast as through many
short ones. Images are in C order: their lines are views, which `explicit` changes in place.
"""

from functools import lru_cache

import numpy as np
import scipy

from . import _osmosis

LONGEST_CYCLE = 10**4  # steps of fast explicit diffusion, whose order takes a time of its square
# of fixed points: the change at which one is found, also as a share of the numbers, and that from
# which acceleration starts; the iterations in all and those remembered
SETTLED, ROUNDING, SMALL, MOST_ITERATIONS, REMEMBERED = 1e-9, 1e-14, 1e-3, 500, 10
RISING = (np.s_[..., 1:, :-1], np.s_[..., :-1, 1:])
FALLING = (np.s_[..., :-1, :-1], np.s_[..., 1:, 1:])


class Buffers:
    """Arrays by name and shape that live as long as one filter, zero at first.

    Temporary arrays of an image's size would be given back to the system after each step and
    fetched anew, page by page, which takes longer than the arithmetic.
    """

    def __init__(self, dtype):
        self.dtype, self.arrays = dtype, {}

    def __call__(self, name, shape):
        key = name, tuple(shape)
        if key not in self.arrays:
            self.arrays[key] = np.zeros(shape, self.dtype)
        return self.arrays[key]


def line(u):
    """The pixels of each image in reading order (..., HW)."""
    return u.reshape(*u.shape[:-2], -1)


def gaps(u, offset, name, buffers):
    """u_{i + offset} − u_i for the pixels of a line."""
    return np.subtract(
        u[..., offset:], u[..., :-offset], out=buffers(name, (*u.shape[:-1], u.shape[-1] - offset))
    )


def isotropic(u, diffusivity, buffers):
    """Edges of div(g ∇u): g at a pixel from |∇u|², at an edge the mean of its ends.

    |∇u|² is ½ Σ (u_j − u_i)² over the neighbours j: with it A(u)u is minus the gradient of
    ½ Σ_i Ψ(|∇u|²_i), Ψ' = g. It also sees a checkerboard, which central differences overlook.
    `diffusivity` gets 2 |∇u|² and may overwrite it.
    """
    width, double = u.shape[-1], buffers("double", u.shape)
    offsets = {"down": width, "right": 1}
    double.fill(0)
    for number, (name, offset) in enumerate(offsets.items()):
        gap = gaps(line(u), offset, number, buffers)  # where `explicit` will have its fluxes
        if name == "right":
            gap[..., width - 1 :: width] = 0  # from the end of a row to the next
        gap *= gap
        line(double)[..., :-offset] += gap
        line(double)[..., offset:] += gap
    half = diffusivity(double)
    half *= 0.5
    edges = []
    for name, offset in offsets.items():
        weight, values = buffers(name, half.shape), line(half)
        np.add(values[..., :-offset], values[..., offset:], out=line(weight)[..., :-offset])
        if name == "right":
            weight[..., -1] = 0
        edges.append((offset, weight))
    return edges


def edge_enhancing(u, tensor, buffers):
    """Edges of div(D ∇u), D = [[a, b], [b, c]] (a along rows) in the cells between four pixels.

    D comes from the gradient there: `tensor` gets −2 ∂_y u and 2 ∂_x u, may overwrite them, and
    returns a, b, c. A cell gives its sides (a − |b|)/2 and (c − |b|)/2, its diagonals (|b| ± b)/2.
    With p, q the sums of its differences along rows and columns and r = u_00 − u_01 − u_10 + u_11
    its energy is ½ · ¼(a p² + 2b p q + c q² + (a + c − 2|b|) r²) ≥ 0 for every D ≥ 0: the scheme
    is L² stable. No weight is negative where |b| ≤ a, c; else max–min may fail.
    """
    # mirrored pixels: in the cells outside, the normal derivative and hence b vanish
    v = np.pad(u, [(0, 0)] * (u.ndim - 2) + [(1, 1), (1, 1)], mode="edge")
    width = u.shape[-1]
    against_y, along_x = (
        np.subtract(v[second], v[first], out=buffers(name, v[first].shape))
        for name, (first, second) in (("against y", RISING), ("along x", FALLING))
    )
    against_y -= along_x  # the difference of the diagonals, and below their sum
    along_x *= 2
    along_x += against_y
    a, b, c = tensor(against_y, along_x)
    b *= 0.5
    mixed = np.abs(b, out=buffers("mixed", b.shape))  # |b|/2
    for side in (a, c):
        side *= 0.5
        side -= mixed
    b, mixed = b[..., 1:-1, 1:-1], mixed[..., 1:-1, 1:-1]
    edges = []
    for offset, place, combined, one, two in (
        (1, np.s_[..., :, :-1], np.add, a[..., 1:, 1:-1], a[..., :-1, 1:-1]),
        (width, np.s_[..., :-1, :], np.add, c[..., 1:-1, 1:], c[..., 1:-1, :-1]),
        # falling, to the right and down; rising, to the left and down
        (width + 1, np.s_[..., :-1, :-1], np.add, mixed, b),
        (width - 1, np.s_[..., :-1, 1:], np.subtract, mixed, b),
    ):
        weight = buffers(f"weight {len(edges)}", (*b.shape[:-2], *u.shape[-2:]))
        combined(one, two, out=weight[place])
        edges.append((offset, weight))
    return edges


def explicit(u, edges, step, buffers):
    """u + step · A u, in place; all fluxes are those of the old u."""
    values, fluxes = line(u), []
    for number, (offset, weight) in enumerate(edges):
        if 0 < offset < values.shape[-1]:
            flux = gaps(values, offset, number, buffers)
            flux *= line(weight)[..., :-offset]
            flux *= step
            fluxes.append((offset, flux))
    for offset, flux in fluxes:
        values[..., :-offset] += flux
        values[..., offset:] -= flux


def matrix(edges):
    """The operator A of the `edges` of one image, sparse (CSC), acting on its line."""
    index = np.arange(line(edges[0][1]).size)
    near, far, weights = [index[:0]], [index[:0]], [np.zeros(0)]
    for offset, weight in edges:
        if 0 < offset < index.size:
            near.append(index[:-offset])
            far.append(index[offset:])
            weights.append(weight.ravel()[:-offset])
    near, far, weights = map(np.concatenate, (near, far, weights))
    rows, columns = np.append(near, far), np.append(far, near)
    return _osmosis.balanced(np.append(weights, weights), rows, columns, index.size)


def fixed_point(step, guess, lengths):
    """x = step(x, length) of numbers of size one, for the first of `lengths` with which it settles.

    Where changes are small, by Anderson's acceleration: of the last new ones the affine combination
    is taken whose change step(x) − x would be least if that were affine, too. ArithmeticError where
    it does not settle.
    """
    for length in lengths:
        x, found, changes, before = guess, [], [], np.inf
        for _ in range(MOST_ITERATIONS):
            new = step(x, length)
            change = new - x
            largest = np.abs(change).max(initial=0)
            if largest <= SETTLED + ROUNDING * np.abs(new).max(initial=0):
                return new
            if largest > min(before, SMALL):
                found, changes = [], []
            found, changes = [*found[-REMEMBERED:], new], [*changes[-REMEMBERED:], change]
            x, before = new, largest
            if len(found) > 1:
                weights = np.linalg.lstsq(np.diff(changes, axis=0).T, change, rcond=1e-10)[0]
                x = new - weights @ np.diff(found, axis=0)
    raise ArithmeticError(
        f"presmoothing: the steady state does not settle (it changes by {largest:.1e} of the range "
        f"after {MOST_ITERATIONS} iterations); needed: a larger presmoothing or contrast"
    )


def aos(u, edges, step):
    """Additive operator splitting, (1/m) Σ_l (I − m·step·A_l)⁻¹ u: implicit along m axes."""
    parts = [(axis, weight) for axis, (_, weight) in zip((-2, -1), edges) if u.shape[axis] > 1]
    result = sum(_implicit(u, weight, len(parts) * step, axis) for axis, weight in parts)
    return result / len(parts) if parts else u


def _implicit(u, weight, step, axis):
    """(I − step · A_l)⁻¹ u: all lines along the axis in one tridiagonal system."""
    u, weight = np.moveaxis(u, axis, -1), np.moveaxis(weight, axis, -1)[..., :-1]
    bands = np.zeros((2, *weight.shape[:-1], u.shape[-1]), dtype=u.dtype)
    bands[0, ..., 1:] = -step * weight
    bands[1] = 1
    bands[1, ..., :-1] += step * weight
    bands[1, ..., 1:] += step * weight
    bands = np.broadcast_to(bands, (2, *u.shape)).reshape(2, -1)  # colours share a matrix
    result = scipy.linalg.solveh_banded(bands, u.ravel(), check_finite=False).reshape(u.shape)
    return np.moveaxis(result, -1, axis)


def fed_length(time, limit):
    """The least n with limit · (n² + n)/3 ≥ time, the length of a cycle, as a float."""
    return max(1.0, np.ceil(-0.5 + np.sqrt(0.25 + 3 * time / limit) - 1e-9))


@lru_cache(maxsize=64)
def fed_steps(time, limit):
    """Step sizes of one cycle of fast explicit diffusion, in a stable order.

    τ_i ∝ 1/cos²(π(2i+1)/(4n+2)), i = 0, ..., n−1, Σ τ_i = time, `limit` the bound of the explicit
    scheme: with ‖A‖ ≤ 2/limit the product of all I + τ_i A has norm ≤ 1, although single steps are
    far beyond the bound. Source: Grewenig, Weickert and Bruhn 2010.
    """
    n = fed_length(time, limit)
    if n > LONGEST_CYCLE:
        needed = f"cycles of at most {LONGEST_CYCLE}, by more `steps`"
        raise ValueError(f"steps: a cycle of the time {time:g} takes {n:.3g}; needed: {needed}")
    n = int(n)
    inverse = np.cos(np.pi * (2 * np.arange(n) + 1) / (4 * n + 2)) ** 2
    order, distance = [int(inverse.argmax())], np.zeros(n)
    with np.errstate(divide="ignore"):
        # Leja's order: the next is farthest from all before, which keeps products of the first or
        # last steps small
        for _ in range(n - 1):
            distance += np.log(np.abs(inverse - inverse[order[-1]]))
            order.append(int(distance.argmax()))
    steps = 1 / inverse[order]
    return tuple((steps * (time / steps.sum())).tolist())
