"""The class path of this process: a directory on ``sys.path`` that is filled as names are imported.

The core fills whole top-level packages; CPython's own import system loads from the directory. What the class path does
not have is answered here, without asking anybody.
"""

import _imp
import functools
import importlib
import importlib.machinery
import marshal
import os
import sys

from haulier_worker import compiling, failure

_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_BROUGHT = {"haulier", "cloudpickle"}
_METADATA = (".dist-info", ".egg-info")
_SUFFIXES = tuple(importlib.machinery.all_suffixes())


class SourceLoader(importlib.machinery.SourceFileLoader):
    """Loads modules as its base does, with bytecode that the core keeps by the digest of the source."""

    class_path = None
    start = 0
    """How much of a path is that of the directory."""

    compiled = []
    """What is to be kept: paths from the directory, and code."""

    def get_code(self, fullname):
        """Return the code of the module; the source is compiled if nobody has done so before."""
        path = self.path[self.start :]
        kept = self.class_path.bytecode(path)
        if kept is not None:
            code = marshal.loads(kept)
            _imp._fix_co_filename(code, self.path)
            return code
        code = self.source_to_code(self.get_data(self.path), self.path)
        self.compiled.append((path, code))
        return code


class ClassPathFinder:
    """Makes what is imported exist in the directory; finds modules of source, and leaves others to the path finder.

    What it finds is what the path finder behind it would find, but nothing is looked up on the disk.
    """

    def __init__(self, class_path):
        self._class_path = class_path
        self._directory = class_path.directory()
        tops = class_path.tops()
        self._tops = {_module_name(top, is_folder) for top, is_folder, _ in tops}
        self._tops.discard("")
        self._data = _data(tops)
        self._metadata = {top for top in self._tops if top.endswith(_METADATA)}
        self._filled = set()

    @property
    def names(self):
        """The names at the top of the class path."""
        return self._tops

    def find_spec(self, name, path=None, target=None):
        """Fill the directory with a top-level module, and find a module in it."""
        if path is None:
            if name not in self._tops:
                return None
            if name not in self._filled:
                self._fill(name)
            folder = sys.path[0] if sys.path else None
        elif type(path) is list and path:
            folder = path[0]
        else:
            return None
        if type(folder) is not str:
            return None
        found = self._class_path.module(name, folder)
        return None if found is None else _specification(name, *found)

    def find_distributions(self, context=None):
        """Fill the directory with the metadata of distributions, and find nothing."""
        for name in self._metadata - self._filled:
            self._fill(name)
        return iter(())

    def invalidate_caches(self):
        """Keep everything: the class path never changes."""

    def keep_bytecode(self):
        """Hand on what was compiled, for other processes."""
        compiled = SourceLoader.compiled[:]
        del SourceLoader.compiled[: len(compiled)]
        self._class_path.keep_bytecode([(path, marshal.dumps(code)) for path, code in compiled])

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
        class_path.loaded_by(compiling.tag())
        SourceLoader.class_path, SourceLoader.start = class_path, len(directory) + 1
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


def _specification(name, file, folder):
    spec = importlib.machinery.ModuleSpec(name, SourceLoader(name, file), origin=file, is_package=folder is not None)
    spec.has_location = True
    if folder is not None:
        spec.submodule_search_locations.append(folder)
    above, _, source = file.rpartition("/")
    spec.cached = f"{above}/__pycache__/{source[:-3]}.{sys.implementation.cache_tag}.pyc"
    return spec


def _data(tops):
    """Return what lies at the top and is neither module, package nor metadata."""
    folders = {top for top, is_folder, has_modules in tops if is_folder and not has_modules}
    data = {name for name in folders if not name.endswith((*_METADATA, ".libs"))}
    return data | {top for top, is_folder, _ in tops if not is_folder and not _module_name(top, False)}


def _forget_preloaded(names):
    """Let the class path's own modules win over those that the worker imported before it was known."""
    own = {"haulier_worker", "cloudpickle", "__main__"}
    for loaded in list(sys.modules):
        top = loaded.partition(".")[0]
        if top in names and top not in own and not _imp.is_builtin(top) and not _imp.is_frozen(top):
            del sys.modules[loaded]


def _module_name(top, is_folder):
    """Return what a file or folder at the top is imported as: "acme" for the folder, "acme.py" and "acme.abi3.so"."""
    if is_folder:
        return top
    for suffix in _SUFFIXES:
        if top.endswith(suffix):
            return top[: -len(suffix)]
    return ""
