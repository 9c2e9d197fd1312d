"""Matrices of what the library does: its maps, applied to all images with a single 1."""

import numpy as np
import torch


def units(shape):
    """All images with a single 1, (H·W, H, W)."""
    size = shape[0] * shape[1]
    return torch.eye(size, dtype=torch.float64).reshape(size, *shape)


def matrix(images):
    """The matrix whose column i is image i: that of a linear map, from its values at `units`."""
    return np.asarray(images).reshape(len(images), -1).T


def covariance(basis, std, shape):
    """B⁻¹ diag(std²) B⁻ᵀ: of a law with independent modes, in pixels."""
    back = matrix(basis.synthesise(units(shape)))
    return back @ np.diag(np.broadcast_to(np.asarray(std), shape).ravel() ** 2) @ back.T


def gain_and_covariance(process, t, shape):
    """G_t and Σ_t of U_t given U_0, in pixels: N(G_t u_0, Σ_t)."""
    gain = matrix(process.marginal(units(shape), t).mean)
    return gain, covariance(process.basis, process.noise(t), shape)


def asymmetry(G, S, R):
    """How far R is from carrying N(G u, S) to N(G R u, S) for all u: in gain and in covariance."""
    return max(np.abs(R @ G - G @ R).max(), np.abs(R @ S @ R.T - S).max())
