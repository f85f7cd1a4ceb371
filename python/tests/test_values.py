"""Values: what travels as itself, what becomes the nearest value, what is refused."""

import enum
import math
from collections import OrderedDict, namedtuple

import numpy
import pytest
from haulier import _native

SAME = [
    None,
    True,
    False,
    0,
    -1,
    2**63 - 1,
    -(2**63),
    0.0,
    1.5,
    math.inf,
    "",
    "ünïcode \0 𝄞",
    b"",
    b"\0\xff",
    [],
    [1, [2, [3, []]], None],
    {},
    {"z": 1, "a": [None], 7: b"x", True: {"in": {}}},
]
Point = namedtuple("Point", "x y")


class Color(enum.IntEnum):
    RED = 1


class Name(str):
    __slots__ = ()


@pytest.mark.parametrize("value", SAME, ids=repr)
@pytest.mark.parametrize("exact", [True, False])
def test_round_trip(value, exact):
    again = _native.decode_value(_native.encode_value(value, exact))
    assert again == value and type(again) is type(value)
    assert _native.decode_arguments(_native.encode_arguments((value, value), exact)) == (value, value)


def test_order_of_maps_and_kinds_of_floats():
    assert list(_native.decode_value(_native.encode_value({"b": 1, "a": 2}, True))) == ["b", "a"]
    assert math.isnan(_native.decode_value(_native.encode_value(math.nan, True)))
    assert math.copysign(1, _native.decode_value(_native.encode_value(-0.0, True))) == -1


NEAREST = [
    ((1, (2,)), [1, [2]]),
    (Point(1, 2), [1, 2]),
    (Color.RED, 1),
    (Name("n"), "n"),
    (bytearray(b"ab"), b"ab"),
    (memoryview(b"abcd")[::2], b"ac"),
    (OrderedDict(a=1), {"a": 1}),
    (numpy.int32(7), 7),
    (numpy.float32(0.5), 0.5),
    (numpy.float64(0.25), 0.25),
    (numpy.bool_(True), True),
]


@pytest.mark.parametrize(("value", "nearest"), NEAREST, ids=repr)
def test_nearest_value(value, nearest):
    again = _native.decode_value(_native.encode_value(value, False))
    assert again == nearest and type(again) is type(nearest)
    with pytest.raises(TypeError):
        _native.encode_value(value, True)


REFUSED = [
    (2**63, OverflowError, "more than 64 bits"),
    ({1.5: 1}, TypeError, "is no key"),
    ({None: 1}, TypeError, "is no key"),
    ([1, {"k": [object()]}], TypeError, r"\[1\]\['k'\]\[0\] of type object is no value"),
    (1j, TypeError, "complex"),
    ({1}, TypeError, "set"),
    ("\ud800", TypeError, "surrogates"),
    (numpy.zeros(2), TypeError, "ndarray"),
]


@pytest.mark.parametrize(("value", "error", "message"), REFUSED, ids=str)
def test_refused(value, error, message):
    with pytest.raises(error, match=message):
        _native.encode_value(value, False)


def test_refused_argument_is_named():
    with pytest.raises(TypeError, match=r"argument 2\['price'\] of type decimal.Decimal is no value"):
        from decimal import Decimal

        _native.encode_arguments((1, {"price": Decimal(1)}), False)


def test_depth():
    loop = []
    loop.append(loop)
    with pytest.raises(TypeError, match="nested too deep, or contains itself"):
        _native.encode_value(loop, True)
    deep = 0
    for _ in range(30):
        deep = {"deeper": deep}
    assert _native.decode_value(_native.encode_value(deep, True)) == deep


@pytest.mark.parametrize("garbage", [b"\xff", b"\x3a\x05ab"])
def test_garbage(garbage):
    with pytest.raises(TypeError, match="no value"):
        _native.decode_value(garbage)
