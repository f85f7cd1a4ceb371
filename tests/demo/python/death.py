#!/usr/bin/env python3
"""Kills a node of the cluster, the process id of which is given, and goes on with the others."""

import os
import signal
import sys
import time

import haulier

DEADLINE = 20


def squared(number):
    """Return the square; a function of the script."""
    return number * number


def nodes_in(cluster, state):
    """Return the names of the nodes in a state."""
    return [node.name for node in cluster.nodes() if node.state == state]


def main():
    """Broadcast, kill, and go on."""
    with haulier.connect(os.environ["HAULIER_ADDRESS"]) as cluster, cluster.executor() as pool:
        print("a broadcast before:", ", ".join(sorted(cluster.broadcast(os.getpid))))
        os.kill(int(sys.argv[1]), signal.SIGKILL)
        killed = time.monotonic()
        while not (lost := nodes_in(cluster, "lost")):
            if time.monotonic() - killed > DEADLINE:
                raise SystemExit("no node is lost")
        print(f"killed and called lost after {(time.monotonic() - killed) * 1000:.0f} ms: {', '.join(lost)}")
        print("the next calls:", list(pool.map(squared, range(8))))
        outcomes = cluster.broadcast(os.getpid)
        print("a broadcast:", ", ".join(sorted(outcomes)))
        if any(isinstance(outcome, Exception) for outcome in outcomes.values()):
            raise SystemExit(f"a node failed: {outcomes}")


if __name__ == "__main__":
    main()
