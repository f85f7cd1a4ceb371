#!/usr/bin/env python3
"""Prints what class loaders of units cost: 1,000 classes loaded beside URLClassLoader, and 200 units that come and go.

Runs against the node at HAULIER_ADDRESS, whose tasks may read the folder that is given. Each load has a JVM of its own.
"""

import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import haulier

CLASSES = 1000
ROUNDS = 9
CYCLES = 200
WARM_UP = 50
DEADLINE = 120
# The worker gives memory back so many seconds after the last loader has gone: the JVM frees what its compilers have
# used only every 5 s.
GIVEN_BACK = 8

LOAD = """package acme;

import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;

public class Load {
    /** Seconds that this unit's own loader takes. */
    public static double own(long count) throws Exception {
        return load(Load.class.getClassLoader(), count, System.nanoTime());
    }

    /** Seconds that a URLClassLoader takes for the same classes. */
    public static double plain(String jar, long count) throws Exception {
        long begun = System.nanoTime();
        try (URLClassLoader loader =
                new URLClassLoader(new URL[] {Path.of(jar).toUri().toURL()}, ClassLoader.getPlatformClassLoader())) {
            return load(loader, count, begun);
        }
    }

    private static double load(ClassLoader loader, long count, long begun) throws Exception {
        for (long number = 0; number < count; number++) {
            if (Class.forName("acme.many.Many" + number, true, loader).getClassLoader() != loader) {
                throw new AssertionError(number);
            }
        }
        return (System.nanoTime() - begun) / 1e9;
    }

    public static void end() {
        Runtime.getRuntime().halt(0);
    }

    public static long loadedClasses() {
        return java.lang.management.ManagementFactory.getClassLoadingMXBean().getLoadedClassCount();
    }
}
"""


def source(number, word):
    """Return a class of about 5 KB when compiled."""
    methods = "\n".join(
        f'    static String text{index}(int value) {{ return "{word}{number}-{index}-{"x" * 60}" + value; }}'
        for index in range(27)
    )
    return f"package acme.many;\n\npublic final class Many{number} {{\n{methods}\n}}\n"


def compiled(folder, sources):
    """Compile {class: source}; return {entry: bytes}."""
    files = []
    for name, text in sources.items():
        path = folder / "sources" / f"{name}.java"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        files.append(str(path))
    listed = folder / "files"
    listed.write_text("\n".join(files))
    classes = folder / "classes"
    subprocess.run(["javac", "--release", "17", "-d", classes, f"@{listed}"], check=True)
    return {str(path.relative_to(classes)): path.read_bytes() for path in sorted(classes.rglob("*.class"))}


def write_jar(path, entries):
    """Write a jar as the JDK's tool does: compressed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n\r\n")
        for name, body in entries.items():
            jar.writestr(name, body)


def in_a_fresh_jvm(cluster, unit, method, *arguments):
    """Call a task in a JVM that has run no other, and end it."""
    answer = cluster.task(unit, f"acme.Load#{method}").call(*arguments)
    try:
        cluster.task(unit, "acme.Load#end").call()
    except haulier.WorkerLost:
        return answer
    raise AssertionError("the worker should have ended")


def loading(cluster, folder):
    """Load the classes of a unit, and by URLClassLoader from the same jar."""
    word = f"{random.getrandbits(64):016x}"
    sources = {f"Many{number}": source(number, word) for number in range(CLASSES)}
    jar = folder / "many.jar"
    write_jar(jar, compiled(folder, {"Load": LOAD, **sources}))
    unit = cluster.deploy("many", "1.0", jar)
    own, plain = [], []
    for _ in range(ROUNDS):
        own.append(in_a_fresh_jvm(cluster, unit, "own", CLASSES))
        plain.append(in_a_fresh_jvm(cluster, unit, "plain", str(jar), CLASSES))
    fast, slow = statistics.median(own), statistics.median(plain)
    print(f"1,000 classes from a unit        {fast:8.3f} s   ({min(own):.3f}-{max(own):.3f})")
    print(f"... by URLClassLoader            {slow:8.3f} s   ({min(plain):.3f}-{max(plain):.3f})")
    print(f"... times faster                 {slow / fast:8.2f}     (bar: 1.5)")


def settled(address, released):
    """Wait until so many loaders were let go and all of them collected; return the worker."""
    binary = Path(os.environ["HAULIER_DIST"]) / "bin/haulier"
    command = [binary, "sessions", "--loaders", "--output", "json", "--address", address]
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        workers = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        if workers and workers[0]["collected"] >= released:
            return workers[0]
        time.sleep(0.2)
    raise TimeoutError(f"not all loaders were collected: {workers}")


def resident(process_id):
    """Return the resident memory of a process in megabytes."""
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process_id}/status").read_text())[1]) / 1024


def cycles(cluster, folder, address):
    """Deploy a unit of 21 classes, run it and undeploy it, again and again."""
    parts = {f"Part{n}": f"package acme; class Part{n} {{ static int n = {n}; }}" for n in range(20)}
    total = " + ".join(f"Part{n}.n" for n in range(20))
    whole = f"package acme; public class Whole {{ public static int sum() {{ return {total}; }} }}"
    entries = compiled(folder, {**parts, "Whole": whole})
    watcher = cluster.task("many", "acme.Load#loadedClasses")
    watcher.call()
    before = None
    for number in range(WARM_UP + CYCLES + 2):
        if number in (WARM_UP, WARM_UP + CYCLES):
            settled(address, number)  # compiles what it has run often, and has freed that by the next one
        if number in (WARM_UP + 1, WARM_UP + CYCLES + 1):
            worker = settled(address, number)
            time.sleep(GIVEN_BACK)
            now = watcher.call(), resident(worker["process_id"])
            before = before or now
        jar = folder / "cycle.jar"
        write_jar(jar, {**entries, "unit.txt": f"{number}".encode()})
        unit = cluster.deploy("cycle", f"1.0.{number}", jar)
        assert cluster.task(unit, "acme.Whole#sum").call() == 190
        cluster.undeploy(f"cycle:1.0.{number}")
    print(f"200 units come and go: classes   {now[0] - before[0]:+8d}     (bar: 0)")
    print(f"... memory of the worker         {now[1] - before[1]:+8.1f} MB  (bar: 20)")


def main():
    """Print the figures; the argument is a folder."""
    address = os.environ["HAULIER_ADDRESS"]
    with haulier.connect(address) as cluster:
        folders = [Path(sys.argv[1]) / name for name in ("loading", "cycles")]
        for folder in folders:
            folder.mkdir()
        loading(cluster, folders[0])
        cycles(cluster, folders[1], address)


if __name__ == "__main__":
    main()
