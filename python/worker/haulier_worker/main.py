"""The processes of Python workers: the zygote, a warm interpreter with one thread, and what is forked from it."""

import atexit
import contextlib
import importlib
import os
import signal
import site
import sys
import types

import cloudpickle

from haulier_worker import _native, cancel, imports, runner, template
from haulier_worker.class_path import BroughtFinder

_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# What tasks often import. The first slot does not wait for it; the next ones have it.
_WARM = ("asyncio", "dataclasses", "importlib.metadata", "importlib.resources", "json", "logging", "random", "typing")


_paths_added = False


def zygote():
    """Serve the node until it is gone. In the processes that are forked this does not return."""
    with contextlib.suppress(ValueError):
        sys.path.remove(_HOME)
    sys.meta_path.append(BroughtFinder())
    _fork_for(_native.Zygote.connect(int(os.environ.pop("HAULIER_CONTROL_FD")), _hello()), _warm_up)


def _fork_for(own, after):
    """Fork what the node asks for until it is gone; `after` each fork."""
    while (request := own.next()) is not None:
        if not template.has_one_thread():
            own.failed(request, "the zygote has more than one thread")
            continue
        pid = os.fork()
        if pid == 0:
            _become(_serve if request.modules() is None else _template, request)
        own.forked(request, pid)
        after()


def _warm_up():
    """Import what is often needed, once, while the first slot begins to work."""
    for name in _WARM:
        importlib.import_module(name)


def _hello():
    version = sys.version_info
    return (
        sys.version.partition(" ")[0],
        [
            f"{sys.implementation.name}-{version.major}.{version.minor}",
            f"cloudpickle-{cloudpickle.__version__.partition('.')[0]}",
        ],
    )


def _become(what, request):
    """Be a forked process, to the end."""
    status = 1
    try:
        what(request)
        status = 0
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()
        _flush()
        os._exit(status)


def _serve(request):
    """Be a slot process."""
    links = request.enter_child()
    _settle(links.temp_dir)
    _add_paths()
    process = _native.Worker.connect(links.control_fd, _hello())
    cancel.listen()
    _leave_links_behind(links)
    own = runner.Runner(process)
    told = imports.Imports(process.report_imports)

    def rest():
        own.rest()
        told.tell()

    process.serve(links.link_fd, own.run, rest)


def _template(request):
    """Be a process that has imported modules, and that slot processes are forked from."""
    names = request.modules()
    own, temp_dir = request.enter_template()
    _settle(temp_dir)
    _add_paths()
    if template.preload(own, names):
        _flush()
        _fork_for(own, _nothing)


def _nothing():
    pass


def _settle(temp_dir):
    """Make the interpreter this slot's own: its output, its temporary folder, its random numbers, its main module."""
    os.environ["TMPDIR"] = os.environ["HOME"] = temp_dir
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    if "tempfile" in sys.modules:
        sys.modules["tempfile"].tempdir = None
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.modules["__main__"] = types.ModuleType("__main__")


def _add_paths():
    """Follow the path files of an environment, once: they may run code, which only a confined process does."""
    global _paths_added
    if _paths_added:
        return
    _paths_added = True
    if os.path.exists(os.path.join(sys.prefix, "haulier-environment.json")):
        for folder in site.getsitepackages():
            for name in sorted(os.listdir(folder)):
                if name.endswith(".pth.later"):
                    site.addpackage(folder, name, None)


def _leave_links_behind(links):
    """Close the links in processes that a task forks: the node must see the end of this one."""

    def close():
        for descriptor in (links.control_fd, links.link_fd):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    os.register_at_fork(after_in_child=close)


def _flush():
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
