"""Features of images for Fréchet distances: what a small classifier sees before its last layer.

It tells the classes of Fashion-MNIST. The weights are shipped in `data/classifier.npz` (plain
arrays, checksum verified) and made by `data/classifier.py`. Whatever the caller's precision,
gradients or threads, the network works in float32 on the CPU and records no gradient.
"""

import os
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from . import _arrays, _data, _files
from ._arrays import Array

SIDE, CHUNK = 28, 500


class Classifier(nn.Module):
    """Three convolutions, each followed by a maximum over 2×2, 64 features, ten classes: 61,000
    parameters."""

    def __init__(self):
        super().__init__()
        layers = []
        for before, after in ((1, 16), (16, 32), (32, 64)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        self.trunk = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 9, 64), nn.ReLU())
        self.head = nn.Linear(64, 10)

    def forward(self, u: torch.Tensor) -> torch.Tensor:
        """Logits (n, 10) of the classes of images `u` (n, 1, 28, 28)."""
        return self.head(self.trunk(u))


def features(u: np.ndarray | torch.Tensor) -> np.ndarray | torch.Tensor:
    """64 features of each image: float64 `(n, 64)`, of the kind of `u`.

    `u`: grey images (n, 28, 28) with values in [−1, 1], as `dpss.images.fashion` gives them. Raises
    TypeError, ValueError for other grids and colour: pass features of your own to
    `frechet_distance` for those.

    >>> from dpss import images
    >>> features(images.fashion("test")[0][:5]).shape
    (5, 64)
    """
    return _apply(u, lambda network: network.trunk)


def classify(u: np.ndarray | torch.Tensor) -> np.ndarray | torch.Tensor:
    """The class 0, ..., 9 of each image `u` (n, 28, 28), as of Fashion-MNIST: integers `(n,)`, of
    the kind of `u`."""
    return _apply(u, lambda network: network).argmax(1)


def inception(weights: str | os.PathLike) -> Callable[[Array], Array]:
    """A function for `measures.frechet_distance`: the 2,048 features of Inception-v3.

    For pictures of any kind and size, (n, H, W) or (n, 3, H, W) in [−1, 1], which it scales to
    299×299. `weights`: the file of torchvision's inception_v3, which neither this book nor its
    packages have: ImportError and FileNotFoundError say how to get them. The file is read without
    running code; ValueError for another one, TypeError. Published distances use other weights and
    another way to scale, so they do not compare. Source: Szegedy et al. 2016; Heusel et al. 2017.
    """
    needed = "needed: the file of torchvision.models.Inception_V3_Weights.IMAGENET1K_V1"
    try:
        from torchvision.models import inception_v3
    except ImportError:
        raise ImportError(
            "torchvision is missing; needed for Inception features: pip install 'dpss[inception]'"
        ) from None
    path = _files.path(weights, "weights")
    if not path.is_file():
        raise FileNotFoundError(f"weights is {str(weights)!r}, no file; {needed}")
    network = inception_v3(weights=None, init_weights=False)
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises what it likes at other files
        raise ValueError(f"weights is {str(weights)!r}, not of this network; {needed}") from error
    network.fc = nn.Identity()
    network.eval()

    def seen(u):
        u = _arrays.tensor(u).to("cpu", torch.float32)
        u = u[:, None] if u.ndim == 3 else u
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            large = [
                functional.interpolate(x, (299, 299), mode="bilinear", antialias=True)
                for x in u.expand(-1, 3, -1, -1).split(CHUNK // 10)
            ]
            return torch.cat([network(x) for x in large]).double()

    return seen


def reference() -> tuple[np.ndarray, np.ndarray]:
    """Mean (64,) and covariance (64, 64) of the features of all 60,000 training images of
    Fashion-MNIST, float64, from `data/moments.npz`, its checksum verified."""
    stored = _data.arrays("moments.npz")
    return stored["mean"], stored["covariance"]


def _apply(u, part):
    values = _arrays.tensor(_arrays.image(u))  # an image first: lists are refused
    if values.shape[1:] != (SIDE, SIDE):
        needed = f"grey images (n, {SIDE}, {SIDE}), or features of your own"
        raise ValueError(f"u has shape {tuple(u.shape)}; needed: {needed}")
    values, part = values.to("cpu", torch.float32)[:, None], part(_network())
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        found = torch.cat([part(chunk) for chunk in values.split(CHUNK)]).double()
    return found.to(u.device) if isinstance(u, torch.Tensor) else found.numpy()


@lru_cache(maxsize=1)
@torch.inference_mode(False)
def _network():
    with torch.device("meta"):  # no weights are drawn, and torch's generator stays where it is
        network = Classifier()
    weights = _data.arrays("classifier.npz")
    network.load_state_dict(
        {name: torch.from_numpy(w.astype(np.float32)) for name, w in weights.items()}, assign=True
    )
    return network.eval()
