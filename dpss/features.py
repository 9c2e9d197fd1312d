"""Features of images for Fréchet distances: what a small classifier sees before its last layer.

It tells the classes of Fashion-MNIST. The weights are shipped in `data/classifier.npz` (plain
arrays, checksum verified) and made by `data/classifier.py`. Whatever the caller's precision,
gradients or threads, the network works in float32 on the CPU and records no gradient.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import nn

from . import _arrays, _data

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
