"""A package index over HTTP (PEP 503) whose distributions are folders, for tests.

`pypi.py FOLDER [USER:PASSWORD]` prints the URL of the index, and serves a wheel for each folder NAME-VERSION in FOLDER:
its modules, and the lines of its file `METADATA`, if there is one, such as `Requires-Dist: six>=1`. A folder
NAME-VERSION-PYTHON-ABI-PLATFORM has these tags; without them the wheel is for every Python. A file NAME-VERSION.tar.gz
is served as it is. The same folder gives the same bytes. With credentials it answers 401 to everybody else.
"""

import base64
import functools
import hashlib
import http.server
import io
import re
import sys
import zipfile
from pathlib import Path
from urllib.parse import unquote

from ending import end_with_stdin


def normalized(name: str) -> str:
    """Return a name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def wheel(folder: Path) -> tuple[str, bytes]:
    """Return the file name and the bytes of the wheel of a folder."""
    name, version, *tags = folder.name.split("-", 2)
    tag = tags[0] if tags else "py3-none-any"
    info = f"{name}-{version}.dist-info"
    more = (folder / "METADATA").read_text() if (folder / "METADATA").exists() else ""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "METADATA" and "__pycache__" not in path.parts
    }
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}".encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode()
    record = "".join(f"{path},{_hash(body)},{len(body)}\n" for path, body in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, body in files.items():
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), body)
    return f"{name}-{version}-{tag}.whl", buffer.getvalue()


def _hash(body: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()


def distributions(folder: Path) -> dict[str, dict[str, bytes]]:
    """Return the files of each distribution, by its normalised name."""
    found: dict[str, dict[str, bytes]] = {}
    for item in sorted(folder.iterdir()):
        file, body = wheel(item) if item.is_dir() else (item.name, item.read_bytes())
        found.setdefault(normalized(item.name.partition("-")[0]), {})[file] = body
    return found


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers for one folder; `credentials` is what the header Authorization must be, or None."""

    def __init__(self, *arguments: object, folder: Path, credentials: str | None) -> None:
        self.folder, self.credentials = folder, credentials
        super().__init__(*arguments)

    def do_GET(self) -> None:
        if self.credentials is not None and self.headers.get("Authorization") != self.credentials:
            self._answer(401, b"", [("WWW-Authenticate", 'Basic realm="test"')])
            return
        kind, _, rest = unquote(self.path).strip("/").partition("/")
        found = distributions(self.folder)
        if kind == "simple" and rest in found:
            links = "".join(
                f'<a href="/files/{rest}/{file}#sha256={hashlib.sha256(body).hexdigest()}">{file}</a>\n'
                for file, body in found[rest].items()
            )
            headers = [("Content-Type", "text/html"), ("Cache-Control", "no-store")]
            self._answer(200, f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), headers)
            return
        name, _, file = rest.partition("/")
        body = found.get(name, {}).get(file) if kind == "files" else None
        self._answer(404, b"") if body is None else self._answer(200, body)

    do_HEAD = do_GET

    def _answer(self, status: int, body: bytes, headers: list[tuple[str, str]] | None = None) -> None:
        self.send_response(status)
        for name, value in headers or []:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Says nothing: the headers may hold a password."""


def main() -> None:
    credentials = None
    if len(sys.argv) > 2:
        credentials = "Basic " + base64.b64encode(sys.argv[2].encode()).decode()
    handler = functools.partial(Handler, folder=Path(sys.argv[1]), credentials=credentials)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    end_with_stdin()
    print(f"http://127.0.0.1:{server.server_address[1]}/simple/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
