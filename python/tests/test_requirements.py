"""Requirements of units: how they become a lock, by uv and a real index, and what tasks find of them."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import haulier
import pytest
from conftest import DEADLINE

SERVERS = Path(__file__).parents[2] / "tests/servers"
LOCK = "haulier-requirements.txt"


class Index:
    """A package index of folders; see tests/servers/pypi.py."""

    def __init__(self, folder, credentials=None):
        self.folder = folder
        self.folder.mkdir()
        command = [sys.executable, str(SERVERS / "pypi.py"), str(folder), *([credentials] if credentials else [])]
        self.server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.server.stdout.readline().strip()

    def add(self, distribution, module="", metadata=""):
        """Add "name-1.0" with one module of that name."""
        folder = self.folder / distribution
        folder.mkdir()
        (folder / f"{distribution.partition('-')[0]}.py").write_text(module)
        (folder / "METADATA").write_text(metadata)

    def stop(self):
        self.server.stdin.close()
        self.server.wait(DEADLINE)
        self.server.stdout.close()


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    own = Index(tmp_path_factory.mktemp("index") / "served")
    own.add("base-1.0", "def version(): return '1.0'\n")
    own.add("base-2.0", "def version(): return '2.0'\n")
    own.add("fast-1.0")
    own.add("windows-1.0")
    metadata = 'Requires-Dist: base>=1\nRequires-Dist: windows; sys_platform == "win32"\n'
    metadata += 'Provides-Extra: speed\nRequires-Dist: fast; extra == "speed"\n'
    own.add("app-1.0", "import base\ndef run(): return 'app on base ' + base.version()\n", metadata)
    own.add("lost-1.0", metadata="Requires-Dist: nowhere-at-all\n")
    (own.folder / "sourceonly-1.0.tar.gz").write_bytes(b"no wheel")
    yield own
    own.stop()


@pytest.fixture(scope="module")
def settings(index):
    """Return the variables with which nothing but the index of this module is asked."""
    return {"UV_DEFAULT_INDEX": index.url, "UV_NO_CONFIG": "1", "UV_NO_CACHE": "1", "PIP_FIND_LINKS": ""}


@pytest.fixture(scope="module")
def cluster(node_binary, settings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HAULIER_NODE", str(node_binary))
        for name, value in settings.items():
            patch.setenv(name, value)
        with haulier.local() as own:
            yield own


@pytest.fixture(autouse=True)
def _environment(monkeypatch, settings):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "mypackage"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "work.py").write_text("import app\ndef run(): return app.run()\n")
    return folder


def written(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def pins(cluster, unit):
    return [str(pin) for pin in cluster.inspect(unit).requirements]


def test_requirements_become_a_lock(cluster, package, tmp_path):
    file = written(tmp_path, "requirements.txt", "# what we need\napp[speed]\nbase<2\n")
    unit = cluster.deploy("py-lock", "1.0.0", package, requirements=file)
    details = cluster.inspect(unit)
    assert unit.sources == ("mypackage", LOCK)
    assert [str(pin) for pin in details.requirements] == [
        "app==1.0",
        "base==1.0",
        "fast==1.0",
        "windows==1.0 ; sys_platform == 'win32'",
    ]
    assert details.requirements[1] == haulier.PinnedRequirement("base", "1.0", "")
    _, lock = cluster.download(unit, tmp_path / "back")
    text = lock.read_text()
    assert details.origins[1] == haulier._units.UnitOrigin(str(file), hashlib.sha256(text.encode()).hexdigest(), "")
    assert text.count("--hash=sha256:") == 4
    assert str(tmp_path) not in text and "http" not in text and "#" not in text
    # The same requirements and the same index are the same unit; so is the lock itself.
    again = written(tmp_path, "again.txt", "base <2\napp[speed]>0\n")
    for requirements in (file, again, ["base<2", "app[speed]"], lock):
        assert cluster.deploy("py-lock", "1.0.0", package, requirements=requirements).digest == unit.digest
    with pytest.raises(haulier.Conflict):
        cluster.deploy("py-lock", "1.0.0", package, requirements=["base==2.0", "app[speed]"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain.txt", "base==2.0\n"),
        ("nested.txt", "-r plain.txt\n"),
        ("constrained.txt", "-c plain.txt\nbase\n"),
        (
            "pyproject.toml",
            '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["base"]\n',
        ),
    ],
)
def test_forms_of_requirements(cluster, package, tmp_path, name, text):
    written(tmp_path, "plain.txt", "base==2.0\n")
    unit = cluster.deploy(f"py-form-{name.partition('.')[0]}", "1", package, requirements=written(tmp_path, name, text))
    assert pins(cluster, unit) == ["base==2.0"]


def test_a_lock_of_uv(cluster, package, tmp_path, settings):
    text = '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["app", "base<2"]\n'
    written(tmp_path, "pyproject.toml", text)
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "lock", "--quiet"], cwd=tmp_path, check=True, timeout=DEADLINE)
    unit = cluster.deploy("py-uv-lock", "1", package, requirements=tmp_path / "uv.lock")
    assert pins(cluster, unit)[:2] == ["app==1.0", "base==1.0"]


def test_a_pylock(cluster, package, tmp_path, monkeypatch):
    written(tmp_path, "loose.txt", "app\nbase<2\n")
    uv = Path(sys.executable).with_name("uv")
    options = ["--quiet", "--universal", "--only-binary", ":all:", "--python-version", "3.11", "-o", "pylock.toml"]
    subprocess.run([uv, "pip", "compile", "loose.txt", *options], cwd=tmp_path, check=True, timeout=DEADLINE)
    pylock = tmp_path / "pylock.toml"
    with pytest.raises(haulier.NotFound):
        cluster.deploy("py-pylock", "1", package, requirements=tmp_path / "pylock.absent.toml")
    monkeypatch.setenv("HAULIER_UV", "/nowhere/uv")
    unit = cluster.deploy("py-pylock", "1", package, requirements=pylock)
    assert pins(cluster, unit)[:2] == ["app==1.0", "base==1.0"]
    text = pylock.read_text().replace('\nversion = "1.0"', '\nversion = "1.0"\ndirectory = { path = "." }', 1)
    with pytest.raises(haulier.InvalidArgument, match="'directory'"):
        cluster.deploy("py-refused", "1", package, requirements=written(tmp_path, "pylock.other.toml", text))


def test_what_is_locked_needs_no_uv(cluster, package, tmp_path, monkeypatch):
    monkeypatch.setenv("HAULIER_UV", "/nowhere/uv")
    file = written(tmp_path, "locked.txt", f"base==1.0 --hash=sha256:{'ab' * 32}\n")
    assert pins(cluster, cluster.deploy("py-locked", "1", package, requirements=file)) == ["base==1.0"]
    with pytest.raises(haulier.NotFound, match="/nowhere/uv") as caught:
        cluster.deploy("py-loose", "1", package, requirements=["base"])
    assert "pip install uv" in caught.value.hint


def test_the_version_of_a_unit(cluster, package):
    assert cluster.deploy("py-one", None, requirements=["base"]).version == "2.0"
    assert cluster.deploy("py-two", None, requirements=["base", "fast"]).version == "0.0.1"
    assert cluster.deploy("py-both", None, package, requirements=["base"]).version == "0.0.1"


@pytest.mark.parametrize("requirement", ["pypi:app", "app>=1", "app==1.0"])
def test_the_node_resolves_what_is_a_source(cluster, requirement):
    unit = cluster.deploy("py-source", None, requirement)
    assert (unit.version, unit.sources) == ("1.0", (LOCK,))
    (origin,) = cluster.inspect(unit).origins
    assert (origin.source, origin.coordinates) == (requirement.removeprefix("pypi:"), "app==1.0")
    assert unit.digest == cluster.deploy("py-source-here", None, requirements=["app"]).digest
    cluster.undeploy("py-source")


@pytest.mark.parametrize(
    ("requirements", "kind", "part"),
    [
        (["nowhere-at-all"], haulier.NotFound, "nowhere-at-all"),
        (["lost"], haulier.NotFound, "nowhere-at-all"),
        (["base<2", "base>1"], haulier.InvalidArgument, "base"),
        (["sourceonly"], haulier.InvalidArgument, "sourceonly"),
        (["base @ https://me:secret-7@host/base.whl"], haulier.InvalidArgument, "URL"),
        (["-r other.txt"], haulier.InvalidArgument, "name of a distribution"),
        ("absent.txt", haulier.NotFound, "absent.txt"),
        ([], haulier.InvalidArgument, "no source"),
    ],
)
def test_what_cannot_be_locked(cluster, requirements, kind, part):
    with pytest.raises(kind, match=part) as caught:
        cluster.deploy("py-refused", "1", requirements=requirements)
    assert caught.value.hint
    assert "secret-7" not in str(caught.value)
    assert cluster.list_deployments("py-refused") == []


def test_an_index_that_is_away_or_closed(cluster, monkeypatch, tmp_path):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://me:secret-7@127.0.0.1:9/simple")
    with pytest.raises(haulier.Unavailable) as caught:
        cluster.deploy("py-away", "1", requirements=["base"])
    assert "127.0.0.1:9" in str(caught.value) and "secret-7" not in repr(caught.value)
    closed = Index(tmp_path / "closed", "me:secret-7")
    try:
        closed.add("base-3.0")
        for url, kind in [
            (closed.url.replace("//", "//me:wrong-8@"), haulier.PermissionDenied),
            (closed.url, haulier.PermissionDenied),
        ]:
            monkeypatch.setenv("UV_DEFAULT_INDEX", url)
            with pytest.raises(kind) as caught:
                cluster.deploy("py-closed", "1", requirements=["base"])
            assert "wrong-8" not in repr(caught.value)
        # What pip is told counts, too.
        monkeypatch.delenv("UV_DEFAULT_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", closed.url.replace("//", "//me:secret-7@"))
        unit = cluster.deploy("py-closed", "1", requirements=["base"])
        (lock,) = cluster.download(unit, tmp_path / "back")
        assert lock.read_text().startswith("base==3.0") and "secret-7" not in lock.read_text()
        assert "secret-7" not in repr(cluster.inspect(unit))
    finally:
        closed.stop()


def test_an_index_in_the_file_is_not_part_of_the_lock(cluster, package, tmp_path, index):
    with_password = index.url.replace("//", "//me:secret-7@")
    file = written(tmp_path, "requirements.txt", f"--extra-index-url {with_password}\nbase==1.0\n")
    unit = cluster.deploy("py-place", "1", package, requirements=file)
    assert len(unit.warnings) == 1 and "--extra-index-url" in unit.warnings[0]
    _, lock = cluster.download(unit, tmp_path / "back")
    for text in (lock.read_text(), repr(cluster.inspect(unit)), repr(unit)):
        assert "secret-7" not in text


class Command:
    """The command `haulier` against one node."""

    def __init__(self, binary, address, folder):
        self.binary, self.address, self.folder = binary, address, folder

    def run(self, *arguments, code=0):
        environment = {**os.environ, "HAULIER_ADDRESS": self.address}
        path = os.pathsep.join([os.path.dirname(sys.executable), environment.get("PATH", "")])
        ended = subprocess.run(
            [self.binary, *arguments],
            cwd=self.folder,
            env={**environment, "PATH": path},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert ended.returncode == code, f"{arguments}: {ended.stdout}{ended.stderr}"
        return ended.stdout if code == 0 else ended.stderr


@pytest.fixture
def command(node_binary, cluster, tmp_path):
    (node,) = cluster.nodes()
    return Command(node_binary, node.address, tmp_path)


def test_the_command(command, package, tmp_path):
    written(tmp_path, "requirements.txt", "app\n")
    command.run("deploy", "sh-model", "mypackage", "--requirements", "requirements.txt", "--version", "1.0.0")
    shown = command.run("inspect", "sh-model")
    assert "requires     app==1.0\nrequires     base==2.0\n" in shown
    details = json.loads(command.run("inspect", "sh-model", "--output", "json"))
    assert {"name": "app", "version": "1.0", "marker": ""} in details["requirements"]
    assert details["origins"][1]["source"] == "requirements.txt"
    digests = set()
    for name, *place in [("sh-here",), ("sh-node", "--on-node")]:
        unit = json.loads(command.run("deploy", name, "pypi:app", "base<2", *place, "--output", "json"))
        assert (unit["version"], unit["sources"]) == ("0.0.1", [LOCK])
        digests.add(unit["digest"])
    assert len(digests) == 1, "the same here and there"
    assert "pypi:app" in command.run("deploy", "sh-name", "app", code=3)
    command.run("deploy", "sh-none", code=2)
    command.run("deploy", "sh-mixed", "pypi:app", "--requirements", "requirements.txt", "--on-node", code=2)
    assert "1.0" in command.run("deploy", "sh-one", "pypi:app")


def test_a_task_imports_what_its_unit_requires(cluster, package):
    unit = cluster.deploy("py-run", "1", package, requirements=["app", "base<2"])
    assert cluster.task(unit, "mypackage.work:run", timeout=DEADLINE).call() == "app on base 1.0"
    alone = cluster.deploy("py-alone", None, requirements=["app"])
    assert cluster.task(alone, "app:run", timeout=DEADLINE).call() == "app on base 2.0"
    other = cluster.deploy("py-alone", "1.0-old", requirements=["app", "base<2"])
    assert cluster.task(other, "app:run", timeout=DEADLINE).call() == "app on base 1.0"


def test_a_file_with_another_hash_is_never_installed(cluster, tmp_path):
    file = written(tmp_path, "locked.txt", f"base==1.0 --hash=sha256:{'ab' * 32}\n")
    unit = cluster.deploy("py-wrong-hash", "1", requirements=file)
    with pytest.raises(haulier.Conflict, match="hash") as caught:
        cluster.task(unit, "base:version", timeout=DEADLINE).call()
    assert "base" in str(caught.value)
