"""Runs one task after the other, in the main thread of a slot process."""

import functools
import importlib
import inspect
import os
import pickle
import sys

from haulier_worker import _native, class_path, failure, installed, pickles
from haulier_worker.cancel import TaskCanceled
from haulier_worker.failure import WorkerError

_VALUES = 1
_PICKLE = 3
# A result above this is not read again to verify it: the client finds out.
_VERIFY_LIMIT = 1 << 20
_PLAIN = frozenset((type(None), bool, int, float, str, bytes))


class Runner:
    """Runs tasks on one class path: that of the first task, for the process has no other."""

    def __init__(self, process):
        self._process = process
        self._digest = None
        self._class_path = None
        self._finder = None
        self._pid = os.getpid()

    def run(self, digest, entry_point, codec, payload, result_codecs):
        """Run a task: (codec, bytes) of its result, or a ``Failure``."""
        payload, buffers = pickles.split(payload)
        by_value = codec == _PICKLE and pickles.has_code(payload)
        try:
            if digest != self._digest:
                self._enter(digest)
            function, args, kwargs = self._call(entry_point, codec, payload, buffers)
            try:
                result = function(*args, **kwargs)
                if inspect.iscoroutine(result):
                    import asyncio

                    result = asyncio.run(result)
            except TaskCanceled:
                raise
            except WorkerError as error:
                return failure.of_error(error)
            except BaseException as error:
                return self._raised(error, by_value)
            return _encode(result, entry_point, result_codecs, by_value)
        except _Failed as error:
            return error.complete
        except WorkerError as error:
            return failure.of_error(error, error.__cause__)
        except TaskCanceled:
            return failure.of_error(WorkerError("Canceled", "the task was cancelled"))
        finally:
            if os.getpid() != self._pid:
                os._exit(0)  # the task has forked, and this is its child

    def rest(self):
        """Do what can wait until the result of a task is on its way."""
        if class_path.SourceLoader.compiled:
            self._finder.keep_bytecode()

    def _enter(self, digest):
        if self._digest is not None:
            raise WorkerError("Internal", "the process has another class path already")
        self._class_path = self._process.class_path(digest)
        self._finder = class_path.install(self._class_path)
        self._digest = digest

    def _call(self, entry_point, codec, payload, buffers):
        """Return what to call with what."""
        try:
            if not entry_point:
                return pickle.loads(payload, buffers=buffers)
            function = self._resolve(entry_point)
            if codec == _VALUES:
                return function, _native.decode_arguments(payload), {}
            return function, *pickle.loads(payload, buffers=buffers)
        except (WorkerError, TaskCanceled):
            raise
        except ModuleNotFoundError as error:
            raise self._not_found(error.name or str(error)) from failure.without_own_frames(error)
        except BaseException as error:
            failed = failure.without_own_frames(error)
            raised = failure.of_exception(failed, pickles.has_code(payload))
            raise _Failed(raised) from None

    def _resolve(self, entry_point):
        module_name, names = _parse(entry_point)
        module = sys.modules.get(module_name)
        if module is None:
            module = importlib.import_module(module_name)
        found = module
        for name in names:
            try:
                found = getattr(found, name)
            except AttributeError:
                raise self._no_such_member(module_name, found, name) from None
        if not callable(found):
            kind = type(found).__qualname__
            raise WorkerError("InvalidArgument", f"{entry_point} is no callable but of type {kind}")
        return found

    def _raised(self, error, by_value):
        failure.without_own_frames(error)
        if isinstance(error, ModuleNotFoundError) and error.name:
            missing = self._not_found(error.name)
            explained = dict(missing.context).get("explained")
            error.add_note(f"{missing}; try: {missing.hint}" if missing.hint else str(missing))
            if explained:
                error.add_note(explained)
        return failure.of_exception(error, by_value)

    def _not_found(self, name):
        """Return the error for a module that neither the class path nor the worker has."""
        kind, message, hint, context = self._class_path.not_found(name)
        told = installed.told(name, self._finder.names, self._class_path.directory())
        hint = f"{hint}; what a distribution has: haulier deploy NAME PATH --requirements FILE"
        return WorkerError(kind, f"{message}; {told}", hint, [("name", name), *context])

    def _no_such_member(self, module_name, owner, name):
        import difflib

        near = difflib.get_close_matches(name, [known for known in dir(owner) if not known.startswith("_")])
        place = getattr(sys.modules.get(module_name), "__file__", None)
        message = f"{module_name} has no '{name}'"
        message += f"; it has {', '.join(near)}" if near else ""
        message += f" (loaded from {place})" if place else ""
        searched = ", ".join(self._class_path.searched())
        return WorkerError(
            "CodeNotFound",
            message,
            "haulier deploy NAME ./package",
            [("name", f"{module_name}.{name}"), ("searched", searched)],
        )


class _Failed(WorkerError):
    """Carries a failure that is complete."""

    def __init__(self, complete):
        super().__init__(complete.kind, complete.message)
        self.complete = complete


@functools.lru_cache(maxsize=4096)
def _parse(entry_point):
    module, _, name = entry_point.partition(":")
    if not module or not name or not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise WorkerError(
            "InvalidArgument", f"'{entry_point}' names no callable", "module:callable, as in mypackage.scoring:score"
        )
    return module, tuple(name.split("."))


def _encode(result, entry_point, result_codecs, by_value):
    """Return codec and bytes of a result, in the first codec that carries it whole and that the client reads."""
    reasons = []
    if _PICKLE in result_codecs:
        if _VALUES in result_codecs:
            try:
                return _VALUES, _native.encode_value(result, True)
            except (TypeError, OverflowError):
                pass  # the pickle carries it
        try:
            return _PICKLE, _dumps(result, by_value)
        except TaskCanceled:
            raise
        except BaseException as error:
            reasons.append(f"it does not pickle: {type(error).__name__}: {error}")
    if _VALUES in result_codecs:
        try:
            return _VALUES, _native.encode_value(result, False)
        except (TypeError, OverflowError) as error:
            reasons.append(str(error))
    kind = type(result)
    raise WorkerError(
        "ResultUnreadable",
        f"{_shown(entry_point)} returned a {kind.__module__}.{kind.__qualname__} that cannot travel: "
        + "; ".join(reasons),
        "return list(...) instead of a generator" if inspect.isgenerator(result) else "return values, lists or dicts",
    )


def _shown(entry_point):
    """Return what the user calls a task."""
    return "the task" if not entry_point or entry_point.startswith("haulier_worker.") else entry_point


def _dumps(result, by_value):
    buffers = []
    payload = pickles.dumps(result, by_value, buffers)
    size = len(payload) + sum(buffer.nbytes for buffer in buffers)
    if type(result) not in _PLAIN and size <= _VERIFY_LIMIT:
        pickle.loads(payload, buffers=buffers)
    return _native.join_buffers(payload, buffers) if buffers else payload
