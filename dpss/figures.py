"""Figures of the book: pictures pixel by pixel, curves, and sliders that work without a kernel.

Every figure says in its alt text what it shows, computed from the data: also for readers who do not
see it. Colours are those of Okabe and Ito, told apart by colour-blind readers, and each curve has
its own line style.
"""

import base64
import html
import io
import itertools
import math
import re
import unicodedata
from collections.abc import Callable, Sequence

import matplotlib
import matplotlib.backends.backend_agg
import matplotlib.figure
import numpy as np
from PIL import Image

from . import _arrays
from ._arrays import Array

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)), (0, (1, 1)))
DPI = 100
WIDTH, GAP, LINE = 560, 8, 24  # pixels: a figure, the gaps between pictures, a line of text
STYLE = {
    "font.size": 13,
    "axes.titlesize": 13,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "lines.linewidth": 2,
    "legend.frameon": False,
    "axes.prop_cycle": matplotlib.cycler(color=PALETTE) + matplotlib.cycler(linestyle=LINES),
}
LARGEST = 200  # frames of one interactive figure
TOLD = 8  # pictures or panels told one by one in an alt text
STYLES = {"-": "solid line", "--": "dashed line", "-.": "dash-dotted line", ":": "dotted line"}
SMALL = 1e-9  # below this, on a linear axis, numbers are rounding errors


class Figure(matplotlib.figure.Figure):
    """A matplotlib figure that shows itself in a notebook, with `alt`, a description in words."""

    alt = ""

    def __init__(self, *args, **options):
        super().__init__(*args, dpi=DPI, facecolor="white", **options)
        matplotlib.backends.backend_agg.FigureCanvasAgg(self)

    def png(self) -> bytes:
        """The picture as PNG, without loss: grey, or with a palette where 256 colours suffice."""
        buffer = io.BytesIO()
        with matplotlib.rc_context(STYLE):
            self.savefig(buffer, format="png", metadata={"Software": None})
        with Image.open(buffer) as picture:
            rgb = picture.convert("RGB")
        grey = rgb.convert("L")
        colours = rgb.getcolors(256)
        if np.array_equal(np.asarray(grey.convert("RGB")), np.asarray(rgb)):
            rgb = grey
        elif colours is not None:
            rgb = rgb.quantize(len(colours), dither=Image.Dither.NONE)
        buffer = io.BytesIO()
        rgb.save(buffer, "PNG", optimize=True)
        return buffer.getvalue()

    def describe(self) -> str:
        """`alt`, or where none was set what the panels say of themselves and their curves."""
        shown = [ax for ax in self.axes if ax.get_title() or ax.get_ylabel() or ax.has_data()]
        names = [f"panel {i}" for i in range(1, len(shown) + 1)] if len(shown) > 1 else ["plot"]
        title, said = _plain(self.get_suptitle()), list(map(_panel, shown, names))
        heading = [title] * bool(title) + [f"{len(said)} panels"] * (len(said) > TOLD)
        return self.alt or ": ".join([*heading, "; ".join(_ends(said))])

    __repr__ = __str__ = describe

    def _repr_mimebundle_(self, **_):
        png = self.png()
        return {
            "text/plain": self.describe(),
            "text/html": _img(png, self.describe()),
            "image/png": png,
        }


def figure(
    width: float = 5.6, height: float = 3.2, columns: int = 1, rows: int = 1, **options
) -> tuple:
    """`(fig, axes)` in the book's style, `rows` × `columns` axes. Set `fig.alt`.

    `width`, `height` in inches of 100 pixels; `options` as those of Matplotlib's `subplots`.
    """
    with matplotlib.rc_context(STYLE):
        fig = Figure(figsize=(width, height), layout="constrained")
        rows, columns = _arrays.count(rows, "rows"), _arrays.count(columns, "columns")
        return fig, fig.subplots(rows, columns, **options)


def show(
    images: Array | Sequence[Array],
    titles: Sequence | None = None,
    value_range: tuple[float, float] = (-1, 1),
    columns: int | None = None,
) -> Figure:
    """Pictures side by side, every pixel a whole number of screen pixels.

    `images`: one grey `(H, W)` or colour `(3, H, W)` image, a batch of them `(n, ...)`, or a list
    (three grey ones need a list). `titles`: one for each. `columns`: pictures in a row, None for as
    many as fit. Black to white over `value_range`: values are never rescaled, those outside the
    range are clipped, and a line under the picture says how many. Raises TypeError, ValueError for
    what is not an image.
    """
    pictures = [_picture(u, i) for i, u in enumerate(_split(images))]
    titles = [""] * len(pictures) if titles is None else [str(title) for title in titles]
    if len(titles) != len(pictures):
        raise ValueError(
            f"titles has {len(titles)} entries; needed: {len(pictures)}, one for each image"
        )
    low, high = (_arrays.number(end, "value_range") for end in value_range)
    if not low < high:
        raise ValueError(f"value_range is ({low:g}, {high:g}); needed: low < high")
    height, width = (max(p.shape[axis] for p in pictures) for axis in (0, 1))
    fitting = max(1, (WIDTH + GAP) // (max(width, 64) + GAP))
    columns = min(len(pictures), fitting if columns is None else _arrays.count(columns, "columns"))
    zoom = max(1, min(8, (WIDTH - (columns - 1) * GAP) // (columns * width)))
    notes = [np.mean((p < low - 1e-12) | (p > high + 1e-12)) for p in pictures]
    above, below = LINE * any(titles), LINE * any(share > 0 for share in notes)
    cell_w, cell_h = zoom * width + GAP, zoom * height + above + below + GAP
    rows = -(-len(pictures) // columns)
    total_w, total_h = columns * cell_w - GAP, rows * cell_h - GAP
    fig = Figure(figsize=(total_w / DPI, total_h / DPI))
    for i, (picture, title, share) in enumerate(zip(pictures, titles, notes)):
        left, top = i % columns * cell_w, i // columns * cell_h
        levels = np.round((picture.clip(low, high) - low) / (high - low) * 255).astype(np.uint8)
        levels = np.atleast_3d(levels).repeat(zoom, 0).repeat(zoom, 1)
        levels = np.broadcast_to(levels, (*levels.shape[:2], 3))
        fig.figimage(levels, left, total_h - top - above - len(levels), origin="upper")
        for text, y in (
            (title, top + above / 2),
            (f"clipped: {_percent(share)}" if share else "", top + above + len(levels) + below / 2),
        ):
            size = 11 * min(1, zoom * width / (8.2 * max(len(text), 1)))
            fig.text(
                (left + zoom * width / 2) / total_w,
                1 - y / total_h,
                text,
                ha="center",
                va="center",
                fontsize=max(size, 6),
            )
    fig.alt = _described(pictures, titles, notes, (low, high))
    return fig


def strip(
    path: Array | Sequence[Array],
    times: Sequence[float] | Array,
    value_range: tuple[float, float] = (-1, 1),
    columns: int | None = None,
) -> Figure:
    """An evolution: the images of `path`, `(m, H, W)` or `(m, 3, H, W)`, with their `times` above.

    `times` (m,); `value_range` and `columns` as in `show`.
    """
    times = _arrays.numbers(times, "times").detach().tolist()
    if len(path) != len(times):
        needed = f"{len(path)}, one for each image of path"
        raise ValueError(f"times has {len(times)} entries; needed: {needed}")
    return show(list(path), [f"t = {_number(t)}" for t in times], value_range, columns)


def curves(
    x: Sequence[float] | Array,
    ys: dict[str, Sequence[float] | Array],
    xlabel: str,
    ylabel: str,
    logx: bool = False,
    logy: bool = False,
    title: str | None = None,
) -> Figure:
    """Curves over a common axis: `x` `(n,)`, `ys` a dictionary label -> values `(n,)`.

    `xlabel`, `ylabel`, `title`: what is written there. `logx`, `logy`: whether an axis is
    logarithmic. Raises ValueError for values that do not fit, are not finite, or not positive on a
    logarithmic axis.
    """
    rows = -(-len(ys) // (columns := 2 if len(ys) < 5 else 3))  # of the legend
    fig, ax = figure(height=3.4 + 0.25 * rows * (len(ys) > 1))
    x = _line(x, "x", logx)
    for label, values in ys.items():
        values = _line(values, f"ys[{label!r}]", logy)
        if values.shape != x.shape:
            needed = f"{x.shape}, that of x"
            raise ValueError(f"ys[{label!r}] has shape {values.shape}; needed: {needed}")
        ax.plot(x, values, label=label)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title or "")
    ax.set(xscale="log" if logx else "linear", yscale="log" if logy else "linear")
    for axis, (low, high), log in (
        (ax.xaxis, ax.get_xlim(), logx),
        (ax.yaxis, ax.get_ylim(), logy),
    ):
        if log and high > 30 * low:  # powers of ten alone: labels between them would overlap
            axis.set_minor_formatter("")
    if len(ys) > 1:
        fig.legend(loc="outside lower center", frameon=False, fontsize=12, ncols=columns)
    ends = f"from {_number(x.min(), logx)} to {_number(x.max(), logx)}"
    courses = [_course(_plain(label), _line(y, label, logy), logy) for label, y in ys.items()]
    heading = (
        f"{_plain(title) + ': ' if title else ''}{_plain(ylabel)} over {_plain(xlabel)} {ends}"
    )
    fig.alt = ". ".join([heading, *courses]) + "."
    return fig


def explore(
    figure_of: Callable[..., Figure], /, start: dict | None = None, **parameters: Sequence
) -> "Explorer":
    """A figure with a slider for each parameter, alive in JupyterLab and, without a kernel, in the
    built page.

    `parameters`: name -> list of values; `figure_of(**values)` returns a figure of this module and
    is called once for each combination, 200 at most. `start`: dictionary name -> the value to begin
    with (default: the middle one); a list is one more parameter, of this name. Raises TypeError or
    ValueError.
    """
    if not isinstance(start, (dict, type(None))):
        start, parameters = None, {"start": start, **parameters}
    if not parameters:
        raise ValueError("parameters are missing; needed: at least one, as name=[values]")
    parameters = {name: _values(values, name) for name, values in parameters.items()}
    if (count := math.prod(len(values) for values in parameters.values())) > LARGEST:
        raise ValueError(f"parameters make {count} figures; needed: at most {LARGEST}")
    first = [len(values) // 2 for values in parameters.values()]
    for name, value in (start or {}).items():
        if value not in parameters.get(name, ()):
            needed = f"one of the values {parameters.get(name)}"
            raise ValueError(f"start has {name} = {value!r}; needed: {needed}")
        first[list(parameters).index(name)] = parameters[name].index(value)
    frames = {}
    for choice in itertools.product(*(range(len(values)) for values in parameters.values())):
        chosen = {name: values[i] for (name, values), i in zip(parameters.items(), choice)}
        fig = figure_of(**chosen)
        if not isinstance(fig, Figure):
            needed = "a figure of dpss.figures"
            raise TypeError(f"figure_of returns a {type(fig).__name__}; needed: {needed}")
        named = ", ".join(f"{name} = {_label(value)}" for name, value in chosen.items())
        frames[choice] = _img(fig.png(), f"{named}: {fig.describe()}")
    return Explorer(parameters, first, frames)


class Explorer:
    """What `explore` returns: sliders of `parameters`, which begin at the indices `first`, linked
    to the pictures `frames`."""

    def __init__(self, parameters, first, frames):
        self.parameters, self.first, self.frames = parameters, tuple(first), frames

    def __repr__(self):
        ranges = ", ".join(
            f"{name} from {_label(v[0])} to {_label(v[-1])} ({len(v)} values)"
            for name, v in self.parameters.items()
        )
        return f"interactive figure: {ranges}"

    def widget(self):
        """The widget tree: sliders above, pictures below."""
        import ipywidgets as widgets  # here, so that the library needs no notebook

        sliders = [
            widgets.SelectionSlider(
                options=[(_label(v), i) for i, v in enumerate(values)],
                index=at,
                value=at,
                description=name,
                continuous_update=True,
                layout={"width": "98%"},
                style={"description_width": "initial"},
            )
            for (name, values), at in zip(self.parameters.items(), self.first)
        ]
        if not hasattr(widgets, "Stack"):  # ipywidgets 7: alive with a kernel only
            picture = widgets.HTML(self.frames[self.first])

            def redraw(_):
                picture.value = self.frames[tuple(slider.index for slider in sliders)]

            for slider in sliders:
                slider.observe(redraw, "index")
            return widgets.VBox([*sliders, picture])

        def stack(prefix):
            depth = len(prefix)
            if depth == len(sliders):
                return widgets.HTML(self.frames[prefix])
            result = widgets.Stack(
                [stack(prefix + (i,)) for i in range(len(sliders[depth].options))],
                selected_index=self.first[depth],
            )
            widgets.jslink((sliders[depth], "index"), (result, "selected_index"))
            return result

        return widgets.VBox([*sliders, stack(())])

    def _repr_mimebundle_(self, **_):
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget().model_id}
        return {
            "text/plain": repr(self),
            "text/html": self.frames[self.first],  # the picture for print and plain viewers
            "application/vnd.jupyter.widget-view+json": view,
        }


# -- words and numbers


def _number(x, logarithmic=False):
    """Two significant digits, the same on every processor: rounding errors are rounded away."""
    x = float(f"{float(x):.9g}")
    return f"{x if logarithmic or abs(x) > SMALL else 0.0:.2g}"


def _label(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _percent(share):
    return f"{100 * share:.0f} %" if share >= 0.01 else "below 1 %"


def _plain(text):
    r"""A label as a line of words: of TeX, $\sigma_t^{2}$ becomes σ_t^2."""
    words = re.sub(r"(?<!\\)\$(.*?)(?<!\\)\$", _untexed, str(text), flags=re.S)
    return " ".join(words.replace(r"\$", "$").split())


def _untexed(formula):
    said = re.sub(r"\\(?:math\w+|text\w*|left|right)\b", "", formula.group(1))
    said = re.sub(r"\\[,;:! ]", " ", said)
    return re.sub(r"[{}]", "", re.sub(r"\\([A-Za-z]+)", _letter, said))


def _letter(command):
    """The Greek letter of a command of TeX, or its name."""
    name = command.group(1)
    case, letter = ("CAPITAL" if name[0].isupper() else "SMALL"), name.upper().removeprefix("VAR")
    try:
        return unicodedata.lookup(f"GREEK {case} LETTER {letter.replace('LAMBDA', 'LAMDA')}")
    except KeyError:
        return name


def _panel(ax, default):
    """Axes in words: what they are over what, and each curve."""
    title, xlabel, ylabel = map(_plain, (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()))
    xlabel = xlabel or _plain(ax.figure.get_supxlabel())
    ylabel = ylabel or _plain(ax.figure.get_supylabel())
    parts = [f"{ylabel} over {xlabel}".strip() if xlabel else ylabel]
    parts += ["a picture of {}×{}".format(*image.get_array().shape) for image in ax.images]
    named = [line for line in ax.lines if not line.get_label().startswith("_")]
    others = [x for x in ax.lines if x not in named and x.get_transform() is ax.transData]
    parts += [_drawn(line, _plain(line.get_label()), ax) for line in named]
    if len(others) <= len(STYLES):
        parts += [_drawn(line, STYLES.get(line.get_linestyle(), "points"), ax) for line in others]
    else:
        y = np.concatenate([_seen(line, ax)[1] for line in others])
        parts.append(f"{len(others)} lines {_between(y, ax.get_yscale() == 'log')}")
    return ": ".join(filter(None, [title or default, ", ".join(filter(None, parts))]))


def _drawn(line, label, ax):
    """A line of a panel in words."""
    x, y = _seen(line, ax)
    log = ax.get_yscale() == "log"
    if y.size == 0:
        return f"{label}: not in sight"
    if line.get_transform() is not ax.transData:  # a guide line, across the panel
        return f"{label}: at {_number(x[0] if np.ptp(x) == 0 else y[0])}"
    if (np.diff(x) >= 0).all():
        return _course(label, y, log)
    if (np.diff(x) <= 0).all():
        return _course(label, y[::-1], log)
    return f"{label}: {y.size} points {_between(y, log)}"


def _seen(line, ax):
    """The points of a line that its axes can show."""
    x, y = (np.ma.filled(np.ma.asarray(v, dtype=float), np.nan) for v in line.get_data(orig=False))
    seen = np.isfinite(x) & np.isfinite(y)
    seen &= (x > 0) | (ax.get_xscale() != "log")
    seen &= (y > 0) | (ax.get_yscale() != "log")
    return x[seen], y[seen]


def _between(values, logarithmic):
    if values.size == 0:
        return "not in sight"
    return f"between {' and '.join(_number(f(values), logarithmic) for f in (np.min, np.max))}"


def _course(label, values, logarithmic=False):
    """A curve in words; what counts is what the axis shows."""
    heights = np.log(values) if logarithmic else values
    slack = SMALL * (1 if logarithmic else max(np.abs(values).max(), 1e-300))
    steps = np.diff(heights)
    if np.ptp(heights) <= slack:
        trend = "constant"
    elif (steps >= -slack).all():
        trend = "rising throughout"
    elif (steps <= slack).all():
        trend = "falling throughout"
    else:
        trend = f"neither rising nor falling throughout, {_between(values, logarithmic)}"
    first, last = (_number(values[i], logarithmic) for i in (0, -1))
    return f"{label}: from {first} to {last}, {trend}"


def _ends(said):
    """A long row is told by its ends."""
    return said if len(said) <= TOLD else [*said[:2], "…", *said[-2:]]


def _described(pictures, titles, shares, value_range):
    kinds = {f"{'colour' if p.ndim == 3 else 'grey'} {p.shape[0]}×{p.shape[1]}" for p in pictures}
    said = []
    for i, (p, title, share) in enumerate(zip(pictures, titles, shares)):
        moments = f"mean {_number(p.mean())}, standard deviation {_number(p.std())}"
        clipped = f", {_percent(share)} clipped" if share else ""
        said.append(f"{_plain(title) or f'image {i + 1}'}: {moments}{clipped}")
    black, white = map(_number, value_range)
    return (
        f"{len(pictures)} image{'s' * (len(pictures) > 1)} ({', '.join(sorted(kinds))}; "
        f"black is {black}, white is {white}). {'; '.join(_ends(said))}."
    )


def _img(png, alt):
    source = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
    alt = html.escape(alt)
    return f'<img class="dark-light" alt="{alt}" src="{source}" style="max-width:100%">'


# -- what is drawn


def _values(values, name):
    """The values of a parameter as a list of Python's objects."""
    try:
        values = values.tolist() if isinstance(values, Array) else list(values)
    except TypeError:
        raise TypeError(f"{name} is {values!r}; needed: a list of values") from None
    if not values:
        raise ValueError(f"{name} is empty; needed: a list of values")
    return values


def _split(images):
    if isinstance(images, (list, tuple)):
        if not images:
            raise ValueError("images is empty; needed: at least one image")
        return images
    if getattr(images, "ndim", 0) == 2 or getattr(images, "ndim", 0) == 3 and len(images) == 3:
        return [images]
    return list(_arrays.image(images, "images"))


def _picture(u, i):
    """An image as float64 NumPy, colour last."""
    u = _arrays.to_numpy(_arrays.image(u, f"images[{i}]"))
    if u.ndim == 3 and len(u) == 3:
        return np.moveaxis(u, 0, -1)
    if u.ndim != 2:
        needed = "grey (H, W) or colour (3, H, W)"
        raise ValueError(f"images[{i}] has shape {u.shape}; needed: {needed}")
    return u


def _line(values, name, logarithmic):
    """The heights of a curve."""
    values = _arrays.to_numpy(_arrays.numbers(values, name))
    good = np.isfinite(values) & (values > 0 if logarithmic else True)
    if values.ndim != 1 or values.size == 0 or not good.all():
        kind = "finite, positive" if logarithmic else "finite"
        raise ValueError(
            f"{name} has shape {values.shape} or values that are not {kind}; needed: {kind} (n,)"
        )
    return values
