"""What the tests run on workers: a module of the user, so it travels by name."""

import asyncio
import contextvars
import functools
import os
import socket
import sys
import threading
import time

CALLS = []
VARIABLE = contextvars.ContextVar("variable", default="unset")


def nothing():
    """Do nothing."""


def echo(*args, **kwargs):
    return args, kwargs


def square(value):
    return value * value


@functools.cache
def remembered(value):
    return value


def add(left, right):
    return left + right


def process():
    return os.getpid()


def fail(message):
    try:
        raise KeyError("the cause")
    except KeyError as cause:
        error = ValueError(message)
        error.add_note("a note of the task")
        raise error from cause


class Picky(Exception):
    """Cannot be rebuilt from its arguments."""

    def __init__(self, left, right):
        super().__init__(f"{left} {right}")


def fail_picky():
    raise Picky("one", "two")


class Reported(Exception):
    """Can be rebuilt."""

    def __init__(self, code, reason="none"):
        super().__init__(code, reason)
        self.code = code


def fail_reported(code):
    raise Reported(code, "as asked")


def fail_group():
    raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])


def fail_unpicklable():
    error = RuntimeError("has a lock")
    error.lock = threading.Lock()
    raise error


def leave(status):
    sys.exit(status)


def end(status):
    os.write(2, b"last words\n")
    os._exit(status)


def recurse():
    return recurse()


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def numbers():
    yield from range(3)


def lock():
    return threading.Lock()


async def asynchronous(value):
    await asyncio.sleep(0)
    return value


def announce(port, behaviour="sleep"):
    """Tell a listener that the task runs, then go on in the way asked for."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        if behaviour == "tidy":
            try:
                connection.sendall(b"1")
                time.sleep(600)
            finally:
                connection.sendall(b"2")
        connection.sendall(b"1")
        if behaviour == "sleep":
            time.sleep(600)
        elif behaviour == "spin":
            while True:
                pass
        elif behaviour == "wait":
            threading.Event().wait()
        elif behaviour == "deaf":
            while True:
                try:
                    time.sleep(600)
                except BaseException:
                    continue


def fork_and_return():
    """Return from the task in the parent and in the child alike."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return "once"


def multiprocess(context):
    import multiprocessing

    with multiprocessing.get_context(context).Pool(1) as workers:
        return workers.map(square, [2, 3])


class Shape:
    """A class with callables."""

    def __init__(self, side):
        self.side = side

    def __eq__(self, other):
        return type(other) is Shape and other.side == self.side

    __hash__ = None

    def area(self):
        return self.side * self.side

    @staticmethod
    def unit():
        return 1

    @classmethod
    def named(cls):
        return cls.__name__

    def __call__(self, factor):
        return self.side * factor
