"""A Haulier node as a wheel: where its binary is, and the ``haulier`` command."""

import os
import sys
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent / "dist"


def path() -> Path:
    """Return the path of the binary ``haulier``."""
    return _FOLDER / "bin/haulier"


def home() -> Path:
    """Return the folder with what workers need: jars, native libraries, Python modules."""
    return _FOLDER / "lib/haulier"


def main() -> None:
    """Become the binary, with the arguments of this process."""
    binary = str(path())
    os.execv(binary, [binary, *sys.argv[1:]])
