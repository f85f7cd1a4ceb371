"""One node for all tests, and small projects that run as programs of their own."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import haulier
import pytest

DEADLINE = 60.0


def _distribution():
    target = os.environ.get("CARGO_TARGET_DIR") or Path.home() / ".cache/haulier/target"
    return Path(os.environ.get("HAULIER_DIST") or Path(target) / "dist")


@pytest.fixture(scope="session")
def node_binary():
    binary = _distribution() / "bin/haulier"
    if not binary.is_file():
        pytest.skip(f"there is no node at {binary}: make build-dist")
    return binary


@pytest.fixture(scope="session")
def cluster(node_binary):
    previous = os.environ.get("HAULIER_NODE")
    os.environ["HAULIER_NODE"] = str(node_binary)
    try:
        with haulier.local() as own:
            yield own
    finally:
        if previous is None:
            del os.environ["HAULIER_NODE"]
        else:
            os.environ["HAULIER_NODE"] = previous


@pytest.fixture
def pool(cluster):
    with cluster.executor(timeout=DEADLINE) as executor:
        yield executor


@pytest.fixture
def address(cluster):
    (node,) = cluster.nodes()
    return node.address


class Project:
    """A folder with the user's code."""

    def __init__(self, folder, address):
        self.folder = folder
        self.address = address

    def write(self, **files):
        """Write modules: acme__core is acme/core.py, acme____init__ is acme/__init__.py."""
        for name, text in files.items():
            package, dunder, _ = name.partition("____init__")
            path = f"{package}//init" if dunder else name
            self.file(path.replace("__", "/").replace("//init", "/__init__") + ".py", text)

    def file(self, path, text):
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text), "utf-8")

    def run(self, main, *, arguments=(), environment=None, path="main.py"):
        """Run a program of the project, with `pool` and `cluster` at hand, and return what it prints."""
        head = (
            "import os, haulier\n"
            "cluster = haulier.connect(os.environ['HAULIER_ADDRESS'])\n"
            f"pool = cluster.executor(timeout={DEADLINE})\n"
        )
        self.file(path, head + textwrap.dedent(main) + "\ncluster.close()\n")
        return self.python(str(self.folder / path), *arguments, environment=environment)

    def python(self, *arguments, environment=None, text=None):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, "HAULIER_ADDRESS": self.address, **(environment or {})},
            input=text,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout.strip()


@pytest.fixture
def project(tmp_path, address):
    return Project(tmp_path, address)
