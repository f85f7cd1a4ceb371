"""Why a task has no result, as the fields that travel.

Always text: the exception's type, its message, the trace. The object too, where it was seen to load again.
"""

import importlib
import os
import pickle
import re
import traceback
from typing import NamedTuple

from haulier_worker import pickles

_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__))


class Failure(NamedTuple):
    """What the native module makes the error of a task from."""

    kind: str
    message: str
    hint: str
    context: list[tuple[str, str]]
    type_name: str
    text: str
    trace: str
    pickled: bytes | None


class WorkerError(Exception):
    """An error with a kind of its own: made by the native module, or by the worker for the caller to see."""

    def __init__(self, kind, message, hint="", context=()):
        super().__init__(message)
        self.kind = kind
        self.hint = hint
        self.context = list(context)


def of_error(error, cause=None):
    """Return the failure for an error of the worker; ``cause`` is what the task's own code has to do with it."""
    trace = "" if cause is None else _trace(cause)
    text = "" if cause is None else _text(cause)
    type_name = "" if cause is None else _type_name(cause)
    return Failure(error.kind, str(error), error.hint, error.context, type_name, text, trace, None)


def of_exception(error, by_value):
    """Return the failure for what a task raised."""
    type_name = _type_name(error)
    text = _text(error)
    message = f"{type_name}: {text}" if text else type_name
    pickled = _pickled(error, by_value) if isinstance(error, Exception) else None
    return Failure("TaskFailed", message, "", [], type_name, text, _trace(error), pickled)


def without_own_frames(error):
    """Take the worker's own frames, and those of its imports, off the outer end of a traceback."""
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename.startswith((_OWN_FOLDER, importlib.__file__)):
        frame = frame.tb_next
    return error.with_traceback(frame)


def _pickled(error, by_value):
    try:
        payload = pickles.dumps(error, by_value)
        again = pickle.loads(payload)
    except Exception:
        return None
    return payload if type(again) is type(error) else None


def _type_name(error):
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _text(error):
    try:
        return str(error)
    except Exception as second:
        return f"(its message failed with {type(second).__name__})"


def show_files_of(directory, shown):
    """Let traces name the files of a class path by what they are part of, not by where they lie for now."""
    global _shown
    named = re.compile(re.escape(f'File "{directory}{os.sep}') + '([^"]+)"')

    def show(text):
        return named.sub(lambda found: f'File "{shown(found[1]) or found[0][6:-1]}"', text)

    _shown = show


def _shown(text):
    return text


def _trace(error):
    try:
        return _shown("".join(traceback.format_exception(error)))
    except Exception as second:
        return f"{_type_name(error)}: (its trace failed with {type(second).__name__})\n"
