"""Which entries of ``sys.path`` hold the user's own code.

Own are the folder of the script, the working directory of an interactive interpreter, ``PYTHONPATH``, ``src`` layouts,
editable installs, and archives that programs are imported from. Not own are the standard library and installed
distributions: workers have theirs. Nothing here reads a module; what inside a root counts is decided by the core.
"""

from __future__ import annotations

import functools
import os
import site
import sys
import sysconfig
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

_INSTALLED = {"site-packages", "dist-packages"}


def own_roots(path: Sequence[str] | None = None) -> list[str]:
    """Return the import roots of the user's own code, absolute, in the order of ``path`` (default: ``sys.path``)."""
    roots: list[str] = []
    for entry in [*(sys.path if path is None else path), *_editable_roots()]:
        root = os.path.abspath(entry or os.curdir)
        if root not in roots and _is_own(root) and (os.path.isdir(root) or _is_archive(root)):
            roots.append(root)
    return roots


def is_own_module(name: str) -> bool:
    """Say whether an imported module was loaded from a root of the user's own code."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is not None and any(os.path.abspath(file).startswith(root + os.sep) for root in own_roots())


def _is_own(root: str) -> bool:
    if _INSTALLED.intersection(Path(root).parts) or root in _foreign():
        return False
    return not any(root.startswith(folder + os.sep) for folder in _standard_library())


def _is_archive(root: str) -> bool:
    """Say whether a file on the path is one that modules are imported from: a zipapp, an egg."""
    if os.path.basename(root) == f"python{sys.version_info[0]}{sys.version_info[1]}.zip":
        return False
    return os.path.isfile(root) and zipfile.is_zipfile(root)


@functools.cache
def _standard_library() -> frozenset[str]:
    names = ("stdlib", "platstdlib")
    return frozenset(os.path.abspath(folder) for name in names if (folder := sysconfig.get_path(name)))


@functools.cache
def _foreign() -> frozenset[str]:
    """Return the folders that are not own although nothing in their names says so."""
    installed = [sysconfig.get_path(name) for name in ("purelib", "platlib")]
    installed += [*site.getsitepackages(), site.getusersitepackages()]
    own_package = str(Path(os.path.abspath(__file__)).parents[1])
    script = os.path.abspath(sys.argv[0] or os.curdir) if sys.argv else ""
    if os.path.dirname(script) == own_package:
        own_package = ""
    return _standard_library() | {os.path.abspath(folder) for folder in [*installed, own_package] if folder}


def _editable_roots() -> Iterable[str]:
    """Yield the roots of editable installs that setuptools serves by a finder instead of a path."""
    for finder in sys.meta_path:
        module = sys.modules.get(getattr(finder, "__module__", ""))
        if module is None or not module.__name__.startswith("__editable__"):
            continue
        mapping = getattr(module, "MAPPING", None)
        for folder in mapping.values() if isinstance(mapping, dict) else ():
            yield os.path.dirname(str(folder))
