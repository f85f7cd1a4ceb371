"""A Maven repository over HTTP: a folder, and for each file in it the `.sha1` that belongs to it.

`maven.py FOLDER [USER:PASSWORD]` serves FOLDER on a free port of loopback, and prints its URL. With credentials it
answers 401 to everybody else.
"""

import base64
import functools
import hashlib
import http.server
import os
import sys

from ending import end_with_stdin


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves one folder; `credentials` is what the header Authorization must be, or None."""

    def __init__(self, *arguments: object, credentials: str | None, directory: str) -> None:
        self.credentials = credentials
        super().__init__(*arguments, directory=directory)

    def do_GET(self) -> None:
        if self.credentials is not None and self.headers.get("Authorization") != self.credentials:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path = self.translate_path(self.path)
        source = path.removesuffix(".sha1")
        if path == source or os.path.exists(path) or not os.path.isfile(source):
            super().do_GET()
            return
        with open(source, "rb") as file:
            body = hashlib.file_digest(file, "sha1").hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Says nothing: the headers may hold a password."""


def main() -> None:
    folder, credentials = sys.argv[1], None
    if len(sys.argv) > 2:
        credentials = "Basic " + base64.b64encode(sys.argv[2].encode()).decode()
    handler = functools.partial(Handler, credentials=credentials, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    end_with_stdin()
    print(f"http://127.0.0.1:{server.server_address[1]}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
