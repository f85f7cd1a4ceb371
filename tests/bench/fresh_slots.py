#!/usr/bin/env python3
"""Prints how long a task takes that has a Python process of its own: without imports, and if it imports numpy.

Against the node at HAULIER_ADDRESS, whose interpreter has numpy. Tasks run one after the other, each in a process that
was forked for it. The first one that imports finds what no process has imported yet.
"""

import os
import statistics
import sys
import time

import haulier

TASKS = 100
# How long later processes may take to have what earlier ones have imported, in seconds.
LEARNING = 5


def nothing():
    """Import nothing."""


def import_numpy():
    """Import numpy; say whether it was there."""
    had = "numpy" in sys.modules
    import numpy

    numpy.zeros(1)
    return had


def timed(pool, function):
    """Return how long a task takes in milliseconds, and its result."""
    begun = time.perf_counter()
    result = pool.submit(function).result()
    return (time.perf_counter() - begun) * 1000, result


def show(label, times, bar=""):
    """Print the median and the range of some times in milliseconds."""
    spread = f"({min(times):.1f}-{max(times):.1f})"
    print(f"{label:<58}{statistics.median(times):8.1f} ms {spread}{f'   (bar: {bar})' if bar else ''}", flush=True)


def main():
    """Print the figures."""
    address = os.environ["HAULIER_ADDRESS"]
    with haulier.connect(address, mode="isolated", environment="ignore") as cluster, cluster.executor() as pool:
        for _ in range(10):
            timed(pool, nothing)
        show("Python, a process for each task, no imports", [timed(pool, nothing)[0] for _ in range(TASKS)])
        first, _ = timed(pool, import_numpy)
        show("the first task that imports numpy", [first])
        deadline = time.monotonic() + LEARNING
        while not timed(pool, import_numpy)[1] and time.monotonic() < deadline:
            pass
        tasks = [timed(pool, import_numpy) for _ in range(TASKS)]
        label = "later ones, forked with numpy" if all(had for _, had in tasks) else "later ones, not preloaded"
        show(label, [took for took, _ in tasks], "30 ms")


if __name__ == "__main__":
    main()
