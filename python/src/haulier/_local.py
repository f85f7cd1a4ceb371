"""A node of one's own: found, started, and ended with this process."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from haulier import errors
from haulier._calls import Mode
from haulier._cluster import Cluster, connect
from haulier._distributions import Environment

_STOP_TIMEOUT = 5.0


def local(
    *,
    mode: Mode = "private",
    peer_loading: bool = True,
    environment: Environment = "check",
    include: Iterable[str] = (),
    deny: Iterable[str] = (),
    timeout: float = 20.0,
) -> Cluster:
    """Start a node on a free loopback port and connect to it.

    The node ends when the cluster is closed, and with this process however that ends; its data lies in a temporary
    folder and goes with it. The binary is that of ``HAULIER_NODE`` (a path), else of the wheel ``haulier-node``, else
    ``haulier`` on the PATH. ``timeout`` in seconds is for the start; the rest is as
    in ``haulier.connect``. ``haulier.NotFound`` if there is no binary,
    ``haulier.Unavailable`` if the node does not start.
    """
    with contextlib.ExitStack() as starting:
        address = _start(_binary(), starting, time.monotonic() + timeout)
        cluster = connect(
            address,
            mode=mode,
            peer_loading=peer_loading,
            environment=environment,
            include=include,
            deny=deny,
            timeout=timeout,
        )
        cluster._resources = starting.pop_all()
        return cluster


def _binary() -> str:
    operation = "start a local node"
    if configured := os.environ.get("HAULIER_NODE"):
        if os.access(configured, os.X_OK) and os.path.isfile(configured):
            return configured
        raise errors.NotFound(
            f"HAULIER_NODE names no program: {configured}", operation=operation, hint="unset HAULIER_NODE"
        )
    try:
        import haulier_node
    except ModuleNotFoundError:
        pass
    else:
        return str(haulier_node.path())
    if found := shutil.which("haulier"):
        return found
    raise errors.NotFound(
        "there is no node here: no wheel haulier-node, no haulier on the PATH, no HAULIER_NODE",
        operation=operation,
        hint="pip install haulier-node",
    )


def _start(binary: str, resources: contextlib.ExitStack, end: float) -> str:
    """Start a node and return its address; ``resources`` will end it."""
    folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="haulier-", ignore_cleanup_errors=True)))
    log = resources.enter_context((folder / "log").open("w+b"))
    command = [binary, "node", "--listen", "127.0.0.1:0", "--data-dir", str(folder / "data"), "--exit-with-parent"]
    environment = {**os.environ, "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])}
    try:
        # The open standard input is a sign of life, besides what the operating system says of the parent.
        node = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment, start_new_session=True
        )
    except OSError as error:
        raise errors.Unavailable(f"{binary}: {error.strerror}", operation="start a local node") from error
    resources.callback(_stop, node)
    line = _ready_line(node, end)
    if line is None:
        log.seek(0)
        said = log.read()[-4096:].decode(errors="replace").strip()
        status = node.poll()
        happened = "did not become ready in time" if status is None else f"ended with exit status {status}"
        raise errors.Unavailable(
            f"the node {happened}: {said or 'it said nothing'}", operation="start a local node", retry="never"
        )
    return line.split()[-1]


def _ready_line(node: subprocess.Popen[bytes], end: float) -> str | None:
    """Read "haulier node NAME listening on HOST:PORT"; None if the node ends or the time is over."""
    output = node.stdout
    assert output is not None, "made with a pipe"
    read = b""
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while (remaining := end - time.monotonic()) > 0:
            if not selector.select(remaining):
                return None
            part = os.read(output.fileno(), 4096)
            if not part:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    node.wait(_STOP_TIMEOUT)
                return None
            read += part
            for line in read.split(b"\n")[:-1]:
                if b" listening on " in line:
                    return line.decode(errors="replace")
    return None


def _stop(node: subprocess.Popen[bytes]) -> None:
    node.terminate()
    try:
        node.wait(_STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        node.kill()
        node.wait()
    for pipe in (node.stdin, node.stdout):
        _close(pipe)


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(OSError):
            pipe.close()
