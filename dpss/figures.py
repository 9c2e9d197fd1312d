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
from collections.abc import Callable, Sequence

import matplotlib
import matplotlib.backends.backend_agg
import matplotlib.figure
import matplotlib.ticker
import numpy as np
from PIL import Image

from . import _arrays, _words
from ._arrays import Array
from .trajectories import SHARES, there_and_back

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
MOST_TOLD = 4  # states of a row of trajectories whose variances fit above it


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
        title, said = _words.plain(self.get_suptitle()), list(map(_words.panel, shown, names))
        heading = [title] * bool(title) + [f"{len(said)} panels"] * (len(said) > _words.TOLD)
        return self.alt or ": ".join([*heading, "; ".join(_words.ends(said))])

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
    (three grey ones need a list). `titles`: one for each; the empty ones after a title leave it
    their room. `columns`: pictures in a row, None for as many as fit. Black to white over
    `value_range`: values are never rescaled, those outside the range are clipped, and a line under
    the picture says how many. Raises TypeError, ValueError for what is not an image.
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
        note = f"clipped: {_words.percent(share)}" if share else ""
        alone = 1  # pictures of the row that a title has for itself: up to the next title
        while (i + alone) % columns and i + alone < len(titles) and not titles[i + alone]:
            alone += 1
        for text, y, count in (
            (title, top + above / 2, alone),
            (note, top + above + len(levels) + below / 2, 1),
        ):
            room = count * cell_w - GAP
            size = 11 * min(1, room / (8.2 * max(len(text), 1)))
            at, align = (left, "left") if count > 1 else (left + room / 2, "center")
            fig.text(
                at / total_w, 1 - y / total_h, text, ha=align, va="center", fontsize=max(size, 6)
            )
    fig.alt = _words.described(pictures, titles, notes, (low, high))
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
    return show(list(path), [f"t = {_words.number(t)}" for t in times], value_range, columns)


def trajectories(
    u: Array,
    shares: Sequence[float] | Array = SHARES,
    offset: float = 6.0,
    generator=None,
    value_range: tuple[float, float] = (-2, 2),
) -> Figure:
    """A picture `u` on its ways to noise and back, by VP and osmosis, at equal shares of the way.

    A row for each of the four ways of `dpss.trajectories.there_and_back`, which describes `u`,
    `shares`, `offset`, `generator`, and raises the errors. A picture of your own comes by
    `images.load(path, side=64)`; of this size it takes a second, and longer if it is larger.
    `value_range` as in `show`. Above each row stand its shares and, of up to four states, the
    variances; a screen reader is told those of all.
    """
    ways = there_and_back(u, shares, offset, generator)
    count = len(next(iter(ways.values())))
    percent = ", ".join(f"{100 * share:g}" for share in _arrays.numbers(shares, "shares").tolist())
    variances = {
        name: ", ".join(_words.number(state.var()) for state in way) for name, way in ways.items()
    }
    heads = [
        f"{name}: {percent} %" + f"; variance {said}" * (count <= MOST_TOLD)
        for name, said in variances.items()
    ]
    titles = [title for head in heads for title in [head, *[""] * (count - 1)]]
    fig = show([state for way in ways.values() for state in way], titles, value_range, count)
    courses = [f"{name} {said}" for name, said in variances.items()]
    heading = f"A picture on its ways to noise and back, at {percent} % of each way"
    fig.alt = f"{heading}. Variances: {'; '.join(courses)}. {fig.alt}"
    return fig


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
        if log and high > 100 * low:  # powers of ten alone: labels between them would overlap
            axis.set_minor_formatter("")
        elif log:
            few = matplotlib.ticker.LogLocator(subs=(1, 2, 5))
            axis.set_major_locator(few if high > 5 * low else matplotlib.ticker.MaxNLocator(5))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
    if len(ys) > 1:
        fig.legend(loc="outside lower center", frameon=False, fontsize=12, ncols=columns)
    ends = f"from {_words.number(x.min(), logx)} to {_words.number(x.max(), logx)}"
    courses = [
        _words.course(_words.plain(label), _line(y, label, logy), logy) for label, y in ys.items()
    ]
    title, ylabel, xlabel = map(_words.plain, (title or "", ylabel, xlabel))
    ylabel, xlabel = _words.axis(ylabel, logy), _words.axis(xlabel, logx)
    heading = f"{title + ': ' if title else ''}{ylabel} over {xlabel} {ends}"
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
        named = ", ".join(f"{name} = {_words.label(value)}" for name, value in chosen.items())
        frames[choice] = _img(fig.png(), f"{named}: {fig.describe()}")
    return Explorer(parameters, first, frames)


class Explorer:
    """What `explore` returns: sliders of `parameters`, which begin at the indices `first`, linked
    to the pictures `frames`."""

    def __init__(self, parameters, first, frames):
        self.parameters, self.first, self.frames = parameters, tuple(first), frames

    def __repr__(self):
        ranges = ", ".join(
            f"{name} from {_words.label(v[0])} to {_words.label(v[-1])} ({len(v)} values)"
            for name, v in self.parameters.items()
        )
        return f"interactive figure: {ranges}"

    def widget(self):
        """The widget tree: sliders above, pictures below."""
        import ipywidgets as widgets  # here, so that the library needs no notebook

        sliders = [
            widgets.SelectionSlider(
                options=[(_words.label(v), i) for i, v in enumerate(values)],
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


# -- what is drawn


def _img(png, alt):
    source = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
    alt = html.escape(alt)
    return f'<img class="dark-light" alt="{alt}" src="{source}" style="max-width:100%">'


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
