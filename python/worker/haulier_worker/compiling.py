"""Compiles the sources of a unit for the node, in a confined process of its own: nothing of them is executed.

Run as ``python -I -S compiling.py SOURCES``: each line of that file is a digest and a path. What is written to
descriptor 3 is, for each source that compiles, its digest, the length of its bytecode, and the bytecode.
"""

import importlib.util
import sys

_OUTPUT = 3
# Seconds of a processor, and bytes of output for each byte of source, with what each module has anyway.
_MOST_SECONDS = 120
_MOST_GROWTH = 16
_MOST_ANYWAY = 1 << 20


def tag():
    """Return what tells this interpreter's bytecode from that of others."""
    magic = importlib.util.MAGIC_NUMBER.hex()
    return f"{sys.implementation.cache_tag}-{magic}-{sys.flags.optimize}"


def compile_all(listing):
    """Compile what a file lists."""
    import os
    import resource
    import warnings

    os.nice(10)
    warnings.simplefilter("ignore")
    with open(listing, encoding="utf-8") as file:
        sources = [line.rstrip("\n").split(" ", 1) for line in file]
    size = sum(os.path.getsize(path) for _, path in sources)
    most = _MOST_GROWTH * size + _MOST_ANYWAY
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_SECONDS, _MOST_SECONDS))
    with open(_OUTPUT, "wb", buffering=1 << 20) as output:
        for digest, path in sources:
            code = _compiled(path)
            if code is not None:
                output.write(bytes.fromhex(digest) + len(code).to_bytes(4, "little") + code)


def _compiled(path):
    import marshal

    try:
        with open(path, "rb") as file:
            return marshal.dumps(compile(file.read(), path, "exec", dont_inherit=True))
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError, OSError):
        return None  # whoever imports it sees why


if __name__ == "__main__":
    compile_all(sys.argv[1])
