#!/usr/bin/env python3
"""Prints what a node pays for what it only holds: idle sessions and units, tasks and sessions that have ended.

Memory, and the rate of empty tasks beside it, of the node at HAULIER_ADDRESS whose process is HAULIER_NODE_PID.
"""

import contextlib
import os
import re
import tempfile
import time
from pathlib import Path

import haulier
from tasks import throughput

SESSIONS = 100
PAST_SESSIONS = 1000
UNITS = 1000
PAST_TASKS = 100_000
ROUNDS = 7
TASKS = 30_000
DEADLINE = 60


def resident():
    """Return the resident kilobytes of the node: the lowest of the next second, for what is being freed."""
    status = Path(f"/proc/{os.environ['HAULIER_NODE_PID']}/status")
    seen = []
    for _ in range(10):
        seen.append(int(re.search(r"VmRSS:\s+(\d+) kB", status.read_text())[1]))
        time.sleep(0.1)  # memory is what is measured, and nothing says when it has been given back
    return min(seen)


def connect():
    """Return a new session."""
    return haulier.connect(os.environ["HAULIER_ADDRESS"])


def rate():
    """Return the best of several rates of empty tasks a second, in a session of its own."""
    with connect() as cluster, cluster.executor() as pool:
        throughput(pool, TASKS // 3)
        return max(throughput(pool, TASKS) for _ in range(ROUNDS))


def come_and_go(count):
    """Open sessions one after the other, each of which runs a task of a unit and ends."""
    for _ in range(count):
        with connect() as cluster:
            cluster.task("small-0", "small:number").call()


def deploy(cluster, folder, count):
    """Deploy small units."""
    module = Path(folder, "small.py")
    for number in range(count):
        module.write_text(f"def number():\n    return {number}\n")
        cluster.deploy(f"small-{number}", "1.0", module, nodes="one")


def say(what, value, unit, bar):
    """Print one figure."""
    print(f"{what:<45} {value:8.1f} {unit}   (bar: {bar})")


def sessions(before):
    """Say what idle sessions cost, and those that are over."""
    come_and_go(200)
    held = resident()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect()) for _ in range(SESSIONS)]
        say("idle session, resident memory of the node", (resident() - held) / SESSIONS, "KB", "100")
        assert all(client.session_id for client in clients)
        say(f"tasks a second with {SESSIONS} sessions open", 100 * rate() / before, "%", "90")
    held = resident()
    come_and_go(PAST_SESSIONS)
    say(f"growth after {PAST_SESSIONS:,} sessions more", (resident() - held) / 1024, "MB", "5")


def history(before):
    """Say what tasks cost that have ended in a session that lives."""
    with connect() as cluster, cluster.executor() as pool:
        throughput(pool, PAST_TASKS)
        with_history = max(throughput(pool, TASKS) for _ in range(ROUNDS))
        say(f"tasks a second after {PAST_TASKS:,} of the session", 100 * with_history / before, "%", "90")


def main():
    """Run all of it, with the same rate before and after."""
    before = rate()
    print(f"tasks a second at first                       {before:8.0f}")
    history(before)
    with tempfile.TemporaryDirectory() as folder, connect() as cluster:
        deploy(cluster, folder, 1)
        sessions(before)
        deploy(cluster, folder, 200)
        held = resident()
        deploy(cluster, folder, UNITS)
        say("idle unit, resident memory of the node", (resident() - held) / (UNITS - 200), "KB", "10")
        say(f"tasks a second with {UNITS:,} units", 100 * rate() / before, "%", "90")
    say("tasks a second at the end", 100 * rate() / before, "%", "90")


if __name__ == "__main__":
    main()
