"""Bases: invertible linear maps between an image u and its modes c = B u.

A process of this library acts mode by mode, so a basis is all it needs to know about space.
Images are `(..., H, W)`, NumPy arrays or tensors; modes have the shape and kind of the image.
"""

from dataclasses import dataclass, field

import numpy as np
import torch

from . import _arrays, _cosines
from ._arrays import Array

LARGEST = 10_000  # pixels of an osmotic basis: three matrices of 800 MB


class Basis:
    """An invertible linear map c = B u. Orthonormal unless a subclass says otherwise.

    `shape`: the grid (H, W) it belongs to, or None when it fits every grid. `orthonormal`: whether
    B⁻¹ = Bᵀ. `log_abs_det`: log |det B⁻¹| (of `synthesise`), 0 when orthonormal. A basis of your
    own sets these, and defines `analyse` and `synthesise` with torch functions.
    """

    shape = None
    orthonormal = True
    log_abs_det = 0.0

    def analyse(self, u: Array) -> Array:
        """Modes c = B u of the image `u` `(..., H, W)`."""
        raise NotImplementedError

    def synthesise(self, modes: Array) -> Array:
        """Image u = B⁻¹ c of the modes `(..., H, W)`."""
        raise NotImplementedError

    def pull_back(self, gradient: Array) -> Array:
        """Bᵀ g: turns a `gradient` with respect to the modes into one with respect to the image."""
        if self.orthonormal:
            return self.synthesise(gradient)  # Bᵀ = B⁻¹
        return torch.func.vjp(self.analyse, torch.zeros_like(gradient))[1](gradient)[0]

    def image(self, u: Array, name: str = "u") -> torch.Tensor:
        """`u` as a tensor that is an image on the grid of this basis; errors name it `name`."""
        u = _arrays.tensor(u, name)
        self.check(u.shape[-2:], name)
        return u

    def check(self, shape: tuple[int, int], name: str = "u"):
        """Raise ValueError, naming the argument `name`, unless this basis fits the grid `shape`."""
        if self.shape is not None and tuple(shape) != self.shape:
            raise ValueError(
                f"{name} has grid {tuple(shape)}; needed: {self.shape}, the grid of {self}"
            )


@dataclass(frozen=True)
class Pixels(Basis):
    """The pixels themselves: B = I. Fits every grid; used by VP, VE and sub-VP."""

    def analyse(self, u: Array) -> Array:
        return _arrays.image(u)

    def synthesise(self, modes: Array) -> Array:
        return _arrays.image(modes, "modes")


@dataclass(frozen=True)
class Cosines(Basis):
    """The orthonormal cosine basis (DCT-II) of an H×W grid: that of the reflecting Laplacian.

    `laplacian="discrete"`: λ_k = 4 sin²(πk₁/2H) + 4 sin²(πk₂/2W), the eigenvalues of minus the
    five-point Laplacian; with them exp(−tλ) obeys the max–min principle. `"continuous"`:
    λ_k = (πk₁/H)² + (πk₂/W)², as in the literature on diffusion probabilistic models; with them
    the max–min principle fails. `shape`: any H, W ≥ 1. Raises TypeError or ValueError for another
    shape or Laplacian. Source: Strang, SIAM Review 1999.

    >>> Cosines((2, 3)).eigenvalues
    tensor([[0.0000, 1.0000, 3.0000],
            [2.0000, 3.0000, 5.0000]], dtype=torch.float64)
    """

    shape: tuple = field()  # without it the None of Basis would be a default
    laplacian: str = "discrete"

    def __post_init__(self):
        object.__setattr__(self, "shape", _arrays.grid(self.shape))
        if self.laplacian not in ("discrete", "continuous"):
            raise ValueError(f'laplacian is {self.laplacian!r}; needed: "discrete" or "continuous"')

    @property
    @torch.inference_mode(False)
    def eigenvalues(self) -> torch.Tensor:
        """λ_k ≥ 0 of −Δ, a float64 tensor (H, W)."""
        along_y, along_x = (_cosines.rates(n, self.laplacian) for n in self.shape)
        return along_y[:, None] + along_x[None, :]

    def analyse(self, u: Array) -> Array:
        u = _arrays.image(u)
        self.check(u.shape[-2:])
        return _cosines.transform(u, inverse=False)

    def synthesise(self, modes: Array) -> Array:
        modes = _arrays.image(modes, "modes")
        self.check(modes.shape[-2:], "modes")
        return _cosines.transform(modes, inverse=True)


class Osmotic(Basis):
    """The eigenvectors of osmosis with a guidance image v > 0 of mean 1: not orthonormal.

    With A the operator of the canonical drift of v and D = diag(v), S = D^{-½} A D^{½} is
    symmetric: S = −Q Λ Qᵀ. Modes c = Qᵀ D^{-½} u, so that osmosis is c_k(t) = exp(−Λ_k t) c_k(0);
    modes in the order of Λ, along the rows of the grid. The first belongs to v itself, Λ_0 = 0.
    `guidance`: one image (H, W), scaled to mean 1. `eigenvalues`: Λ, float64 tensor (H, W). Dense:
    N² numbers and about N³ operations for N = HW pixels, half a second for 32×32, half a minute for
    64×64. Raises TypeError, ValueError for what is not one positive image of at most 10,000 pixels.
    Source: Vogel et al. 2013.
    """

    orthonormal = False

    @torch.inference_mode(False)
    def __init__(self, guidance: Array):
        from . import osmosis  # here, as it takes SciPy, and other bases do without

        drift = osmosis.canonical_drift(guidance)
        if len(drift.shape) != 2:
            raise ValueError(f"guidance has shape {drift.shape}; needed: one image (H, W)")
        if drift.shape[0] * drift.shape[1] > LARGEST:
            needed = f"at most {LARGEST} pixels, as the basis is a dense matrix"
            raise ValueError(f"guidance has shape {drift.shape}; needed: {needed}")
        log_v = _arrays.to_numpy(drift.potential)
        log_v = log_v - np.log(np.exp(log_v - log_v.max()).mean()) - log_v.max()
        root = np.exp(0.5 * log_v)  # √v, mean(v) = 1
        S = osmosis.operator(drift).toarray() * root.ravel() / root.ravel()[:, None]
        rates, Q = np.linalg.eigh(-0.5 * (S + S.T))  # symmetric but for rounding
        self.shape, self.log_abs_det = log_v.shape, 0.5 * float(log_v.sum())
        rates[0] = 0.0  # of v; rounding leaves 1e-16
        self._root = torch.from_numpy(root)
        # signs that no other version of the eigenvalue solver turns
        self._vectors = torch.from_numpy(Q * np.sign(Q.sum(axis=0) + 1e-300))
        self._rates = torch.from_numpy(rates.clip(min=0)).reshape(self.shape)

    def __repr__(self):
        return f"Osmotic(guidance of shape {self.shape})"

    def __eq__(self, other):
        return isinstance(other, Osmotic) and torch.equal(self._root, other._root)

    def __hash__(self):
        return hash(self._root.numpy().tobytes())

    @property
    def eigenvalues(self) -> torch.Tensor:
        """Λ_k ≥ 0, ascending: a float64 tensor (H, W)."""
        return self._rates.clone()

    def analyse(self, u: Array) -> Array:
        u = _arrays.image(u)
        self.check(u.shape[-2:])
        return self._times(u / _arrays.like(self._root, u), self._vectors)

    def synthesise(self, modes: Array) -> Array:
        modes = _arrays.image(modes, "modes")
        self.check(modes.shape[-2:], "modes")
        return self._times(modes, self._vectors.T) * _arrays.like(self._root, modes)

    def pull_back(self, gradient: Array) -> Array:
        return self._times(gradient, self._vectors.T) / _arrays.like(self._root, gradient)

    def _times(self, x, matrix):
        """x as rows of N numbers, times an N×N matrix."""
        rows = x.reshape(*x.shape[:-2], -1)
        return _arrays.product(rows, _arrays.like(matrix, x)).reshape(x.shape)
