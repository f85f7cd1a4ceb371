#!/usr/bin/env python3
"""Prints how long a node takes to start and how much memory it holds when nothing runs on it."""

import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

BINARY = Path(os.environ["HAULIER_DIST"]) / "bin/haulier"


def start_once():
    """Start a node and end it; return seconds until it listened, and its resident kilobytes."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        command = [BINARY, "node", "--listen", "127.0.0.1:0", "--data-dir", f"{folder}/data"]
        node = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            line = node.stdout.readline()
            seconds = time.perf_counter() - begun
            assert "listening on" in line, line
            time.sleep(1)  # idle is what is measured
            status = Path(f"/proc/{node.pid}/status").read_text()
            return seconds, int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])
        finally:
            node.kill()
            node.wait()


def main():
    """Print the medians of five nodes."""
    seconds, kilobytes = zip(*(start_once() for _ in range(5)), strict=True)
    print(f"node start                       {statistics.median(seconds) * 1000:8.0f} ms   (bar: 200)")
    print(f"idle node, resident              {statistics.median(kilobytes) / 1024:8.1f} MB   (bar: 25)")


if __name__ == "__main__":
    main()
