"""What a submit would send, for people to look at."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import NamedTuple

_SHOWN = 10


class CodeFile(NamedTuple):
    """A file of the program's own code."""

    path: str
    """The file."""
    name: str
    """Its path from the import root that it is in: what it is called on a node."""
    size: int
    """Its size in bytes."""
    digest: str
    """The SHA-256 of its bytes."""


class LeftOut(NamedTuple):
    """A file or folder that does not travel."""

    path: str
    """The file, or a folder with all that is in it."""
    rule: str
    """Why: ".haulierignore: results/", "virtual environment", "never sent: *.pem"."""


@dataclass(frozen=True)
class Preview:
    """What a submit would send; made by ``Cluster.preview``, which sends nothing.

    ``str`` of it is a report to print.
    """

    files: list[CodeFile] = field(default_factory=list)
    """What travels with the submit, as far as this connection has not offered it before; a node takes what it lacks."""
    later: list[CodeFile] = field(default_factory=list)
    """The rest of the program's code: of it travels only what the task imports while it runs."""
    left_out: list[LeftOut] = field(default_factory=list)
    """What cannot travel; at most 1,000 files and folders for each import root."""
    left_out_more: int = 0
    """How many more are left out."""
    requirements: list[str] = field(default_factory=list)
    """Installed distributions that the code imports, as ``name==version``: workers need them."""
    by_value: bool = False
    """Whether code travels inside the call, which needs a worker with the same minor version of Python."""
    call_size: int = 0
    """The bytes of the call itself: arguments, and code by value."""

    @property
    def size(self) -> int:
        """The bytes of the files that travel with the submit, and of the call; equal files count once."""
        return sum({file.digest: file.size for file in self.files}.values()) + self.call_size

    @property
    def largest(self) -> list[CodeFile]:
        """The ten largest of the files that travel with the submit."""
        return sorted(self.files, key=lambda file: (-file.size, file.path))[:_SHOWN]

    def __str__(self) -> str:
        """Return a report."""
        lines = [f"{len(self.files)} files and a call of {_bytes(self.call_size)}, together {_bytes(self.size)}"]
        lines += [f"  {_bytes(file.size):>9}  {file.name}  ({file.path})" for file in self.largest]
        if len(self.files) > _SHOWN:
            lines.append(f"  and {len(self.files) - _SHOWN} smaller ones")
        if self.later:
            lines.append(f"{len(self.later)} more files if the task imports them")
        if self.requirements:
            lines.append(f"installed there: {', '.join(self.requirements)}")
        if self.by_value:
            lines.append(f"code by value: needs Python {sys.version_info.major}.{sys.version_info.minor}")
        if self.left_out:
            lines.append(f"left out: {len(self.left_out) + self.left_out_more}")
            lines += [f"  {out.path}  ({out.rule})" for out in self.left_out[:_SHOWN]]
            more = len(self.left_out) + self.left_out_more - _SHOWN
            lines += [f"  and {more} more"] if more > 0 else []
        return "\n".join(lines)


def _bytes(count: int) -> str:
    if count < 1000:
        return f"{count} B"
    size = count / 1000
    for unit in ("KB", "MB"):
        if size < 1000:
            return f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
