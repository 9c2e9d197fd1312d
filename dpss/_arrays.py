"""Input is checked and converted here and nowhere else.

Every public function accepts an image `(..., H, W)`: the last two axes are space, all others are batch.
`image` refuses what is not one, with a message that names the argument, what it got and what it needs;
`Bridge` takes NumPy arrays and tensors to float64 NumPy and back to the kind, dtype and device they came from.
"""

import math

import numpy as np
import torch


def image(u, name="u", *, positive=False):
    """Return `u` unchanged if it is a finite floating-point image `(..., H, W)`, NumPy array or tensor.

    Raises TypeError for other kinds and for integers, ValueError for too few axes, no pixels, NaN or inf,
    and, with `positive`, for values that are not above zero.
    """
    if isinstance(u, torch.Tensor):
        floating = u.is_floating_point()
    elif isinstance(u, np.ndarray):
        floating = np.issubdtype(u.dtype, np.floating)
    else:
        raise TypeError(f"{name} is a {type(u).__name__}; needed: a NumPy array or a torch tensor")
    if not floating:
        raise TypeError(
            f"{name} has dtype {u.dtype}; needed: floating point (see dpss.images.as_float)"
        )
    if u.ndim < 2:
        raise ValueError(
            f"{name} has shape {tuple(u.shape)}; needed: at least two axes (..., H, W)"
        )
    if 0 in u.shape:
        raise ValueError(
            f"{name} has shape {tuple(u.shape)}; needed: at least one image and one pixel"
        )
    if not _finite(u):
        raise ValueError(f"{name} contains NaN or inf; needed: finite values")
    if positive and not (u > 0).all():
        raise ValueError(
            f"{name} has minimum {float(u.min()):g}; needed: values > 0 (dpss.images.as_positive makes such images)"
        )
    return u


def _finite(u):
    """Whether no value is NaN or inf. A sum alone tells, unless it overflows: one pass over the image and no copy."""
    if isinstance(u, torch.Tensor):
        u = u.detach()
        return math.isfinite(u.sum().item()) or bool(torch.isfinite(u).all())
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.vdot(u, u))) or bool(np.isfinite(u).all())


def for_torch(u):
    """The array `u`, or a copy: torch refuses negative strides, even of a contiguous 1×1 array, and warns of read-only memory."""
    u = np.require(u, requirements=["C", "W"])
    return u.copy() if min(u.strides, default=0) < 0 else u


def tensor(u, name="u"):
    """`u` as a torch tensor that is an image; NumPy arrays share their memory where torch can."""
    if isinstance(u, np.ndarray) and u.dtype.kind in "fiub":
        u = for_torch(u)
    if not isinstance(u, torch.Tensor):
        try:
            listed = (
                not hasattr(u, "dtype") and torch.as_tensor(u).is_floating_point()
            )  # Python's numbers have double precision
            u = torch.as_tensor(u, dtype=torch.float64 if listed else None)
        except (TypeError, ValueError, RuntimeError):
            kind = (
                f"an array of dtype {u.dtype}"
                if isinstance(u, np.ndarray)
                else f"a {type(u).__name__}"
            )
            raise TypeError(
                f"{name} is {kind}; needed: a tensor or an array of a dtype that torch knows"
            ) from None
    return image(u, name)


def shown(values):
    """A few of many numbers, for messages."""
    values = torch.as_tensor(values).flatten().tolist()
    parts = [repr(round(x, 12) if isinstance(x, float) else x) for x in values]
    return f"[{', '.join(parts if len(parts) <= 6 else [*parts[:3], '...', *parts[-2:]])}]"


def generator(source):
    """`source` if randomness may come from it: a `torch.Generator`, or None for torch's own."""
    if source is not None and not isinstance(source, torch.Generator):
        raise TypeError(
            f"generator is {source!r}; needed: a torch.Generator (torch.Generator().manual_seed(0)) or None"
        )
    return source


def fitting(shape, other, name):
    """The shape that `shape` and `other` broadcast to; ValueError, naming the owner of `shape`, where they do not."""
    try:
        return torch.broadcast_shapes(tuple(shape), tuple(other))
    except RuntimeError:
        raise ValueError(
            f"{name} has shape {tuple(shape)}; needed: what fits {tuple(other)}"
        ) from None


def same_grid(u, other, name):
    """ValueError, naming `other`, unless it has the grid of the image `u` and batch axes that broadcast against those of u."""
    if other.shape[-2:] != u.shape[-2:]:
        raise ValueError(
            f"{name} has grid {tuple(other.shape[-2:])}; needed: {tuple(u.shape[-2:])}"
        )
    fitting(other.shape, u.shape, name)


def times(t, name="t", latest=1.0):
    """`t` as a float64 tensor on the CPU with values in [0, latest]."""
    given = t
    try:
        t = torch.as_tensor(t, dtype=torch.float64).cpu()
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise TypeError(f"{name} is {t!r}; needed: a time or a tensor of times") from None
    # a float needs no reduction, and would wait for one in each of thousands of filters of small images
    least, largest = (given, given) if type(given) is float else extent(t)
    if not (least >= 0 and largest <= latest and largest < math.inf):  # NaN fails every comparison
        wrong = t[~((t >= 0) & (t <= latest) & torch.isfinite(t))]
        needed = f"times in [0, {latest:g}]" if np.isfinite(latest) else "finite times >= 0"
        raise ValueError(f"{name} holds {wrong.flatten()[0].item()!r}; needed: {needed}")
    return t


def extent(values):
    """(least, largest) of a tensor as floats, (nan, nan) where it holds NaN, (0, 0) where it is empty: one pass, no copy."""
    return tuple(end.item() for end in values.aminmax()) if values.numel() else (0.0, 0.0)


def spread(coefficients, shape, name="t"):
    """Align coefficients `t.shape + (h, w)` with an image of `shape`: the axes of t are its leading batch axes.

    Axes of length one go between, so that a channel shares the time of its image. One image at many times
    broadcasts by itself.
    """
    times, batch = tuple(coefficients.shape[:-2]), tuple(shape[:-2])
    if not times or not batch:
        return coefficients
    if len(times) > len(batch) or any(m not in (1, n) for m, n in zip(times, batch)):
        raise ValueError(
            f"{name} has shape {times}; needed: the leading axes of the batch {batch}, or one time"
        )
    return coefficients.reshape(*times, *[1] * (len(batch) - len(times)), *coefficients.shape[-2:])


def mask(region, shape, name="mask"):
    """`region` as a boolean NumPy array of shape `shape`, True inside the named region."""
    if not isinstance(region, (np.ndarray, torch.Tensor)):
        raise TypeError(f"{name} is a {type(region).__name__}; needed: a boolean array or tensor")
    region = region.detach().cpu().numpy() if isinstance(region, torch.Tensor) else region
    if region.dtype != bool:
        raise TypeError(f"{name} has dtype {region.dtype}; needed: bool")
    if region.shape != tuple(shape):
        raise ValueError(
            f"{name} has shape {region.shape}; needed: {tuple(shape)}, the image's last two axes"
        )
    return region


def number(x, name, *, above=None, least=None):
    """`x` as a finite float, greater than `above` or no smaller than `least` where these are given."""
    try:
        value = float(None if isinstance(x, (str, bytes)) else x)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {x!r}; needed: a number") from None
    needed = f"> {above}" if above is not None else f">= {least}" if least is not None else "finite"
    if (
        not np.isfinite(value)
        or (above is not None and value <= above)
        or (least is not None and value < least)
    ):
        raise ValueError(f"{name} is {value:g}; needed: a number {needed}")
    return value


def count(n, name):
    """`n` as a whole number of at least one."""
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"{name} is {n!r}; needed: a whole number")
    if int(n) < 1:
        raise ValueError(f"{name} is {int(n)}; needed: at least 1")
    return int(n)


def grid(shape, name="shape"):
    """`shape` as a pair (H, W) of positive integers."""
    try:
        sides = tuple(shape)
    except TypeError:
        raise TypeError(f"{name} is {shape!r}; needed: a pair (H, W)") from None
    if len(sides) != 2:
        raise ValueError(f"{name} is {sides}; needed: a pair (H, W)")
    return count(sides[0], f"{name}[0]"), count(sides[1], f"{name}[1]")


def rounding(u):
    """Share of its range by which filters may exceed the range of an image: 16 units in the last place."""
    return 16 * (torch.finfo(u.dtype).eps if isinstance(u, torch.Tensor) else np.finfo(u.dtype).eps)


def like(constant, u):
    """A float64 tensor of constants as the kind, dtype and device of the image `u`."""
    return (
        constant.to(u)
        if isinstance(u, torch.Tensor)
        else constant.numpy().astype(u.dtype, copy=False)
    )


class Bridge:
    """Takes arrays to float64 NumPy (`to`) and results back to the kind, dtype and device of `like` (`back`)."""

    def __init__(self, like):
        self.like = like

    @staticmethod
    def to(u):
        if isinstance(u, torch.Tensor):
            u = u.detach().cpu().double().numpy()  # NumPy has no bfloat16
        return np.asarray(u, dtype=np.float64)

    def back(self, result):
        if isinstance(self.like, torch.Tensor):
            return torch.as_tensor(result, dtype=self.like.dtype, device=self.like.device)
        return np.asarray(result, dtype=self.like.dtype)
