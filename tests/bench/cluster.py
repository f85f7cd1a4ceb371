#!/usr/bin/env python3
"""Prints what three nodes reach from Python, against the cluster at HAULIER_ADDRESS: broadcasts, and a large unit.

The unit is a jar of about 20 MB with 4,000 entries, made on the spot, so that no node has ever seen it.
"""

import os
import random
import statistics
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import haulier

NODES = 3
ENTRIES = 4000
ENTRY_BYTES = 5 << 10
ROUNDS = 5


def nothing():
    """Return nothing."""


def broadcasts(cluster, count):
    """Broadcast an empty task one time after the other; return sorted durations in microseconds."""
    durations = []
    for _ in range(count):
        begun = time.perf_counter_ns()
        outcomes = cluster.broadcast(nothing)
        durations.append((time.perf_counter_ns() - begun) / 1000)
        assert len(outcomes) == NODES and set(outcomes.values()) == {None}, outcomes
    return sorted(durations)


def make_jar(path):
    """Write a jar of random bytes, which no compression makes smaller."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as jar:
        for number in range(ENTRIES):
            jar.writestr(f"acme/part{number // 100}/Class{number}.class", random.randbytes(ENTRY_BYTES))


def deploy(cluster, folder, number):
    """Return the seconds from the begin of a deploy until all nodes say that they hold the unit."""
    jar = Path(folder) / f"large{number}.jar"
    make_jar(jar)
    begun = time.perf_counter()
    unit = cluster.deploy("large", f"1.0.{number}", jar, nodes="all")
    seconds = time.perf_counter() - begun
    holders = [node.name for node in cluster.nodes() if unit.digest in node.held_units]
    assert len(holders) == NODES, holders
    return seconds


def main():
    """Print the figures after a warm-up."""
    with haulier.connect(os.environ["HAULIER_ADDRESS"]) as cluster:
        broadcasts(cluster, 500)
        durations = broadcasts(cluster, 3000)
        print(f"Python, broadcast to 3 nodes, p50 {durations[1500]:7.0f} us   (bar: 500)")
        print(f"Python, broadcast to 3 nodes, p99 {durations[2970]:7.0f} us")
        with tempfile.TemporaryDirectory() as folder:
            seconds = [deploy(cluster, folder, number) for number in range(ROUNDS)]
        print(f"20 MB in 4,000 files on 3 nodes  {statistics.median(seconds):8.3f} s   (bar: 0.3)")
        print(f"... fastest and slowest of {ROUNDS}     {min(seconds):8.3f} s, {max(seconds):.3f} s")


if __name__ == "__main__":
    sys.exit(main())
