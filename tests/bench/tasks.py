#!/usr/bin/env python3
"""Prints latency and throughput of empty tasks from Python, against the node at HAULIER_ADDRESS."""

import collections
import os
import time

import haulier

WINDOW = 2048


def nothing(value=None):
    """Return the argument."""
    return value


def latency(pool, count):
    """Run tasks one after the other; return their sorted durations in microseconds."""
    durations = []
    for _ in range(count):
        begun = time.perf_counter_ns()
        pool.submit(nothing).result()
        durations.append((time.perf_counter_ns() - begun) / 1000)
    return sorted(durations)


def throughput(pool, count):
    """Run tasks with a window of submits; return tasks a second."""
    window = collections.deque()
    begun = time.perf_counter()
    for _ in range(count):
        if len(window) == WINDOW:
            window.popleft().result()
        window.append(pool.submit(nothing))
    for future in window:
        future.result()
    return count / (time.perf_counter() - begun)


def main():
    """Print the figures after a warm-up."""
    with haulier.connect(os.environ["HAULIER_ADDRESS"]) as cluster, cluster.executor() as pool:
        begun = time.perf_counter()
        pool.submit(nothing).result()
        print(f"Python, first task               {(time.perf_counter() - begun) * 1000:8.0f} ms")
        latency(pool, 2000)
        sorted_durations = latency(pool, 5000)
        print(f"Python, empty task, p50          {sorted_durations[2500]:8.0f} us   (bar: 100)")
        print(f"Python, empty task, p99          {sorted_durations[4950]:8.0f} us")
        throughput(pool, 20_000)
        best = max(throughput(pool, 100_000) for _ in range(3))
        print(f"Python, submit in a window       {best:8.0f} tasks/s   (bar: 30000)")
        begun = time.perf_counter()
        assert sum(1 for _ in pool.map(nothing, range(100_000), chunksize=1000)) == 100_000
        print(f"Python, map in chunks of 1000    {100_000 / (time.perf_counter() - begun):8.0f} calls/s")


if __name__ == "__main__":
    main()
