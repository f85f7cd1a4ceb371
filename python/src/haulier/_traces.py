"""Traces of tasks, as the client would have seen them: with its own paths, and with the lines of its own sources.

A worker names a module of this client by the session and the import root that it came with; what travels by value has
the client's paths anyway, but often no file beside them. Nothing here knows errors.
"""

from __future__ import annotations

import linecache
import os
import re
import sys

from haulier import _roots

_OF_SESSION = re.compile(r'(?<=File ")session [^/"]+/(?P<root>[^/"]+)/(?P<path>[^"]+)(?=")')
_FRAME = re.compile(r'(?P<margin>[ |+-]*)  File "(?P<file>[^"]+)", line (?P<line>\d+)(, in .*)?')


def localized(trace: str) -> str:
    """Return a trace with the paths of this client where it names modules of a session, and with source lines."""
    if 'File "session ' in trace:
        roots = _roots.own_roots()
        trace = _OF_SESSION.sub(lambda found: _path(roots, found), trace)
    return _with_sources(trace)


def _path(roots: list[str], found: re.Match[str]) -> str:
    for root in roots:
        path = os.path.join(root, found["path"])
        if os.path.basename(root) == found["root"] and os.path.isfile(path):
            return path
    # Of a package that its place does not name.
    module = found["path"].removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    file = getattr(sys.modules.get(module), "__file__", None)
    return file if isinstance(file, str) and os.path.isfile(file) else found[0]


def _with_sources(trace: str) -> str:
    """Add the source line below each frame that has none: a worker has no file of what travels by value."""
    lines = trace.splitlines(keepends=True)
    result = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        result.append(line)
        frame = _FRAME.fullmatch(line.rstrip("\n"))
        if frame is not None and not following.startswith(f"{frame['margin']}    "):
            source = linecache.getline(frame["file"], int(frame["line"])).strip()
            if source:
                result.append(f"{frame['margin']}    {source}\n")
    return "".join(result)
