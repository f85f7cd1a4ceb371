"""Deployments that are under way: how far they are, how they end, how they are stopped.

Owns the thread that follows a deployment. It must never know how one is begun.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError
from typing import Literal, NamedTuple

from haulier import _native, errors
from haulier._units import Unit

Step = Literal["reading", "fetching", "sending", "publishing"]


class DeployProgress(NamedTuple):
    """How far a deployment is."""

    step: Step
    """"reading" the sources, "fetching" them by the node, "sending" what the cluster lacks, "publishing" the unit."""
    done: int = 0
    """Bytes that were fetched or sent; 0 in other steps."""
    total: int = 0
    """Bytes of what is fetched or sent, as far as known; 0: not known."""


Listener = Callable[[DeployProgress], object]


class Deployment(Future[Unit]):
    """A deployment that is under way; made by ``Cluster.deploy(..., wait=False)``.

    It is a ``concurrent.futures.Future`` of the unit whose ``cancel`` also ends a deployment that runs: such a future
    never says that it is running. Closing the connection ends it, too; the end of the program waits for it::

        deployment = cluster.deploy("pricing", "1.2.0", "pricing.jar", wait=False)
        print(deployment.progress)  # DeployProgress(step='sending', done=65536, total=1048576)
        unit = deployment.result(timeout=60)

    Asynchronous code awaits ``asyncio.wrap_future(deployment)``; cancelling that stops it, too.
    """

    def __init__(self, native: _native.Deployment, listener: Listener | None) -> None:
        super().__init__()
        self._native = native
        self._listener = listener
        self._progress = DeployProgress("reading")
        self._process = os.getpid()

    @property
    def progress(self) -> DeployProgress:
        """How far it is; after the end: how far it came."""
        return self._progress

    def cancel(self) -> bool:
        """Stop it, so that nothing is deployed unless the node has everything already. False if it has ended."""
        if not super().cancel():
            return False
        with self._condition:
            if self._state == "CANCELLED":
                self.set_running_or_notify_cancel()  # nothing else will
        self._native.cancel()
        return True

    def result(self, timeout: float | None = None) -> Unit:
        """Return the unit, or raise why there is none, as ``Cluster.deploy`` does.

        ``timeout`` in seconds is for the waiting alone: the deployment goes on; default: no limit. Raises
        ``TimeoutError`` when that time is over, ``haulier.Canceled`` after a cancel.
        """
        self._check_process()
        try:
            return super().result(timeout)
        except CancelledError as error:
            if type(error) is CancelledError:
                raise _canceled() from None
            raise

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return why there is no unit, or None; waits and fails as ``result`` does."""
        self._check_process()
        try:
            return super().exception(timeout)
        except CancelledError as error:
            if type(error) is CancelledError:
                raise _canceled() from None
            raise

    def _check_process(self) -> None:
        if self._process != os.getpid():
            raise errors.Closed(
                "the deployment was begun by the parent process; it ends there",
                operation="wait for a deployment",
                hint="connect again in the child process, or start children with 'spawn' instead of 'fork'",
            )

    def _begin(self) -> Deployment:
        """Follow it on a thread of its own. Not a daemon: as with other executors, the program's end waits for it."""
        try:
            threading.Thread(target=self._follow, name="haulier-deployment").start()
        except BaseException:
            self._native.cancel()
            raise
        return self

    def _follow(self) -> None:
        try:
            unit = follow(self._native, self._hear)
        except BaseException as error:
            self._end(None, error)
        else:
            self._end(unit, None)

    def _hear(self, progress: DeployProgress) -> None:
        self._progress = progress
        if self._listener is not None and not self.cancelled():
            self._listener(progress)

    def _end(self, unit: Unit | None, error: BaseException | None) -> None:
        try:
            if error is not None:
                self.set_exception(error)
            elif unit is not None:
                self.set_result(unit)
        except InvalidStateError:
            pass  # it was cancelled


def follow(native: _native.Deployment, listener: Listener | None) -> Unit:
    """Call the listener with each step and return the unit. What is raised meanwhile stops the deployment."""
    try:
        while (step := native.next_step()) is not None:
            if listener is not None:
                listener(DeployProgress(*step))
        return Unit(*native.unit())
    except BaseException:
        native.cancel()
        raise


def _canceled() -> errors.Canceled:
    return errors.Canceled("the deployment was cancelled", operation="wait for a deployment")
