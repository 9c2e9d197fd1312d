"""Gaussian blur (homogeneous diffusion): against transforms, in the sizes that diffusion models and photographs have."""

import numpy as np
import scipy.fft
import torch
import torch_dct

from dpss import diffusion
from dpss.bases import Cosines

TIME = 3.0


def noise(shape, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(
        dtype
    )


def by_torch_dct(u, t):
    """The filter as one writes it with torch-dct, eigenvalues at hand. `t`: a number, or one per image."""
    t = torch.as_tensor(t, dtype=torch.float32).reshape(-1, *[1] * (u.ndim - 1))
    gain = torch.exp(-by_torch_dct.eigenvalues[tuple(u.shape[-2:])] * t)
    return torch_dct.idct_2d(torch_dct.dct_2d(u, norm="ortho") * gain, norm="ortho")


by_torch_dct.eigenvalues = {
    (n, n): Cosines((n, n)).eigenvalues.float() for n in (32, 64, 128, 512, 1024)
}


class InverseHeat(torch.nn.Module):
    """The blur as published code of inverse heat dissipation does it: frequencies in a module, torch-dct, time from the width."""

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


def row(operation, ours, peer, theirs, reach, tolerance=1e-4):
    return {
        "operation": operation,
        "ours": ours,
        "peer": peer,
        "theirs": theirs,
        "reach": reach,
        "tolerance": tolerance,
    }


def rows():
    for shape, torch_reach, dctn_reach in (((256, 1, 32, 32), 12, 3.5), ((64, 3, 64, 64), 6, 2)):
        u = noise(shape)
        n, name = shape[-1], "×".join(map(str, shape))
        yield row(
            f"blur {name}",
            lambda: diffusion.homogeneous(u, TIME),
            "torch-dct",
            lambda: by_torch_dct(u, TIME),
            torch_reach,
        )
        old, level = InverseHeat(n, [(2 * TIME) ** 0.5]), torch.zeros(len(u), dtype=torch.long)
        if n == 32:
            yield row(
                f"blur {name}",
                lambda: diffusion.homogeneous(u, TIME),
                "inverse heat code",
                lambda: old(u, level),
                12,
                None,
            )
        yield row(
            f"blur {name}, NumPy",
            lambda: diffusion.homogeneous(u.numpy(), TIME),
            "scipy dctn",
            lambda: by_dctn(u.numpy()),
            dctn_reach,
        )
        C = torch.from_numpy(scipy.fft.dct(np.eye(n), axis=0, norm="ortho"))
        K = (C.T * torch.exp(-TIME * Cosines((1, n)).eigenvalues[0])) @ C
        K = K.float()
        yield row(
            f"blur {name}",
            lambda: diffusion.homogeneous(u, TIME),
            "bare K u Kᵀ",
            lambda: K @ u @ K,
            1 / 1.3,
        )
    for n, batch in ((128, 16), (512, 1), (1024, 1)):
        u = noise((batch, 1, n, n))
        yield row(
            f"blur {batch}×1×{n}×{n}",
            lambda: diffusion.homogeneous(u, TIME),
            "scipy dctn",
            lambda: by_dctn(u.numpy()),
            1 / 1.15,
        )
        if n > 128:
            yield row(
                f"blur {batch}×1×{n}×{n}",
                lambda: diffusion.homogeneous(u, TIME),
                "torch-dct",
                lambda: by_torch_dct(u, TIME),
                3,
            )
    u = noise((16, 1, 128, 128), torch.float64)
    yield row(
        "blur 16×1×128×128, float64",
        lambda: diffusion.homogeneous(u, TIME),
        "scipy dctn",
        lambda: by_dctn(u.numpy()),
        1 / 1.15,
        1e-10,
    )
    for shape, reach in (((64, 1, 32, 32), 10), ((64, 1, 64, 64), 7), ((1, 1, 512, 512), 3)):
        u = noise(shape)
        yield row(
            f"blur and its gradient {'×'.join(map(str, shape))}",
            lambda: gradient(lambda v: diffusion.homogeneous(v, TIME), u),
            "torch-dct",
            lambda: gradient(lambda v: by_torch_dct(v, TIME), u),
            reach,
            1e-3,
        )
    for n in (32, 64):
        u, widths = noise((256, 1, n, n)), torch.linspace(0.5, 10, 200)
        level = torch.arange(256) % 200
        t, old = widths[level] ** 2 / 2, InverseHeat(n, widths)
        yield row(
            f"blur 256×1×{n}×{n}, one t per image",
            lambda: diffusion.homogeneous(u, t),
            "inverse heat code",
            lambda: old(u, level),
            5,
            None,
        )
