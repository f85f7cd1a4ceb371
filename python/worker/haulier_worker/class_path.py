"""The class path of this process: a directory on ``sys.path`` that is filled as names are imported.

The core fills whole top-level packages; CPython's own import system loads from the directory. What the class path does
not have is answered here, without asking anybody.
"""

import importlib
import importlib.machinery
import os
import sys

_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_BROUGHT = {"haulier", "cloudpickle"}
_METADATA = (".dist-info", ".egg-info")
_SUFFIXES = tuple(importlib.machinery.all_suffixes())


class ClassPathFinder:
    """Makes what is imported exist in the directory, and leaves the loading to the path finder behind it."""

    def __init__(self, class_path):
        self._class_path = class_path
        self._tops = {_module_name(path) for path in class_path.paths()}
        self._tops.discard("")
        self._metadata = {top for top in self._tops if top.endswith(_METADATA)}
        self._filled = set()

    @property
    def names(self):
        """The names at the top of the class path."""
        return self._tops

    def find_spec(self, name, path=None, target=None):
        """Fill the directory with the top-level module of that name, and find nothing."""
        if path is None and name in self._tops and name not in self._filled:
            self._fill(name)

    def find_distributions(self, context=None):
        """Fill the directory with the metadata of distributions, and find nothing."""
        for name in self._metadata - self._filled:
            self._fill(name)
        return iter(())

    def invalidate_caches(self):
        """Keep everything: the class path never changes."""

    def _fill(self, name):
        self._class_path.fill(name)
        self._filled.add(name)
        importlib.invalidate_caches()


class BroughtFinder:
    """Finds the client package and cloudpickle in the node's distribution, if nothing else has them."""

    def find_spec(self, name, path=None, target=None):
        """Find one of the two names."""
        if path is None and name in _BROUGHT:
            if name == "haulier":
                from haulier_worker import _native

                sys.modules.setdefault("haulier._native", _native)
            return importlib.machinery.PathFinder.find_spec(name, [_HOME])
        return None

    def invalidate_caches(self):
        """Keep everything: the distribution never changes."""


def install(class_path):
    """Make the class path the first thing that is imported from, and return its finder."""
    finder = ClassPathFinder(class_path)
    directory = class_path.directory()
    if directory is not None:
        _place(class_path, directory)
        position = sys.meta_path.index(importlib.machinery.PathFinder)
        sys.meta_path.insert(position, finder)
        _forget_preloaded(finder.names)
    return finder


def _place(class_path, directory):
    if directory not in sys.path:
        sys.path.insert(0, directory)
    os.environ["PYTHONPATH"] = directory


def _forget_preloaded(names):
    """Let the class path's own modules win over those that the worker imported before it was known."""
    import _imp

    own = {"haulier_worker", "cloudpickle", "__main__"}
    for loaded in list(sys.modules):
        top = loaded.partition(".")[0]
        if top in names and top not in own and not _imp.is_builtin(top) and not _imp.is_frozen(top):
            del sys.modules[loaded]


def _module_name(path):
    """Return what a path of the class path is imported as: "acme" for "acme/price.py", "acme.py" and "acme.abi3.so"."""
    top, separator, _ = path.partition("/")
    if separator:
        return top
    for suffix in _SUFFIXES:
        if top.endswith(suffix):
            return top[: -len(suffix)]
    return ""
