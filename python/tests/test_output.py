"""What tasks print."""

import os
import subprocess
import threading

import haulier
from conftest import DEADLINE


def shout(text):
    print(text, flush=False)


def test_the_log_of_the_node_has_it_if_asked(node_binary, tmp_path):
    command = [str(node_binary), "node", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path), "--exit-with-parent"]
    environment = {**os.environ, "HAULIER_LOG": "warn,haulier::output=debug"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as node:
        watchdog = threading.Timer(DEADLINE, node.kill)
        watchdog.start()
        try:
            address = node.stdout.readline().split()[-1]
            with haulier.connect(address) as cluster, cluster.executor(timeout=DEADLINE) as pool:
                pool.submit(shout, "hello from a task").result()
                assert any("hello from a task" in line for line in node.stderr)
        finally:
            watchdog.cancel()
            node.kill()
