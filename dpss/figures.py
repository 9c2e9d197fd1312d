"""Figures of the book: pictures pixel by pixel, curves, and sliders that work without a kernel.

Every figure says in its alt text what it shows, computed from the data: also for readers who do not see it.
Colours are those of Okabe and Ito, told apart by colour-blind readers, and each curve has its own line style.
"""

import base64
import html
import io
import itertools

import matplotlib
import matplotlib.backends.backend_agg
import matplotlib.figure
import numpy as np
import torch
from PIL import Image

from . import _arrays

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)), (0, (1, 1)))
DPI, WIDTH, GAP, LINE = (
    100,
    560,
    8,
    24,
)  # pixels: a figure, the gaps between pictures, a line of text
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


class Figure(matplotlib.figure.Figure):
    """A matplotlib figure that shows itself in a notebook, with `alt`, a description in words."""

    alt = ""

    def __init__(self, *args, **options):
        super().__init__(*args, dpi=DPI, facecolor="white", **options)
        matplotlib.backends.backend_agg.FigureCanvasAgg(self)

    def png(self):
        """The picture as PNG bytes, without loss: grey, or with a palette where 256 colours suffice."""
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

    def describe(self):
        """`alt`, or where none was set what the axes say of themselves."""
        return self.alt or "; ".join(
            f"{ax.get_title() or 'plot'}: {ax.get_ylabel()} over {ax.get_xlabel()}, "
            + ", ".join(
                _course(x.get_label(), x.get_ydata()) for x in ax.lines if x.get_label()[:1] != "_"
            )
            for ax in self.axes
        )

    __repr__ = __str__ = describe

    def _repr_mimebundle_(self, include=None, exclude=None):
        png = self.png()
        return {
            "text/plain": self.describe(),
            "text/html": _img(png, self.describe()),
            "image/png": png,
        }


def figure(width=5.6, height=3.2, columns=1, rows=1, **options):
    """`(fig, axes)` in the book's style, `rows` × `columns` axes; `width`, `height` in inches of 100 pixels. Set `fig.alt`."""
    with matplotlib.rc_context(STYLE):
        fig = Figure(figsize=(width, height), layout="constrained")
        return fig, fig.subplots(
            _arrays.count(rows, "rows"), _arrays.count(columns, "columns"), **options
        )


def show(images, titles=None, value_range=(-1, 1), columns=None):
    """Pictures side by side, every pixel a whole number of screen pixels, black to white over `value_range`.

    `images`: one grey `(H, W)` or colour `(3, H, W)` image, a batch of them `(n, ...)`, or a list (three grey ones
    need a list). `titles`: one for each. `columns`: pictures in a row, None for as many as fit. Values are never rescaled:
    those outside the range are clipped, and a line under the picture says how many. Raises TypeError, ValueError for what is not an image.
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


def strip(path, times, value_range=(-1, 1), columns=None):
    """An evolution: the images of `path`, `(m, H, W)` or `(m, 3, H, W)`, with their `times` (m,) above; the rest as in `show`."""
    times = [float(t) for t in times]
    if len(path) != len(times):
        raise ValueError(
            f"times has {len(times)} entries; needed: {len(path)}, one for each image of path"
        )
    return show(list(path), [f"t = {_number(t)}" for t in times], value_range, columns)


def curves(x, ys, xlabel, ylabel, logx=False, logy=False, title=None):
    """Curves over a common axis: `x` `(n,)`, `ys` a dictionary label -> values `(n,)`, finite numbers.

    `xlabel`, `ylabel`, `title`: what is written there. `logx`, `logy`: whether an axis is logarithmic.

    Raises ValueError for values that do not fit, are not finite, or not positive on a logarithmic axis.
    """
    fig, ax = figure(height=3.4 + 0.25 * (len(ys) > 1) * -(-len(ys) // (2 if len(ys) < 5 else 3)))
    x = _line(x, "x", logx)
    for label, values in ys.items():
        values = _line(values, f"ys[{label!r}]", logy)
        if values.shape != x.shape:
            raise ValueError(
                f"ys[{label!r}] has shape {values.shape}; needed: {x.shape}, that of x"
            )
        ax.plot(x, values, label=label)
    ax.set(
        xlabel=xlabel,
        ylabel=ylabel,
        xscale="log" if logx else "linear",
        yscale="log" if logy else "linear",
        title=title or "",
    )
    for axis, (low, high), log in (
        (ax.xaxis, ax.get_xlim(), logx),
        (ax.yaxis, ax.get_ylim(), logy),
    ):
        if log and high > 30 * low:  # powers of ten alone: labels between them would overlap
            axis.set_minor_formatter("")
    if len(ys) > 1:
        fig.legend(
            loc="outside lower center", frameon=False, fontsize=12, ncols=2 if len(ys) < 5 else 3
        )
    fig.alt = (
        f"{title + ': ' if title else ''}{ylabel} over {xlabel} from {_number(x.min())} to {_number(x.max())}. "
        + ". ".join(_course(label, values) for label, values in ys.items())
        + "."
    )
    return fig


def explore(figure_of, start=None, **parameters):
    """A figure with a slider for each parameter, alive in JupyterLab and, without a kernel, in the built page.

    `parameters`: name -> list of values; `figure_of(**values)` returns a figure of this module and is called once for
    each combination, 200 at most. `start`: dictionary name -> the value to begin with (default: the middle one).
    Raises TypeError or ValueError.
    """
    if not parameters:
        raise ValueError("parameters are missing; needed: at least one, as name=[values]")
    parameters = {name: list(values) for name, values in parameters.items()}
    for name, values in parameters.items():
        if not values:
            raise ValueError(f"{name} is empty; needed: a list of values")
    if (count := int(np.prod([len(values) for values in parameters.values()]))) > LARGEST:
        raise ValueError(f"parameters make {count} figures; needed: at most {LARGEST}")
    first = [len(values) // 2 for values in parameters.values()]
    for name, value in (start or {}).items():
        if value not in parameters.get(name, ()):
            raise ValueError(
                f"start has {name} = {value!r}; needed: one of the values {parameters.get(name)}"
            )
        first[list(parameters).index(name)] = parameters[name].index(value)
    frames = {}
    for choice in itertools.product(*(range(len(values)) for values in parameters.values())):
        chosen = {name: values[i] for (name, values), i in zip(parameters.items(), choice)}
        fig = figure_of(**chosen)
        if not isinstance(fig, Figure):
            raise TypeError(
                f"figure_of returns a {type(fig).__name__}; needed: a figure of dpss.figures"
            )
        alt = (
            ", ".join(f"{name} = {_label(value)}" for name, value in chosen.items())
            + ": "
            + fig.describe()
        )
        frames[choice] = _img(fig.png(), alt)
    return Explorer(parameters, first, frames)


class Explorer:
    """What `explore` returns: sliders of `parameters`, which begin at the indices `first`, linked to the pictures `frames`."""

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

            def redraw(change):
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

    def _repr_mimebundle_(self, include=None, exclude=None):
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget().model_id}
        return {
            "text/plain": repr(self),
            "text/html": self.frames[self.first],  # the picture for print and plain viewers
            "application/vnd.jupyter.widget-view+json": view,
        }


# -- words and numbers


def _number(x):
    """Two significant digits, the same on every processor: rounding errors are rounded away before."""
    x = float(f"{float(x):.9g}")
    return f"{x if abs(x) > 1e-9 else 0.0:.2g}"


def _label(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _percent(share):
    return f"{100 * share:.0f} %" if share >= 0.01 else "below 1 %"


def _course(label, values):
    """A curve in words."""
    values = np.asarray(_numpy(values), dtype=np.float64)
    slack = 1e-9 * max(np.abs(values).max(), 1e-300)
    trend = (
        "constant"
        if np.ptp(values) <= slack
        else "rising throughout"
        if (np.diff(values) >= -slack).all()
        else "falling throughout"
        if (np.diff(values) <= slack).all()
        else f"neither rising nor falling throughout, between {_number(values.min())} and {_number(values.max())}"
    )
    return f"{label}: from {_number(values[0])} to {_number(values[-1])}, {trend}"


def _described(pictures, titles, shares, value_range):
    kinds = {
        ("colour" if p.ndim == 3 else "grey") + f" {p.shape[0]}×{p.shape[1]}" for p in pictures
    }
    said = [
        f"{title or f'image {i + 1}'}: mean {_number(p.mean())}, standard deviation {_number(p.std())}"
        + (f", {_percent(share)} clipped" if share else "")
        for i, (p, title, share) in enumerate(zip(pictures, titles, shares))
    ]
    if len(said) > 8:  # a long row is told by its ends
        said = said[:2] + ["…"] + said[-2:]
    return (
        f"{len(pictures)} image{'s' * (len(pictures) > 1)} ({', '.join(sorted(kinds))}; black is {_number(value_range[0])}, "
        f"white is {_number(value_range[1])}). " + "; ".join(said) + "."
    )


def _img(png, alt):
    source = base64.b64encode(png).decode("ascii")
    return f'<img class="dark-light" alt="{html.escape(alt)}" src="data:image/png;base64,{source}" style="max-width:100%">'


def _numpy(u):
    return u.detach().cpu().numpy() if isinstance(u, torch.Tensor) else np.asarray(u)


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
        raise ValueError(
            f"images[{i}] has shape {u.shape}; needed: grey (H, W) or colour (3, H, W)"
        )
    return u


def _line(values, name, logarithmic):
    values = np.asarray(_numpy(values), dtype=np.float64)
    if (
        values.ndim != 1
        or values.size == 0
        or not np.isfinite(values).all()
        or logarithmic
        and values.min() <= 0
    ):
        raise ValueError(
            f"{name} has shape {values.shape} or values that are not finite"
            f"{' and positive' * logarithmic}; needed: one finite{', positive' * logarithmic} number each"
        )
    return values
