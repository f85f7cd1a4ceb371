"""What is submitted for a callable: the form that fits it, and the code behind it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from haulier import _callables, _distributions, _native, _preview, _roots, errors
from haulier._distributions import Environment
from haulier._futures import PICKLE, Call

Mode = Literal["isolated", "private", "shared", "continuous"]
Policy = Literal["parent-first", "child-first", "self-only"]

# Parts of every worker, so that no code travels for them.
_RUN_CHUNK = ("haulier_worker.calls", "run_chunk")
_RUN_PICKLED = ("haulier_worker.calls", "run_pickled")
# The payload says what is called.
_UNNAMED = ("", "")


# Forms of calls that are kept: a key for each customer, say, must not fill the memory.
_MOST_TEMPLATES = 1024


class Options(NamedTuple):
    """What is said about each call besides the callable: how long it may take, and where it runs."""

    timeout: float | None = None
    node: str | None = None
    key: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    failover: bool = False
    mode: Mode | None = None
    policy: Policy | None = None
    parent_first: tuple[str, ...] = ()
    broadcast: bool = False
    environment: Environment | None = None


def options(
    timeout: float | None,
    node: str | None,
    labels: Mapping[str, str] | None,
    key: str | None,
    failover: bool,
    mode: Mode | None = None,
    policy: Policy | None = None,
    parent_first: str | Iterable[str] = (),
    environment: Environment | None = None,
) -> Options:
    """Make options of what a caller says; ``haulier.InvalidArgument`` if that cannot hold together."""
    if node is not None and key is not None:
        raise errors.InvalidArgument(
            "a node and a key are given, which both say where a task runs", hint="give node= or key="
        )
    if environment is not None:
        _distributions.check(environment)
    pairs = tuple(labels.items()) if labels else ()
    if not all(type(part) is str for pair in pairs for part in pair):
        raise TypeError("labels and their values are str")
    prefixes = (parent_first,) if isinstance(parent_first, str) else tuple(parent_first)
    return Options(timeout, node, key, tuple(sorted(pairs)), failover, mode, policy, prefixes, environment=environment)


class CallMaker:
    """Makes the calls of one connection."""

    def __init__(self, cluster: _native.Cluster, peer_loading: bool, environment: Environment = "check") -> None:
        self._cluster = cluster
        self._environment: Environment = environment
        self._peer_loading = peer_loading
        self._node_loads = cluster.peer_loading()
        self._lock = threading.Lock()
        self._path: list[str] = []
        self._looked: set[str] = set()
        self._elsewhere: dict[str, str] = {}
        self._known: tuple[list[str], dict[str, str]] = ([], {})
        self._scope: _native.Scope | None = None
        self._templates: dict[tuple[Any, ...], _native.Template] = {}

    def call(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], options: Options) -> Call:
        """Make one call; raises what pickling raises."""
        found = _callables.entry_point(fn)
        if found is not None:
            payload, by_value = _callables.dumps_arguments(args, kwargs)
            return self._make(found, found[:1], payload, by_value, options)
        constant = _callables.constant(fn)
        if constant is not None:
            payload = constant.alone
            if args or kwargs:
                payload, _ = _callables.dumps_arguments((constant.payload, *args), kwargs)
            return self._make(_RUN_PICKLED, constant.modules, payload, True, options)
        payload, by_value, modules = _callables.dumps((fn, args, kwargs))
        return self._make(_UNNAMED, modules, payload, by_value, options)

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse to be pickled, and with it connections and executors: a task makes a connection of its own."""
        address = self._cluster.address()
        raise TypeError(f"a connection does not travel; in the task: haulier.connect({address!r})")

    def preview(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> _preview.Preview:
        """Say what would travel for a call; raises what pickling raises."""
        call = self.call(fn, args, kwargs, Options())
        start = call.template.start()
        files, later, left_out, more, foreign = (
            ([], [], [], 0, start) if call.scope is None else call.scope.preview(start)
        )
        required = _distributions.finder(start, self._environment)
        return _preview.Preview(
            files=[_preview.CodeFile(*file) for file in files],
            later=[_preview.CodeFile(*file) for file in later],
            left_out=[_preview.LeftOut(*out) for out in left_out],
            left_out_more=more,
            requirements=required(foreign, _native.pickled_modules(call.payload)) if required else [],
            by_value=call.by_value,
            call_size=len(call.payload),
        )

    def prepare(self, fn: Callable[..., Any], chunked: bool, options: Options) -> Callable[[tuple[Any, ...]], Call]:
        """Pickle a callable once, for many calls with other arguments; ``chunked``: each makes several."""
        found = _callables.entry_point(fn)
        if not chunked and (found is not None or _callables.constant(fn) is not None):
            return lambda args: self.call(fn, args, {}, options)
        blob, fn_by_value, modules = _callables.dumps_plain(fn)
        pickled = _callables.Pickled(blob)
        if found is not None:
            modules = frozenset((found[0],))
        entry_point = _RUN_CHUNK if chunked else _UNNAMED

        def call(args: tuple[Any, ...]) -> Call:
            whole: tuple[Any, ...] = ((pickled, *args), {}) if chunked else (pickled, args, {})
            payload, by_value, _ = _callables.dumps(whole)
            return self._make(entry_point, modules, payload, by_value or fn_by_value, options)

        return call

    def _make(
        self, entry: tuple[str, str], start: Iterable[str], payload: bytes, by_value: bool, options: Options
    ) -> Call:
        key = (entry, start, options)
        template = self._templates.get(key)
        if template is None:
            if len(self._templates) >= _MOST_TEMPLATES:
                self._templates.clear()
            template = self._templates[key] = self._template(entry, sorted(start), options)
        return Call(template, PICKLE, payload, by_value, self._code(by_value, start))

    def _template(self, entry: tuple[str, str], start: list[str], options: Options) -> _native.Template:
        chosen = options._replace(environment=options.environment or self._environment)
        return _native.Template(
            entry_point=":".join(entry) if entry[0] else "",
            start=start,
            result_codecs=[PICKLE],
            requires=[_callables.INTERPRETER],
            distributions=_distributions.finder(start, chosen.environment or "check"),
            **chosen._asdict(),
        )

    def _code(self, by_value: bool, modules: Iterable[str]) -> _native.Scope | None:
        """Return the code of this project as nodes may load it; a new one when ``sys.path`` has changed, or needs more.

        Where the node takes no code, what needs none of ours goes without; the rest is refused with the reason.
        """
        if not self._peer_loading:
            return None
        if not (self._node_loads or by_value or any(map(_roots.is_own_module, modules))):
            return None
        if sys.path != self._path or not self._looked.issuperset(modules):
            with self._lock:
                self._look(modules)
        return self._scope

    def _look(self, modules: Iterable[str]) -> None:
        """Make the scope anew if there are other roots, or packages in none of them."""
        self._elsewhere.update(filter(None, map(_roots.loaded_elsewhere, modules)))
        roots = _roots.own_roots()
        known = roots, {**_roots.linked_packages(roots), **self._elsewhere, **_roots.own_packages()}
        if known != self._known or self._scope is None:
            roots, packages = known
            self._scope = self._cluster.code_scope(roots, list(packages.items())) if roots or packages else None
            self._known = known
        self._looked.update(modules)
        self._path = list(sys.path)
