"""Tasks of units, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from haulier import _callables, _distributions, _native, errors
from haulier._calls import Options, options
from haulier._distributions import Environment
from haulier._futures import PICKLE, VALUES, Call, TaskFuture

if TYPE_CHECKING:
    from haulier._cluster import Cluster


class TaskRef:
    """A task of a unit, in any language; made by ``Cluster.task``.

    Arguments and results are values that every language reads: None, bool, int (64 bits), float, str, bytes, list and
    dict. Python tasks also take what pickles, and keyword arguments.
    """

    def __init__(self, cluster: Cluster, units: list[str], entry_point: str, options: Options) -> None:
        self._cluster = cluster
        self._units = units
        self._entry_point = entry_point
        self._options = options
        self._template = self._make_template(options)

    @property
    def entry_point(self) -> str:
        """What is called: "mypackage.scoring:score", "com.acme.Price", "com.acme.Price#of"."""
        return self._entry_point

    def with_options(
        self,
        *,
        timeout: float | None = None,
        node: str | None = None,
        labels: Mapping[str, str] | None = None,
        key: str | None = None,
        failover: bool | None = None,
        environment: Environment | None = None,
    ) -> TaskRef:
        """Return the same task with a deadline in seconds for each call, or for other nodes; None: as it is.

        A ``node`` takes the place of a key, and a ``key`` that of a node. ``environment`` as in ``Cluster.task``.
        """
        said = options(timeout, node, labels, key, bool(failover), environment=environment)
        own = self._options
        changed = own._replace(
            timeout=own.timeout if timeout is None else timeout,
            labels=own.labels if labels is None else said.labels,
            failover=own.failover if failover is None else failover,
            environment=environment or own.environment,
        )
        if node is not None or key is not None:
            changed = changed._replace(node=node, key=key)
        return TaskRef(self._cluster, self._units, self._entry_point, changed)

    def call(self, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        """Run the task and return its result, or raise what it raised.

        ``timeout`` in seconds is the deadline of the task: it is cancelled then, and ``haulier.DeadlineExceeded``
        raised. A parameter of the task with that name is given by position.
        """
        future = self.submit(*args, timeout=timeout, **kwargs)
        try:
            return future.result()
        finally:
            future.cancel()
            del future

    def submit(self, *args: Any, timeout: float | None = None, **kwargs: Any) -> TaskFuture:
        """Begin the task and return its future at once; ``timeout`` as in ``call``."""
        template = self._template if timeout is None else self._make_template(self._options._replace(timeout=timeout))
        return self._submit(template, args, kwargs)

    def broadcast(self, *args: Any, timeout: float | None = None, **kwargs: Any) -> dict[str, Any]:
        """Run the task on every node that has the labels: each node's result, or the exception that it ended with.

        ``timeout`` as in ``call``. A node or key of the task does not count.
        """
        timeout = self._options.timeout if timeout is None else timeout
        everywhere = self._options._replace(timeout=timeout, node=None, key=None, broadcast=True)
        future = self._submit(self._make_template(everywhere), args, kwargs)
        try:
            outcomes: dict[str, Any] = future.result()
            return outcomes
        finally:
            future.cancel()
            del future

    def __repr__(self) -> str:
        return f"<haulier.TaskRef {self._entry_point} of {', '.join(self._units)}>"

    def _make_template(self, options: Options) -> _native.Template:
        chosen: Environment = options.environment or "ignore"
        return _native.Template(
            entry_point=self._entry_point,
            units=self._units,
            result_codecs=[VALUES, PICKLE] if self._is_python() else [VALUES],
            requires=[_callables.INTERPRETER],
            distributions=_distributions.finder((), chosen) if self._is_python() else None,
            **options._replace(environment=chosen)._asdict(),
        )

    def _is_python(self) -> bool:
        return ":" in self._entry_point

    def _submit(self, template: _native.Template, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TaskFuture:
        operation = f"run {self._entry_point}"
        if kwargs and not self._is_python():
            raise errors.InvalidArgument(
                "a task of another language takes no keyword arguments",
                operation=operation,
                hint="give the arguments by position",
            )
        by_value = False
        codec = VALUES
        try:
            payload = None if kwargs else _native.encode_arguments(args, self._is_python())
        except (TypeError, OverflowError) as error:
            if not self._is_python():
                raise errors.InvalidArgument(
                    str(error), operation=operation, hint="None, bool, int, float, str, bytes, list and dict travel"
                ) from error
            payload = None
        if payload is None:
            codec = PICKLE
            payload, by_value = _callables.dumps_arguments(args, kwargs)
        return self._cluster._dispatcher.submit(Call(template, codec, payload, by_value, None))
