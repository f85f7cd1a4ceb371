"""Imports on a worker see what they see at home: the same cases run here and there, from peers and from units."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import haulier
import pytest

FOLDER = Path(__file__).parent / "import_cases"
METADATA = {
    "METADATA": "Metadata-Version: 2.1\nName: shipped\nVersion: 1.0\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "entry_points.txt": "[shipped.plugins]\none = shipped.cases:entry\n",
    "RECORD": "",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a copy of the cases, with a module that is not UTF-8."""
    copy = tmp_path_factory.mktemp("cases")
    shutil.copytree(FOLDER, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "shipped/latin.py").write_text('# -*- coding: latin-1 -*-\nTEXT = "\xe9t\xe9"\n', "latin-1")
    return copy


@pytest.fixture(scope="module")
def wheel(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("wheel") / "shipped-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(folder).as_posix())
        for name, text in METADATA.items():
            archive.writestr(f"shipped-1.0.dist-info/{name}", text)
    return path


@pytest.fixture(scope="module")
def expected(folder):
    """Return what the cases see in an interpreter that has the package on its path."""
    program = "from shipped import cases; print(repr(cases.run_all()))"
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return eval(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def compare(there, expected):
    assert len(expected) >= 39
    for name, value in expected.items():
        assert "Traceback" not in str(value), value
        assert there[name] == value, name


def test_from_peers(pool, folder, expected, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    from shipped import cases

    compare(pool.submit(cases.run_all).result(), expected)


SPLIT = {
    "unit": "from spread_out import installed\nfrom . import __name__ as PACKAGE\nNAME = __name__\n",
    "installed": "NAME = __name__\n",
}
LOOK = """
import spread_out.unit, spread_out.installed

def look():
    return spread_out.unit.NAME, spread_out.unit.installed.NAME, len(list(spread_out.__path__)), spread_out.__file__
"""


def test_a_namespace_package_of_a_unit_and_an_installed_distribution(node_binary, tmp_path):
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (site_packages,) = environment.glob("lib/python3*/site-packages")
    for folder, name in ((site_packages, "installed"), (tmp_path / "source", "unit")):
        (folder / "spread_out").mkdir(parents=True)
        (folder / "spread_out" / f"{name}.py").write_text(SPLIT[name])
    (tmp_path / "source/looking.py").write_text(LOOK)
    command = [node_binary, "node", "--listen", "127.0.0.1:0", "--data-dir", tmp_path / "data"]
    command += ["--python", environment / "bin/python", "--readable", tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as node:
        try:
            address = node.stdout.readline().split()[-1]
            with haulier.connect(address) as cluster:
                cluster.deploy("split", "1.0", tmp_path / "source")
                seen = cluster.task("split", "looking:look").call()
        finally:
            node.terminate()
    assert tuple(seen) == ("spread_out.unit", "spread_out.installed", 2, None)


def test_from_a_unit(cluster, wheel, expected):
    cluster.deploy("py-imports", "1.0.0", wheel)
    try:
        compare(cluster.task("py-imports", "shipped.cases:run_all").call(), expected)
        assert cluster.task("py-imports", "shipped.cases:metadata").call() == ("1.0", [("one", "loaded")])
    finally:
        cluster.undeploy("py-imports")
