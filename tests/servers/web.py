"""Python's own HTTP server for tests: `web.py FOLDER` serves FOLDER on a free port of loopback, and prints its URL."""

import functools
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from ending import end_with_stdin


class Handler(SimpleHTTPRequestHandler):
    """Python's handler, without a line per request."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


handler = functools.partial(Handler, directory=sys.argv[1])
server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
end_with_stdin()
print(f"http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
