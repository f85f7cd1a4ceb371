"""Deployments that are followed and stopped, sources that the node fetches, aliases, promotion, garbage, storages."""

import asyncio
import contextlib
import hashlib
import signal
import threading
import time
from concurrent.futures import CancelledError
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import haulier
import pytest
from conftest import DEADLINE


def wait_until(condition):
    """Poll what the node does behind our back; return what the condition returns."""
    end = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return found


@pytest.fixture
def module(tmp_path):
    """Return a function that writes a module whose f() returns what it is given, and returns its path."""

    def write(name, result, filler=b""):
        path = tmp_path / f"{name}.py"
        path.write_bytes(f"def f(): return {result!r}\n#".encode() + filler)
        return path

    return write


class Files(ThreadingHTTPServer):
    """Serves the files that it is given; what is named "/held..." only once it is let go."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {}
        self.asked = threading.Event()
        self.let_go = threading.Event()

    def url(self, path, content):
        self.files[path] = content
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        if self.path.startswith("/held"):
            self.server.asked.set()
            self.server.let_go.wait(DEADLINE)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass

    def handle(self):
        with contextlib.suppress(ConnectionError):  # the node has stopped asking
            super().handle()


@pytest.fixture
def files():
    server = Files()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.let_go.set()
    server.shutdown()
    thread.join(DEADLINE)
    server.server_close()


def test_a_deployment_is_a_future(cluster, module):
    steps = []
    ended = threading.Event()
    path = module("handle_unit", "a future", hashlib.sha256(b"seed").hexdigest().encode() * 100_000)
    deployment = cluster.deploy("py-handle", "1.0.0", path, wait=False, progress=steps.append)
    try:
        assert isinstance(deployment, haulier.Deployment)
        deployment.add_done_callback(lambda _: ended.set())
        unit = deployment.result(timeout=DEADLINE)
        assert unit.reference == "py-handle:1.0.0" and unit.state == "deployed" and unit.aliases == ()
        assert ended.wait(DEADLINE)
        assert deployment.done() and not deployment.cancel() and not deployment.cancelled()
        assert deployment.exception() is None
        assert [step.step for step in steps][0] == "reading" and steps[-1].step == "publishing"
        assert deployment.progress == steps[-1]
        sent = [step for step in steps if step.step == "sending"]
        assert sent and 0 < sent[-1].done <= max(step.total for step in sent)
        assert cluster.task(unit, "handle_unit:f").call() == "a future"
        failed = cluster.deploy("py-handle", "1.0.0", module("handle_unit", "other"), wait=False)
        assert isinstance(failed.exception(timeout=DEADLINE), haulier.Conflict)
        with pytest.raises(haulier.Conflict):
            failed.result()
    finally:
        cluster.undeploy("py-handle")


def test_progress_of_a_call_that_waits(cluster, module):
    threads = set()
    steps = []

    def listen(progress):
        threads.add(threading.current_thread())
        steps.append(progress.step)

    cluster.deploy("py-progress", "1.0.0", module("progress_unit", 1), progress=listen)
    cluster.undeploy("py-progress")
    assert steps[0] == "reading" and "sending" in steps and steps[-1] == "publishing"
    assert threads == {threading.current_thread()}


def test_a_deployment_is_stopped(cluster, files):
    url = files.url("/held_unit.py", b"def f(): return 1\n")
    fetching = threading.Event()
    deployment = cluster.deploy("py-stopped", "1.0.0", url, wait=False, progress=lambda _: fetching.set())
    assert fetching.wait(DEADLINE) and deployment.progress.step == "fetching"
    assert not deployment.done()
    with pytest.raises(TimeoutError):
        deployment.result(timeout=0.01)
    assert deployment.cancel() and deployment.cancelled() and deployment.done()
    with pytest.raises(haulier.Canceled):
        deployment.result()
    with pytest.raises(CancelledError):
        deployment.exception()
    wait_until(lambda: cluster.list_deployments("py-stopped") == [])  # the upload is forgotten


def test_what_a_listener_raises_stops_it(cluster, files):
    url = files.url("/held_unit.py", b"def f(): return 1\n")

    def refuse(progress):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        cluster.deploy("py-refused", "1.0.0", url, progress=refuse)
    deployment = cluster.deploy("py-refused", "1.0.0", url, progress=refuse, wait=False)
    with pytest.raises(RuntimeError, match="enough"):
        deployment.result(timeout=DEADLINE)
    wait_until(lambda: cluster.list_deployments("py-refused") == [])  # the upload is forgotten


def test_ctrl_c_stops_it(cluster, files):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in the background
    url = files.url("/held_unit.py", b"def f(): return 1\n")
    main = threading.main_thread().ident

    def interrupt():
        assert files.asked.wait(DEADLINE)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        cluster.deploy("py-interrupted", "1.0.0", url)
    thread.join()
    signal.signal(signal.SIGINT, before)
    wait_until(lambda: cluster.list_deployments("py-interrupted") == [])


def test_a_deployment_is_awaited(cluster, module, files):
    async def deploy():
        path = module("async_unit", "awaited")
        unit = await asyncio.wrap_future(cluster.deploy("py-async", "1.0.0", path, wait=False))
        url = files.url("/held_unit.py", b"def f(): return 1\n")
        stopped = cluster.deploy("py-async", "2.0.0", url, wait=False)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(stopped), timeout=0.01)
        return unit, stopped

    unit, stopped = asyncio.run(deploy())
    assert stopped.cancelled()
    wait_until(lambda: [listed.digest for listed in cluster.list_deployments("py-async")] == [unit.digest])
    cluster.undeploy("py-async")


def test_the_connection_ends_it(address, files):
    url = files.url("/held_unit.py", b"def f(): return 1\n")
    fetching = threading.Event()
    with haulier.connect(address) as cluster:
        deployment = cluster.deploy("py-ended", "1.0.0", url, wait=False, progress=lambda _: fetching.set())
        assert fetching.wait(DEADLINE)
    with pytest.raises(haulier.Closed):
        deployment.result(timeout=DEADLINE)
    with pytest.raises(haulier.Closed):
        cluster.deploy("py-ended", "1.0.0", url, wait=False).result(timeout=DEADLINE)


def test_the_program_waits_for_its_deployments(cluster, project, module):
    path = module("awaited_unit", "deployed")
    project.file(
        "main.py",
        f"""
        import os, haulier
        cluster = haulier.connect(os.environ["HAULIER_ADDRESS"])
        cluster.deploy("py-awaited", "1.0.0", {str(path)!r}, wait=False)
        """,
    )
    project.python(str(project.folder / "main.py"))
    assert cluster.task("py-awaited:1.0.0", "awaited_unit:f").call() == "deployed"
    cluster.undeploy("py-awaited")


def test_a_url(cluster, files):
    content = b"def f(): return 'fetched'\n"
    url = files.url("/fetched_unit.py", content)
    digest = hashlib.sha256(content).hexdigest()
    steps = []
    with pytest.raises(haulier.Error, match=digest[:12]):
        cluster.deploy("py-fetched", "1.0.0", url, sha256="0" * 64)
    assert cluster.list_deployments("py-fetched") == []
    unit = cluster.deploy("py-fetched", "1.0.0", url, sha256=digest, progress=steps.append)
    try:
        assert {step.step for step in steps} == {"fetching"}
        assert cluster.task(unit, "fetched_unit:f").call() == "fetched"
        details = cluster.inspect(unit)
        assert details.unit == unit
        assert [(origin.source, origin.sha256) for origin in details.origins] == [(url, digest)]
        (entry,) = details.entries
        assert (entry.path, entry.size, entry.executable, entry.source) == ("fetched_unit.py", len(content), False, 0)
        assert entry.digest.startswith("sha256:")
    finally:
        cluster.undeploy("py-fetched")
    with pytest.raises(haulier.Error, match="404|not there|NotFound"):
        cluster.deploy("py-fetched", "1.0.0", url.replace("fetched", "absent"))
    with pytest.raises(haulier.InvalidArgument, match="some sources"):
        cluster.deploy("py-fetched", "1.0.0", url, __file__)


def test_an_alias_is_set_moved_and_removed(cluster, module):
    for version in ("1.0.0", "2.0.0"):
        cluster.deploy("py-alias", version, module("alias_unit", version))
    try:
        unit = cluster.set_alias("py-alias", "stable", "1.0.0")
        assert (unit.version, unit.aliases) == ("1.0.0", ("stable",))
        stable = cluster.task("py-alias:stable", "alias_unit:f")
        assert stable.call() == "1.0.0"
        assert cluster.set_alias("py-alias", "stable", "2.0.0").version == "2.0.0"
        assert stable.call() == "2.0.0"
        aliases = {listed.version: listed.aliases for listed in cluster.list_deployments("py-alias")}
        assert aliases == {"1.0.0": (), "2.0.0": ("stable",)}
        with pytest.raises(haulier.Conflict, match="stable"):
            cluster.undeploy("py-alias:2.0.0")
        assert stable.call() == "2.0.0"
        assert cluster.remove_alias("py-alias", "stable") == "2.0.0"
        with pytest.raises(haulier.NotFound):
            stable.call()
        with pytest.raises(haulier.NotFound):
            cluster.remove_alias("py-alias", "stable")
        with pytest.raises(haulier.NotFound):
            cluster.set_alias("py-alias", "stable", "3.0.0")
        with pytest.raises(haulier.InvalidArgument):
            cluster.set_alias("py-alias", "latest", "1.0.0")
        cluster.set_alias("py-alias", "stable", "1.0.0")
        assert [gone.version for gone in cluster.undeploy("py-alias:1.0.0", force=True)] == ["1.0.0"]
        with pytest.raises(haulier.NotFound):
            stable.call()
    finally:
        cluster.undeploy("py-alias")


def test_waiting_for_a_unit(cluster, module):
    with pytest.raises(haulier.NotFound):
        cluster.wait_for_unit("py-waited", timeout=5.0)
    unit = cluster.deploy("py-waited", "1.0.0", module("waited_unit", 1))
    try:
        (node,) = cluster.nodes()
        assert cluster.wait_for_unit(unit, "all", timeout=DEADLINE).digest == unit.digest
        assert cluster.wait_for_unit("py-waited", [node.name], timeout=DEADLINE).holders == (node.name,)
        with pytest.raises(ValueError, match="positive"):
            cluster.wait_for_unit(unit, timeout=-1)
    finally:
        cluster.undeploy("py-waited")


def test_the_code_of_a_session_becomes_a_unit(cluster, project):
    project.write(
        promoted____init__="",
        promoted__core="from promoted import late\ndef f(): return 'promoted', late.g()\n",
        promoted__late="def g(): return 'too'\n",
    )
    printed = project.run(
        """
        from promoted import core
        print(*pool.submit(core.f).result())
        with haulier.connect(os.environ["HAULIER_ADDRESS"]) as other:
            (own,) = [session for session in other.sessions() if session.id == cluster.session_id]
            unit = other.promote(own, "py-promoted", "1.0.0")
            assert unit.digest in own.snapshots, (unit, own)
        print(unit)
        """
    )
    try:
        assert printed.splitlines() == ["promoted too", "py-promoted:1.0.0"]
        assert cluster.task("py-promoted:1.0.0", "promoted.core:f").call() == ("promoted", "too")
    finally:
        cluster.undeploy("py-promoted")
    with pytest.raises(haulier.NotFound):
        cluster.promote("nobody", "py-promoted")


def test_sessions(cluster, address):
    with haulier.connect(address) as other:
        listed = {session.id: session for session in cluster.sessions()}
        assert {cluster.session_id, other.session_id} <= set(listed)
        own = listed[other.session_id]
        assert own.language == "python" and own.tasks == 0 and 0 <= own.age < DEADLINE
        assert own.node == cluster.nodes()[0].name and own.snapshots == ()
    wait_until(lambda: own.id not in {session.id for session in cluster.sessions()})


def test_garbage(cluster, module):
    cluster.deploy("py-garbage", "1.0.0", module("garbage_unit", 1, b"x" * 100_000))
    kept = cluster.deploy("py-kept", "1.0.0", module("kept_unit", "kept"))
    cluster.undeploy("py-garbage")
    try:
        node = cluster.nodes()[0].name
        told = cluster.collect_garbage(dry_run=True)
        assert told.node == node and min(told.packs, told.bytes, told.held_bytes) >= 0
        again = cluster.collect_garbage(dry_run=True)
        assert (again.packs, again.bytes) >= (told.packs, told.bytes)
        freed = cluster.collect_garbage()
        assert freed.node == node and freed.packs >= told.packs
        assert cluster.task(kept, "kept_unit:f").call() == "kept"
    finally:
        cluster.undeploy("py-kept")


def test_a_folder_is_watched(cluster, tmp_path):
    storage = tmp_path / "storage"
    storage.mkdir()
    url = storage.as_uri()
    (storage / "py-watched-1.0.0.py").write_text("def f(): return 'one'\n")
    watch = cluster.watch_storage(url, interval=0.1, settle=0.1)
    try:
        assert watch.url.rstrip("/") == url and watch.id and (watch.interval, watch.settle) == (0.1, 0.1)
        deployed = wait_until(lambda: cluster.list_deployments("py-watched"))
        assert cluster.task(deployed[0], "py_watched:f").call() == "one"
        (storage / "bad-1.0.0.jar").write_bytes(b"no archive")
        (storage / "py-watched-2.0.0.py").write_text("def f(): return 'two'\n")
        wait_until(lambda: len(cluster.list_deployments("py-watched")) == 2)
        assert cluster.task("py-watched", "py_watched:f").call() == "two"

        def problem():
            (seen,) = [seen for seen in cluster.watched_storages() if seen.id == watch.id]
            return seen if seen.problems and seen.units == 2 else None

        seen = wait_until(problem)
        assert seen.state == "watching" and seen.node == cluster.nodes()[0].name and seen.last_error is None
        assert seen.last_success is not None and abs(seen.last_success - time.time()) < 600
        (bad,) = seen.problems
        assert (bad.path, bad.state) == ("bad-1.0.0.jar", "quarantined") and bad.error and bad.since > 0
        (storage / "py-watched-2.0.0.py").unlink()
        wait_until(lambda: [unit.version for unit in cluster.list_deployments("py-watched")] == ["1.0.0"])
    finally:
        assert cluster.unwatch_storage(watch, undeploy=True).id == watch.id
    assert cluster.list_deployments("py-watched") == []
    assert watch.id not in [seen.id for seen in cluster.watched_storages()]
    with pytest.raises(haulier.NotFound):
        cluster.unwatch_storage(url)
    with pytest.raises(haulier.InvalidArgument):
        cluster.watch_storage("gopher://host/units")
