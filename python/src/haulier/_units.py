"""What a cluster tells about its units, sessions, storages and nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Unit(NamedTuple):
    """A version of a unit: named, immutable code."""

    name: str
    version: str
    digest: str
    """SHA-256 of the content: "sha256:..."."""
    state: str
    """"UPLOADING", "DEPLOYED", "OBSOLETE" or "REMOVING"."""
    size: int
    """Bytes of all entries, uncompressed, and of archives that are kept as they were."""
    entries: int
    """The number of entries."""
    generation: int
    """Grows with each replacement of the same name and version."""
    deployed_at: float
    """Seconds since the epoch."""
    deployed_by: str
    sources: tuple[str, ...]
    """The names of the sources, one for each root."""
    holders: tuple[str, ...]
    """The names of the nodes on which it is whole, as far as the node knows that was asked."""
    aliases: tuple[str, ...] = ()
    """The movable names that point to it: "stable"."""
    warnings: tuple[str, ...] = ()
    """What of its content is seldom meant: classes that nobody will load, two versions of one library. Only in what
    ``deploy`` returns."""

    @property
    def reference(self) -> str:
        """What tasks name the unit by: "name:version"."""
        return f"{self.name}:{self.version}"

    def __str__(self) -> str:
        return self.reference


@dataclass(frozen=True, slots=True)
class UnitEntry:
    """A file of a unit."""

    path: str
    """The path in its source."""
    digest: str
    """SHA-256 of its bytes: "sha256:..."."""
    size: int
    """In bytes."""
    executable: bool
    source: int
    """The index of its source in ``Unit.sources``."""


@dataclass(frozen=True, slots=True)
class UnitOrigin:
    """Where a source of a unit came from."""

    source: str
    """As it was named: a path, a URL, Maven coordinates."""
    sha256: str
    """Of the file as it was, in hexadecimal; empty for folders."""
    coordinates: str
    """What it was resolved to: "org.apache.commons:commons-lang3:jar:3.14.0"; empty for paths."""


@dataclass(frozen=True, slots=True)
class UnitOriginal:
    """An archive that is kept as it was, besides its files: its source is opaque."""

    source: int
    """The index of its source in ``Unit.sources``."""
    digest: str
    """SHA-256 of its bytes: "sha256:..."."""
    size: int
    """In bytes."""


@dataclass(frozen=True, slots=True)
class PinnedRequirement:
    """A Python distribution that a unit requires, in the version that its lock says."""

    name: str
    """Normalised: "requests"."""
    version: str
    """The exact version: "2.32.3"."""
    marker: str
    """Where it counts, as an environment marker: "python_full_version < '3.12'"; empty: everywhere."""

    def __str__(self) -> str:
        return f"{self.name}=={self.version}" + (f" ; {self.marker}" if self.marker else "")


@dataclass(frozen=True, slots=True)
class UnitDetails:
    """A unit with its files."""

    unit: Unit
    entries: tuple[UnitEntry, ...]
    """Its files, in the order in which they are searched."""
    origins: tuple[UnitOrigin, ...]
    """Where its sources came from, one for each; empty if that was not said."""
    originals: tuple[UnitOriginal, ...] = ()
    """The archives that are kept as they were: ``Cluster.download`` gives back the bytes that they had."""
    requirements: tuple[PinnedRequirement, ...] = ()
    """The Python distributions that it requires, sorted by name."""

    @classmethod
    def _of(
        cls,
        unit: tuple[Any, ...],
        entries: Iterable[Any],
        origins: Iterable[Any],
        originals: Iterable[Any],
        requirements: Iterable[Any],
    ) -> UnitDetails:
        return cls(
            Unit(*unit),
            tuple(UnitEntry(*entry) for entry in entries),
            tuple(UnitOrigin(*origin) for origin in origins),
            tuple(UnitOriginal(*original) for original in originals),
            tuple(PinnedRequirement(*pin) for pin in requirements),
        )


@dataclass(frozen=True, slots=True)
class ExplainedPlace:
    """A root that has a name."""

    label: str
    """The root: "pricing:1.2.0/pricing.jar"."""
    path: str
    """The entry; ends with "/" for the folder of a namespace package."""
    digest: str | None
    """SHA-256 of its bytes; None for a folder."""
    size: int
    """Bytes."""
    peer: bool
    """Whether the root is of the session."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a class, a resource or a module comes from, and why. ``print`` shows all of it."""

    name: str
    """The name as it is written in its language."""
    kind: str
    """"class", "resource" or "module"."""
    verdict: str
    """What gives it, in one line."""
    rule: str
    """What decides who is asked."""
    places: tuple[ExplainedPlace, ...]
    """The roots that have it, in the order in which they are searched; the first one counts."""
    searched: tuple[str, ...]
    """Where none has it: the labels of all roots."""
    nearest: tuple[str, ...]
    """Where none has it: names that look like it."""
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Session:
    """A client's scope for code that travels by itself."""

    id: str
    """Its name, for ``Cluster.promote``."""
    node: str
    """The name of the node that its client is connected to."""
    identity: str
    """Who it belongs to: a token's name, else "unverified:..."."""
    language: str | None
    """The language of its client; None: one that is not known here."""
    age: float
    """Seconds since it was opened."""
    tasks: int
    """Tasks that wait or run."""
    snapshots: tuple[str, ...]
    """The digests of the code that it has sent, oldest first: "sha256:..."."""


@dataclass(frozen=True, slots=True)
class ContinuousCode:
    """Code that stays after the sessions in the continuous mode that brought it."""

    reference: str
    """What it is run and undeployed by: "session:" and the digest of the snapshot in hexadecimal."""
    identities: tuple[str, ...]
    """Who has brought it, and may run it and undeploy it."""
    origins: tuple[str, ...]
    """The sessions that brought it, the newest last: "id@node"."""
    created_at: float
    """When the first of them came, in seconds since the epoch."""
    last_used: float
    """In seconds since the epoch; of code that is in use, up to an hour old."""
    held_bytes: int
    """Bytes of its files that are on the node that was asked."""
    size: int
    """Bytes of all its files; 0 if that node does not know them yet."""
    names: tuple[str, ...]
    """The names of its roots."""


@dataclass(frozen=True, slots=True)
class CollectedGarbage:
    """What a collection freed, or would free."""

    node: str
    """The name of the node."""
    packs: int
    """Pack files."""
    bytes: int
    """Bytes of disk that they have."""
    held_bytes: int
    """Bytes that nothing names either, in packs that stay because of other content in them."""


@dataclass(frozen=True, slots=True)
class WatchProblem:
    """A file or a unit of a watched storage that could not be deployed."""

    path: str
    """The path in the storage."""
    unit: str | None
    """The unit that it would be: "name:version"; None if it is none."""
    state: str
    """"quarantined", "conflict", "retrying" or "ignored"."""
    error: str
    """What is wrong."""
    since: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class StorageWatch:
    """A storage that is watched."""

    id: str
    """Its name, for ``Cluster.unwatch_storage``."""
    url: str
    """Without credentials."""
    interval: float
    """How often it is looked at, in seconds."""
    settle: float
    """How long a file must have been unchanged before it is taken, in seconds."""
    node: str | None
    """The name of the node that looks at it; None: none at the moment."""
    state: str
    """"starting", "watching" or "outage"."""
    last_error: str | None
    """What is wrong with the storage as a whole; None: nothing."""
    last_success: float | None
    """When it was last looked at and all went well, in seconds since the epoch; None: not yet."""
    units: int
    """Units that are deployed from it."""
    settling: int
    """Files that wait until they have settled."""
    problems: tuple[WatchProblem, ...]
    """Files and units that could not be deployed."""

    @classmethod
    def _of(cls, fields: tuple[Any, ...]) -> StorageWatch:
        problems = tuple(WatchProblem(*problem) for problem in fields[-1])
        return cls(*(*fields[:-1], problems))


@dataclass(frozen=True, slots=True)
class Node:
    """A node as its cluster sees it."""

    name: str
    address: str
    """What clients and other nodes dial: "host:port"."""
    state: str
    """"alive": it takes tasks; "draining": it finishes what it has; "lost": the other nodes do not hear it."""
    labels: Mapping[str, str]
    """The labels that it was started with."""
    version: str
    """Of Haulier, with its build: "0.1.0+1a2b3c4d"."""
    runtimes: Mapping[str, str]
    """The languages that run there, with the versions of their runtimes: {"java": "17.0.15"}."""
    slots: int
    """Tasks that can run at the same time."""
    queued: int
    """Tasks that wait on the node."""
    executing: int
    """Tasks that run on the node."""
    held_units: tuple[str, ...]
    """The digests of the deployed units that are whole on the node: "sha256:..."."""
    local_code: str | None
    """The digest of the node's own code; None if it has none. Nodes that differ here may answer differently."""
    owns_catalogue: bool
    """Whether the node owns the embedded catalogue: without it nothing can be deployed."""
    direct: bool
    """Whether this client has a connection to the node; tasks for other nodes go through one that it has."""
    process_id: int
    uptime: float
    """Seconds since the node started."""
    code_round_trips: int
    """Round trips to clients for peer-loaded code since the node started."""
