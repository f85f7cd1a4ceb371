#!/usr/bin/env python3
"""Fetches a second CPython for the tests, from Maven Central, into <target folder>/cpython-VERSION.

It is what the JavaCPP Presets pack into a jar: an interpreter that can be moved. There is one for Linux on x86-64; on
other machines the tests look for another Python on the PATH. Nothing is done when it is there.
"""

import hashlib
import io
import os
import platform
import shutil
import sys
import urllib.request
import zipfile
from pathlib import Path

VERSION = "3.14.3"
SOURCE = "https://repo1.maven.org/maven2/org/bytedeco/cpython/3.14.3-1.5.13/cpython-3.14.3-1.5.13-linux-x86_64.jar"
SHA256 = "eb5f1a6fe2dc498ac18927189a37f28a47b0ba06ae6bd85112eff023fe2eb46f"
INSIDE = "org/bytedeco/cpython/linux-x86_64/"
LARGEST = 64 << 20
TIMEOUT = 120


def main():
    """Unpack it beside its place, and then give it its name."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        print(f"no CPython {VERSION} for {platform.system()} on {platform.machine()}")
        return
    target = Path(os.environ["CARGO_TARGET_DIR"])
    place = target / f"cpython-{VERSION}"
    if (place / "bin/python3").is_file():
        print(f"{place} (current)")
        return
    with urllib.request.urlopen(SOURCE, timeout=TIMEOUT) as answer:
        data = answer.read(LARGEST)
    if hashlib.sha256(data).hexdigest() != SHA256:
        sys.exit(f"{SOURCE} has other bytes than expected")
    fresh = target / f"cpython.{os.getpid()}"
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            archive.extractall(fresh, [name for name in archive.namelist() if name.startswith(INSIDE)])
        for program in (fresh / INSIDE / "bin").iterdir():
            program.chmod(0o755)
        (fresh / INSIDE).rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    print(place)


if __name__ == "__main__":
    main()
