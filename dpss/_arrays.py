"""Arguments are checked and converted here and nowhere else.

Every public function accepts an image `(..., H, W)`: the last two axes are space, all others are
batch. Any memory layout and any view is the same argument: `plain` makes it an array or tensor
that NumPy, SciPy and torch all accept. What is refused is named, with what it holds and what is
needed. At the end: what of the caller's state (NumPy's error handling, torch's autocast) would
change results, and does not.
"""

import math
import sys
import warnings

import numpy as np
import torch

Array = np.ndarray | torch.Tensor  # what users pass and get back
Times = float | Array

# -- kinds


def plain(x, name="u"):
    """The array or tensor `x` as every library takes it: the same values, copied only if needed.

    Of NumPy's own class, in C order, native bytes, no negative strides; a tensor that is dense and
    not a lazy conjugate or negative.
    """
    if isinstance(x, torch.Tensor):
        if x.layout != torch.strided:
            raise TypeError(f"{name} has layout {x.layout}; needed: a dense tensor")
        return x.resolve_conj().resolve_neg()
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; needed: a plain one (x.filled(value) makes it)")
    native = None if x.dtype.isnative else x.dtype.newbyteorder("=")
    x = np.asarray(x, dtype=native, order="C")
    # NumPy calls every array of one pixel contiguous, flipped ones too; torch does not
    return x.copy() if min(x.strides, default=0) < 0 or not x.flags.aligned else x


def real(x, name):
    """The array or tensor `x` of real numbers, as `plain` makes it."""
    if not isinstance(x, (np.ndarray, torch.Tensor)):
        needed = "a NumPy array or a torch tensor"
        raise TypeError(f"{name} is a {type(x).__name__}; needed: {needed}")
    x = plain(x, name)
    if x.is_complex() if isinstance(x, torch.Tensor) else x.dtype.kind not in "biuf":
        raise TypeError(f"{name} has dtype {x.dtype}; needed: real numbers")
    return x


def to_torch(x, name="u"):
    """`x` as a tensor; arrays share their memory where they can, Python's numbers are float64."""
    if isinstance(x, torch.Tensor):
        return plain(x, name)
    if isinstance(x, (np.ndarray, np.generic)):
        x = plain(x, name)
        x = x if x.flags.writeable else x.copy()  # torch warns of memory that it must not change
    try:
        found = torch.as_tensor(x, device="cpu")  # whatever the caller's default
        listed = found.is_floating_point() and not hasattr(x, "dtype")
        return torch.as_tensor(x, dtype=torch.float64, device="cpu") if listed else found
    except (TypeError, ValueError, RuntimeError, OverflowError):
        kind = getattr(x, "dtype", None)
        kind = f"an array of dtype {kind}" if kind is not None else f"a {type(x).__name__}"
        needed = "a tensor, or numbers of a type that torch knows"
        raise TypeError(f"{name} is {kind}; needed: {needed}") from None


def to_numpy(u, *, single=False):
    """`u` as a float64 NumPy array, with `single` float32 as it is; no gradient passes."""
    if isinstance(u, torch.Tensor):
        u = plain(u).detach().cpu()
        u = (u if u.dtype == torch.float32 else u.double()).numpy()  # NumPy has no bfloat16
    single = single and u.dtype == np.float32
    return np.asarray(u, dtype=np.float32 if single else np.float64, order="C")


def double(u):
    """`u` in float64, of its kind; gradients pass."""
    return plain(u).double() if isinstance(u, torch.Tensor) else to_numpy(u)


def like(x, u, *, cast=True):
    """`x` (array or tensor) as the kind, device and, with `cast`, dtype of the image `u`."""
    if isinstance(u, torch.Tensor):
        return torch.as_tensor(x, dtype=u.dtype if cast else None, device=u.device)
    x = x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)
    return x.astype(u.dtype, copy=False) if cast else x[()]


def instance(x, kind, name):
    """`x` if it is a `kind`, a class of dpss; else TypeError."""
    if not isinstance(x, kind):
        raise TypeError(f"{name} is {_brief(x)}; needed: a dpss {kind.__name__}")
    return x


def function(x, name, needed="a function"):
    """`x` if it can be called; else TypeError."""
    if not callable(x):
        raise TypeError(f"{name} is {_brief(x)}; needed: {needed}")
    return x


def generator(source):
    """`source` if randomness may come from it: a `torch.Generator`, or None for torch's own."""
    if source is not None and not isinstance(source, torch.Generator):
        needed = "a torch.Generator (torch.Generator().manual_seed(0)) or None"
        raise TypeError(f"generator is {_brief(source)}; needed: {needed}")
    return source


def _brief(x):
    """A value in a message: its repr if that is short, else its type."""
    said = repr(x)
    return said if len(said) <= 60 else f"a {type(x).__name__}"


# -- images


def image(u, name="u", *, positive=False):
    """The finite floating-point image `u` `(..., H, W)`, array or tensor, as `plain` makes it.

    Raises TypeError for other kinds and for integers, ValueError for too few axes, no pixels, NaN
    or inf, and, with `positive`, for values that are not above zero. Warns of what looks like a
    photograph with its colours last.
    """
    u = real(u, name)
    if not (u.is_floating_point() if isinstance(u, torch.Tensor) else u.dtype.kind == "f"):
        needed = "floating point (see dpss.images.as_float)"
        raise TypeError(f"{name} has dtype {u.dtype}; needed: {needed}")
    if u.ndim < 2:
        raise ValueError(
            f"{name} has shape {tuple(u.shape)}; needed: at least two axes (..., H, W)"
        )
    if 0 in u.shape:
        needed = "at least one image and one pixel"
        raise ValueError(f"{name} has shape {tuple(u.shape)}; needed: {needed}")
    if not finite(u):
        raise ValueError(f"{name} contains NaN or inf; needed: finite values")
    if positive and not (u > 0).all():
        needed = "values > 0 (dpss.images.as_positive makes such images)"
        raise ValueError(f"{name} has minimum {float(u.min()):g}; needed: {needed}")
    if u.ndim >= 3 and u.shape[-1] in (3, 4) and min(u.shape[-3:-1]) >= 16:
        _warn_of_colours_last(u, name)
    return u


def tensor(u, name="u"):
    """`u` as a tensor that is an image; arrays share their memory where they can."""
    return image(to_torch(u, name), name)


def finite(u):
    """Whether no value is NaN or inf: a sum tells, unless it overflows: one pass and no copy."""
    if isinstance(u, torch.Tensor):
        u = u.detach()
        return math.isfinite(u.sum().item()) or bool(torch.isfinite(u).all())
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.vdot(u, u))) or bool(np.isfinite(u).all())


def result(x, u, name="u"):
    """`x`, computed from the image `u`, as `like` makes it; ValueError beyond its range."""
    x = like(x, u)
    if not finite(x):
        large = float(abs(u).max())
        needed = f"smaller values, the result is beyond the range of {x.dtype}"
        raise ValueError(f"{name} has values of size {large:g}; needed: {needed}")
    return x


INNER = (__package__, "numpy", "torch", "contextlib")


def _warn_of_colours_last(u, name):
    level, frame = 1, sys._getframe()
    # the warning belongs to the caller's line: not to ours, nor to that of a decorator of ours
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] in INNER:
        level, frame = level + 1, frame.f_back
    warnings.warn(
        f"{name} has shape {tuple(u.shape)}: images of {u.shape[-2]}×{u.shape[-1]} pixels. For "
        "pictures with their colours last, dpss.images.channels_first puts them first",
        stacklevel=level,
    )


def mask(region, shape, name="mask", *, each=False):
    """`region` as a boolean NumPy array (H, W), True inside the named region of images of `shape`.

    With `each` it may also have as many axes as the images, against which it broadcasts: one mask
    for each of them.
    """
    if not isinstance(region, (np.ndarray, torch.Tensor)):
        raise TypeError(f"{name} is a {type(region).__name__}; needed: a boolean array or tensor")
    region = plain(region, name)
    region = region.detach().cpu().numpy() if isinstance(region, torch.Tensor) else region
    region = region if region.flags.writeable else region.copy()  # for torch, as in `to_torch`
    if region.dtype != bool:
        raise TypeError(f"{name} has dtype {region.dtype}; needed: bool")
    if region.shape[-2:] != tuple(shape)[-2:] or region.ndim > 2 and not each:
        needed = f"{tuple(shape)[-2:]}, the image's last two axes"
        raise ValueError(f"{name} has shape {region.shape}; needed: {needed}")
    if region.ndim not in (2, len(shape)) or fitting(region.shape, shape, name) != tuple(shape):
        needed = f"{tuple(shape)[-2:]}, or what fits {tuple(shape)} with as many axes"
        raise ValueError(f"{name} has shape {region.shape}; needed: {needed}")
    return region


def known_pixels(region, shape):
    """The argument `mask` of inpainting: one `mask` or one for each image, True somewhere in it."""
    region = mask(region, shape, each=True)
    if not region.any((-2, -1)).all():
        needed = "at least one known pixel in each image"
        raise ValueError(f"mask is False everywhere in an image; needed: {needed}")
    return region


# -- numbers and times


def numbers(x, name):
    """`x`, one number or many, as a float64 tensor."""
    x = to_torch(x, name)
    if x.is_complex():
        raise TypeError(f"{name} has dtype {x.dtype}; needed: real numbers")
    return x.to(torch.float64)


def times(t, name="t", latest=1.0, *, order=None, least=1):
    """`t` as a float64 tensor on the CPU with values in [0, latest].

    `order`: "increasing" or "decreasing" for a list (m,) of at least `least` such times.
    """
    given, t = t, numbers(t, name).cpu()
    # a float needs no reduction, and would wait for one in each of thousands of small images
    low, high = (given, given) if type(given) is float else extent(t)
    if not (low >= 0 and high <= latest and high < math.inf):  # NaN fails every comparison
        wrong = t[~((t >= 0) & (t <= latest) & torch.isfinite(t))].flatten()[0].item()
        needed = f"times in [0, {latest:g}]" if latest < math.inf else "finite times >= 0"
        raise ValueError(f"{name} holds {wrong!r}; needed: {needed}")
    if order and not (
        t.ndim == 1
        and len(t) >= least
        and (t.diff() > 0 if order == "increasing" else t.diff() < 0).all()
    ):
        raise ValueError(f"{name} is {shown(t)}; needed: {order} times (m,), m >= {least}")
    return t


def pair(s, t, *, equal=False):
    """Times s < t (or s ≤ t, with `equal`), whose shapes broadcast, as `times` makes them."""
    s, t = times(s, "s"), times(t, "t")
    fitting(s.shape, t.shape, "s")
    wrong = s > t if equal else s >= t
    if wrong.any():
        late, early = (x[wrong][0].item() for x in torch.broadcast_tensors(s, t))
        needed = "no later than" if equal else "earlier than"
        raise ValueError(f"s is {late:g}; needed: {needed} t = {early:g}")
    return s, t


def extent(values):
    """(least, largest) of a tensor: (nan, nan) where it holds NaN, (0, 0) where it is empty."""
    return tuple(x.item() for x in values.detach().aminmax()) if values.numel() else (0.0, 0.0)


def number(x, name, *, above=None, least=None):
    """`x` as a finite float, above `above`, no smaller than `least` where these are given."""
    try:
        value = float(None if isinstance(x, (str, bytes)) else x)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {_brief(x)}; needed: a number") from None
    except OverflowError:
        value = math.inf
    needed = f"> {above}" if above is not None else f">= {least}" if least is not None else "finite"
    low = above is not None and value <= above or least is not None and value < least
    if not math.isfinite(value) or low:
        raise ValueError(f"{name} is {value:g}; needed: a number {needed}")
    return value


def share(x, name):
    """`x` as a float in [0, 1]."""
    x = number(x, name, least=0)
    if x > 1:
        raise ValueError(f"{name} is {x:g}; needed: a number in [0, 1]")
    return x


def count(n, name, least=1):
    """`n` as a whole number of at least `least`."""
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"{name} is {_brief(n)}; needed: a whole number")
    if int(n) < least:
        raise ValueError(f"{name} is {int(n)}; needed: at least {least}")
    return int(n)


def shown(values):
    """A few of many numbers, for messages."""
    values = torch.as_tensor(values).flatten().tolist()
    parts = [repr(round(x, 12) if isinstance(x, float) else x) for x in values]
    return f"[{', '.join(parts if len(parts) <= 6 else [*parts[:3], '...', *parts[-2:]])}]"


# -- shapes


def grid(shape, name="shape"):
    """`shape` as a pair (H, W) of positive integers."""
    try:
        sides = tuple(shape)
    except TypeError:
        raise TypeError(f"{name} is {_brief(shape)}; needed: a pair (H, W)") from None
    if len(sides) != 2:
        raise ValueError(f"{name} is {sides}; needed: a pair (H, W)")
    return count(sides[0], f"{name}[0]"), count(sides[1], f"{name}[1]")


def fitting(shape, other, name):
    """The shape to which `shape` and `other` broadcast; ValueError, naming the owner of `shape`."""
    try:
        return tuple(torch.broadcast_shapes(tuple(shape), tuple(other)))
    except RuntimeError:
        needed = f"what fits {tuple(other)}"
        raise ValueError(f"{name} has shape {tuple(shape)}; needed: {needed}") from None


def same_grid(u, other, name):
    """ValueError, naming `other`, unless it has the grid of `u` and batch axes that broadcast."""
    if other.shape[-2:] != u.shape[-2:]:
        needed = tuple(u.shape[-2:])
        raise ValueError(f"{name} has grid {tuple(other.shape[-2:])}; needed: {needed}")
    fitting(other.shape, u.shape, name)


def spread(coefficients, shape, name="t", axes=2):
    """Align coefficients `t.shape + (h, w)` with an image of `shape`: t has its leading batch axes.

    `axes`: how many axes are the image's; 3 for coefficients per channel, `t.shape + (C, h, w)`.

    Axes of length one go between, so that a channel shares the time of its image. One image at
    many times broadcasts by itself.
    """
    times, batch = tuple(coefficients.shape[:-axes]), tuple(shape[:-axes])
    while len(times) > len(batch) and times[0] == 1:
        coefficients, times = coefficients[0], times[1:]
    if 0 in times:
        raise ValueError(f"{name} has shape {times}; needed: at least one time")
    if not times or not batch:
        return coefficients
    if len(times) > len(batch) or any(m not in (1, n) for m, n in zip(times, batch)):
        needed = f"the leading axes of the batch {batch}, or one time"
        raise ValueError(f"{name} has shape {times}; needed: {needed}")
    between = [1] * (len(batch) - len(times))
    return coefficients.reshape(*times, *between, *coefficients.shape[-axes:])


# -- precision, and the state of the caller


def eps(u):
    """The rounding of the image's type, as a float."""
    info = torch.finfo(u.dtype) if isinstance(u, torch.Tensor) else np.finfo(u.dtype)
    return float(info.eps)


def rounding(u):
    """Share of its range by which a filter may exceed the range of an image: 16 roundings."""
    return 16 * eps(u)


def product(a, b):
    """The matrix product a @ b in its own precision, which torch's autocast would lower."""
    if isinstance(a, np.ndarray) or not torch.is_autocast_enabled(a.device.type):
        return a @ b
    with torch.autocast(a.device.type, enabled=False):
        return a @ b


# NumPy's own settings, as a decorator: an underflow to zero is no error, whatever the caller says
numpys_errors = np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
