"""Notebooks: a real kernel, whose cells define and redefine what they submit."""

import os

import pytest

DEADLINE = 60
manager = pytest.importorskip("jupyter_client.manager")
pytest.importorskip("ipykernel")


class Notebook:
    """A kernel that runs cells."""

    def __init__(self, client):
        self.client = client

    def run(self, cell):
        """Run a cell and return what it prints, with the traceback of what it raises."""
        shown = []

        def hear(message):
            content = message["content"]
            if message["msg_type"] == "stream":
                shown.append(content["text"])
            elif message["msg_type"] == "error":
                shown.append("\n".join(content["traceback"]))
            elif message["msg_type"] == "execute_result":
                shown.append(content["data"]["text/plain"])

        self.client.execute_interactive(cell, timeout=DEADLINE, output_hook=hear)
        return "".join(shown).strip()


@pytest.fixture
def notebook(address, tmp_path):
    environment = {**os.environ, "HAULIER_ADDRESS": address, "NO_COLOR": "1", "IPYTHONDIR": str(tmp_path / "ipython")}
    kernel = manager.KernelManager(kernel_name="python3")
    kernel.start_kernel(cwd=str(tmp_path), env=environment)
    client = kernel.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=DEADLINE)
        own = Notebook(client)
        start = (
            "import os, haulier\ncluster = haulier.connect(os.environ['HAULIER_ADDRESS'])\npool = cluster.executor()"
        )
        assert own.run(f"%colors NoColor\n{start}") == ""
        yield own
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)


def test_each_submit_sees_its_own_version(notebook):
    assert notebook.run("def f(): return g() + 1\ndef g(): return 1\npool.submit(f).result()") == "2"
    assert notebook.run("def g(): return 10\npool.submit(f).result()") == "11"
    assert notebook.run("def f(): return 'new'\n[pool.submit(f).result(), list(pool.map(lambda x: f(), [1]))]") == (
        "['new', ['new']]"
    )


def test_a_submit_that_waits_keeps_its_version(notebook):
    assert (
        notebook.run("""
import socket
listener = socket.create_server(("127.0.0.1", 0))
def version(): return 1
def wait(port):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.recv(1)
    return version()
first = pool.submit(wait, listener.getsockname()[1])
connection, _ = listener.accept()
""")
        == ""
    )
    assert notebook.run("def version(): return 2\npool.submit(version).result()") == "2"
    assert notebook.run("connection.sendall(b'1')\nfirst.result()") == "1"


def test_classes_that_are_defined_again(notebook):
    cell = """
import dataclasses
@dataclasses.dataclass
class Point:
    x: int
    def label(self): return "{}"
def make(x): return Point(x)
made = pool.submit(make, 3).result()
(type(made) is Point, made == Point(3), pool.submit(made.label).result())
"""
    assert notebook.run(cell.format("one")) == "(True, True, 'one')"
    assert notebook.run(cell.format("two")) == "(True, True, 'two')"


def test_exceptions_show_the_lines_of_the_cell(notebook):
    shown = notebook.run("def divide(x):\n    return x / 0  # the line\npool.submit(divide, 1).result()")
    assert "ZeroDivisionError" in shown
    remote, _, _ = shown.partition("The above exception was the direct cause")
    assert "in divide\n    return x / 0  # the line" in remote
    shown = notebook.run("class Own(Exception): pass\ndef fail(): raise Own('mine')\npool.submit(fail).result()")
    assert "Own: mine" in shown
    assert notebook.run("try:\n    pool.submit(fail).result()\nexcept Own as error:\n    print(error)") == "mine"


def test_modules_beside_the_notebook(notebook, tmp_path):
    (tmp_path / "beside.py").write_text("VALUE = 1\ndef value():\n    return VALUE\n")
    assert notebook.run("import beside\npool.submit(beside.value).result()") == "1"
    (tmp_path / "beside.py").write_text("VALUE = 22\ndef value():\n    return VALUE\n")
    assert notebook.run("import importlib\nimportlib.reload(beside)\npool.submit(beside.value).result()") == "22"


def test_magic_and_output_history_are_no_obstacle(notebook):
    assert notebook.run("%timeit -n 1 -r 1 None") != ""
    assert notebook.run("40 + 2") == "42"
    assert notebook.run("pool.submit(lambda: _ + 1).result()") == "43"
