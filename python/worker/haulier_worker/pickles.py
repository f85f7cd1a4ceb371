"""Pickles for the way back.

Code travels by value only to a client whose interpreter is known to be equal: one that sent code by value itself,
because the node compared both sides before this worker read a byte of it.
"""

import functools
import io
import pickle

import cloudpickle

_PROTOCOL = 5
_BY_VALUE = b"cloudpickle.cloudpickle"
_NOT_BY_NAME = b"__main__"


# A buffer in the pickle is copied three times more, which is not worth a change of form below this size, in bytes.
_SMALL_BUFFER = 32 * 1024


def split(payload):
    """Return the pickle of a payload, and the buffers behind it or None."""
    return (payload, None) if type(payload) is bytes else payload.split()


def has_code(payload):
    """Say whether a payload holds code by value."""
    return _BY_VALUE in payload


def dumps(value, by_value, buffers=None):
    """Pickle a value; what cannot be found by name travels by value, where the client can read that.

    ``buffers`` gets the large ones, which are not in the pickle then.
    """
    callback = None if buffers is None else functools.partial(_take, buffers)
    try:
        payload = pickle.dumps(value, _PROTOCOL, buffer_callback=callback)
    except Exception:
        if not by_value:
            raise
        return _by_value(value, buffers, callback)
    return _by_value(value, buffers, callback) if by_value and _NOT_BY_NAME in payload else payload


def _by_value(value, buffers, callback):
    if buffers:
        buffers.clear()
    with io.BytesIO() as file:
        cloudpickle.Pickler(file, protocol=_PROTOCOL, buffer_callback=callback).dump(value)
        return file.getvalue()


def _take(buffers, buffer):
    """Take a large buffer out of the pickle; true for one that stays."""
    view = buffer.raw()
    if view.nbytes < _SMALL_BUFFER:
        return True
    buffers.append(view)
    return False
