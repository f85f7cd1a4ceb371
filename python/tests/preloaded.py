"""What runs on workers in the tests of processes that have imported modules before their task."""

import importlib
import os
import sys


def probe(*names):
    """Import modules; say which were there before, and in which process, forked from which."""
    before = [name for name in names if name in sys.modules]
    for name in names:
        importlib.import_module(name)
    return before, os.getpid(), os.getppid()


def value(module, name):
    """Return a value of a module, or what it returns."""
    found = getattr(importlib.import_module(module), name)
    return found() if callable(found) else found


def folders():
    """Return where temporary files go, as the system says and as the library does."""
    import tempfile

    return os.environ["TMPDIR"], tempfile.gettempdir(), os.getcwd()
