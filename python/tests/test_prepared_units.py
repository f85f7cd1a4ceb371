"""Where the code of units lies on a node: prepared for all, filled in for a class path, swept when nobody uses it."""

import contextlib
import os
import subprocess
import time
from pathlib import Path

import haulier
import pytest

DEADLINE = 60.0
LOOK = """
import importlib.util, os, subprocess, sys

def look():
    from {name} import part
    folder = os.path.dirname(os.path.abspath(__file__))
    from haulier_worker.class_path import SourceLoader
    return {{
        "folder": folder,
        "linked": os.path.islink(os.path.join(folder, "{name}")),
        "compiled": [path for path, _ in SourceLoader.compiled],
        "value": part.VALUE,
        "cached": os.path.exists(part.__cached__),
        "writable": try_to_write(part.__file__),
        "child": child(),
    }}

def try_to_write(file):
    try:
        with open(file, "a"):
            return True
    except OSError:
        return False

def child():
    program = "import {name}.part as part; print(part.VALUE, part.__spec__.loader.__class__.__name__)"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
"""


@pytest.fixture
def node(node_binary, tmp_path):
    """Start a node that soon forgets directories of class paths; return its address and its folder."""
    command = [node_binary, "node", "--listen", "127.0.0.1:0", "--data-dir", tmp_path / "data"]
    command += ["--class-path-ttl", "0.2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process.stdout.readline().split()[-1], tmp_path / "data"
        finally:
            process.terminate()


def deploy(cluster, folder, name, text="VALUE = 1\n"):
    source = folder / f"{name}-source"
    (source / name).mkdir(parents=True)
    (source / name / "__init__.py").write_text(f"# {name}\n")
    (source / name / "part.py").write_text(text)
    (source / f"look_{name}.py").write_text(LOOK.format(name=name))
    cluster.deploy(name, "1.0", source)
    return cluster.task(name, f"look_{name}:look")


def until(condition):
    """Wait for something on the disk."""
    end = time.monotonic() + DEADLINE
    while not (seen := condition()):
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.02)
    return seen


def prepared(data):
    return [root for root in (data / "python/class-paths/prepared").glob("*") if len(root.name) == 64]


def test_a_unit_is_prepared_before_its_first_task(node, tmp_path):
    address, data = node
    with haulier.connect(address) as cluster:
        task = deploy(cluster, tmp_path, "ahead")
        (root,) = until(lambda: prepared(data))
        assert list(root.glob("*.compiled")) and (root / "files/ahead/part.py").is_file()
        seen = task.call()
    assert seen["linked"] and seen["cached"] and seen["value"] == 1 and seen["compiled"] == []
    assert not seen["writable"], "what all trust groups execute"
    assert seen["child"] == "1 SourceFileLoader"


def test_a_source_that_does_not_compile_is_no_obstacle(node, tmp_path):
    address, data = node
    with haulier.connect(address) as cluster:
        task = deploy(cluster, tmp_path, "broken", "VALUE = (\n")
        until(lambda: prepared(data))
        with pytest.raises(SyntaxError, match="never closed"):
            task.call()


def test_a_directory_that_was_swept_is_filled_again(node, tmp_path):
    address, data = node
    with haulier.connect(address) as cluster:
        task = deploy(cluster, tmp_path, "swept")
        until(lambda: prepared(data))
        before = task.call()
        assert Path(before["folder"]).is_dir()
        with contextlib.suppress(haulier.WorkerLost):
            cluster.task("swept", "os:_exit").call(0)
    with haulier.connect(address) as cluster:

        def is_gone():
            cluster.collect_garbage()
            return not os.path.exists(before["folder"])

        until(is_gone)
        after = cluster.task("swept", "look_swept:look").call()
    assert (after["folder"], after["value"]) == (before["folder"], 1)
