"""Ends the task that runs in the main thread.

A cancel is a signal that the native control thread sends to the main thread: it interrupts a wait in the operating
system within microseconds, needs no interpreter lock, and its handler raises ``TaskCanceled`` in the task.
"""

import signal

from haulier_worker import _native

# Nobody else uses it: Python's own libraries and debuggers take the first real-time signals, if any.
_SIGNAL = signal.SIGRTMAX - 3


class TaskCanceled(BaseException):
    """Raised in a task that is to end. A task may catch it to clean up, and must then let it go on."""


def listen():
    """Make this thread, the main one, hear cancels."""
    signal.signal(_SIGNAL, _raise)
    _native.interrupt_with(_SIGNAL)


def _raise(_signal, _frame):
    if _native.take_cancel():
        raise TaskCanceled("the task was cancelled")
