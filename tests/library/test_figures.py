"""Figures: pixel by pixel, alt text from the data, sliders linked to pictures."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from reference import image

from dpss import _data, _words, figures, images

RAMP = np.linspace(-1, 1, 64).reshape(8, 8)


def pixels(fig):
    return np.asarray(Image.open(io.BytesIO(fig.png())).convert("RGB"))


def blocks(array, shape):
    """The picture that fills the array, one value a block; fails unless blocks have one colour."""
    zoom = array.shape[1] // shape[1]
    cut = array[: zoom * shape[0], : zoom * shape[1]].reshape(shape[0], zoom, shape[1], zoom, 3)
    assert (cut == cut[:, :1, :, :1]).all()
    return cut[:, 0, :, 0]


def test_every_pixel_is_a_block_of_its_grey_value():
    expected = np.round((RAMP + 1) * 127.5)[..., None].repeat(3, -1)
    assert (blocks(pixels(figures.show(RAMP)), (8, 8)) == expected).all()
    assert (blocks(pixels(figures.show(torch.as_tensor(RAMP))), (8, 8)) == expected).all()


def test_photographs_are_shown_as_they_are_stored():
    for name in ("camera", "cat"):
        stored = np.asarray(Image.open(_data.DATA / "photographs" / f"{name}.png").convert("RGB"))
        assert (blocks(pixels(figures.show(images.photograph(name))), (256, 256)) == stored).all()


def test_low_contrast_is_not_stretched():
    faint = blocks(pixels(figures.show(0.1 * RAMP)), (8, 8))
    assert faint.min() == round(0.9 * 127.5) and faint.max() == round(1.1 * 127.5)
    wide = blocks(pixels(figures.show(RAMP, value_range=(-2, 2))), (8, 8))
    assert wide.min() == 64 and wide.max() == 191


def test_clipping_is_said_and_not_silent():
    loud = np.concatenate([RAMP, 3 * np.ones((8, 8))])
    fig = figures.show(loud)
    assert "50 % clipped" in str(fig) and "clipped" not in str(figures.show(RAMP))
    assert any(text.get_text() == "clipped: 50 %" for text in fig.texts)
    assert not any(text.get_text() for text in figures.show(RAMP).texts)


def test_alt_text_tells_the_data():
    one, two = (
        str(figures.show([RAMP, RAMP / 2], ["a", "b"])),
        str(figures.show([RAMP, RAMP + 0.5], ["a", "b"])),
    )
    assert (
        "2 images (grey 8×8" in one
        and "a: mean 0, standard deviation 0.59" in one
        and "b: mean 0, standard deviation 0.29" in one
    )
    assert one != two and "b: mean 0.5" in two
    row = figures.strip(np.stack([RAMP, RAMP / 2, 0 * RAMP]), [0, 0.5, 1])
    assert "t = 0: mean 0, standard deviation 0.59" in str(
        row
    ) and "t = 1: mean 0, standard deviation 0" in str(row)


def test_alt_text_ignores_rounding_errors():
    values = 0.125 * np.ones((4, 4))
    assert len({str(figures.show(values + shift)) for shift in (0.0, 1e-16, -1e-16, 1e-12)}) == 1
    assert _words.number(-1e-17) == "0" and _words.number(1234.5) == "1.2e+03"


def test_curves_are_described_and_drawn():
    x = np.linspace(0, 1, 11)
    fig = figures.curves(
        x, {"up": x**2, "hill": x * (1 - x), "flat": 0 * x + 2}, "time t", "value", title="Three"
    )
    assert str(fig) == (
        "Three: value over time t from 0 to 1. up: from 0 to 1, rising throughout. "
        "hill: from 0 to 0, neither rising "
        "nor falling throughout, between 0 and 0.25. flat: from 2 to 2, constant."
    )
    lines = fig.axes[0].lines
    np.testing.assert_array_equal(lines[1].get_ydata(), x * (1 - x))
    assert (
        len({line.get_color() for line in lines}) == 3
        and len({line.get_linestyle() for line in lines}) == 3
    )


def test_a_free_figure_describes_itself_unless_told():
    fig, ax = figures.figure()
    ax.plot([0, 1], [2, 1], label="line")
    ax.set(xlabel="x", ylabel="y", title="T")
    assert str(fig) == "T: y over x, line: from 2 to 1, falling throughout"
    fig.alt = "something else"
    assert str(fig) == "something else"


def test_guide_lines_without_a_label_are_not_described():
    fig, ax = figures.figure()
    ax.plot([0, 1], [0, 1], label="data")
    ax.axhline(0.5)
    assert "data" in fig.describe() and "_child" not in fig.describe()


X = np.linspace(0.01, 1, 50)


def drawn(*lines, **options):
    """What axes with these lines, (x, y, options of plot), say of themselves."""
    fig, ax = figures.figure()
    for x, y, how in lines:
        ax.plot(x, y, **how)
    ax.set(**options)
    return str(fig)


def test_curves_without_a_label_are_told_by_their_style():
    fig, axes = figures.figure(columns=2)
    axes[0].plot(X, 1 - X)
    axes[0].plot(X, X * (1 - X))
    axes[1].plot(X, X, "o", label="measured")
    axes[0].set(title="KL to N(0, I), own ref. (- -)", xlabel="time t")
    axes[1].set(title="Entropy", ylabel="nats", xlabel="time t")
    assert str(fig) == (
        "KL to N(0, I), own ref. (- -) over time t: solid line: from 0.99 to 0, falling "
        "throughout, dashed line: from 0.0099 to 0, neither rising nor falling throughout, between "
        "0 and 0.25; Entropy: nats over time t, measured: from 0.01 to 1, rising throughout"
    )


def test_many_curves_are_told_together():
    said = drawn(*[(X, j * X, {}) for j in range(24)], ylabel="grey value")
    assert said == "plot: grey value, 24 lines between 0 and 23"


def test_many_panels_are_told_by_their_ends():
    fig, axes = figures.figure(columns=6, rows=6)
    for i, ax in enumerate(axes.flat, 1):
        ax.plot(X, i * X)
    fig.suptitle("Many")
    fig.supxlabel("time t")
    said = str(fig)
    assert said.startswith("Many: 36 panels: panel 1 over time t: solid line: from 0.01 to 1, ")
    assert said.endswith("panel 36 over time t: solid line: from 0.36 to 36, rising throughout")
    assert said.count("panel ") == 4 and "…" in said


def test_panels_with_nothing_in_them_are_silent():
    fig, axes = figures.figure(columns=3)
    axes[1].imshow(np.zeros((3, 4)))
    axes[2].set(title="Words")
    assert str(fig) == "panel 1: a picture of 3×4; Words"
    assert str(figures.figure()[0]) == ""


@pytest.mark.parametrize(
    "y, said",
    [
        (np.exp(-40 * X), "from 0.67 to 4.2e-18, falling throughout"),  # no rounding errors here
        (np.where(X > 0.5, 1e-12, 2e-12), "from 2e-12 to 1e-12, falling throughout"),
        (np.where(X > 0.9, 2e-13, np.exp(-40 * X)), "neither rising nor falling throughout"),
        (np.where(X > 0.5, 0.0, X), "from 0.01 to 0.49, rising throughout"),  # zero is not drawn
        (np.where(X > 0.5, np.nan, X), "from 0.01 to 0.49, rising throughout"),
        (-X, "curve: not in sight"),
        (1 + 1e-13 * np.sin(40 * X), "from 1 to 1, constant"),
    ],
)
@pytest.mark.filterwarnings("ignore:Data has no positive values")
def test_on_a_logarithmic_axis_what_is_seen_counts(y, said):
    assert said in drawn((X, y, {"label": "curve"}), yscale="log")
    if (y > 0).all():
        found = figures.curves(X, {"curve": y}, "x", "y", logy=True)
        assert said in str(found)


@pytest.mark.parametrize("ratio", [1.2, 2, 6, 19, 60, 101, 1e7])
@pytest.mark.parametrize("start", [3e-4, 18.0, 2e5])
def test_labels_of_a_logarithmic_axis_can_be_read(start, ratio):
    x = np.array([start, start * ratio])
    found = figures.curves(x, {"a": x}, "x", "y", logx=True, logy=True)
    found.draw_without_rendering()
    ax = found.axes[0]
    for axis, low, high in ((ax.xaxis, "x0", "x1"), (ax.yaxis, "y0", "y1")):
        labels = [*axis.get_ticklabels(), *axis.get_ticklabels(minor=True)]
        boxes = [label.get_window_extent() for label in labels if label.get_text()]
        spans = sorted((getattr(box, low), getattr(box, high)) for box in boxes)
        limits = ax.bbox.x0, ax.bbox.y0, ax.bbox.x1, ax.bbox.y1
        start_of, end_of = (limits[0], limits[2]) if low == "x0" else (limits[1], limits[3])
        inside = [s for s in spans if s[1] > start_of and s[0] < end_of]
        assert len(inside) >= 2
        assert all(before[1] < after[0] for before, after in zip(inside, inside[1:]))


def test_a_logarithmic_axis_is_called_so():
    for logx, logy, said in [
        (True, False, "y over x (log scale)"),
        (False, True, "y (log scale) "),
    ]:
        scales = {"xscale": "log" if logx else "linear", "yscale": "log" if logy else "linear"}
        assert said in drawn((X, X, {"label": "a"}), xlabel="x", ylabel="y", **scales)
        assert said in str(figures.curves(X, {"a": X}, "x", "y", logx=logx, logy=logy))
    assert "scale" not in str(figures.curves(X, {"a": X}, "x", "y"))


def test_on_a_linear_axis_rounding_errors_are_none():
    said = drawn((X, np.exp(-40 * X), {"label": "curve"}))
    assert "from 0.67 to 0, falling throughout" in said
    assert "between" not in drawn((X, 1 + 1e-13 * np.sin(40 * X), {"label": "curve"}))
    y = np.where(X > 0.5, np.inf, X)
    assert "from 0.01 to 0.49, rising" in drawn((X, y, {"label": "curve"}))
    assert "not in sight" in drawn((X, np.full(50, np.nan), {"label": "curve"}))
    left = drawn(([-1, 0, 1, 2], [8.0, 7.0, 1.0, 2.0], {"label": "curve"}), xscale="log")
    assert "curve: from 1 to 2, rising throughout" in left  # what is left of zero is not drawn


def test_curves_are_told_from_left_to_right():
    assert "from 0 to 2, rising throughout" in drawn(([1, 0.5, 0], [2, 1, 0], {"label": "a"}))
    cloud = drawn(([0, 1, 0.5], [3, 1, 2], {"label": "pairs", "linestyle": "", "marker": "."}))
    assert cloud == "plot: pairs: 3 points between 1 and 3"


def test_guide_lines_with_a_label_say_where_they_are():
    fig, ax = figures.figure()
    ax.axhline(0.25, label="floor")
    ax.axvline(0.5, label="here")
    ax.axhline(0.75)
    ax.axline((0, 0), slope=1)
    assert str(fig) == "plot: floor: at 0.25, here: at 0.5"


@pytest.mark.parametrize(
    "label, words",
    [
        (r"$D_t$", "D_t"),
        (r"$\sigma_t^{2}$ of $\Lambda$", "σ_t^2 of Λ"),
        (r"$\mathrm{KL}\left(p\,\|\,q\right)$", r"KL(p \| q)"),
        (r"$\log\alpha$ in \$", "logα in $"),
        ("two\nlines", "two lines"),
        (r"$\varepsilon\ \mathbf{x}$", "ε x"),
        ("costs $", "costs $"),
    ],
)
def test_tex_is_read_as_words(label, words):
    assert _words.plain(label) == words
    if "costs" not in label:
        found = drawn((X, X, {"label": label}), xlabel=label, ylabel=label, title=label)
        assert found.startswith(f"{words}: {words} over {words}, {words}: from 0.01 to 1")
        found = figures.curves(X, {label: X}, label, label, title=label)
        assert str(found).startswith(f"{words}: {words} over {words} from 0.01 to 1. {words}: from")
        assert f"{words}: mean" in str(figures.show(RAMP, [label]))


def test_curves_of_any_kind_of_numbers_are_the_same_curves():
    expected = str(figures.curves(X, {"a": X**2}, "x", "y"))
    for kind in (list, torch.as_tensor, lambda x: x.astype(">f8"), lambda x: x[::-1].copy()[::-1]):
        assert str(figures.curves(kind(X), {"a": kind(X**2)}, "x", "y")) == expected
    wide = torch.as_tensor(X).requires_grad_().to(torch.bfloat16)
    assert "rising throughout" in str(figures.curves(X, {"a": wide}, "x", "y"))
    with pytest.raises(TypeError, match="masked"):
        figures.curves(X, {"a": np.ma.masked_array(X, X > 0.5)}, "x", "y")


def test_a_notebook_gets_words_picture_and_alt_text():
    bundle = figures.show(RAMP, ['<"quoted">'])._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/png"}
    assert re.search(
        r'<img class="dark-light" alt="1 image .*&lt;&quot;quoted&quot;&gt;', bundle["text/html"]
    )
    data = re.search(r"base64,([^\"]+)", bundle["text/html"]).group(1)
    assert base64.b64decode(data) == bundle["image/png"] and bundle["text/plain"] == str(
        figures.show(RAMP, ['<"quoted">'])
    )


def test_the_same_figure_has_the_same_bytes():
    assert figures.show(RAMP).png() == figures.show(RAMP).png()


def sliders(amounts=(0.0, 0.5, 1.0), signs=("plus", "minus"), **options):
    return figures.explore(
        lambda amount, sign: figures.show(RAMP * amount * (1 if sign == "plus" else -1)),
        amount=list(amounts),
        sign=list(signs),
        **options,
    )


def test_explore_draws_every_combination_with_its_values_in_the_alt_text():
    explorer = sliders()
    assert len(explorer.frames) == 6 and len(set(explorer.frames.values())) == 6
    assert 'alt="amount = 0.5, sign = minus: 1 image' in explorer.frames[1, 1]
    assert (
        repr(explorer)
        == "interactive figure: amount from 0 to 1 (3 values), sign from plus to minus (2 values)"
    )


def test_parameters_may_have_any_name():
    def figure_of(start, figure_of, parameters):
        return figures.show(RAMP * start * figure_of * parameters)

    explorer = figures.explore(
        figure_of, start=[0.0, 0.5, 1.0], figure_of=[0.25, 1.0], parameters=[1.0]
    )
    assert set(explorer.parameters) == {"start", "figure_of", "parameters"}
    assert "start = 0.5" in explorer.frames[explorer.first] and len(explorer.frames) == 6
    assert "interactive figure: start from 0 to 1 (3 values)" in repr(explorer)


@pytest.mark.parametrize("kind", [tuple, np.array, torch.tensor, iter])
def test_values_may_be_any_sequence(kind):
    values = kind([0.0, 0.5, 1.0])
    explorer = figures.explore(lambda t: figures.show(RAMP * t), t=values, start={"t": 0.5})
    assert explorer.parameters == {"t": [0.0, 0.5, 1.0]} and explorer.first == (1,)
    assert "t = 0.5:" in explorer.frames[1,]


def test_sliders_are_linked_to_stacks_in_the_browser():
    import ipywidgets as widgets

    explorer = sliders(start={"sign": "plus"})
    box = explorer.widget()
    first, second, stack = box.children
    assert (first.description, second.description) == ("amount", "sign")
    assert (first.index, second.index, stack.selected_index) == (1, 0, 1)
    assert [
        child.children[0].value == explorer.frames[i, 0] for i, child in enumerate(stack.children)
    ] == [True] * 3
    links = [w for w in widgets.widgets.widget._instances.values() if type(w).__name__ == "Link"]
    pairs = {
        (id(link.source[0]), link.source[1], id(link.target[0]), link.target[1]) for link in links
    }
    assert (id(first), "index", id(stack), "selected_index") in pairs
    assert all(
        (id(second), "index", id(child), "selected_index") in pairs for child in stack.children
    )


def test_a_picture_stands_in_where_widgets_are_not_shown():
    bundle = sliders()._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}
    assert "amount = 0.5, sign = minus" in bundle["text/html"]


def test_ipywidgets_7_redraws_with_a_kernel(monkeypatch):
    import ipywidgets

    monkeypatch.delattr(ipywidgets, "Stack")
    explorer = sliders()
    first, second, picture = explorer.widget().children
    assert picture.value == explorer.frames[1, 1]
    first.index = 2
    assert picture.value == explorer.frames[2, 1]
    second.index = 0
    assert picture.value == explorer.frames[2, 0]


LINE = [0.0, 1.0]


@pytest.mark.parametrize(
    "error, name, call",
    [
        (TypeError, "as_float", lambda: figures.show(np.ones((4, 4), int))),
        (ValueError, "images", lambda: figures.show(np.full((4, 4), np.nan))),
        (ValueError, "images", lambda: figures.show([])),
        (ValueError, "images", lambda: figures.show([np.ones((2, 4, 4))])),
        (ValueError, "images", lambda: figures.show(np.ones(4))),
        (ValueError, "titles", lambda: figures.show(RAMP, ["a", "b"])),
        (ValueError, "value_range", lambda: figures.show(RAMP, value_range=(1, 1))),
        (ValueError, "columns", lambda: figures.show(RAMP, columns=0)),
        (ValueError, "times", lambda: figures.strip(RAMP[None], [0, 1])),
        (ValueError, "x", lambda: figures.curves([0.0, np.inf], {"a": LINE}, "x", "y")),
        (ValueError, "ys", lambda: figures.curves(LINE, {"a": [1.0]}, "x", "y")),
        (ValueError, "ys", lambda: figures.curves(LINE, {"a": [0.0, 1.0]}, "x", "y", logy=True)),
        (ValueError, "parameters", lambda: figures.explore(lambda: figures.show(RAMP))),
        (ValueError, "t", lambda: figures.explore(lambda t: figures.show(RAMP), t=[])),
        (
            ValueError,
            "parameters",
            lambda: figures.explore(lambda t: figures.show(RAMP), t=list(range(201))),
        ),
        (
            ValueError,
            "start",
            lambda: figures.explore(lambda t: figures.show(RAMP), t=[0, 1], start={"t": 2}),
        ),
        (TypeError, "figure_of", lambda: figures.explore(lambda t: RAMP, t=[0, 1])),
        (TypeError, "t is 3", lambda: figures.explore(lambda t: figures.show(RAMP), t=3)),
        (TypeError, "start is 3", lambda: figures.explore(lambda t: RAMP, start=3, t=[0, 1])),
    ],
)
def test_bad_arguments_are_refused_by_name(error, name, call):
    with pytest.raises(error, match=name):
        call()


def test_odd_and_large_images_fit_a_page():
    for shape in ((1, 1), (1, 7), (300, 5), (5, 700)):
        height, width = pixels(figures.show(image(shape))).shape[:2]
        assert height >= shape[0] and width >= shape[1] and width <= max(figures.WIDTH, shape[1])


@pytest.mark.parametrize("columns, sizes", [(4, [11.0]), (1, [6.0])])
def test_a_title_has_the_room_up_to_the_next_one_and_is_not_cut_off(columns, sizes):
    fig = figures.show(np.zeros((4, 28, 28)), ["a long title, m = 10", "", "", ""], columns=columns)
    text = next(text for text in fig.texts if text.get_text())
    fig.canvas.draw()
    box = text.get_window_extent()
    assert box.x0 >= -1 and (columns == 1 or text.get_fontsize() == sizes[0])


def test_a_title_before_another_stays_over_its_picture():
    fig = figures.show(np.zeros((2, 28, 28)), ["left", "right"], columns=2)
    left, right = (text for text in fig.texts if text.get_text())
    assert left.get_ha() == right.get_ha() == "center"
