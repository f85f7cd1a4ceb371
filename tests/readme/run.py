#!/usr/bin/env python3
"""Runs what README.md tells a newcomer to type, in the order in which it stands there.

Every fenced `sh` block is run by one shell. A comment before a block changes that: `<!-- file: NAME -->` writes the
block to a file instead, `<!-- background: TEXT -->` runs it in the background until it prints TEXT, and
`<!-- prints: TEXT -->` requires TEXT in what the block prints. The port 7440 becomes a free one, and /tmp/haulier-start
a folder of the test. It knows nothing of what the commands do.
"""

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(
    r"(?:^<!-- (?P<word>file|background|prints): (?P<text>.*?) -->\n)?^```(?P<language>\w+)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
DEADLINE = 900
START = "/tmp/haulier-start"


def free_port():
    """Return a port that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def script(text, scratch):
    """Turn the blocks of a document into a shell script; return it with the number of blocks."""
    lines = ["set -euo pipefail"]
    blocks = 0
    for number, match in enumerate(BLOCK.finditer(text)):
        word, note, body = match["word"], match["text"], match["body"]
        if word == "file":
            target = scratch / note
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(body)
            continue
        if match["language"] != "sh":
            continue
        blocks += 1
        printed = scratch.parent / f"printed-{number}"
        lines.append("printf '%s\\n' " + " ".join(shlex.quote(f"$ {line}") for line in body.splitlines()))
        if word == "background":
            lines.append(f"mkfifo {printed}; {{ {body.strip()} ; }} >{printed} & exec 7<{printed}")
            lines.append(f"while read -r -t 60 -u 7 line; do case $line in *{shlex.quote(note)}*) break;; esac; done")
            lines.append(
                f"case ${{line:-}} in *{shlex.quote(note)}*) ;; *) echo 'never printed: {note}'; exit 1;; esac"
            )
        elif word == "prints":
            lines.append(f"{{ {body.strip()}\n}} 2>&1 | tee {printed}")
            lines.append(f"grep -qF -- {shlex.quote(note)} {printed} || {{ echo 'not printed: {note}'; exit 1; }}")
        else:
            lines.append(body)
    return "\n".join(lines), blocks


def main():
    """Run the document; fail with the first command that fails."""
    port = str(free_port())
    text = (ROOT / "README.md").read_text("utf-8").replace("7440", port)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder) / "start"
        scratch.mkdir()
        commands, blocks = script(text.replace(START, str(scratch)), scratch)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        environment["HAULIER_ADDRESS"] = f"127.0.0.1:{port}"
        shell = subprocess.Popen(
            ["bash", "-c", commands], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            status = shell.wait(timeout=DEADLINE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    print(f"{blocks if status == 0 else 0} passed, {0 if status == 0 else 1} failed")
    return status


if __name__ == "__main__":
    sys.exit(main())
