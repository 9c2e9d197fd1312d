"""The geometry of a basis, for the certificate: is it what it claims to be, are its modes coupled?

An orthonormal basis needs one look at two random images. Any other is written out as a matrix, a
row for each mode, which bounds the grid. How exactly a basis computes is measured and not assumed:
an ill-conditioned one may lose ten digits, and that proves nothing about a process.
"""

import functools
import math

import torch

LARGEST = 4096  # pixels for which a matrix is written out: 128 MB
SINGLE = 1e-6  # error of a basis that computes in single precision
SINGULAR = 1e-3  # error from which on what comes back is another image
MARGIN = 64  # by which errors of other images may exceed that of the one that was tried


class Geometry:
    """What is known of a `basis` on the grid `shape`; ValueError where it is not what it claims.

    `rounding`: the relative error that is forgiven it. `log_norms`, `coupling`: log M_kk and the
    largest |M_kl|/√(M_kk M_ll) with another mode l, for the covariance M = B Bᵀ of the modes of
    white noise; (H, W) each, 0 for an orthonormal basis.
    """

    def __init__(self, basis, shape):
        self.basis, self.shape = basis, shape
        images = probe(shape, 2)
        modes = basis.analyse(images)
        error = (basis.synthesise(modes) - images).abs().max() / images.abs().max()
        if not error <= (SINGLE if basis.orthonormal else SINGULAR):
            raise ValueError(
                f"basis is {basis!r}, which gives back images with a relative error of "
                f"{error:.1g}; needed: synthesise(analyse(u)) = u"
            )
        self.rounding = MARGIN * error.item()
        self.log_norms = self.coupling = torch.zeros(1, 1, dtype=torch.float64)
        if basis.orthonormal:
            change = (modes[0] * modes[1]).sum() - (images[0] * images[1]).sum()
            # ⟨u, v⟩ of two random images is about √N; one wrong mode changes it by about 1
            if not abs(change) <= SINGLE * math.sqrt(images[0].numel()):
                raise ValueError(
                    f"basis is {basis!r}, which claims to be orthonormal and changes an inner "
                    f"product by {abs(change):.1g}; needed: ⟨Bu, Bv⟩ = ⟨u, v⟩, or "
                    "orthonormal = False"
                )
        else:
            B = matrix(basis.analyse, shape)
            log_det = -torch.linalg.slogdet(B).logabsdet.item()
            if not abs(log_det - basis.log_abs_det) <= SINGLE * len(B) * (1 + abs(log_det)):
                raise ValueError(
                    f"basis is {basis!r} with log_abs_det = {basis.log_abs_det:g}; needed: "
                    f"log|det B⁻¹| = {log_det:g}"
                )
            norms = torch.linalg.vector_norm(B, dim=1)
            rows = B / norms[:, None]
            angles = (rows @ rows.T).abs_().fill_diagonal_(0.0)
            self.log_norms = 2 * torch.log(norms).reshape(shape)
            self.coupling = angles.amax(1).reshape(shape)

    @functools.cached_property
    def vectors(self):
        """`unit_vectors` of the basis."""
        return unit_vectors(self.basis, self.shape)


def unit_vectors(basis, shape):
    """Images of the modes as columns of length 1, (N, N), and the log of their |u|², (H, W)."""
    vectors = matrix(basis.synthesise, shape)
    lengths = torch.linalg.vector_norm(vectors, dim=0)
    return vectors / lengths, 2 * torch.log(lengths).reshape(shape)


def probe(shape, count):
    """Random images (count, H, W), always the same ones."""
    generator = torch.Generator().manual_seed(2)
    return torch.randn(count, *shape, dtype=torch.float64, generator=generator)


def matrix(linear, shape):
    """The (N, N) matrix of a linear map of arrays (..., H, W)."""
    n = math.prod(shape)
    if n > LARGEST:
        raise ValueError(
            f"shape is {shape}; needed: at most {LARGEST} pixels in a basis that is not "
            "orthonormal, which is tested by its matrix"
        )
    units = torch.eye(n, dtype=torch.float64).reshape(n, *shape)
    return linear(units).to(torch.float64).reshape(n, n).T
