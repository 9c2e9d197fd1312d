"""Real pictures: clothes, digits, photographs from `data/`, checked; and files of your own.

8-bit values 0, ..., 255 become grey values 2 v/255 − 1 in [−1, 1]. The last two axes are space,
colour comes before: (H, W) or (3, H, W).
"""

import io
import os
import pathlib

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from . import _arrays, _data, _files

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601: what red, green and blue add to the brightness
READ = ("PNG", "JPEG", "MPO")  # Pillow's names; MPO: a JPEG of a camera, with a preview behind it
WRITTEN = {  # without loss; with little loss
    ".png": {"format": "PNG"},
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": "4:4:4"},
    ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": "4:4:4"},
}


# -- pictures of data/


def fashion(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Fashion-MNIST: `(images, labels)`, float32 `(n, 28, 28)` in [−1, 1] and int64 `(n,)`.

    `split`: "train" (n = 4,000) or "test" (n = 1,000), equally many of each class 0, ..., 9. Raises
    ValueError for another split or a damaged file. Source: Xiao, Rasul and Vollgraf 2017 (MIT
    licence); a subset, see data/README.md.
    """
    if split not in ("train", "test"):
        raise ValueError(f'split is {split!r}; needed: "train" or "test"')
    stored = _data.arrays("fashion.npz")
    images, labels = stored[f"{split}_images"], stored[f"{split}_labels"]
    return as_float(images).astype(np.float32), labels.astype(np.int64)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Handwritten digits: `(images, labels)`, float32 `(1797, 8, 8)` in [−1, 1], int64 `(1797,)`.

    Raises ValueError for a damaged file. Source: Alpaydin and Kaynak 1998 (CC BY 4.0), the test
    set of 13 writers; see data/README.md.
    """
    stored = _data.arrays("digits.npz")  # 0, ..., 16: so many of 4×4 pixels are ink
    return (stored["images"] / 8 - 1).astype(np.float32), stored["labels"].astype(np.int64)


def names() -> list[str]:
    """Names of the photographs, in alphabetical order."""
    return sorted(
        pathlib.PurePath(name).stem for name in _data.registry() if name.startswith("photographs/")
    )


def photograph(name: str, grey: bool = False) -> np.ndarray:
    """A photograph, float64 in [−1, 1]: `(256, 256)` if it is grey, else `(3, 256, 256)`.

    With `grey` a colour photograph comes as its brightness 0.299 R + 0.587 G + 0.114 B. Raises
    ValueError for an unknown name (see `names`) or a damaged file. Sources and licences:
    data/sources.toml.
    """
    if name not in names():
        raise ValueError(f"name is {name!r}; needed: one of {', '.join(names())}")
    with Image.open(io.BytesIO(_data.read(f"photographs/{name}.png"))) as picture:
        return _values(picture, grey)


# -- pictures of your own


def load(path: str | os.PathLike, side: int | None = None, grey: bool = False) -> np.ndarray:
    """The PNG or JPEG picture in the file `path`, float64 in [−1, 1]: `(H, W)` or `(3, H, W)`.

    Upright, as a camera meant it. `side`: None for the whole picture, or the side in pixels to
    which its central square is scaled down: with weights ≥ 0 over the pixels that fall on one, so
    that nothing aliases and no value leaves the range. `grey`: colours as their brightness, as in
    `photograph`. Values are taken as they are stored, without colour profiles; palettes and CMYK
    become red, green and blue; of 16-bit colours Pillow reads 8 bits, of 16-bit grey values all.

    Raises FileNotFoundError for a missing file, ValueError for what is not a whole PNG or JPEG
    picture, has transparent pixels, or fewer than `side` pixels along a side. TypeError.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/cat.png", photograph("cat"))
    ...     load(f"{folder}/cat.png").shape, load(f"{folder}/cat.png", side=28, grey=True).shape
    ((3, 256, 256), (28, 28))
    """
    side = None if side is None else _arrays.count(side, "side")
    picture = _opened(path)
    if side is not None:
        width, height = picture.size
        square = min(width, height)
        if square < side:
            needed = "at most the shorter side"
            raise ValueError(
                f"side is {side}, path {str(path)!r} has {width}×{height} pixels; needed: {needed}"
            )
        left, top = (width - square) // 2, (height - square) // 2
        picture = picture.crop((left, top, left + square, top + square))
    u = _values(picture, grey)
    return u if side in (None, u.shape[-1]) else _scaled_down(u, side)


def save(path: str | os.PathLike, u: np.ndarray | torch.Tensor) -> None:
    """Write the image `u`, grey (H, W) or colour (3, H, W) in [−1, 1], to the file `path`.

    The end of its name decides: .png, 8 bits a value, so that `load` gives back what differs by at
    most half a grey level 1/255; .jpg or .jpeg, smaller, with losses. The file is written whole or
    not at all. Raises TypeError or ValueError for another name, for what is not an image, and for
    values outside [−1, 1] by more than rounding: u.clip(-1, 1) says that their loss is meant.
    FileNotFoundError for a missing folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/ramp.png", np.linspace(-1, 1, 5)[None])
    ...     load(f"{folder}/ramp.png").round(3)
    array([[-1.   , -0.498,  0.004,  0.498,  1.   ]])
    """
    target = _files.path(path, "path")
    if target.suffix.lower() not in WRITTEN:
        needed = f"a name that ends in {', '.join(WRITTEN)}"
        raise ValueError(f"path is {str(path)!r}; needed: {needed}")
    if not target.parent.is_dir():
        needed = "a folder that exists"
        raise FileNotFoundError(f"path is {str(path)!r}, in no folder; needed: {needed}")
    u = _arrays.to_numpy(_in_range(u))
    if u.ndim != 2 and (u.ndim != 3 or len(u) != 3):
        raise ValueError(f"u has shape {u.shape}; needed: grey (H, W) or colour (3, H, W)")
    levels = np.rint((u + 1) * 127.5).astype(np.uint8)
    picture = Image.fromarray(levels if u.ndim == 2 else np.moveaxis(levels, 0, -1).copy())
    buffer = io.BytesIO()
    picture.save(buffer, **WRITTEN[target.suffix.lower()])
    _files.write(target, buffer.getvalue())


# -- layouts and ranges


def channels_first(u: np.ndarray | torch.Tensor) -> np.ndarray | torch.Tensor:
    """Colours from the last axis to where this library has them: (..., H, W, C) to (..., C, H, W).

    `u`: array or tensor of any type with 1 to 4 values at the end, else TypeError, ValueError.

    >>> channels_first(np.zeros((480, 640, 3))).shape
    (3, 480, 640)
    """
    u = _given(u)
    if u.ndim < 3 or not 1 <= u.shape[-1] <= 4:
        needed = "(..., H, W, C) with C from 1 to 4"
        raise ValueError(f"u has shape {tuple(u.shape)}; needed: {needed}")
    if isinstance(u, torch.Tensor):
        return u.movedim(-1, -3).contiguous()
    return np.ascontiguousarray(np.moveaxis(u, -1, -3))


def as_float(u: np.ndarray | torch.Tensor) -> np.ndarray | torch.Tensor:
    """An image `u` of whole numbers or booleans as grey values 2 (v − min)/(max − min) − 1.

    min and max belong to the type (0 and 255 for uint8), not to the image: the result is in
    [−1, 1]. Floating-point images come back as they are. NumPy arrays become float64, tensors
    torch's default type. Raises TypeError for other kinds and for signed integers, whose range says
    nothing about the picture.

    >>> as_float(np.array([[0, 51, 255]], dtype=np.uint8))
    array([[-1. , -0.6,  1. ]])
    """
    v = _given(u)
    if isinstance(v, torch.Tensor):
        if v.is_floating_point():
            return v
        grey = torch.from_numpy(as_float(v.cpu().numpy()))
        return grey.to(v.device, torch.get_default_dtype())
    if v.dtype.kind == "f":
        return v
    if v.dtype.kind not in "bu":
        needed = "an unsigned type such as uint8, bool, or floating point"
        raise TypeError(f"u has dtype {v.dtype}; needed: {needed}")
    return 2 * (v / (1 if v.dtype == bool else np.iinfo(v.dtype).max)) - 1


def as_positive(u: np.ndarray | torch.Tensor) -> np.ndarray | torch.Tensor:
    """Grey values in [−1, 1] as positive ones in [1/256, 1]: (255 (u + 1)/2 + 1)/256, for osmosis.

    Black becomes one step of an 8-bit scale instead of zero. Raises ValueError for values of `u`
    outside [−1, 1] by more than rounding.
    """
    return (255 * (_in_range(u) + 1) / 2 + 1) / 256


def from_positive(v: np.ndarray | torch.Tensor) -> np.ndarray | torch.Tensor:
    """Inverse of `as_positive`: 2 (256 `v` − 1)/255 − 1."""
    return 2 * (256 * _arrays.image(v, "v") - 1) / 255 - 1


# -- inside


def _opened(path):
    """The picture in a file, decoded and upright, none of its pixels transparent."""
    file = _files.path(path, "path")
    said, needed = f"path is {str(path)!r}", "needed: a PNG or JPEG picture"
    if not file.is_file():
        what = "a folder" if file.is_dir() else "where there is no file"
        raise FileNotFoundError(f"{said}, {what}; {needed}")
    try:
        picture = Image.open(io.BytesIO(file.read_bytes()))
        kind = picture.format
        picture = ImageOps.exif_transpose(picture) if kind in READ else picture
        holes = _transparent(picture) if kind in READ else 0
    except UnidentifiedImageError:
        raise ValueError(f"{said}, not a picture; {needed}") from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"{said}, too large ({error}); {needed} of fewer pixels") from None
    except Exception as error:  # Pillow's decoders raise what they like
        raise ValueError(f"{said}, damaged ({error}); {needed} that is whole") from error
    if kind not in READ:
        raise ValueError(f"{said}, a {kind} picture; needed: PNG or JPEG")
    if holes:
        hint = "an opaque one (Pillow's Image.alpha_composite lays it on a background)"
        raise ValueError(f"{said}, {holes} of its pixels are transparent; needed: {hint}")
    return picture


def _transparent(picture):
    """How many pixels are transparent or partly so."""
    if not picture.has_transparency_data:
        return 0
    if picture.mode == "I;16":  # its conversion would forget the one value that is transparent
        return np.count_nonzero(np.asarray(picture) == picture.info["transparency"])
    return np.count_nonzero(np.asarray(picture.convert("RGBA").getchannel("A")) < 255)


def _values(picture, grey):
    """Grey (H, W) or colour (3, H, W) values in [−1, 1] of an opaque picture."""
    if picture.mode in ("1", "L", "LA", "I;16"):
        return as_float(np.asarray(picture.getchannel(0) if picture.mode == "LA" else picture))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
    u = as_float(np.asarray(picture.convert("RGB")))
    return u @ np.array(LUMA) if grey else channels_first(u)


def _scaled_down(u, side):
    """Squares (..., n, n) as (..., side, side)."""
    planes = u.reshape(-1, *u.shape[-2:]).astype(np.float32)
    scaled = [Image.fromarray(p).resize((side, side), Image.Resampling.HAMMING) for p in planes]
    return np.stack(scaled).astype(np.float64).clip(-1, 1).reshape(*u.shape[:-2], side, side)


def _given(u):
    if not isinstance(u, (np.ndarray, torch.Tensor)):
        raise TypeError(f"u is a {type(u).__name__}; needed: a NumPy array or a torch tensor")
    return _arrays.plain(u)


def _in_range(u):
    """The image `u`, rounding errors beyond [−1, 1] clipped; ValueError for more than that."""
    u = _arrays.image(u)
    largest = 1 + 2 * _arrays.rounding(u)  # 2 is the length of the range
    if u.min() < -largest or u.max() > largest:
        low, high = float(u.min()), float(u.max())
        raise ValueError(f"u has values in [{low!r}, {high!r}]; needed: inside [-1, 1]")
    return u.clip(-1, 1)
