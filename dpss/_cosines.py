"""Numerics of the cosine basis: eigenvalues, the transform, homogeneous diffusion exp(tΔ) u.

All is separable: exp(tΔ) = K_y ⊗ K_x with K = Cᵀ exp(−tλ) C, C the cosine matrix and λ the
eigenvalues of one axis. Up to a side of about a hundred pixels, products with small matrices beat
every fast transform; beyond, SciPy's transform wins.
"""

from functools import lru_cache

import numpy as np
import torch

from . import _arrays

# where SciPy takes over; measured on two CPU cores
DENSE_SIDE = 96  # of the transform (float32)
DENSE_BLUR = {4: 112, 8: 64}  # of the blur, by bytes a number


def rates(n, laplacian):
    """Eigenvalues of one axis, k = 0, ..., n−1: 4 sin²(πk/2n), or (πk/n)² if "continuous"."""
    angle = torch.arange(n, dtype=torch.float64, device="cpu") * (torch.pi / n)
    return angle**2 if laplacian == "continuous" else 4 * torch.sin(angle / 2) ** 2


def transform(u, inverse):
    """Orthonormal DCT-II (or its inverse, the transpose) over the last two axes."""
    if u.dtype.itemsize < 4:  # neither transforms nor small sums are for short types
        tensor = isinstance(u, torch.Tensor)
        wide = transform(u.float() if tensor else u.astype(np.float32), inverse)
        return wide.to(u.dtype) if tensor else wide.astype(u.dtype)
    if isinstance(u, np.ndarray):
        from scipy import fft  # here and below: SciPy is loaded when it is first needed

        return (fft.idctn if inverse else fft.dctn)(u, axes=(-2, -1), norm="ortho")
    height, width = u.shape[-2:]
    if u.device.type == "cpu" and max(height, width) > DENSE_SIDE:
        return _FastCosines.apply(u, inverse)
    C, D = (_arrays.like(matrix(n), u) for n in (height, width))
    C, D = (C.T, D) if inverse else (C, D.T)
    return _arrays.product(_arrays.product(C, u), D)


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # what is kept may be needed for gradients later
def matrix(n):
    """Orthonormal DCT-II: row k is √((2 − [k=0])/n) cos(πk(i + ½)/n), i = 0, ..., n−1; shared."""
    from scipy import fft

    return torch.from_numpy(fft.dct(np.eye(n), axis=0, norm="ortho"))


class _FastCosines(torch.autograd.Function):
    """SciPy's transform for tensors on the CPU; linear, and its transpose is its inverse."""

    @staticmethod
    def forward(u, inverse):
        return torch.from_numpy(transform(u.detach().numpy(), inverse))

    @staticmethod
    def setup_context(ctx, inputs, _output):
        ctx.inverse = inputs[1]

    @staticmethod
    def backward(ctx, gradient):
        return _FastCosines.apply(gradient, not ctx.inverse), None

    @staticmethod
    def jvp(ctx, tangent, _):
        return _FastCosines.apply(tangent, ctx.inverse)


def blur(u, t):
    """exp(tΔ) u of an image of 4 or 8 bytes a number at checked times; gradients pass."""
    tensor = isinstance(u, torch.Tensor)
    if max(u.shape[-2:]) <= DENSE_BLUR[u.dtype.itemsize] or tensor and u.device.type != "cpu":
        return _multiplied(u, t)
    return _Transformed.apply(u, t) if tensor else _transformed(u, t)


def _multiplied(u, t):
    """By matrices: K_y u K_xᵀ; torch multiplies many small ones faster than NumPy."""
    if not isinstance(u, torch.Tensor):
        return _multiplied(_arrays.to_torch(u), t).numpy()
    dtype = torch.float32 if u.dtype.itemsize == 4 else torch.float64
    kernels = {
        n: _cached(n, t.item(), dtype) if t.ndim == 0 else _kernel(n, t, dtype)
        for n in set(u.shape[-2:])
    }
    K_y, K_x = (_arrays.spread(kernels[n], u.shape).to(u) for n in u.shape[-2:])
    return _arrays.product(_arrays.product(K_y, u), K_x)  # K is symmetric


def _transformed(u, t):
    """By SciPy's transform, for arrays."""
    from scipy import fft

    modes = fft.dctn(u, axes=(-2, -1), norm="ortho")
    if not _arrays.finite(modes):  # sums of numbers at the end of the range
        unit = u.dtype.type(2**32)
        return _transformed(u / unit, t) * unit
    for decay in _decays(u, t):  # in place, unless one image is asked for at many times
        shape = np.broadcast_shapes(decay.shape, modes.shape)
        modes = np.multiply(modes, decay, out=modes if shape == modes.shape else None)
    return fft.idctn(modes, axes=(-2, -1), norm="ortho", overwrite_x=True)


class _Transformed(torch.autograd.Function):
    """`_transformed` for tensors; exp(tΔ) is its own transpose, summed over times of one image."""

    @staticmethod
    def forward(u, t):
        return torch.from_numpy(_transformed(u.detach().numpy(), t))

    @staticmethod
    def setup_context(ctx, inputs, _output):
        ctx.shape, ctx.t = inputs[0].shape, inputs[1]

    @staticmethod
    def backward(ctx, gradient):
        return blur(gradient.contiguous(), ctx.t).sum_to_size(ctx.shape), None

    @staticmethod
    def jvp(ctx, tangent, _):
        return blur(tangent.contiguous(), ctx.t)


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # what is kept may be needed for gradients later
def _rates(n):
    return rates(n, "discrete")


def _kernel(n, t, dtype):
    """The heat kernels exp(tΔ) of n pixels, t.shape + (n, n)."""
    C = matrix(n).to(dtype)
    decay = torch.exp(-t[..., None, None] * _rates(n)).to(dtype)
    return _arrays.product(C.T * decay, C)


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _cached(n, t, dtype):
    return _kernel(n, torch.tensor(t, dtype=torch.float64, device="cpu"), dtype)


def _decays(u, t):
    """exp(−tλ) along each axis, aligned with the array u and the axes of t."""
    for n, axis in zip(u.shape[-2:], (-1, -2)):
        decay = _decay(n, t.item()) if t.ndim == 0 else torch.exp(-t[..., None] * _rates(n))
        yield _arrays.like(_arrays.spread(decay.unsqueeze(axis), u.shape), u)


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _decay(n, t):
    return torch.exp(-t * _rates(n))
