"""Which modules pickles name: the native reader of opcodes against real pickles, and against what is none."""

import array
import collections
import datetime
import decimal
import fractions
import pickle

import pytest
from haulier import _callables, _native


def named(value):
    payload, _, _ = _callables.dumps(((value,), {}))
    return _native.pickled_modules(payload)


@pytest.mark.parametrize(
    ("value", "modules"),
    [
        (7, []),
        ("\x93 \x94\x93", []),
        ([b"\x94\x93", bytearray(b"\x94\x93"), 37780, 2**70, -1.5, None, True, {1}, frozenset([2])], []),
        (list(range(70000)), []),
        (decimal.Decimal(1), ["decimal"]),
        ([datetime.datetime(2026, 1, 1), datetime.date(2026, 1, 1)] * 3, ["datetime"]),
        ({"deep": [(collections.OrderedDict(a=fractions.Fraction(1, 2)),)]}, ["collections", "fractions"]),
        # A name that was text before is taken from the memo.
        (["decimal", "Decimal", decimal.Decimal(1), fractions.Fraction(1, 3)], ["decimal", "fractions"]),
        ([*range(300), collections.deque], ["collections"]),
        (array.array("d", [1.0]), ["array"]),
    ],
)
def test_modules_of_a_value(value, modules):
    assert named(value) == modules


def test_a_payload_with_buffers_behind_it():
    large = pickle.PickleBuffer(bytearray(1 << 20))
    payload, _, _ = _callables.dumps((decimal.Decimal(1), large))
    assert payload.startswith(b"\0buffers")
    assert "decimal" in _native.pickled_modules(payload)


def test_the_first_parts_are_read():
    assert named([*range(90_000), decimal.Decimal(1)]) == ["decimal"]
    assert named([*range(200_000), decimal.Decimal(1)]) == []


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x93",
        b"(cos\nsystem\n\x94\x93.",
        b"\x80\x05\x8c\xff\x94\x93",
        b"\x80\x05h\x07h\x08\x93.",
        b"\x80\x05\x8d" + b"\xff" * 8 + b"\x94\x93",
        b"\0buffers" + b"\xff" * 16 + b"\x94\x93",
        b"\x80\x05\x95\x00\x94\x93",
    ],
)
def test_what_is_no_pickle_names_nothing(payload):
    assert _native.pickled_modules(payload) == []


def test_a_broken_pickle_names_what_came_before():
    broken = b"\x80\x05\x8c\x03abc\x94\x8c\x01A\x94\x93\xff\x8c\x03def\x94\x8c\x01A\x94\x93."
    assert _native.pickled_modules(broken) == ["abc"]
