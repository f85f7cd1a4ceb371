"""The connection to a cluster, and everything that begins with it."""

from __future__ import annotations

import contextlib
import os
import platform
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from haulier import _callables, _distributions, _futures, _native
from haulier._calls import CallMaker, Mode, Policy, options
from haulier._deployments import Deployments
from haulier._distributions import Environment
from haulier._executor import RemoteExecutor
from haulier._futures import Dispatcher
from haulier._preview import Preview
from haulier._tasks import TaskRef
from haulier._units import Node, Unit


def connect(
    address: str,
    *,
    token: str | None = None,
    tls_ca: str | os.PathLike[str] | None = None,
    mode: Mode = "private",
    peer_loading: bool = True,
    environment: Environment = "check",
    include: Iterable[str] = (),
    deny: Iterable[str] = (),
    timeout: float = 5.0,
) -> Cluster:
    """Connect to the node at ``address`` ("host:port", or "host" for port 7440).

    Of several addresses ("a:7440,b:7440") the first one counts that answers. The connection learns the other nodes of
    the cluster, and goes on with one of them if its node is lost.
    ``token``: what the node asks for; default: ``HAULIER_TOKEN`` of the environment, if it is set.
    ``tls_ca``: a file with the certificate (PEM) that signed the node's; it makes the connection use TLS.
    ``mode``: how widely the loaded code of this client is shared: by nobody ("isolated": each task has a process of
    its own), by the tasks of this session ("private"), by sessions with equal code ("shared"), and beyond their end
    ("continuous").
    ``peer_loading``: whether nodes may load the modules of this project; without it they run what they have.
    ``environment``: what becomes of the installed distributions that the code of a task imports, in the versions of
    this interpreter. "check": a task is refused if a node has others, before any of its code runs; "build": the node
    builds an environment of them, once for each set; "ignore": nobody looks.
    ``include``: files that travel although a rule leaves them out, as paths from the import root with the wildcards of
    ``.gitignore``: ``["config.json", "assets/**"]``. ``Cluster.preview`` shows what is left out. What is never sent
    (keys, ``.env``) travels only if it is named by its very path.
    ``deny``: files that never travel, besides those that never do. Without ``/`` a pattern is compared with each part
    of a path, else with the path from the import root: ``["*.sqlite", "private/**"]``. A ``.haulierignore`` says it
    for everybody who uses the project.
    ``timeout``: the longest time for the first connection, in seconds.

    Raises ``haulier.Unavailable`` if no node answers there, ``haulier.PermissionDenied`` if the token is wrong,
    ``haulier.Incompatible`` if the node speaks another version of the protocol.
    """
    native = _native.Cluster.connect(
        address,
        token=os.environ.get("HAULIER_TOKEN") if token is None else token,
        ca_certificate=None if tls_ca is None else Path(tls_ca).read_bytes(),
        mode=mode,
        language_version=platform.python_version(),
        capabilities=_callables.capabilities(),
        include=[include] if isinstance(include, str) else list(include),
        deny=[deny] if isinstance(deny, str) else list(deny),
        timeout=timeout,
        completions=_futures.completions(),
    )
    return Cluster(native, peer_loading=peer_loading, environment=environment)


class Cluster(Deployments):
    """A connection to a cluster; made by ``haulier.connect`` and ``haulier.local``.

    It is a context manager: leaving it closes the connection and cancels what has not ended. It is safe to use from
    several threads. It does not survive a fork: every call in the child raises ``haulier.Closed``.
    """

    def __init__(
        self,
        native: _native.Cluster,
        *,
        peer_loading: bool = True,
        environment: Environment = "check",
        resources: contextlib.ExitStack | None = None,
    ) -> None:
        super().__init__(native)
        self._native = native
        _distributions.check(environment)
        self._calls = CallMaker(native, peer_loading, environment)
        self._resources = resources
        self._dispatcher = Dispatcher(native)
        self._lock = threading.Lock()
        _futures.close_at_exit(self)

    def executor(
        self,
        *,
        max_workers: int | None = None,
        timeout: float | None = None,
        node: str | None = None,
        labels: Mapping[str, str] | None = None,
        key: str | None = None,
        failover: bool = False,
        mode: Mode | None = None,
        policy: Policy | None = None,
        parent_first: str | Iterable[str] = (),
        environment: Environment | None = None,
    ) -> RemoteExecutor:
        """Return a ``concurrent.futures.Executor`` that runs callables on the cluster.

        ``max_workers``: how many of its tasks are with the cluster at a time; default: all, the nodes queue them.
        ``timeout``: the deadline of each task in seconds.
        ``node``: the name of the node where they run; default: any node.
        ``labels``: they run only on nodes that have all of these.
        ``key``: they run always on the same node for the same key, as long as that node is there.
        ``failover``: a task runs again elsewhere if a node is lost that has it, and may then run more than once;
        default: it raises ``haulier.WorkerLost`` or ``haulier.SessionLost``.
        ``mode``: who shares the loaded code of this client; default: as in ``haulier.connect``.
        ``policy``: who is asked first for a module; default: "child-first", the code of the task before what is
        installed on the node. ``parent_first``: names that the node's own packages are asked for first, whatever the
        policy.
        ``environment``: what becomes of the distributions that the code imports; default: as in ``haulier.connect``.
        """
        chosen = options(timeout, node, labels, key, failover, mode, policy, parent_first, environment)
        return RemoteExecutor(self, chosen, max_workers=max_workers)

    def preview(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Preview:
        """Say what a submit of ``fn(*args, **kwargs)`` would send, and send nothing.

        ``print`` of it shows files, sizes, what is left out and by which rule, and the distributions that workers need.
        A file ``.haulierignore`` in the folder of the program, in the syntax of ``.gitignore``, leaves out more;
        ``include`` of ``haulier.connect`` brings files back.
        """
        return self._calls.preview(fn, args, kwargs)

    def broadcast(
        self, fn: Callable[..., Any], /, *args: Any, labels: Mapping[str, str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Run ``fn(*args, **kwargs)`` on every node: each node's result, or the exception that it ended with.

        ``labels``: only on nodes that have all of these. A parameter of ``fn`` with that name is given by position.
        """
        everywhere = options(None, None, labels, None, False)._replace(broadcast=True)
        future = self._dispatcher.submit(self._calls.call(fn, args, kwargs, everywhere))
        try:
            outcomes: dict[str, Any] = future.result()
            return outcomes
        finally:
            future.cancel()
            del future

    def nodes(self) -> list[Node]:
        """Return the nodes of the cluster, as the node sees them that this client is connected to."""
        return [Node(**node) for node in self._native.nodes()]

    def task(
        self,
        unit: str | Unit | Iterable[str | Unit],
        entry_point: str,
        *,
        timeout: float | None = None,
        node: str | None = None,
        labels: Mapping[str, str] | None = None,
        key: str | None = None,
        failover: bool = False,
        mode: Mode | None = None,
        policy: Policy | None = None,
        parent_first: str | Iterable[str] = (),
        environment: Environment | None = None,
    ) -> TaskRef:
        """Return the task ``entry_point`` of a unit ("name", "name:version"), or of several, searched in order.

        ``entry_point``: "mypackage.scoring:score" in Python; "com.acme.Price" or "com.acme.Price#of" in Java.
        ``timeout``: the deadline of each call in seconds. ``node``, ``labels``, ``key`` and ``failover`` say where it
        runs, as in ``executor``; default: on any node. ``mode`` counts for code of clients only ("session:...").
        ``policy`` and ``parent_first`` as in ``executor``; for Java tasks prefixes are of classes and resources.
        ``environment``: what becomes of the distributions whose classes pickled arguments of a Python task have, in the
        versions of this interpreter: "check" and "build" as in ``haulier.connect``; they join those that the units
        require. Default: "ignore", the units say what they need.
        """
        units = [unit] if isinstance(unit, str | Unit) else unit
        chosen = options(timeout, node, labels, key, failover, mode, policy, parent_first, environment)
        return TaskRef(self, [str(part) for part in units], entry_point, chosen)

    @property
    def closed(self) -> bool:
        """Whether the connection is closed, by ``close`` or by the node."""
        return self._native.is_closed()

    def close(self) -> None:
        """End the connection: what has not ended is cancelled. A second call does nothing."""
        self._units.close()
        self._native.close()
        with self._lock:
            resources, self._resources = self._resources, None
        if resources is not None:
            resources.close()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        """Refuse to be pickled: a task makes a connection of its own."""
        return self._calls.__reduce__()

    def __repr__(self) -> str:
        return f"<haulier.Cluster {self._native.address()}{' (closed)' if self.closed else ''}>"
