"""A node of one's own: found, started, ended."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import haulier
import pytest
from conftest import DEADLINE


def gone(process):
    end = time.monotonic() + 10
    while os.path.exists(f"/proc/{process}"):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def without_node(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "haulier_node", None)
    monkeypatch.delenv("HAULIER_NODE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_node_of_ones_own(node_binary, monkeypatch):
    monkeypatch.setenv("HAULIER_NODE", str(node_binary))
    with haulier.local() as cluster:
        (node,) = cluster.nodes()
        assert cluster.executor().submit(pow, 2, 3).result() == 8
        folder = Path(os.readlink(f"/proc/{node.process_id}/fd/2")).parent
        assert folder.is_dir()
    assert gone(node.process_id) and not folder.exists()


def test_the_node_ends_with_its_parent(node_binary):
    script = (
        "import os, haulier\nc = haulier.local()\nprint(c.nodes()[0].process_id, flush=True)\nos.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "HAULIER_NODE": str(node_binary)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, timeout=DEADLINE, check=False
    )
    assert done.returncode == -9 and gone(int(done.stdout))


def test_no_node(without_node):
    with pytest.raises(haulier.NotFound, match="pip install haulier-node"):
        haulier.local()


def test_a_wrong_setting(without_node, monkeypatch):
    monkeypatch.setenv("HAULIER_NODE", str(without_node / "absent"))
    with pytest.raises(haulier.NotFound, match="HAULIER_NODE"):
        haulier.local()


def test_a_node_that_does_not_start(without_node):
    program(without_node / "haulier", "echo no room >&2; exit 3")
    with pytest.raises(haulier.Unavailable, match="exit status 3: no room"):
        haulier.local()


def test_a_node_that_says_nothing(without_node):
    program(without_node / "haulier", "exec /bin/sleep 60")
    begun = time.monotonic()
    with pytest.raises(haulier.Unavailable, match="not become ready in time"):
        haulier.local(timeout=0.3)
    assert time.monotonic() - begun < 10
