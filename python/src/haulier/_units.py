"""What a cluster tells about its units and nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """A version of a unit: named, immutable code."""

    name: str
    version: str
    digest: str
    """SHA-256 of the content: "sha256:..."."""
    state: str
    """"UPLOADING", "DEPLOYED", "OBSOLETE" or "REMOVING"."""
    size: int
    """Bytes of all entries, uncompressed."""
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

    @property
    def reference(self) -> str:
        """What tasks name the unit by: "name:version"."""
        return f"{self.name}:{self.version}"

    def __str__(self) -> str:
        return self.reference


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
