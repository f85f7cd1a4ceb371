"""Which installed distributions the code of a call needs, as requirements: "numpy==2.4.1".

Which names the code imports is found by the core; here they become distributions of this interpreter, or the reason
why they cannot be had elsewhere. Nothing here imports anything, or knows connections.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from typing import Literal

from haulier import _roots, errors

Environment = Literal["check", "build", "ignore"]

# What every worker has, and what is no distribution.
_NOT_REQUIRED = frozenset(("haulier", "haulier_worker", "cloudpickle", "__main__", "__mp_main__"))


def check(environment: str) -> None:
    """Raise ``ValueError`` for what is no policy."""
    if environment not in ("check", "build", "ignore"):
        raise ValueError(f'environment is "check", "build" or "ignore", not {environment!r}')


def finder(start: Iterable[str], environment: Environment) -> Callable[[list[str], list[str]], list[str]] | None:
    """Return what makes requirements of the names that code imports and arguments name; None if nobody wants any.

    ``start``: the modules that the call itself names. To be checked are they, those of its arguments' classes, and what
    this program has imported: what stands in a branch or a file that it never came to might be installed nowhere. An
    environment that is built has all that is installed here.
    """
    if environment == "ignore":
        return None
    named = frozenset(name.partition(".")[0] for name in start)

    def requirements(names: list[str], of_arguments: list[str]) -> list[str]:
        for name in names:
            _check_place(name)
        imported = (name for name in names if environment == "build" or name in named or name in sys.modules)
        return required((*imported, *of_arguments))

    return requirements


def _check_place(name: str) -> None:
    """Refuse a module that this program has, and no worker would find."""
    found = _roots.loaded_elsewhere(name)
    if found is None:
        return
    package, place = found
    root = _roots.root_of(package, os.path.realpath(place))
    raise errors.CodeNotFound(
        f"{package} was loaded from {place!r}, which nothing on sys.path leads to: it does not travel",
        operation="send code",
        context={"module": package, "place": place},
        hint=f"start the program with PYTHONPATH={root}"
        if root
        else f"pip install it without --editable, or deploy it: haulier deploy {package} <wheel>",
    )


def required(names: Iterable[str]) -> list[str]:
    """Return the installed distributions that have these top-level names, as "name==version", sorted.

    Without the standard library, editable installs, which are the user's own code, and what is not installed.
    """
    wanted = {name for name in names if name not in sys.stdlib_module_names and name not in _NOT_REQUIRED}
    if not wanted:
        return []
    return sorted(_installed.requirements(wanted))


class _Installed:
    """What is installed, looked at again when ``sys.path`` or a folder on it has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: tuple[tuple[str, int], ...] | None = None
        self._known: dict[str, list[str]] = {}
        self._by_name: Mapping[str, list[str]] | None = None

    def requirements(self, names: Iterable[str]) -> set[str]:
        """Return the requirements that these top-level names mean."""
        state = tuple((entry, _changed(entry)) for entry in sys.path)
        with self._lock:
            if state != self._state:
                self._state, self._known, self._by_name = state, {}, None
            for name in names:
                if name not in self._known:
                    self._known[name] = [f"{one.name}=={one.version}" for one in self._distributions(name)]
            return {requirement for name in names for requirement in self._known[name]}

    def _distributions(self, name: str) -> list[metadata.Distribution]:
        found = _of_the_same_name(name)
        if not found:
            if self._by_name is None:
                # It reads the list of files of all that is installed.
                self._by_name = metadata.packages_distributions()
            for distribution in sorted(set(self._by_name.get(name, ()))):
                with contextlib.suppress(metadata.PackageNotFoundError):
                    found.append(metadata.distribution(distribution))
        if len(found) > 1:
            # A namespace that several share.
            found = [distribution for distribution in found if _is_in_use(name, distribution)]
        return [distribution for distribution in found if distribution.version and not _is_editable(distribution)]


_installed = _Installed()


def _changed(folder: str) -> int:
    """Return when something was installed there or removed; 0 for what is no folder."""
    try:
        return os.stat(folder or os.curdir).st_mtime_ns
    except OSError:
        return 0


def _of_the_same_name(name: str) -> list[metadata.Distribution]:
    """Return the distribution that is called like the module and lies beside it, as most do."""
    try:
        distribution = metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return []
    tops = distribution.read_text("top_level.txt")
    if tops is not None and name not in tops.split():
        return []
    places = (f"{name}/__init__.py", f"{name}.py")
    return [distribution] if any(os.path.isfile(str(distribution.locate_file(place))) for place in places) else []


def _is_in_use(name: str, distribution: metadata.Distribution) -> bool:
    """Say whether one of its files is a module that is loaded."""
    files = {
        os.path.realpath(file)
        for loaded, module in list(sys.modules.items())
        if loaded.partition(".")[0] == name and isinstance(file := getattr(module, "__file__", None), str)
    }
    return any(os.path.realpath(str(distribution.locate_file(file))) in files for file in distribution.files or ())


def _is_editable(distribution: metadata.Distribution) -> bool:
    """Say whether its code is that of a project of the user."""
    with contextlib.suppress(ValueError, AttributeError):
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        return bool(origin.get("dir_info", {}).get("editable"))
    return False
