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
    """What clients dial: "host:port"."""
    version: str
    """Of Haulier, with its build: "0.1.0+1a2b3c4d"."""
    runtimes: Mapping[str, str]
    """The languages that run there, with the versions of their runtimes: {"java": "17.0.15"}."""
    queued: int
    """Tasks that wait on the node."""
    executing: int
    """Tasks that run on the node."""
    process_id: int
    uptime: float
    """Seconds since the node started."""
