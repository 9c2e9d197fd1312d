"""The geometry of a basis, as the certificate needs it: is it what it claims to be, and how are its modes coupled?

An orthonormal basis needs no more than one test image. Any other is written out as a matrix, with one row for
each mode; that bounds the grid. How exactly it computes is measured and not assumed: an ill-conditioned basis
may lose ten digits, and what it loses proves nothing about a process.
"""

import functools
import math

import torch

LARGEST = 4096  # pixels for which a matrix is written out: 128 MB
SINGLE = 1e-6  # error that a basis may have which computes in single precision
SINGULAR = 1e-3  # error above which what comes back is another image
MARGIN = 64  # errors of other images may exceed that of the test image


class Geometry:
    """What is known of the `basis` on the grid `shape`; ValueError where it is not what it claims to be.

    `rounding`: the relative error that is forgiven it. `log_norms`: log M_kk, `coupling`: the largest |M_kl|/√(M_kk M_ll)
    over l ≠ k, with M = B Bᵀ the covariance of the modes of white noise, (H, W) each; 0 for an orthonormal basis.
    """

    def __init__(self, basis, shape):
        self.basis, self.shape = basis, shape
        u, v = probe(shape, 2)
        modes = basis.analyse(torch.stack([u, v]))
        error = (basis.synthesise(modes)[0] - u).abs().max().item() / u.abs().max().item()
        if not error <= (SINGLE if basis.orthonormal else SINGULAR):
            raise ValueError(
                f"the basis {basis!r} gives back an image with a relative error of {error:.1g}; "
                "needed: synthesise(analyse(u)) = u"
            )
        self.rounding = MARGIN * error
        self.log_norms = self.coupling = torch.zeros(1, 1, dtype=torch.float64)
        if basis.orthonormal:
            # ⟨u, v⟩ of two random images is about √N, and so is the change that one wrong mode makes
            change = ((modes[0] * modes[1]).sum() - (u * v).sum()).item() / math.sqrt(u.numel())
            if not abs(change) <= SINGLE:
                raise ValueError(
                    f"the basis {basis!r} claims to be orthonormal, but changes an inner product by {change:.1g}; "
                    "needed: ⟨Bu, Bv⟩ = ⟨u, v⟩, or orthonormal = False"
                )
        else:
            B = matrix(basis.analyse, shape)
            norms = torch.linalg.vector_norm(B, dim=1)
            rows = B / norms[:, None]
            angles = (rows @ rows.T).abs_().fill_diagonal_(0.0)
            self.log_norms = 2 * torch.log(norms).reshape(shape)
            self.coupling = angles.amax(1).reshape(shape)

    @functools.cached_property
    def vectors(self):
        """The matrix of B⁻¹."""
        return matrix(self.basis.synthesise, self.shape)


def probe(shape, count=1):
    """Random images (count, H, W), always the same: generic, so that nothing is missed by chance."""
    generator = torch.Generator().manual_seed(2)
    return torch.randn(count, *shape, dtype=torch.float64, generator=generator)


def matrix(linear, shape):
    """The (N, N) matrix of a linear map of arrays (..., H, W)."""
    n = shape[0] * shape[1]
    if n > LARGEST:
        raise ValueError(
            f"shape is {shape}; needed: at most {LARGEST} pixels where the basis is not orthonormal, as it is tested "
            "as a matrix"
        )
    units = torch.eye(n, dtype=torch.float64).reshape(n, *shape)
    return linear(units).to(torch.float64).reshape(n, n).T
