"""Real pictures: Fashion-MNIST and photographs from `data/`, no network, every file checked.

8-bit values 0, ..., 255 become grey values 2 v/255 − 1 in [−1, 1]. The last two axes are space, colour comes before.
"""

import io
import pathlib

import numpy as np
import torch
from PIL import Image

from . import _arrays, _data

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601: what red, green and blue add to the brightness


def fashion(split):
    """Fashion-MNIST: `(images, labels)`, float32 `(n, 28, 28)` in [−1, 1] and int64 `(n,)` in 0, ..., 9.

    `split`: "train" (n = 4,000) or "test" (n = 1,000), equally many of each class. Raises ValueError for another
    split or a damaged file. Source: Xiao, Rasul and Vollgraf 2017 (MIT licence); a subset, see data/README.md.
    """
    if split not in ("train", "test"):
        raise ValueError(f'split is {split!r}; needed: "train" or "test"')
    stored = _data.arrays("fashion.npz")
    images, labels = stored[f"{split}_images"], stored[f"{split}_labels"]
    return as_float(images).astype(np.float32), labels.astype(np.int64)


def names():
    """Names of the photographs, in alphabetical order."""
    return sorted(
        pathlib.PurePath(name).stem for name in _data.registry() if name.startswith("photographs/")
    )


def photograph(name, grey=False):
    """A photograph, float64 in [−1, 1]: `(256, 256)` if it is grey, else `(3, 256, 256)` red, green, blue.

    With `grey` a colour photograph comes as its brightness 0.299 R + 0.587 G + 0.114 B. Raises ValueError for an
    unknown name (see `names`) or a damaged file. Sources and licences: data/sources.toml.
    """
    if name not in names():
        raise ValueError(f"name is {name!r}; needed: one of {', '.join(names())}")
    with Image.open(io.BytesIO(_data.read(f"photographs/{name}.png"))) as picture:
        u = as_float(np.asarray(picture))
    if u.ndim == 2:
        return u
    return u @ np.array(LUMA) if grey else np.ascontiguousarray(np.moveaxis(u, -1, 0))


def as_float(u):
    """An image `u` of whole numbers or booleans as grey values in [−1, 1]: 2 (v − min)/(max − min) − 1.

    min and max belong to the type (0 and 255 for uint8), not to the image. Floating-point images come back as they
    are. NumPy arrays become float64, tensors torch's default type. Raises TypeError for other kinds and for signed
    integers, whose range says nothing about the picture.

    >>> as_float(np.array([[0, 51, 255]], dtype=np.uint8))
    array([[-1. , -0.6,  1. ]])
    """
    if isinstance(u, torch.Tensor):
        return (
            u
            if u.is_floating_point()
            else torch.as_tensor(
                as_float(u.cpu().numpy()), dtype=torch.get_default_dtype(), device=u.device
            )
        )
    if not isinstance(u, np.ndarray):
        raise TypeError(f"u is a {type(u).__name__}; needed: a NumPy array or a torch tensor")
    if np.issubdtype(u.dtype, np.floating):
        return u
    if u.dtype == bool:
        return 2.0 * u - 1
    if not np.issubdtype(u.dtype, np.unsignedinteger):
        raise TypeError(
            f"u has dtype {u.dtype}; needed: an unsigned type such as uint8, bool, or floating point"
        )
    return 2 * (u / np.iinfo(u.dtype).max) - 1


def as_positive(u):
    """Grey values in [−1, 1] as positive ones in [1/256, 1]: (255 (u + 1)/2 + 1)/256, for osmosis.

    Black becomes one step of an 8-bit scale instead of zero. Raises ValueError for values outside [−1, 1] by more than rounding.
    """
    _arrays.image(u)
    largest = 1 + 2 * _arrays.rounding(u)
    if u.min() < -largest or u.max() > largest:
        raise ValueError(
            f"u has values in [{float(u.min())!r}, {float(u.max())!r}]; needed: inside [-1, 1]"
        )
    return (255 * (u.clip(-1, 1) + 1) / 2 + 1) / 256


def from_positive(v):
    """Inverse of `as_positive`: 2 (256 v − 1)/255 − 1."""
    return 2 * (256 * _arrays.image(v, "v") - 1) / 255 - 1
