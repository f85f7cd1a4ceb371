"""The package alone: it imports, brings its types, and says what is wrong when there is no node."""

import importlib.metadata
import os
import socket
from importlib.resources import files

import haulier

assert importlib.metadata.version("haulier") == "0.1.0"
assert files("haulier").joinpath("py.typed").is_file(), "the types"
assert "site-packages" in haulier.__file__, haulier.__file__

try:
    haulier.local()
except haulier.NotFound as error:
    assert "pip install haulier-node" in str(error), error
else:
    raise AssertionError("there should be no node here")

with socket.create_server(("127.0.0.1", 0)) as listener:
    port = listener.getsockname()[1]
try:
    haulier.connect(f"127.0.0.1:{port}")
except haulier.Unavailable as error:
    assert isinstance(error, ConnectionError) and str(port) in str(error), error
else:
    raise AssertionError("nobody listens there")

print(f"haulier {importlib.metadata.version('haulier')} without a node, process {os.getpid()}: as it should be")
