"""Futures of remote tasks, and how results reach them.

Owns the one thread-side entry of results (``complete``) and what is pending. It must never know how a call was made.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import threading
import time
import weakref
from collections import deque
from concurrent.futures import CancelledError, Future, InvalidStateError
from typing import Any, NamedTuple

from haulier import _native, errors

VALUES, JAVA, PICKLE = 1, 2, 3
"""The codecs, by their numbers in the protocol."""

_FAILED, _BROADCAST = -1, -2

# How often a thread that waits looks for signals, in seconds.
_LEAD_INTERVAL = 0.05


class Call(NamedTuple):
    """What the native module needs to submit one task."""

    template: _native.Template
    codec: int
    payload: bytes
    by_value: bool
    """Whether the payload holds code by value, and so needs an equal interpreter."""
    scope: _native.Scope | None
    """The code of this client that the task may load."""


class TaskFuture(Future[Any]):
    """The end of a remote task.

    It is a ``concurrent.futures.Future`` whose ``cancel`` also ends a task that runs: such a future never says that
    it is running.
    """

    _task = 0
    _owner: Dispatcher | None = None
    _call: Call | None = None

    def __init__(self) -> None:
        super().__init__()
        self._process = _process

    def cancel(self) -> bool:
        """Cancel the task: what had not begun is removed, what runs is interrupted. False if it has ended."""
        if not super().cancel():
            return False
        with self._condition:
            owner, self._owner = self._owner, None
            if self._state == "CANCELLED":
                self.set_running_or_notify_cancel()  # nothing else will
        if owner is not None:
            owner.cancel(self)
        return True

    def result(self, timeout: float | None = None) -> Any:
        """Return what the task returned, or raise what it raised.

        ``timeout`` in seconds is for the waiting alone: the task goes on. Raises ``haulier.Canceled`` after a cancel.
        """
        if self._state == "PENDING":
            timeout = self._lead(timeout)
        try:
            return super().result(timeout)
        except CancelledError as error:
            if type(error) is CancelledError:
                raise _canceled() from None
            raise
        finally:
            del self

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what the task raised, or None; waits and fails as ``result`` does."""
        if self._state == "PENDING":
            timeout = self._lead(timeout)
        try:
            return super().exception(timeout)
        except CancelledError as error:
            if type(error) is CancelledError:
                raise _canceled() from None
            raise
        finally:
            del self

    def _lead(self, timeout: float | None) -> float | None:
        """Bring results, this one too, for as long as nobody else does; return what is left of the time."""
        if self._process is not _process:
            raise errors.Closed(
                "the task was submitted by the parent process; its result arrives there",
                operation="wait for a result",
                hint="connect again in the child process, or start children with 'spawn' instead of 'fork'",
            )
        if timeout is None:
            while self._state == "PENDING" and _completions is not None and _completions.lead(_LEAD_INTERVAL):
                pass
            return None
        end = time.monotonic() + timeout
        while self._state == "PENDING" and _completions is not None:
            left = min(_LEAD_INTERVAL, end - time.monotonic())
            if left <= 0 or not _completions.lead(left):
                break
        return max(0.0, end - time.monotonic())


def _canceled() -> errors.Canceled:
    return errors.Canceled("the task was cancelled")


class Dispatcher:
    """Submits tasks for one executor or handle, at most ``limit`` at a time, and knows which have not ended."""

    def __init__(self, cluster: _native.Cluster, limit: int | None = None) -> None:
        self._cluster = cluster
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: deque[TaskFuture] = deque()
        self._pending: set[TaskFuture] = set()
        self._idle: threading.Event | None = None

    def submit(self, call: Call) -> TaskFuture:
        """Submit a call and return its future at once."""
        future = TaskFuture()
        future._owner = self
        if self._limit is None:
            self._send(future, call)
        else:
            future._call = call
            with self._lock:
                self._waiting.append(future)
            self._send_waiting()
        return future

    def cancel(self, future: TaskFuture) -> None:
        """End the task of a future that was cancelled."""
        if self._limit is not None:
            with self._lock:
                waits = future in self._waiting
                if waits:
                    self._waiting.remove(future)
            if waits:
                self._look_whether_idle()
                return
        with contextlib.suppress(errors.Error):  # the connection is gone, and the task with it
            self._cluster.cancel(future._task, False)

    def cancel_all(self) -> None:
        """Cancel what waits here; where nothing waits here, all that has not ended."""
        with self._lock:
            futures = list(self._waiting if self._limit is not None else self._pending)
        for future in futures:
            future.cancel()

    def wait(self) -> None:
        """Wait until no task is left. Nothing may be submitted meanwhile."""
        idle = self._idle = threading.Event()
        if self._pending or self._waiting:
            idle.wait()

    def ended(self, future: TaskFuture) -> None:
        """Forget a task that has ended; called for each submitted one, once."""
        self._pending.discard(future)
        if self._limit is not None:
            self._send_waiting()
        self._look_whether_idle()

    def forget(self, future: TaskFuture) -> bool:
        """Do the same in one step, if that is enough."""
        if self._limit is not None or self._idle is not None:
            return False
        self._pending.discard(future)
        self._look_whether_idle()  # somebody may have begun to wait in this moment
        return True

    def _look_whether_idle(self) -> None:
        if self._idle is not None and not self._pending and not self._waiting:
            self._idle.set()

    def _send(self, future: TaskFuture, call: Call) -> None:
        self._pending.add(future)
        try:
            future._task = self._cluster.submit(
                call.template, call.codec, call.payload, call.by_value, call.scope, (future, self)
            )
        except BaseException:
            self._pending.discard(future)
            raise

    def _send_waiting(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or len(self._pending) >= (self._limit or 0):
                    return
                future = self._waiting.popleft()
                self._pending.add(future)
            call, future._call = future._call, None
            if call is None or future.cancelled():
                self.ended(future)
                continue
            try:
                self._send(future, call)
            except errors.Error as error:
                _end_with(future, None, error)
                self.ended(future)
            if future.cancelled():
                self.cancel(future)


def failed(error: BaseException) -> TaskFuture:
    """Return a future that has ended with an error."""
    future = TaskFuture()
    future.set_exception(error)
    return future


def complete(batch: list[tuple[tuple[TaskFuture, Dispatcher], int, Any]]) -> None:
    """Take the results out of ``batch``, the last one first; called on a thread of its own, which has no signals."""
    while batch:
        (future, owner), codec, payload = batch[-1]
        value, error = _decode_all(payload) if codec == _BROADCAST else _decode(codec, payload)
        _end_with(future, value, error)
        owner.ended(future)
        batch.pop()
        del future, owner, payload
        value = error = None


def take(batch: list[tuple[tuple[TaskFuture, Dispatcher], int, Any]]) -> None:
    """Take results out of ``batch``, the last one first, on a thread that waits for one of them.

    It may be the main thread, where Ctrl-C can raise between any two steps: what needs more than one step after the
    other is left for ``complete``, and a result that was taken may come there again.
    """
    for index in range(len(batch) - 1, -1, -1):
        (future, owner), codec, payload = batch[index]
        if not owner.forget(future):
            continue
        value, error = _decode_all(payload) if codec == _BROADCAST else _decode(codec, payload)
        if _native.finish(future, value, error):
            del batch[index]
        del future, owner, payload
        value = error = None


def _decode(codec: int, payload: Any) -> tuple[Any, BaseException | None]:
    try:
        if codec == PICKLE:
            if type(payload) is bytes:
                return pickle.loads(payload), None
            data, buffers = payload.split()
            return pickle.loads(data, buffers=buffers), None
        if codec == VALUES:
            return _native.decode_value(payload), None
        if codec == _FAILED:
            return None, errors.from_native(payload)
        return None, errors.ResultUnreadable("the result is serialized by Java", hint="return values, lists or maps")
    except BaseException as error:
        if not isinstance(error, Exception) and threading.current_thread() is threading.main_thread():
            raise  # Ctrl-C: it is read again on another thread
        unreadable = errors.ResultUnreadable(
            f"the result arrived but cannot be read here: {type(error).__name__}: {error}",
            operation="read a result",
            hint="the modules of the result's classes must be importable here",
        )
        unreadable.__cause__ = error
        return None, unreadable


def _decode_all(outcomes: list[tuple[str, int, Any]]) -> tuple[dict[str, Any], None]:
    decoded = {node: _decode(codec, payload) for node, codec, payload in outcomes}
    return {node: value if error is None else error for node, (value, error) in decoded.items()}, None


def _end_with(future: TaskFuture, value: Any, error: BaseException | None) -> None:
    future._owner = None
    with contextlib.suppress(InvalidStateError):  # it was cancelled, or has ended on another thread
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


# What belongs to this process. A forked child gets its own: it has none of its parent's threads.
_process = object()
_completions: _native.Completions | None = None
_clusters: weakref.WeakSet[Any] = weakref.WeakSet()


def completions() -> _native.Completions:
    """Return the thread that brings results, started with the first connection of the process."""
    global _completions
    if _completions is None:
        _completions = _native.Completions(complete, take)
    return _completions


def close_at_exit(cluster: object) -> None:
    """Close a cluster when the interpreter ends, if it is still open then."""
    _clusters.add(cluster)


def _forget_parent() -> None:
    global _process, _completions
    _process = object()
    _completions = None
    _clusters.clear()


def _end() -> None:
    for cluster in list(_clusters):
        cluster.close()
    if _completions is not None:
        _completions.stop()


os.register_at_fork(after_in_child=_forget_parent)
atexit.register(_end)
