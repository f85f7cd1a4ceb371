"""Python processes that have imported what earlier tasks imported, before their own task begins."""

import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
import textwrap
import time
import venv

import haulier
import preloaded
import pytest
from conftest import DEADLINE

# Distributions of the node's interpreter. A template has no PYTHONPATH, which each slot has: so they know where they
# are.
DISTRIBUTIONS = {
    "plain_one": "import os\nPROCESS = os.getpid()",
    "plain_two": "VALUE = 2",
    "leaves_threads": "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()",
    "leaves_files": "FILE = open('/dev/null')",
    "raises_elsewhere": "import os\nif 'PYTHONPATH' not in os.environ:\n    raise RuntimeError('only in tasks')",
    "exits_elsewhere": "import os\nif 'PYTHONPATH' not in os.environ:\n    os._exit(3)",
    "asks_for_more": "try:\n    import more\nexcept ImportError:\n    more = None\nNAME = more and more.NAME",
    "lists_plugins": "from importlib.metadata import entry_points\nNAMES = [e.name for e in entry_points(group='own')]",
    # The same 16 MiB, 132 times: what is resident counts each of them.
    "takes_memory": """
        import ctypes
        import mmap
        import os

        if "PYTHONPATH" not in os.environ:
            size = 16 << 20
            pages = os.memfd_create("pages")
            os.ftruncate(pages, size)
            map = ctypes.CDLL(None).mmap
            map.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
            for _ in range(132):
                map(None, size, mmap.PROT_READ, mmap.MAP_SHARED | mmap.MAP_POPULATE, pages, 0)
            os.close(pages)
    """,
    "rolls_dice": """
        import random
        import tempfile

        import numpy.random

        tempfile.gettempdir()

        def roll():
            return random.random(), numpy.random.random()
    """,
    "writes_outside": """
        import os
        PROCESS = os.getpid()
        REFUSED = False
        try:
            open(OUTSIDE, "w").close()
        except PermissionError:
            REFUSED = True
    """,
}


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory):
    """Return an interpreter with these distributions, and those of the tests."""
    folder = tmp_path_factory.mktemp("interpreter")
    venv.create(folder, symlinks=True, with_pip=False)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    for name, text in DISTRIBUTIONS.items():
        text = textwrap.dedent(text).replace("OUTSIDE", repr(str(folder / "outside")))
        (packages / f"{name}.py").write_text(text)
    (packages / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin/python"


class Node:
    """A node of one's own, and its log."""

    def __init__(self, address, log):
        self.address = address
        self._log = log

    def connect(self, **options):
        return haulier.connect(self.address, environment="ignore", **{"mode": "isolated", **options})

    @contextlib.contextmanager
    def pool(self, **options):
        with self.connect(**options) as cluster, cluster.executor(timeout=DEADLINE) as pool:
            yield pool

    @property
    def log(self):
        return self._log.read_text()


@pytest.fixture
def start(node_binary, interpreter, tmp_path):
    with contextlib.ExitStack() as stack:

        def start(*arguments):
            log = tmp_path / "log"
            command = [node_binary, "node", "--listen", "127.0.0.1:0", "--data-dir", tmp_path / "data"]
            command += ["--exit-with-parent", "--python", interpreter, "--readable", sysconfig.get_path("purelib")]
            error = stack.enter_context(log.open("w"))
            node = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=error, text=True)
            stack.enter_context(node)
            stack.callback(node.terminate)
            line = node.stdout.readline()
            assert " listening on " in line, line
            address = line.split()[-1]
            return Node(address, log)

        yield start


@pytest.fixture
def node(start):
    return start()


def until(pool, *names):
    """Run tasks, each in a process of its own, until one has the modules before it begins; what it says."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        before, process, parent = pool.submit(preloaded.probe, *names).result()
        if set(before) == set(names):
            return process, parent
    raise AssertionError(f"no process has {names}")


def test_later_processes_have_what_earlier_tasks_imported(node):
    with node.pool() as pool:
        before, _, zygote = pool.submit(preloaded.probe, "numpy").result()
        assert before == []
        process, template = until(pool, "numpy")
        assert template not in (zygote, process)
        assert pool.submit(preloaded.probe, "numpy").result()[2] == template
    assert "modules=numpy" in node.log.replace('"', "")


def test_it_can_be_switched_off(start):
    node = start("--no-preloading")
    with node.pool() as pool:
        for _ in range(5):
            assert pool.submit(preloaded.probe, "plain_one").result()[0] == []


def test_a_pool_that_grows_has_it_too(node):
    with node.pool(mode="private") as pool:
        first = pool.submit(preloaded.probe, "plain_one").result()
        with node.pool() as alone:
            _, template = until(alone, "plain_one")
        pool.submit(os.kill, first[1], signal.SIGKILL).exception()
        before, process, parent = pool.submit(preloaded.probe, "plain_one").result()
        assert (before, parent) == (["plain_one"], template) and process != first[1]


def test_a_class_path_with_the_same_name_has_its_own(node, tmp_path):
    (tmp_path / "unit").mkdir()
    (tmp_path / "unit/numpy.py").write_text("NAME = 'own'\n")
    (tmp_path / "unit/more.py").write_text("NAME = 'own'\n")
    (tmp_path / "unit/own_numpy.py").write_text(
        "import os, sys\nHAD = [n for n in sys.modules if n.startswith(('numpy', 'asks_for_more'))]\n"
        "import asks_for_more, numpy\ndef f(): return [HAD, numpy.NAME, asks_for_more.NAME, os.getppid()]\n"
    )
    with node.pool() as pool, node.connect() as cluster:
        _, template = until(pool, "numpy", "asks_for_more")
        assert pool.submit(preloaded.value, "asks_for_more", "NAME").result() is None
        cluster.deploy("own-numpy", "1.0.0", tmp_path / "unit")
        had, own, more, parent = cluster.task("own-numpy", "own_numpy:f", timeout=DEADLINE).call()
        assert (had, own, more) == ([], "own", "own") and parent != template


def test_a_class_path_with_distributions_is_seen_by_who_lists_them(node, tmp_path):
    info = tmp_path / "unit/own-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[own]\nplugin = own_plugin:f\n")
    (tmp_path / "unit/own_plugin.py").write_text("import lists_plugins\ndef f(): return lists_plugins.NAMES\n")
    with node.pool() as pool, node.connect() as cluster:
        until(pool, "lists_plugins")
        assert pool.submit(preloaded.value, "lists_plugins", "NAMES").result() == []
        cluster.deploy("own-plugin", "1.0.0", tmp_path / "unit")
        assert cluster.task("own-plugin", "own_plugin:f", timeout=DEADLINE).call() == ["plugin"]


def test_identities_share_none(start, tmp_path):
    tokens = {"alice": "alice-0123456789abcdef", "bob": "bob-0123456789abcdef0"}
    (tmp_path / "tokens").write_text("".join(f"{name} {token}\n" for name, token in tokens.items()))
    node = start("--token-file", tmp_path / "tokens")
    with node.pool(token=tokens["alice"]) as alice, node.pool(token=tokens["bob"]) as bob:
        _, of_alice = until(alice, "plain_one")
        assert bob.submit(preloaded.probe, "plain_one").result()[0] == []
        _, of_bob = until(bob, "plain_one")
        assert of_alice != of_bob
        assert alice.submit(preloaded.probe, "plain_one").result()[2] == of_alice


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("leaves_threads", "it leaves threads that run"),
        ("leaves_files", "it leaves files or connections open"),
        ("raises_elsewhere", "it raises RuntimeError: only in tasks"),
        ("exits_elsewhere", "its process ended: exit code 3"),
        ("takes_memory", "it takes too much memory"),
    ],
)
def test_a_module_that_cannot_be_preloaded_is_left_out(node, name, problem):
    with node.pool() as pool:
        assert pool.submit(preloaded.probe, "plain_one", name, "plain_two").result()[0] == []
        until(pool, "plain_one", "plain_two")
        assert pool.submit(preloaded.probe, "plain_one", name).result()[0] == ["plain_one"]
    log = node.log
    assert name in log and problem in log, log


def test_imports_are_confined(node, interpreter):
    with node.pool() as pool:
        _, template = until(pool, "writes_outside")
        assert pool.submit(preloaded.value, "writes_outside", "PROCESS").result() == template
        assert pool.submit(preloaded.value, "writes_outside", "REFUSED").result() is True
    assert not (interpreter.parent.parent / "outside").exists()


def test_random_numbers_and_folders_are_each_ones_own(node):
    with node.pool() as pool:
        until(pool, "rolls_dice")
        rolls = [pool.submit(preloaded.value, "rolls_dice", "roll").result() for _ in range(3)]
        assert len({first for first, _ in rolls}) == len({second for _, second in rolls}) == 3
        folders = [pool.submit(preloaded.folders).result() for _ in range(2)]
        assert all(len(set(of_one)) == 1 for of_one in folders) and folders[0] != folders[1]


def test_a_killed_template_is_replaced_by_its_zygote(node):
    with node.pool() as pool:
        _, template = until(pool, "plain_one")
        os.kill(template, signal.SIGKILL)
        before, _, parent = pool.submit(preloaded.probe, "plain_one").result()
        assert before == [] and parent != template
