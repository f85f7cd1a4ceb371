"""Pickles for the way back.

Code travels by value only to a client whose interpreter is known to be equal: one that sent code by value itself,
because the node compared both sides before this worker read a byte of it.
"""

import io
import pickle

import cloudpickle

_PROTOCOL = 5
_BY_VALUE = b"cloudpickle.cloudpickle"
_NOT_BY_NAME = b"__main__"


def has_code(payload):
    """Say whether a payload holds code by value."""
    return _BY_VALUE in payload


def dumps(value, by_value):
    """Pickle a value; what cannot be found by name travels by value, where the client can read that."""
    try:
        payload = pickle.dumps(value, _PROTOCOL)
    except Exception:
        if not by_value:
            raise
        return _by_value(value)
    return _by_value(value) if by_value and _NOT_BY_NAME in payload else payload


def _by_value(value):
    with io.BytesIO() as file:
        cloudpickle.Pickler(file, protocol=_PROTOCOL).dump(value)
        return file.getvalue()
