"""What passes between the grader and the student's process: plain values, arrays, calls.

A message is a list of values: None, ..., booleans, numbers, strings, arrays, tuples and lists of
these, and functions, of which only a number passes. Two lengths come first, then JSON, then the
bytes of the arrays in C order. Nothing that is read is executed; what is no message raises
`Malformed`. The student's process loads this file by itself: it imports NumPy alone.
"""

import json
import math
import re
import struct

import numpy as np

LENGTHS = struct.Struct("<QQ")
HEADER, BODY = 8 << 20, 64 << 20  # bytes at most: of JSON, of arrays
DTYPE = re.compile(r"\|b1|[|<>][iu][1248]|[<>]f(2|4|8|16)|[<>]c(8|16|32)")
TOLD = 200  # characters of what cannot pass
WORDS = f"more than {BODY >> 20} MB of arrays or {HEADER >> 20} MB of other values"


class Malformed(Exception):
    """Bytes that are no message."""


class TooLarge(Exception):
    """A value that is too large to be passed on; the message says so."""


class Stranger:
    """A value that cannot pass: all that comes is what it looks like."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


def pack(message, functions=None, look=repr):
    """The bytes of a message.

    Functions are appended to the list `functions`, and their places are sent. `look(value)` is
    sent of a value that cannot pass (a function cannot, where there is no list).
    """
    arrays = []
    trees = [_tree(value, arrays, functions, look) for value in message]
    header = json.dumps(trees).encode("ascii")
    body = sum(array.nbytes for array in arrays)
    if len(header) > HEADER or body > BODY:
        raise TooLarge(f"the result is too large: {WORDS}")
    return LENGTHS.pack(len(header), body) + header + b"".join(a.tobytes() for a in arrays)


def _tree(value, arrays, functions, look=repr):
    kind = type(value)
    if value is None or kind in (bool, str, float) or kind is int and abs(value) < 2**63:
        return value
    if value is ...:
        return ["..."]
    if kind is complex:
        return ["complex", value.real, value.imag]
    if kind in (tuple, list):
        return [kind.__name__, [_tree(part, arrays, functions) for part in value]]
    if functions is not None and callable(value):
        functions.append(value)
        return ["function", len(functions) - 1, getattr(value, "__name__", "function")]
    array = _array(value)
    if array is None:
        return ["stranger", str(look(value))[:TOLD]]
    arrays.append(array)
    return [
        "scalar" if isinstance(value, np.generic) else "array", array.dtype.str, list(array.shape)
    ]  # fmt: skip


def _array(value):
    """What NumPy makes of a value, or None if that is no array of numbers."""
    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu().resolve_conj().resolve_neg().numpy()
    try:
        array = np.asarray(value)
    except ValueError:
        return None
    return array if array.dtype.kind in "biufc" else None


def unpack(read, function=None):
    """The message that `read(n)`, the next n bytes, brings.

    `function(number, name)` stands in for a function; without it none may come.
    """
    header, body = LENGTHS.unpack(read(LENGTHS.size))
    if header > HEADER or body > BODY:
        raise Malformed
    header, body = bytes(read(header)), bytes(read(body))
    try:
        message, end = _value(["list", json.loads(header)], body, 0, function)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise Malformed from None
    if end != len(body):
        raise Malformed
    return message


def _value(tree, body, at, function):
    """The value of a tree, and where in the bytes of the arrays the next array begins."""
    match tree:
        case None | bool() | float():
            return tree, at
        case int() if abs(tree) < 2**63:
            return tree, at
        case str():
            return _readable(tree), at
        case ["..."]:
            return ..., at
        case ["complex", float() as real, float() as imaginary]:
            return complex(real, imaginary), at
        case ["tuple" | "list" as kind, list() as parts]:
            values = []
            for part in parts:
                value, at = _value(part, body, at, function)
                values.append(value)
            return (tuple(values) if kind == "tuple" else values), at
        case ["function", int() as number, str() as name] if function:
            return function(number, _readable(name)), at
        case ["stranger", str() as text]:
            return Stranger(_readable(text[:TOLD])), at
        case ["array" | "scalar" as kind, str() as dtype, list() as shape]:
            if not DTYPE.fullmatch(dtype) or not all(type(n) is int and n >= 0 for n in shape):
                raise Malformed
            dtype = np.dtype(dtype)
            end = at + math.prod(shape) * dtype.itemsize
            if end > len(body) or kind == "scalar" and shape:
                raise Malformed
            array = np.frombuffer(body[at:end], dtype).reshape(shape).copy()
            return (array if kind == "array" else array[()]), end
    raise Malformed


def _readable(text):
    """A text without the halves of characters that no file could hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
