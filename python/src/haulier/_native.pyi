"""The native half: converts and calls. Everything here raises the classes of ``haulier.errors``."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal, final

_UnitFields = tuple[str, str, str, str, int, int, int, float, str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]
_SessionFields = tuple[str, str, str, str | None, float, int, tuple[str, ...]]

@final
class Completions:
    """The thread that brings results to Python, many at a time."""

    def __init__(
        self,
        complete: Callable[[list[tuple[Any, int, Any]]], None],
        take: Callable[[list[tuple[Any, int, Any]]], None],
    ) -> None:
        """Start the thread; it calls ``complete`` with (token, codec, payload) of each task.

        A thread that leads calls ``take`` with the same; what that leaves in the list goes to ``complete``.
        Codec -1: the payload is the fields of an error. Codec -2: a list of (node, codec, payload), of a broadcast.
        """

    def lead(self, seconds: float) -> bool:
        """Take results on this thread, until some have come or the time is over. False: another thread does."""

    def stop(self) -> None:
        """End the thread and wait for it."""

@final
class Payload:
    """A pickle with buffers behind it, in memory of its own."""

    def split(self) -> tuple[bytes, list[memoryview]]:
        """Return the pickle, and views of its buffers that can be written to."""

def join_buffers(pickle: bytes, buffers: Sequence[memoryview], /) -> bytes:
    """Return one payload of a pickle and its buffers."""

def pickled_modules(payload: bytes, /) -> list[str]:
    """Return the top-level modules that a pickle of protocol 5 names."""

@final
class Scope:
    """The code of this interpreter, as nodes may load it."""

    def preview(
        self, start: Sequence[str]
    ) -> tuple[list[tuple[str, str, int, str]], list[tuple[str, str, int, str]], list[tuple[str, str]], int, list[str]]:
        """Return what a submit of these modules would send: files, what may follow, what is left out, foreign names."""

@final
class Template:
    """What the submits of one callable or task have in common."""

    def __init__(
        self,
        *,
        entry_point: str,
        units: Sequence[str] = (),
        start: Sequence[str] = (),
        result_codecs: Sequence[int],
        requires: Sequence[str] = (),
        timeout: float | None = None,
        node: str | None = None,
        key: str | None = None,
        labels: Sequence[tuple[str, str]] = (),
        failover: bool = False,
        mode: str | None = None,
        policy: str | None = None,
        parent_first: Sequence[str] = (),
        broadcast: bool = False,
        environment: str | None = None,
        distributions: Callable[[list[str], list[str]], list[str]] | None = None,
    ) -> None:
        """``start``: the modules that the closure begins with. ``requires`` counts for payloads with code by value.

        ``distributions`` makes requirements of the top-level names that the closure imports and does not have, and of
        those that pickled arguments name.
        """

    def start(self) -> list[str]: ...

@final
class Cluster:
    """A connection."""

    @staticmethod
    def connect(
        address: str,
        *,
        token: str | None,
        ca_certificate: bytes | None,
        mode: str,
        language_version: str,
        capabilities: Sequence[str],
        include: Sequence[str],
        deny: Sequence[str],
        timeout: float,
        completions: Completions,
    ) -> Cluster: ...
    def address(self) -> str: ...
    def peer_loading(self) -> bool: ...
    def submit(
        self, template: Template, codec: int, payload: bytes, by_value: bool, scope: Scope | None, token: object
    ) -> int:
        """Submit a task and return its number; ``token`` comes back with the result."""

    def cancel(self, task: int, force: bool) -> bool: ...
    def code_scope(self, roots: Sequence[str], packages: Sequence[tuple[str, str]]) -> Scope:
        """Return the code of these roots; ``packages``: folders or files by their dotted names, in no root."""

    def nodes(self) -> list[dict[str, Any]]:
        """Return the fields of `haulier.Node`, by name."""

    def is_closed(self) -> bool: ...
    def close(self) -> None: ...

@final
class Deployment:
    """A deployment that is under way."""

    def next_step(self) -> tuple[Literal["reading", "fetching", "sending", "publishing"], int, int] | None:
        """Wait for the next step (step, done, total); None: it has ended. To be called by one thread."""

    def unit(self) -> _UnitFields:
        """Wait for the end, once; raises why there is no unit."""

    def cancel(self) -> None: ...

@final
class Deployments:
    """The units of a cluster. Empty texts stand for defaults; units are the fields of `haulier.Unit`."""

    def __init__(self, cluster: Cluster) -> None: ...
    def session_id(self) -> str: ...
    def start(
        self,
        name: str,
        version: str,
        sources: Sequence[str],
        *,
        replace: bool,
        opaque: bool,
        nodes: str,
        sha256: str,
        dependencies: bool,
        include: Sequence[str],
        exclude: Sequence[str],
        repositories: Sequence[str],
        requirement_files: Sequence[str],
        requirements: Sequence[str],
        uv: str | None,
    ) -> Deployment: ...
    def close(self) -> None:
        """Stop the deployments that are under way."""

    def undeploy(self, reference: str, force: bool) -> Sequence[_UnitFields]: ...
    def list(self, name: str) -> Sequence[_UnitFields]: ...
    def inspect(
        self, reference: str
    ) -> tuple[
        _UnitFields,
        Sequence[tuple[Any, ...]],
        Sequence[tuple[Any, ...]],
        Sequence[tuple[Any, ...]],
        Sequence[tuple[Any, ...]],
    ]:
        """Return the fields of the unit, of its entries, of its origins, of its originals and of its requirements."""

    def download(self, reference: str, folder: str, force: bool) -> Sequence[Path]: ...
    def set_alias(self, name: str, alias: str, version: str) -> _UnitFields: ...
    def remove_alias(self, name: str, alias: str) -> str: ...
    def wait_for_unit(self, reference: str, nodes: str, timeout: float) -> _UnitFields: ...
    def promote(
        self, session: str, *, name: str, version: str, snapshot: str, replace: bool, nodes: str
    ) -> _UnitFields: ...
    def sessions(self) -> Sequence[_SessionFields]: ...
    def continuous_code(self) -> Sequence[tuple[Any, ...]]:
        """Return the fields of `haulier.ContinuousCode`."""

    def explain(
        self, name: str, units: Sequence[str], session: str, task: str, language: str | None
    ) -> tuple[Any, ...]:
        """Return the fields of `haulier.Explanation`, those of its places as a list of tuples."""

    def collect_garbage(self, dry_run: bool) -> tuple[str, int, int, int]: ...
    def watch_storage(self, url: str, interval: float | None, settle: float | None) -> tuple[Any, ...]:
        """Return the fields of `haulier.StorageWatch`, with the fields of its problems as the last."""

    def unwatch_storage(self, watch: str, undeploy: bool) -> tuple[Any, ...]: ...
    def watched_storages(self) -> Sequence[tuple[Any, ...]]: ...

def finish(future: Future[Any], value: object, error: BaseException | None) -> bool:
    """End a future in one step that no signal can interrupt. False: somebody watches it, or it has ended."""

def encode_arguments(args: tuple[Any, ...], exact: bool) -> bytes:
    """Encode arguments as values. ``TypeError`` or ``OverflowError`` names what is none.

    ``exact``: only what arrives in Python as the same type; else subclasses and tuples become the nearest value.
    """

def decode_arguments(payload: bytes) -> tuple[Any, ...]: ...
def encode_value(value: object, exact: bool) -> bytes: ...
def decode_value(payload: bytes) -> Any: ...
