"""Gaussian blur: against transforms, in the sizes of diffusion models and of photographs."""

import numpy as np
import scipy.fft
import torch
import torch_dct
from row import Row

from dpss import diffusion
from dpss.bases import Cosines

TIME = 3.0


def noise(shape, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def by_torch_dct(u, t):
    """The filter as one writes it with torch-dct, eigenvalues at hand; `t`: for all, or each."""
    t = torch.as_tensor(t, dtype=torch.float32).reshape(-1, *[1] * (u.ndim - 1))
    gain = torch.exp(-by_torch_dct.eigenvalues[tuple(u.shape[-2:])] * t)
    return torch_dct.idct_2d(torch_dct.dct_2d(u, norm="ortho") * gain, norm="ortho")


by_torch_dct.eigenvalues = {
    (n, n): Cosines((n, n)).eigenvalues.float() for n in (32, 64, 128, 512, 1024)
}


class InverseHeat(torch.nn.Module):
    """The blur as published code of inverse heat dissipation does it, time from the width."""

    def __init__(self, n, widths):
        super().__init__()
        frequency = torch.pi * torch.linspace(0, n - 1, n) / n
        self.squares = frequency[:, None] ** 2 + frequency[None, :] ** 2
        self.widths = torch.as_tensor(widths)

    def forward(self, u, level):
        t = (self.widths[level] ** 2 / 2)[:, None, None, None]
        return torch_dct.idct_2d(
            torch_dct.dct_2d(u, norm="ortho") * torch.exp(-self.squares * t), norm="ortho"
        )


GAINS = {n: np.exp(-TIME * Cosines((n, n)).eigenvalues.numpy()) for n in (32, 64, 128, 512, 1024)}


def by_dctn(u):
    """Transform, gain at hand, and back."""
    gain = GAINS[u.shape[-1]].astype(u.dtype, copy=False)
    return scipy.fft.idctn(
        gain * scipy.fft.dctn(u, axes=(-2, -1), norm="ortho"), axes=(-2, -1), norm="ortho"
    )


def gradient(function, u):
    u = u.clone().requires_grad_(True)
    function(u).square().sum().backward()
    return u.grad


def forward(shape, torch_reach, dctn_reach):
    """Batches of small images."""
    u, n, name = noise(shape), shape[-1], "×".join(map(str, shape))
    old, level = InverseHeat(n, [(2 * TIME) ** 0.5]), torch.zeros(len(u), dtype=torch.long)
    C = torch.from_numpy(scipy.fft.dct(np.eye(n), axis=0, norm="ortho"))
    K = ((C.T * torch.exp(-TIME * Cosines((1, n)).eigenvalues[0])) @ C).float()

    def ours():
        return diffusion.homogeneous(u, TIME)

    yield Row(f"blur {name}", ours, "torch-dct", lambda: by_torch_dct(u, TIME), torch_reach, 1e-4)
    if n == 32:
        yield Row(f"blur {name}", ours, "inverse heat code", lambda: old(u, level), 12)
    yield Row(
        f"blur {name}, NumPy",
        lambda: diffusion.homogeneous(u.numpy(), TIME),
        "scipy dctn",
        lambda: by_dctn(u.numpy()),
        dctn_reach,
        1e-4,
    )
    yield Row(f"blur {name}", ours, "bare K u Kᵀ", lambda: K @ u @ K, 1 / 1.3, 1e-4)


def large(u, tolerance, torch_reach=None):
    """Large images, beside the bare transform."""
    name = f"blur {'×'.join(map(str, u.shape))}" + ", float64" * (u.dtype == torch.float64)

    def ours():
        return diffusion.homogeneous(u, TIME)

    yield Row(name, ours, "scipy dctn", lambda: by_dctn(u.numpy()), 1 / 1.15, tolerance)
    if torch_reach:
        yield Row(name, ours, "torch-dct", lambda: by_torch_dct(u, TIME), torch_reach, tolerance)


def backward(shape, reach):
    """The blur and its gradient."""
    u = noise(shape)
    return Row(
        f"blur and its gradient {'×'.join(map(str, shape))}",
        lambda: gradient(lambda v: diffusion.homogeneous(v, TIME), u),
        "torch-dct",
        lambda: gradient(lambda v: by_torch_dct(v, TIME), u),
        reach,
        1e-3,
    )


def one_time_per_image(n):
    u, widths = noise((256, 1, n, n)), torch.linspace(0.5, 10, 200)
    level = torch.arange(256) % 200
    t, old = widths[level] ** 2 / 2, InverseHeat(n, widths)
    return Row(
        f"blur 256×1×{n}×{n}, one t per image",
        lambda: diffusion.homogeneous(u, t),
        "inverse heat code",
        lambda: old(u, level),
        5,
    )


def rows():
    yield from forward((256, 1, 32, 32), 12, 2.9)
    yield from forward((64, 3, 64, 64), 6, 1.9)
    yield from large(noise((16, 1, 128, 128)), 1e-4)
    yield from large(noise((1, 1, 512, 512)), 1e-4, 3)
    yield from large(noise((1, 1, 1024, 1024)), 1e-4, 3)
    yield from large(noise((16, 1, 128, 128), torch.float64), 1e-10)
    for shape, reach in (((64, 1, 32, 32), 10), ((64, 1, 64, 64), 7), ((1, 1, 512, 512), 3)):
        yield backward(shape, reach)
    for n in (32, 64):
        yield one_time_per_image(n)
