"""An FTP server for tests: `ftp.py FOLDER [plain]` serves FOLDER on a free port of loopback, and prints its URL.

Anonymous may read; "me" with the password "secret word" may read, too. With "plain", it knows no MLSD and no SIZE.
"""

import logging
import sys

from ending import end_with_stdin
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

folder, *options = sys.argv[1:]


class Handler(FTPHandler):
    """A handler of its own, so that what it knows can be changed."""

    authorizer = DummyAuthorizer()
    proto_cmds = {
        name: what
        for name, what in FTPHandler.proto_cmds.items()
        if "plain" not in options or name not in {"MLSD", "MLST", "SIZE"}
    }


Handler.authorizer.add_anonymous(folder)
Handler.authorizer.add_user("me", "secret word", folder, perm="elr")
logging.basicConfig(level=logging.ERROR)
server = FTPServer(("127.0.0.1", 0), Handler)
end_with_stdin()
print(f"ftp://127.0.0.1:{server.address[1]}/", flush=True)
server.serve_forever(handle_exit=False)
