"""The zygote: a warm interpreter with one thread, that slot processes are forked from."""

import atexit
import contextlib
import importlib
import os
import signal
import site
import sys
import types

import cloudpickle

from haulier_worker import _native, cancel, runner
from haulier_worker.class_path import BroughtFinder

_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# What tasks often import. The first slot does not wait for it; the next ones have it.
_WARM = ("asyncio", "dataclasses", "importlib.metadata", "importlib.resources", "json", "logging", "random", "typing")


def zygote():
    """Serve the node until it is gone. In the processes that are forked this does not return."""
    with contextlib.suppress(ValueError):
        sys.path.remove(_HOME)
    sys.meta_path.append(BroughtFinder())
    own = _native.Zygote.connect(int(os.environ.pop("HAULIER_CONTROL_FD")), _hello())
    while (request := own.next()) is not None:
        if len(os.listdir("/proc/self/task")) != 1:
            own.failed(request, "the zygote has more than one thread")
            continue
        pid = os.fork()
        if pid == 0:
            _serve(request)
        own.forked(request, pid)
        _warm_up()


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


def _serve(request):
    """Be a slot process, to the end."""
    status = 1
    try:
        links = request.enter_child()
        _settle(links.temp_dir)
        _add_paths()
        process = _native.Worker.connect(links.control_fd, _hello())
        cancel.listen()
        _leave_links_behind(links)
        own = runner.Runner(process)
        process.serve(links.link_fd, own.run, own.rest)
        status = 0
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()
        _flush()
        os._exit(status)


def _settle(temp_dir):
    """Make the interpreter this slot's own: its output, its temporary folder, its random numbers, its main module."""
    os.environ["TMPDIR"] = os.environ["HOME"] = temp_dir
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.modules["__main__"] = types.ModuleType("__main__")


def _add_paths():
    """Follow the path files of an environment: they may run code, which only a confined process does."""
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
