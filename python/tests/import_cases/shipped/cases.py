"""Ways to import and to look at what was imported; each function is one case and returns what it saw."""

import concurrent.futures
import importlib
import importlib.metadata
import importlib.resources
import importlib.util
import inspect
import io
import multiprocessing
import os
import pickle
import pkgutil
import runpy
import subprocess
import sys
import threading
import traceback
import typing
import unittest
import unittest.mock

import shipped

EXECUTED = []


def submodule():
    """Import a submodule and a relative one."""
    from .plugins import first

    return importlib.import_module("shipped.plugins.second").NAME, first.NAME


def namespace():
    """Import from packages without a file of their own."""
    from spread.far import inner
    from spread.near import NAME

    return inner.NAME, NAME, sys.modules["spread"].__file__


def module_getattr():
    """Ask a module for an attribute that it computes."""
    return shipped.computed, hasattr(shipped, "absent")


def star():
    """Import what a module exports."""
    names = {}
    exec("from shipped.exported import *", names)
    return "visible" in names, "hidden" in names


def encoding():
    """Import a module with an encoding of its own."""
    from shipped import latin

    return latin.TEXT


def file():
    """Look at the file of a module."""
    return type(__file__).__name__, os.path.basename(__file__), os.path.isabs(__file__)


def data_beside_file():
    """Open a file beside a module."""
    with open(os.path.join(os.path.dirname(__file__), "data", "text.txt"), encoding="utf-8") as opened:
        return opened.read()


def resources():
    """Read resources in every way there is."""
    root = importlib.resources.files("shipped")
    with importlib.resources.as_file(root / "data/text.txt") as path:
        as_file = path.read_text("utf-8")
    listed = sorted(entry.name for entry in (root / "data").iterdir())
    return as_file, (root / "data/deep/more.txt").read_text("utf-8"), listed


def resource_folder():
    """Have a folder of resources on the disk."""
    data = importlib.resources.files("shipped") / "data"
    return sorted(os.listdir(os.fspath(data))), pkgutil.get_data("shipped", "data/text.txt")


def plugins():
    """Walk through packages."""
    from shipped import plugins as package

    walked = sorted(found.name for found in pkgutil.walk_packages(shipped.__path__, "shipped."))
    return [found.name for found in pkgutil.iter_modules(package.__path__)], "shipped.plugins.first" in walked


def source():
    """Read the source of a function."""
    return inspect.getsource(submodule).splitlines()[0]


def source_in_traceback():
    """See source lines in a traceback."""
    try:
        raise ValueError("here")
    except ValueError as error:
        return 'raise ValueError("here")' in "".join(traceback.format_exception(error))


def missing():
    """Ask for what is not there."""
    return importlib.util.find_spec("absent_from_everywhere"), importlib.util.find_spec("shipped.absent")


def failing():
    """Import a module that fails, and see that nothing is left of it."""
    try:
        importlib.import_module("shipped.broken")
    except ModuleNotFoundError as error:
        return error.name, "shipped.broken" in sys.modules


def optional():
    """Go on without an optional module."""
    try:
        import absent_from_everywhere
    except ImportError:
        absent_from_everywhere = None
    return absent_from_everywhere


def reload():
    """Execute a module again."""
    before = shipped.VERSION
    shipped.VERSION = "changed"
    importlib.reload(shipped)
    return before, shipped.VERSION


def run_module():
    """Run a module as the main program."""
    return runpy.run_module("shipped.program", run_name="run")["RESULT"]


def pickled():
    """Pickle objects of shipped classes and get them back as themselves."""
    from shipped.shapes import Color, Point

    point = pickle.loads(pickle.dumps(Point(3)))
    return point == Point(3), point.color is Color.RED, type(point) is Point


def spawned():
    """Use the package in a spawned process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.map(double, [1, 2])


def forked():
    """Use the package in a forked process."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.map(double, [1, 2])


def double(value):
    """Be called in another process."""
    return value * 2


def child_program():
    """Run a shipped module as another program."""
    command = [sys.executable, "-m", "shipped.program"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_loader():
    """Load tests by name."""
    suite = unittest.defaultTestLoader.loadTestsFromName("shipped.tested")
    result = unittest.TextTestRunner(io.StringIO()).run(suite)
    return result.testsRun, result.wasSuccessful()


def lazy():
    """Load a module when it is first used."""
    spec = importlib.util.find_spec("shipped.exported")
    sys.modules.pop("shipped.exported", None)
    loader = importlib.util.LazyLoader(spec.loader)
    spec.loader = loader
    module = sys.modules["shipped.exported"] = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module.visible


def threads():
    """Import from many threads at once, and execute once."""
    EXECUTED.clear()
    sys.modules.pop("shipped.counted", None)
    gate = threading.Barrier(8)

    def load():
        gate.wait(30)
        importlib.import_module("shipped.counted")

    workers = [threading.Thread(target=load) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return EXECUTED


def circular():
    """Import two modules that import each other."""
    from .ring import left, right

    return left.name(), right.name()


def two_levels_up():
    """Import relatively from two packages further up."""
    from .plugins.deep import below

    return below.ABOVE, below.SIBLING


def namespace_in_package():
    """Import from a folder without a file of its own inside a package."""
    from .loose import part

    return part.NAME, sys.modules["shipped.loose"].__file__


def directory_of_module():
    """List the names that a module computes."""
    return "computed" in dir(shipped), sorted(name for name in vars(shipped) if name == "VERSION")


def folder_as_file():
    """Have a whole folder of resources as files."""
    with importlib.resources.as_file(importlib.resources.files("shipped") / "data") as folder:
        return sorted(os.listdir(folder)), (folder / "deep" / "more.txt").read_text("utf-8")


def binary_resource():
    """Open a resource that is no text."""
    with (importlib.resources.files("shipped") / "data/text.txt").open("rb") as opened:
        return opened.read()


def class_source():
    """Read the source of a class."""
    from .shapes import Point

    return inspect.getsource(Point).splitlines()[:2]


def traceback_elsewhere():
    """See the source line of a module that raises."""
    from .exported import refuse

    try:
        refuse()
    except LookupError as error:
        return traceback.extract_tb(error.__traceback__)[-1].line


def type_hints():
    """Resolve annotations in the module that they are in."""
    from .shapes import Color, Point

    return typing.get_type_hints(Point)["color"] is Color


def resolved_name():
    """Find an object by its name."""
    return pkgutil.resolve_name("shipped.shapes:Color.RED").name


def patched():
    """Replace an attribute by its name for a while."""
    from .plugins import first

    with unittest.mock.patch("shipped.plugins.first.NAME", "patched"):
        return first.NAME


def executed_in_process():
    """Use the package in a pool of spawned processes."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(double, 21).result()


def run_path():
    """Run the file of a module as a program."""
    path = os.path.join(os.path.dirname(__file__), "program.py")
    return runpy.run_path(path, run_name="run")["RESULT"]


def child_command():
    """Import in another program that is given as text."""
    command = [sys.executable, "-c", "from shipped.shapes import Color; print(Color.RED)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def specification():
    """Look at how a package was found."""
    spec = importlib.util.find_spec("shipped.plugins")
    return spec.name, spec.parent, len(spec.submodule_search_locations), spec.has_location


def metadata():
    """Look at the metadata of the distribution."""
    entry_points = importlib.metadata.entry_points(group="shipped.plugins")
    names = sorted((entry.name, entry.load()()) for entry in entry_points)
    return importlib.metadata.version("shipped"), names


def entry():
    """Be loaded as an entry point."""
    return "loaded"


CASES = [value for value in list(globals().values()) if inspect.isfunction(value) and value not in (double, entry)]


def run_all():
    """Run every case but the one about metadata; return what each saw, or how it failed."""
    return {case.__name__: attempt(case) for case in CASES if case is not metadata}


def attempt(case):
    """Run a case and make its failure a result."""
    try:
        return case()
    except Exception:
        return traceback.format_exc()
