#!/usr/bin/env python3
"""Prints how many import cases work with code that got to a process in one way or another.

The cases are those of python/tests/import_cases. What each sees in a process with the package in a folder on PYTHONPATH
is what it is to see: on workers of the node at HAULIER_ADDRESS, from an archive, and from an importer in memory.
"""

import ast
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import haulier

CASES = Path(__file__).parents[2] / "python/tests/import_cases"
METADATA = {
    "METADATA": "Metadata-Version: 2.1\nName: shipped\nVersion: 1.0\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "entry_points.txt": "[shipped.plugins]\none = shipped.cases:entry\n",
    "RECORD": "",
}
ALL = "from shipped import cases; print(repr(cases.run_all() | {'metadata': cases.attempt(cases.metadata)}))"
ONE = "from shipped import cases; print(repr(cases.attempt(cases.{name})))"
# Seconds for a case.
DEADLINE = 20
ON_PATH = "import sys; sys.path.insert(0, sys.argv[1]); "
# As importers do that execute sources which they have in memory.
IN_MEMORY = """
import importlib.abc, importlib.util, os, sys
sources = {}
for folder, _, files in os.walk(sys.argv[1]):
    for file in files:
        if file.endswith(".py"):
            name = os.path.relpath(os.path.join(folder, file), sys.argv[1])[:-3].replace(os.sep, ".")
            with open(os.path.join(folder, file), "rb") as opened:
                sources[name] = opened.read()
class Importer(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name in sources or f"{name}.__init__" in sources:
            return importlib.util.spec_from_loader(name, self, is_package=f"{name}.__init__" in sources)
    def exec_module(self, module):
        exec(sources.get(module.__name__) or sources.get(f"{module.__name__}.__init__", b""), module.__dict__)
sys.meta_path.insert(0, Importer())
"""


def write(folder):
    """Write the package with its metadata; return the folder and a wheel of it."""
    source = folder / "source"
    shutil.copytree(CASES, source, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "shipped/latin.py").write_text('# -*- coding: latin-1 -*-\nTEXT = "\xe9t\xe9"\n', "latin-1")
    (source / "shipped-1.0.dist-info").mkdir()
    for name, text in METADATA.items():
        (source / "shipped-1.0.dist-info" / name).write_text(text)
    wheel = folder / "shipped-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in sorted(source.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(source).as_posix())
    return source, wheel


def here(program, path, names=None, **environment):
    """Run the cases in processes of this interpreter, each in its own: some ways make some of them hang."""
    if names is None:
        return one(program + ALL, path, environment)
    return {name: one(program + ONE.format(name=name), path, environment) for name in names}


def one(program, path, environment):
    """Run a program in the way that is tried; return what it prints, or how it failed."""
    command = [sys.executable, "-c", program, str(path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(
        command, env={**os.environ, **environment}, cwd="/", start_new_session=True, **pipes
    ) as process:
        try:
            printed, _ = process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            printed, _ = process.communicate()
            return "it hangs"
    return ast.literal_eval(printed) if process.returncode == 0 else "it fails"


def on_workers(source, wheel):
    """Run the cases on workers, from this program and from a unit."""
    sys.path.insert(0, str(source))
    from shipped import cases

    with haulier.connect(os.environ["HAULIER_ADDRESS"]) as cluster:
        with cluster.executor() as pool:
            peer = pool.submit(cases.run_all).result()
            peer["metadata"] = pool.submit(cases.attempt, cases.metadata).result()
        cluster.deploy("import-cases", "1.0", wheel)
        unit = cluster.task("import-cases", "shipped.cases:run_all").call()
        try:
            unit["metadata"] = cluster.task("import-cases", "shipped.cases:metadata").call()
        except Exception as error:
            unit["metadata"] = str(error)
    return peer, unit


def main():
    """Print the table."""
    with tempfile.TemporaryDirectory() as scratch:
        source, wheel = write(Path(scratch))
        expected = here("", "", PYTHONPATH=str(source))
        peer, unit = on_workers(source, wheel)
        ways = {
            "peer loading": peer,
            "a unit": unit,
            "a folder on PYTHONPATH": expected,
            "a folder on sys.path": here(ON_PATH, source, expected),
            "a wheel on sys.path (zipimport)": here(ON_PATH, wheel, expected),
            "an importer that executes sources": here(IN_MEMORY, source, expected),
        }
    print(f"{len(expected)} import cases, {sys.implementation.name} {sys.version.partition(' ')[0]}")
    for way, seen in ways.items():
        failed = [name for name in expected if repr(seen.get(name)) != repr(expected[name])]
        print(f"{way:<36}{len(expected) - len(failed):>4}   {' '.join(failed)}")


if __name__ == "__main__":
    main()
