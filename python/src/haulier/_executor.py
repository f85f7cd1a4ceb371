"""The executor: ``concurrent.futures`` over a cluster."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from haulier import errors
from haulier._calls import Options
from haulier._futures import Dispatcher, TaskFuture, failed

if TYPE_CHECKING:
    from haulier._cluster import Cluster

T = TypeVar("T")


class RemoteExecutor(concurrent.futures.Executor):
    """Runs callables on a cluster; made by ``Cluster.executor``.

    It keeps the contract of ``concurrent.futures.Executor``, with what a cluster adds: ``cancel`` of a future also
    ends a task that runs. It is safe to use from several threads.
    """

    def __init__(self, cluster: Cluster, options: Options, *, max_workers: int | None = None) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        self._calls = cluster._calls
        self._options = options
        self._dispatcher = Dispatcher(cluster._native, max_workers)
        self._lock = threading.Lock()
        self._shut_down = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[T]:
        """Run ``fn(*args, **kwargs)`` on the cluster and return its future at once.

        A callable or an argument that cannot be pickled makes a future that has failed. ``RuntimeError`` after a
        shutdown.
        """
        try:
            call = self._calls.call(fn, args, kwargs, self._options)
        except errors.Error:
            raise
        except Exception as error:
            self._check()
            return failed(error)
        with self._lock:
            self._check()
            return self._dispatcher.submit(call)

    def map(
        self,
        fn: Callable[..., T],
        /,
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Return an iterator of ``fn``'s results for the items of the iterables, in their order.

        The function is pickled once. ``timeout`` in seconds is for all results together; ``chunksize`` items make one
        task; at most ``buffersize`` results are ahead of the reader (default: all). What has not ended when the
        iterator is closed, fails or times out is cancelled.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        self._check()
        end = None if timeout is None else time.monotonic() + timeout
        prepared = self._calls.prepare(fn, chunksize > 1, self._options)
        source: Iterator[tuple[Any, ...]] = zip(*iterables, strict=False)
        items = source if chunksize == 1 else _chunks(source, chunksize)

        def submit(arguments: tuple[Any, ...]) -> TaskFuture:
            call = prepared(arguments)
            with self._lock:
                self._check()
                return self._dispatcher.submit(call)

        futures = deque(submit(item) for item in islice(items, buffersize))
        results = _results(futures, submit, items, end)
        return _flatten(results) if chunksize > 1 else results

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more calls; with ``wait``, return when all have ended.

        ``cancel_futures`` cancels what waits for its turn under ``max_workers``; without that limit, all that has not
        ended.
        """
        with self._lock:
            self._shut_down = True
        if cancel_futures:
            self._dispatcher.cancel_all()
        if wait:
            self._dispatcher.wait()

    def _check(self) -> None:
        if self._shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")


def _results(
    futures: deque[TaskFuture],
    submit: Callable[[tuple[Any, ...]], TaskFuture],
    items: Iterator[tuple[Any, ...]],
    end: float | None,
) -> Iterator[Any]:
    try:
        while futures:
            for item in islice(items, 1):
                futures.append(submit(item))
            yield _result_or_cancel(futures.popleft(), None if end is None else end - time.monotonic())
    finally:
        for future in futures:
            future.cancel()


def _result_or_cancel(future: TaskFuture, timeout: float | None) -> Any:
    try:
        try:
            return future.result(timeout)
        finally:
            future.cancel()
    finally:
        del future  # a failure must not hold itself by its traceback


def _chunks(source: Iterator[tuple[Any, ...]], size: int) -> Iterator[tuple[Any, ...]]:
    while chunk := list(islice(source, size)):
        yield (chunk,)


def _flatten(chunks: Iterator[Any]) -> Iterator[Any]:
    try:
        for chunk in chunks:
            chunk.reverse()
            while chunk:
                yield chunk.pop()
    finally:
        chunks.close()  # type: ignore[attr-defined]
