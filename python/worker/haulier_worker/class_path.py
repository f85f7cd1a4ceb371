"""The class path of this process: a directory on ``sys.path`` that is filled as names are imported.

The core fills whole top-level packages; CPython's own import system loads from the directory. What the class path does
not have is answered here, without asking anybody.
"""

import functools
import importlib
import importlib.machinery
import os
import sys

from haulier_worker import failure

_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_BROUGHT = {"haulier", "cloudpickle"}
_METADATA = (".dist-info", ".egg-info")
_SUFFIXES = tuple(importlib.machinery.all_suffixes())


class SourceLoader(importlib.machinery.SourceFileLoader):
    """Loads modules as its base does, but lets nobody wait while their bytecode is written."""

    compiled = []
    """What is to be written: paths and bytes."""

    def path_stats(self, path):
        """Say nothing about the file: it never changes, and its bytecode is kept by its digest."""
        return {"mtime": 0, "size": 0}

    def set_data(self, path, data, *, _mode=0o666):
        """Put bytecode aside."""
        self.compiled.append((self.path, bytes(data)))


class ClassPathFinder:
    """Makes what is imported exist in the directory, and leaves the loading to the path finder behind it."""

    def __init__(self, class_path):
        self._class_path = class_path
        self._directory = class_path.directory()
        paths = class_path.paths()
        self._tops = {_module_name(path) for path in paths}
        self._tops.discard("")
        self._data = _data(paths)
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

    def keep_bytecode(self):
        """Hand on what was compiled, for this process's children and for other processes."""
        compiled = SourceLoader.compiled[:]
        del SourceLoader.compiled[: len(compiled)]
        start = len(self._directory) + 1
        self._class_path.keep_bytecode([(path[start:], code) for path, code in compiled])

    def _fill(self, name):
        self._class_path.fill(name)
        self._filled.add(name)
        while self._data:  # a module may look for them beside its own file
            self._class_path.fill(self._data.pop())
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
        class_path.loaded_by(sys.implementation.cache_tag)
        _place(class_path, directory)
        position = sys.meta_path.index(importlib.machinery.PathFinder)
        sys.meta_path.insert(position, finder)
        _forget_preloaded(finder.names)
    return finder


def _place(class_path, directory):
    if directory not in sys.path:
        sys.path.insert(0, directory)
    os.environ["PYTHONPATH"] = directory
    sys.path_hooks.insert(0, functools.partial(_find_in, directory))
    failure.show_files_of(directory, class_path.shown)


def _find_in(directory, path):
    """Find modules in the directory as CPython does elsewhere, with a loader of our own for sources."""
    if (path != directory and not path.startswith(directory + os.sep)) or not os.path.isdir(path):
        raise ImportError(f"no folder of the class path: {path}", path=path)
    return importlib.machinery.FileFinder(
        path,
        (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES),
        (SourceLoader, importlib.machinery.SOURCE_SUFFIXES),
        (importlib.machinery.SourcelessFileLoader, importlib.machinery.BYTECODE_SUFFIXES),
    )


def _data(paths):
    """Return what lies at the top and is neither module, package nor metadata."""
    files, folders, packages = set(), set(), set()
    for path in paths:
        top, separator, _ = path.partition("/")
        if not separator:
            files.add(top)
        elif path.endswith(_SUFFIXES):
            packages.add(top)
        else:
            folders.add(top)
    data = {name for name in folders - packages if not name.endswith((*_METADATA, ".libs"))}
    return data | {name for name in files if not _module_name(name)}


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
