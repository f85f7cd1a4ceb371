#!/usr/bin/env python3
"""Prints how fast Python code gets to where it runs: unseen modules, changed ones, imports from a unit, a new process.

Against the node at HAULIER_ADDRESS. Imports from a unit are compared with the same files on the disk, with bytecode, in
a process of the same interpreter; both are forked from one that has started already.
"""

import contextlib
import importlib
import os
import random
import statistics
import string
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import haulier

MODULES = 500
IMPORTS = 200
ROUNDS = 5
TRIES = 1000
# Seconds that a node has to prepare what was deployed.
PREPARING = 3


def write_package(folder, name, count, seed):
    """Write a package of `count` modules of 5 KB, different for each seed, and a module that uses them all."""
    noise = random.Random(f"{name} {seed} {os.getpid()} {time.time_ns()}")
    package = folder / name
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for number in range(count):
        text = "".join(noise.choices(string.ascii_letters, k=4900))
        (package / f"part_{number}.py").write_text(f"TEXT = '{text}'\n\n\ndef value():\n    return {number}\n")
    imports = "".join(f"from . import part_{number}\n" for number in range(count))
    total = "\n".join(f"    total += part_{number}.value()" for number in range(count))
    (package / "task.py").write_text(f"{imports}\n\ndef run():\n    total = 0\n{total}\n    return total\n")


def milliseconds(call):
    """Return how long a call takes, and its result."""
    begun = time.perf_counter()
    result = call()
    return (time.perf_counter() - begun) * 1000, result


def timed(pool, function):
    """Return how long a task takes, and its result."""
    return milliseconds(lambda: pool.submit(function).result())


def show(label, times, bar=""):
    """Print the median and the range of some times in milliseconds."""
    spread = f"({min(times):.1f}-{max(times):.1f})"
    print(f"{label:<58}{statistics.median(times):8.1f} ms {spread}{f'   (bar: {bar})' if bar else ''}", flush=True)


def unseen(address, folder):
    """Submit a function of a package that the node has never seen, and submit it again."""
    cold, again = [], []
    for number in range(ROUNDS):
        top = folder / f"unseen{number}"
        write_package(top, f"unseen{number}", MODULES, number)
        sys.path.insert(0, str(top))
        run = importlib.import_module(f"unseen{number}.task").run
        with haulier.connect(address) as cluster, cluster.executor() as pool:
            pool.submit(pow, 2, 2).result()
            took, result = timed(pool, run)
            assert result == sum(range(MODULES))
            cold.append(took)
            again.append(statistics.median(timed(pool, run)[0] for _ in range(20)))
        sys.path.remove(str(top))
    show(f"{MODULES} unseen modules of 5 KB, peer loaded", cold, "100 ms")
    show("the same call again", again, "an ordinary task")


# A module of each unit: it imports a package in this process and says how many milliseconds that took.
IMPORTING = """
import gc
import importlib
import os
import pathlib
import time


def take(name):
    gc.disable()
    begun = time.perf_counter()
    importlib.import_module(name)
    return (time.perf_counter() - begun) * 1000


def leave():
    # What was compiled is written by a thread, which a process that ends by itself does not cut off.
    while any(map(writes_bytecode, pathlib.Path("/proc/self/task").iterdir())):
        pass
    os._exit(0)


def writes_bytecode(thread):
    try:
        return "haulier-bytecod" in (thread / "comm").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
"""
ON_DISK = "import sys, importing; print(importing.take(sys.argv[1]))"


def from_disk(folder, name):
    """Import a package in a process of its own, from a folder on PYTHONPATH."""
    command = [sys.executable, "-c", ON_DISK, name]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def deployed(cluster, folder, name):
    """Deploy a package."""
    write_package(folder / name, name, IMPORTS, name)
    (folder / name / "importing.py").write_text(IMPORTING)
    cluster.deploy(name, "1.0", folder / name)
    return name


def from_a_unit(cluster, folder):
    """Import a package in fresh processes: from the disk, from a unit for the first time, and in later processes."""
    at_once, first, later, disk = [], [], [], []
    for number in range(ROUNDS):
        name = deployed(cluster, folder, f"at_once{number}")
        at_once.append(cluster.task(name, "importing:take").call(f"{name}.task"))
    names = [deployed(cluster, folder, f"package{number}") for number in range(ROUNDS)]
    time.sleep(PREPARING)
    for name in names:
        for attempt in range(4):
            times = later if attempt else first
            times.append(cluster.task(name, "importing:take").call(f"{name}.task"))
            with contextlib.suppress(haulier.WorkerLost):
                cluster.task(name, "importing:leave").call()
        from_disk(folder / name, f"{name}.task")  # writes the bytecode
        disk += [from_disk(folder / name, f"{name}.task") for _ in range(3)]
    show(f"{IMPORTS} modules imported from the disk, with bytecode", disk)
    show(f"{IMPORTS} modules imported from a unit as it is deployed", at_once)
    show(f"{IMPORTS} modules imported from a unit, its first process", first, f"{statistics.median(disk):.1f} ms")
    show(f"{IMPORTS} modules imported from a unit, later processes", later, f"{statistics.median(disk):.1f} ms")


def changed(pool, folder):
    """Change one module of many, and run them all: what has not changed is not compiled again."""
    sys.path.insert(0, str(folder))
    write_package(folder, "many", MODULES, 0)
    run = importlib.import_module("many.task").run
    pool.submit(run).result()
    times = []
    for number in range(ROUNDS):
        with (folder / f"many/part_{number}.py").open("a") as file:
            file.write("CHANGED = True\n")
        times.append(timed(pool, run)[0])
    sys.path.remove(str(folder))
    show(f"{MODULES} modules run again when one has changed", times)


def never_stale(pool, folder):
    """Change a module and submit, many times; count the results that are not of the newest bytes."""
    sys.path.insert(0, str(folder))
    changing = folder / "changing.py"
    changing.write_text("def value():\n    return 0\n")
    value = importlib.import_module("changing").value
    stale, times = 0, []
    for number in range(1, TRIES + 1):
        changing.write_text(f"def value():\n    return {number}\n")
        took, result = timed(pool, value)
        stale += result != number
        times.append(took)
    sys.path.remove(str(folder))
    show(f"a module changed and run, {stale} of {TRIES} results stale (bar: 0)", times)


def new_process(pool):
    """Time the first task of a process, in an environment that had one before."""
    times = []
    for _ in range(20):
        with contextlib.suppress(haulier.WorkerLost):
            pool.submit(os._exit, 0).result()
        times.append(timed(pool, os.getpid)[0])
    show("first task in a known environment without a process", times, "30 ms")


def main():
    """Print the figures."""
    address = os.environ["HAULIER_ADDRESS"]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        unseen(address, folder)
        with haulier.connect(address) as cluster, cluster.executor() as pool:
            from_a_unit(cluster, folder)
            (folder / "many").mkdir()
            changed(pool, folder / "many")
            new_process(pool)
            (folder / "changes").mkdir()
            never_stale(pool, folder / "changes")


if __name__ == "__main__":
    main()
