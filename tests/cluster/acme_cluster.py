"""Tasks that say on which node of a test cluster they run, and that wait until they are let go.

Nothing tells a Python task its node, but a worker's home is below the node's data folder, and the tests name that
folder after the node.
"""

import os
import socket
from pathlib import Path


def where():
    """Return the name of the node."""
    return Path(os.environ["HOME"].split("/temp/")[-2]).name


def hold(port):
    """Tell a listener on loopback where this runs, wait until it says or ends something, and return the name."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(where().encode() + b"\n")
        connection.recv(1)
    return where()


def fail_on(node):
    """Fail on one node, return the name of any other one."""
    if where() == node:
        raise ValueError(f"not on {node}")
    return where()
