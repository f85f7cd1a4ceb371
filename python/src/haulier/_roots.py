"""Which entries of ``sys.path`` hold the user's own code.

Own are the folder of the script, the working directory of an interactive interpreter, ``PYTHONPATH``, ``src`` layouts,
editable installs, and archives that programs are imported from. Not own are the standard library and installed
distributions: workers have theirs. Nothing here reads a module; what inside a root counts is decided by the core.
"""

from __future__ import annotations

import contextlib
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
    for entry in [*(sys.path if path is None else path), *_editable()[0]]:
        root = _absolute(entry or os.curdir)
        if root and root not in roots and _is_own(root) and (os.path.isdir(root) or _is_archive(root)):
            roots.append(root)
    return roots


def is_own_module(name: str) -> bool:
    """Say whether an imported module was loaded from a root of the user's own code."""
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None:
        return False
    return _is_in(_absolute(file), own_roots()) or _package_of(name) or loaded_elsewhere(name) is not None


def _package_of(name: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in own_packages())


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
    return frozenset(_absolute(folder) for name in names if (folder := sysconfig.get_path(name)))


@functools.cache
def _foreign() -> frozenset[str]:
    """Return the folders that are not own although nothing in their names says so."""
    installed = [sysconfig.get_path(name) for name in ("purelib", "platlib")]
    installed += [*site.getsitepackages(), site.getusersitepackages()]
    own_package = str(Path(_absolute(__file__)).parents[1])
    script = _absolute(sys.argv[0] or os.curdir) if sys.argv else ""
    if os.path.dirname(script) == own_package:
        own_package = ""
    return _standard_library() | {_absolute(folder) for folder in [*installed, own_package] if folder}


def own_packages() -> dict[str, str]:
    """Return editable installs whose folders have other names than their packages: folders or files by dotted names."""
    return _editable()[1]


def loaded_elsewhere(name: str) -> tuple[str, str] | None:
    """Return package and place of a module that was loaded, but neither from a root nor from what is installed.

    As finders of build tools load it, and programs that load a file by its path.
    """
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        package = ".".join(parts[:count])
        module = sys.modules.get(package)
        file = getattr(module, "__file__", None)
        if file is None:
            continue
        if not isinstance(file, str) or not file.endswith(".py") or not os.path.isfile(file):
            return None
        file = _absolute(file)
        place = os.path.dirname(file) if hasattr(module, "__path__") else file
        is_known = package in _NOT_CODE or not _is_own(file) or _is_in(file, _foreign())
        root = root_of(package, place)
        is_known = is_known or (root in own_roots() and not _leaves(place, root))
        return None if is_known else (package, place)
    return None


def linked_packages(roots: Iterable[str]) -> dict[str, str]:
    """Return packages that this program has loaded, and that are links in a root to folders outside of it."""
    packages: dict[str, str] = {}
    for root in roots:
        with contextlib.suppress(OSError), os.scandir(root) as entries:
            for entry in entries:
                if entry.is_symlink() and entry.name in sys.modules and entry.is_dir() and _leaves(entry.path, root):
                    packages.setdefault(entry.name, entry.path)
    return {name: place for name, place in packages.items() if loaded_elsewhere(name) == (name, place)}


def _leaves(place: str, root: str) -> bool:
    """Say whether a folder is a link to one that is not below the root."""
    return os.path.isdir(place) and not _is_in(os.path.realpath(place), (os.path.realpath(root),))


def _absolute(path: str) -> str:
    """Return the path from the root of the file system; "" if it begins in a working directory that has gone."""
    try:
        return os.path.abspath(path)
    except FileNotFoundError:
        return ""


# What travels by value, and what every worker has.
_NOT_CODE = frozenset(("__main__", "__mp_main__", "haulier", "haulier_worker", "cloudpickle"))


def _is_in(file: str, roots: Iterable[str]) -> bool:
    return any(file.startswith(root.rstrip(os.sep) + os.sep) for root in roots)


def _editable() -> tuple[list[str], dict[str, str]]:
    """Return the roots of editable installs, and the places of packages that would have other names there."""
    roots: list[str] = []
    packages: dict[str, str] = {}
    found = dict(_mapped())
    tops: dict[str, bool] = {}
    for name, place in found.items():
        top = name.partition(".")[0]
        tops[top] = tops.get(top, True) and root_of(name, place) is not None
    for name, place in found.items():
        root = root_of(name, place)
        if root is not None and tops[name.partition(".")[0]]:
            roots.append(root)
        else:
            packages[name] = place
    return roots, packages


def _mapped() -> Iterable[tuple[str, str]]:
    """Yield what finders of editable installs know: names, and the folders or files that these are."""
    for finder in sys.meta_path:
        module = sys.modules.get(getattr(finder, "__module__", ""))
        # setuptools: the places have no suffix. editables (hatch, pdm): they are those of __init__.py, or of a module.
        known: object = None
        if module is not None and module.__name__.startswith("__editable__"):
            known = getattr(module, "MAPPING", None)
        elif module is not None and module.__name__ == "editables.redirector":
            known = getattr(finder, "_redirections", None)
        for name, place in known.items() if isinstance(known, dict) else ():
            folder = _absolute(os.fspath(place))
            if os.path.basename(folder) == "__init__.py":
                folder = os.path.dirname(folder)
            elif not os.path.isdir(folder) and os.path.isfile(f"{folder}.py"):
                folder += ".py"
            yield str(name), folder


def root_of(name: str, place: str) -> str | None:
    """Return the folder from which importing ``name`` leads to ``place``; None if none does."""
    parts = place.removesuffix(".py").split(os.sep)
    wanted = name.split(".")
    return os.sep.join(parts[: -len(wanted)]) or os.sep if parts[-len(wanted) :] == wanted else None
