"""Installed distributions as requirements of tasks: which are found, and what a node does with them."""

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import haulier
import pytest
from conftest import DEADLINE
from haulier import _distributions
from test_requirements import Index

UV = Path(sys.executable).with_name("uv")


def installed(folder, name, version, *, modules, direct_url=None):
    """Put a distribution into a folder as an installer does."""
    info = folder / f"{re.sub('[-_.]+', '_', name)}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for module in modules:
        path = folder / module
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (info / "RECORD").write_text("".join(f"{module},,\n" for module in modules) + f"{info.name}/METADATA,,\n")
    if direct_url is not None:
        (info / "direct_url.json").write_text(json.dumps(direct_url))


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_names_become_distributions(site):
    installed(site, "My.Dist", "1.2+local", modules=["mydist_one.py", "mydist_two/__init__.py"])
    installed(
        site, "own", "1", modules=["own_module.py"], direct_url={"url": "file:///x", "dir_info": {"editable": True}}
    )
    assert _distributions.required(["mydist_one", "mydist_two"]) == ["My.Dist==1.2+local"]
    assert _distributions.required(["os", "json", "__main__", "haulier", "cloudpickle", "nowhere", "own_module"]) == []
    # What is installed later is found.
    installed(site, "late", "3", modules=["late_module.py"])
    os.utime(site, (1, 1))
    assert _distributions.required(["late_module"]) == ["late==3"]


def test_of_a_namespace_those_count_that_are_in_use(site, monkeypatch):
    installed(site, "space-one", "1", modules=["space/one/__init__.py"])
    installed(site, "space-two", "2", modules=["space/two/__init__.py"])
    for name in ("space", "space.two"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    __import__("space.two")
    assert _distributions.required(["space"]) == ["space-two==2"]
    for name in ("space", "space.two"):
        monkeypatch.delitem(sys.modules, name)


def test_what_a_program_never_imports_is_not_checked(site):
    installed(site, "rare", "1", modules=["rare_module.py"])
    named = _distributions.finder(["rare_module.part"], "check")
    checked = _distributions.finder(["jobs"], "check")
    built = _distributions.finder(["jobs"], "build")
    assert [find(["rare_module"], []) for find in (named, checked, built)] == [["rare==1"], [], ["rare==1"]]
    assert checked([], ["rare_module"]) == ["rare==1"]
    assert _distributions.finder(["jobs"], "ignore") is None


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    own = Index(tmp_path_factory.mktemp("index") / "served")
    for version in ("1.0", "2.0"):
        module = f"def version(): return '{version}'\nclass Greeting:\n    text = '{version}'\n"
        own.add(f"greet-{version}", module)
    yield own
    own.stop()


def uv(index, *arguments):
    environment = {**os.environ, "UV_DEFAULT_INDEX": index.url, "UV_NO_CONFIG": "1", "UV_NO_CACHE": "1"}
    subprocess.run([UV, *arguments], env={**environment, "UV_QUIET": "1"}, check=True, timeout=DEADLINE)


@pytest.fixture(scope="module")
def client_site(index, tmp_path_factory):
    """Return a folder with greet 1.0, which the client has."""
    folder = tmp_path_factory.mktemp("client") / "site-packages"
    uv(index, "pip", "install", "--python", sys.executable, "--target", str(folder), "greet==1.0")
    return folder


@pytest.fixture(scope="module", params=["2.0", None])
def node(request, node_binary, index, tmp_path_factory):
    """Return the address of a node whose interpreter has another greet, or none, and that version."""
    folder = tmp_path_factory.mktemp("node")
    uv(index, "venv", "--python", sys.executable, str(folder / "venv"))
    python = folder / "venv/bin/python"
    if request.param:
        uv(index, "pip", "install", "--python", str(python), f"greet=={request.param}")
    environment = {**os.environ, "UV_DEFAULT_INDEX": index.url, "UV_NO_CONFIG": "1", "PIP_FIND_LINKS": ""}
    command = [node_binary, "node", "--listen", "127.0.0.1:0", "--data-dir", str(folder / "data"), "--exit-with-parent"]
    command += ["--python", str(python), "--uv", str(UV)]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        line = process.stdout.readline()
        assert " listening on " in line, line
        yield line.split()[-1], request.param
        process.terminate()


@pytest.fixture
def program(tmp_path, node, client_site):
    """Return a function that runs a program with greet 1.0 against the node."""
    (tmp_path / "mymodule.py").write_text(
        "import greet\ndef run(): return greet.version()\ndef never():\n    import nothing_of_the_kind\n"
    )

    def run(body, environment):
        head = f"""
            import haulier, greet, mymodule
            assert greet.version() == "1.0"
            cluster = haulier.connect({node[0]!r}, environment={environment!r})
            pool = cluster.executor(timeout=60)
            def by_value(): return greet.version()
            def by_import():
                import greet as found
                return found.version()
        """
        (tmp_path / "main.py").write_text(textwrap.dedent(head) + textwrap.dedent(body) + "\ncluster.close()\n")
        ended = subprocess.run(
            [sys.executable, str(tmp_path / "main.py")],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(client_site), os.environ.get("PYTHONPATH", "")])},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.split("\n")

    return run


def test_other_distributions_are_refused_before_code_runs(program, node):
    body = """
        for fn in (mymodule.run, by_value, by_import, greet.version):
            error = pool.submit(fn).exception()
            print(type(error).__name__, error)
        print(pool.submit(max, 1, 2).result())
        print(cluster.executor(environment="build").submit(by_value).result())
    """
    *refused, plain, built, _ = program(body, "check")
    assert (len(refused), plain, built) == (4, "2", "1.0")
    for line in refused:
        assert line.startswith("Incompatible ") and "greet" in line and "1.0" in line, line
        assert node[1] is None or node[1] in line, line


def test_what_arguments_are_made_of_is_required(program, node):
    body = """
        def plain(value, *more): return type(value).__name__
        for submitted in (
            pool.submit(plain, greet.Greeting()),
            pool.submit(plain, 1, [{"deep": greet.Greeting()}]),
            cluster.executor().submit(isinstance, greet.Greeting, type),
        ):
            error = submitted.exception()
            print(type(error).__name__, error)
        print(pool.submit(plain, 1).result(), cluster.preview(plain, greet.Greeting()).requirements)
        built = cluster.executor(environment="build", timeout=60)
        print(built.submit(plain, greet.Greeting()).result(), *built.map(plain, [greet.Greeting()] * 4, chunksize=2))
    """
    *refused, plain, built, _ = program(body, "check")
    assert (len(refused), plain, built) == (3, "int ['greet==1.0']", "Greeting " * 2 + "Greeting " * 2 + "Greeting")
    for line in refused:
        assert line.startswith("Incompatible ") and "greet" in line and "1.0" in line, line


def test_a_task_of_a_unit_has_a_policy_of_its_own(program, node, tmp_path):
    (tmp_path / "unit").mkdir()
    (tmp_path / "unit/kinds.py").write_text("def of(value): return type(value).__module__\n")
    body = f"""
        cluster.deploy("kinds", "1.0.0", {str(tmp_path / "unit")!r}, replace=True)
        kinds = cluster.task("kinds", "kinds:of", timeout=60)
        error = cluster.task("kinds", "kinds:of", environment="check").submit(greet.Greeting()).exception()
        print(type(error).__name__, "greet" in str(error))
        print(kinds.with_options(environment="build").call(greet.Greeting()), kinds.call(7))
        print(kinds.submit(greet.Greeting()).exception() is None)
    """
    assert program(body, "build")[:3] == ["Incompatible True", "greet builtins", str(node[1] is not None)]


def test_an_environment_is_built(program):
    body = """
        for fn in (mymodule.run, by_value, by_import, greet.version):
            print(pool.submit(fn).result())
        print(*pool.map(lambda _: greet.version(), range(3)))
    """
    assert program(body, "build")[:5] == ["1.0"] * 4 + ["1.0 1.0 1.0"]


def test_nobody_looks(program, node):
    body = """
        error = pool.submit(mymodule.run).exception()
        print(isinstance(error, ModuleNotFoundError) if error else pool.submit(mymodule.run).result())
    """
    assert program(body, "ignore")[0] == (node[1] or "True")


def test_a_word_that_is_no_policy(node):
    with pytest.raises(ValueError, match="check"):
        haulier.connect(node[0], environment="sometimes")
