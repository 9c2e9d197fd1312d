"""Figures in words: the alt texts of pictures, curves and panels, computed from what is drawn."""

import re
import unicodedata

import numpy as np

TOLD = 8  # pictures or panels told one by one
STYLES = {"-": "solid line", "--": "dashed line", "-.": "dash-dotted line", ":": "dotted line"}
SMALL = 1e-9  # below this, on a linear axis, numbers are rounding errors


def number(x, logarithmic=False):
    """Two significant digits, the same on every processor: rounding errors are rounded away."""
    x = float(f"{float(x):.9g}")
    return f"{x if logarithmic or abs(x) > SMALL else 0.0:.2g}"


def label(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def percent(share):
    return f"{100 * share:.0f} %" if share >= 0.01 else "below 1 %"


def plain(text):
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


def axis(said, logarithmic):
    """The label of an axis, with its scale."""
    return f"{said} (log scale)" if said and logarithmic else said


def panel(ax, default):
    """Axes in words: what they are over what, and each curve."""
    title, xlabel, ylabel = map(plain, (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()))
    xlabel = axis(xlabel or plain(ax.figure.get_supxlabel()), ax.get_xscale() == "log")
    ylabel = axis(ylabel or plain(ax.figure.get_supylabel()), ax.get_yscale() == "log")
    heading = title or default
    if xlabel and not ylabel:  # the title says what the curves are
        heading, parts = f"{heading} over {xlabel}", []
    else:
        parts = [f"{ylabel} over {xlabel}" if xlabel else ylabel]
    parts += ["a picture of {}×{}".format(*image.get_array().shape) for image in ax.images]
    named = [line for line in ax.lines if not line.get_label().startswith("_")]
    others = [x for x in ax.lines if x not in named and x.get_transform() is ax.transData]
    parts += [_drawn(line, plain(line.get_label()), ax) for line in named]
    if len(others) <= len(STYLES):
        parts += [_drawn(line, STYLES.get(line.get_linestyle(), "points"), ax) for line in others]
    else:
        y = np.concatenate([_seen(line, ax)[1] for line in others])
        parts.append(f"{len(others)} lines {_between(y, ax.get_yscale() == 'log')}")
    return ": ".join(filter(None, [heading, ", ".join(filter(None, parts))]))


def _drawn(line, label, ax):
    """A line of a panel in words."""
    x, y = _seen(line, ax)
    log = ax.get_yscale() == "log"
    if y.size == 0:
        return f"{label}: not in sight"
    if line.get_transform() is not ax.transData:  # a guide line, across the panel
        return f"{label}: at {number(x[0] if np.ptp(x) == 0 else y[0])}"
    if (np.diff(x) >= 0).all():
        return course(label, y, log)
    if (np.diff(x) <= 0).all():
        return course(label, y[::-1], log)
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
    return f"between {' and '.join(number(f(values), logarithmic) for f in (np.min, np.max))}"


def course(label, values, logarithmic=False):
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
    first, last = (number(values[i], logarithmic) for i in (0, -1))
    return f"{label}: from {first} to {last}, {trend}"


def ends(said):
    """A long row is told by its ends."""
    return said if len(said) <= TOLD else [*said[:2], "…", *said[-2:]]


def described(pictures, titles, shares, value_range):
    kinds = {f"{'colour' if p.ndim == 3 else 'grey'} {p.shape[0]}×{p.shape[1]}" for p in pictures}
    said = []
    for i, (p, title, share) in enumerate(zip(pictures, titles, shares)):
        moments = f"mean {number(p.mean())}, standard deviation {number(p.std())}"
        clipped = f", {percent(share)} clipped" if share else ""
        said.append(f"{plain(title) or f'image {i + 1}'}: {moments}{clipped}")
    black, white = map(number, value_range)
    return (
        f"{len(pictures)} image{'s' * (len(pictures) > 1)} ({', '.join(sorted(kinds))}; "
        f"black is {black}, white is {white}). {'; '.join(ends(said))}."
    )
