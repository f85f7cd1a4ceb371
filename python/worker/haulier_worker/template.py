"""A template: forked from the zygote, it imports what tasks import, and slot processes are forked from it.

It is confined as the slots of one trust group are: it runs code of distributions, and never that of a class path.
"""

import gc
import importlib
import os
import re
import resource
import sys
import time

# Resident memory after its imports, and private memory of any kind meanwhile, in bytes; workers may have a lower limit.
_MOST_RESIDENT = 2 << 30
_MOST_PRIVATE = 8 << 30
# How long threads that were told to end may take, in seconds.
_THREADS_END = 0.5
_ALL_DISTRIBUTIONS = "*.dist-info"
_OWN = frozenset(("__main__", "cloudpickle", "haulier_worker"))


def preload(own, names):
    """Import modules and tell the node; false if one cannot be preloaded: then this process must end."""
    missed = _Missed()
    sys.meta_path.append(missed)
    limits = _limit_memory()
    descriptors = _descriptors()
    for name in names:
        own.preloading(name)
        problem = _import(name) or _left_behind(descriptors)
        if problem:
            own.cannot_preload(problem)
            return False
    resource.setrlimit(resource.RLIMIT_DATA, limits)
    sys.meta_path.remove(missed)
    gc.collect()
    # Collections of the children leave what they share alone.
    gc.freeze()
    if "pkg_resources" in sys.modules:  # it has listed them by itself
        missed.names.add(_ALL_DISTRIBUTIONS)
    own.preloaded(sorted((missed.names | {name.partition(".")[0] for name in sys.modules}) - _OWN))
    return True


def has_one_thread():
    """Say whether this process may fork."""
    return len(os.listdir("/proc/self/task")) == 1


class _Missed:
    """Notes the modules and distributions that nothing has found, and whether all distributions were listed."""

    def __init__(self):
        self.names = set()

    def find_spec(self, name, path=None, target=None):
        """Find nothing."""
        if path is None:
            self.names.add(name)

    def find_distributions(self, context=None):
        """Find nothing."""
        name = getattr(context, "name", None)
        self.names.add(f"{re.sub('[-_.]+', '-', name).lower()}.dist-info" if name else _ALL_DISTRIBUTIONS)
        return iter(())

    def invalidate_caches(self):
        """Keep the names."""


def _import(name):
    """Import a module; the problem, if there is one."""
    try:
        importlib.import_module(name)
    except BaseException as error:
        return f"it raises {type(error).__name__}: {error}"
    return ""


def _left_behind(descriptors):
    """Return what forks would not inherit, or would share, of what the import has made."""
    if not has_one_thread():
        # Libraries that can be forked end their threads when that happens.
        _fork_for_nothing()
        deadline = time.monotonic() + _THREADS_END
        while not has_one_thread():
            if time.monotonic() > deadline:
                return "it leaves threads that run"
            time.sleep(0.001)  # the kernel takes a moment to forget a thread, and tells nobody
    if _descriptors() - descriptors:
        return "it leaves files or connections open"
    if _has_children():
        return "it leaves processes that run"
    return "it takes too much memory" if _resident() > _MOST_RESIDENT else ""


def _fork_for_nothing():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads there are, but not in the child
        pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _descriptors():
    folder = "/proc/self/fd"
    return {name for name in os.listdir(folder) if os.path.lexists(f"{folder}/{name}")}


def _has_children():
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def _resident():
    with open("/proc/self/statm") as counted:
        return int(counted.read().split()[1]) * resource.getpagesize()


def _limit_memory():
    """Bound the memory of imports; returns the limits as they were."""
    limits = soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = _MOST_PRIVATE if soft == resource.RLIM_INFINITY else min(soft, _MOST_PRIVATE)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    return limits
