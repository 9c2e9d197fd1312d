"""Any layout and view of an argument is the same argument: every public name, every array of it.

The right value is that of the contiguous copy. Nothing warns, and no argument is changed.
"""

import tempfile
import warnings

import numpy as np
import pytest
import torch
from calls import (
    CALLS,
    NO_CALL,
    PUBLIC,
    ROWS,
    arrays,
    assert_same,
    call,
    changed,
    content,
    without_example,
)


class Own(np.ndarray):
    """A class of the caller's."""


def unaligned(a):
    result = np.ndarray(a.shape, a.dtype, np.zeros(a.nbytes + 1, np.uint8), offset=1)
    result[...] = a
    return result


def read_only(a):
    result = a.copy()
    result.flags.writeable = False
    return result


def rotated(a):
    return np.rot90(np.ascontiguousarray(np.rot90(a, -1, (-2, -1))), 1, (-2, -1))


def strided(a):
    return np.stack([a, a[..., ::-1]], -1)[..., 0]


def mapped(a):
    result = np.memmap(tempfile.TemporaryFile(), a.dtype, "w+", shape=a.shape)
    result[...] = a
    return result


# least number of axes, kinds of numbers, the view; one that repeats an image has other values
ARRAYS = {
    "Fortran order": (2, "fub", np.asfortranarray),
    "transposed": (2, "fub", lambda a: np.ascontiguousarray(a.swapaxes(-2, -1)).swapaxes(-2, -1)),
    "batch last": (
        3,
        "fub",
        lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 0, -1)), -1, 0),
    ),
    "rotated": (2, "fub", rotated),
    "flipped": (1, "fub", lambda a: a[..., ::-1].copy()[..., ::-1]),
    "flipped batch": (2, "fub", lambda a: a[::-1].copy()[::-1]),
    "strided": (1, "fub", strided),
    "repeated": (3, "fub", lambda a: np.broadcast_to(a[:1], a.shape)),
    "read-only": (1, "fub", read_only),
    "big-endian": (1, "f", lambda a: a.astype(a.dtype.newbyteorder(">"))),
    "unaligned": (1, "f", unaligned),
    "a subclass": (1, "fub", lambda a: a.view(Own)),
    "mapped from a file": (1, "fub", mapped),
}
TENSORS = {
    "transposed": (2, "fub", lambda x: x.mT.contiguous().mT),
    "batch last": (3, "fub", lambda x: x.movedim(0, -1).contiguous().movedim(-1, 0)),
    "strided": (1, "fub", lambda x: torch.stack([x, x.flip(-1)], -1)[..., 0]),
    "expanded": (3, "fub", lambda x: x[:1].expand_as(x)),
    "a part": (1, "fub", lambda x: torch.cat([x[:1], x])[1:]),
    "a conjugate's real part": (1, "f", lambda x: torch.complex(x, x).conj().real),
    "a lazy negative": (1, "f", lambda x: torch.complex(x, -x).conj().imag),
    "with gradients": (1, "f", lambda x: x.clone().requires_grad_()),
    "a parameter": (1, "f", lambda x: torch.nn.Parameter(x.clone())),
    "of inference mode": (1, "fub", lambda x: torch.inference_mode()(x.clone)()),
}


def test_every_public_name_has_a_call_or_a_reason_for_none():
    assert set(PUBLIC) == set(CALLS) | set(NO_CALL) and not set(CALLS) & set(NO_CALL)


def test_every_parameter_has_an_array_or_is_no_array():
    assert not list(without_example())


def test_views_are_what_they_are_called():
    a = np.arange(24.0).reshape(2, 3, 4)
    for name, (_, _, view) in ARRAYS.items():
        found = view(a)
        assert name == "repeated" or (found == a).all()
        plain = type(found) is np.ndarray and found.flags.carray and found.dtype.isnative
        assert not plain, name
    for name, (_, _, view) in TENSORS.items():
        found, x = view(torch.as_tensor(a)), torch.as_tensor(a)
        assert name == "expanded" or (found == x).all()
        odd = (
            found.requires_grad or found.is_neg() or found.is_inference() or found._base is not None
        )
        assert odd or not found.is_contiguous(), name


def varied(row, library):
    """(parameter, layout, its arguments, those of the contiguous copy) for one call."""
    wrap = np.array if library == "array" else torch.tensor
    plain = {key: changed(value, wrap) for key, value in row.items()}
    for key, value in row.items():
        for layout, (axes, kinds, view) in (ARRAYS if library == "array" else TENSORS).items():
            if all(a.ndim >= axes and a.dtype.kind in kinds for a in arrays(value)):
                given = changed(value, lambda a, view=view: view(wrap(a)))
                copy = changed(value, lambda a: wrap(np.broadcast_to(a[:1], a.shape)))
                alike = layout not in ("repeated", "expanded")
                yield key, layout, plain | {key: given}, plain if alike else plain | {key: copy}


@pytest.mark.parametrize("library", ["array", "tensor"])
@pytest.mark.parametrize("name, number", ROWS)
def test_every_layout_gives_what_the_contiguous_copy_gives(name, number, library):
    row, expected = CALLS[name][number], {}
    for key, layout, given, copy in varied(row, library):
        if not list(arrays(row[key])):
            continue
        kind = layout in ("repeated", "expanded") and (key, layout)
        if kind not in expected:
            expected[kind] = content(call(name, copy))
        before = content(given)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = content(call(name, given))
        try:
            assert_same(found, expected[kind])
        except AssertionError as difference:
            pytest.fail(f"{key}, {layout}: {difference}")
        assert_same(content(given), before, rtol=0)
