"""Numerics of homogeneous diffusion: exp(tΔ) u, by whichever way is fastest for the size.

exp(tΔ) = K_y ⊗ K_x is separable, K = Cᵀ exp(−tλ) C with the cosine matrix C and the eigenvalues λ of one axis. Up to a side of about
a hundred pixels, products with small matrices beat every fast transform; beyond, SciPy's transform wins.
"""
from functools import lru_cache

import torch
from scipy import fft

from . import _arrays
from .bases import Cosines, cosine_matrix

DENSE_SIDE = {4: 112, 8: 64}   # where the transform takes over, by bytes a number; measured on two CPU cores


def blur(u, t):
    """exp(tΔ) u of an image (..., H, W), array or tensor of 4 or 8 bytes a number, for checked times t ≥ 0; differentiable in a tensor u."""
    tensor = isinstance(u, torch.Tensor)
    if max(u.shape[-2:]) <= DENSE_SIDE[u.dtype.itemsize] or tensor and u.device.type != "cpu":
        return _multiplied(u, t)
    if not tensor:
        return _transformed(u, t)
    return _Transformed.apply(u, t) if u.requires_grad else torch.from_numpy(_transformed(u.numpy(), t))


def _multiplied(u, t):
    """By matrices: K u Kᵀ for one time, else modes, gains and back."""
    if t.ndim == 0:
        K_y, K_x = (_arrays.like(_kernel(n, t.item()), u) for n in u.shape[-2:])
        return K_y @ u @ K_x   # K is symmetric
    C_y, C_x = (_arrays.like(cosine_matrix(n), u) for n in u.shape[-2:])
    g_y, g_x = (_arrays.like(gain, u) for gain in _gains(u.shape, t))
    modes = C_y @ u @ C_x.T * g_y   # one image at many times becomes many
    modes *= g_x
    return C_y.T @ modes @ C_x


def _transformed(u, t):
    """By SciPy's transform, for arrays."""
    g_y, g_x = (_arrays.like(gain, u) for gain in _gains(u.shape, t))
    modes = fft.dctn(u, axes=(-2, -1), norm="ortho") * g_y
    modes *= g_x
    return fft.idctn(modes, axes=(-2, -1), norm="ortho", overwrite_x=True)


class _Transformed(torch.autograd.Function):
    """`_transformed` for tensors. exp(tΔ) is self-adjoint: its derivative is itself, summed over the times that shared an image."""

    @staticmethod
    def forward(ctx, u, t):
        ctx.t, ctx.shape = t, u.shape
        return torch.from_numpy(_transformed(u.detach().numpy(), t))

    @staticmethod
    def backward(ctx, gradient):
        return blur(gradient.contiguous(), ctx.t).sum_to_size(ctx.shape), None


@lru_cache(maxsize=64)
def _rates(n):
    """4 sin²(πk/2n), k = 0, ..., n−1."""
    return Cosines((1, n)).eigenvalues[0]


@lru_cache(maxsize=64)
def _kernel(n, t):
    """The heat kernel exp(tΔ) of n pixels."""
    C = cosine_matrix(n)
    return (C.T * torch.exp(-t * _rates(n))) @ C


def _gains(shape, t):
    """exp(−tλ) of both axes, aligned with the image and the axes of t."""
    lines = [torch.exp(-t[..., None] * _rates(n)) for n in shape[-2:]]
    return [_arrays.spread(gain, shape) for gain in (lines[0][..., :, None], lines[1][..., None, :])]
