#!/usr/bin/env python3
"""Writes Java sources that no node has seen: five sets of 500 classes of about 5 KB, different in each run."""

import random
import sys
from pathlib import Path

SETS = 5
CLASSES = 500


def source(package, number, word):
    """Return a class that uses the next one, and is about 5 KB when compiled."""
    following = f"Unseen{number + 1}.depth(left - 1)" if number + 1 < CLASSES else "0"
    methods = "\n".join(
        f'    static String text{index}(int value) {{ return "{word}{number}-{index}-{"x" * 60}" + value; }}'
        for index in range(27)
    )
    return (
        f"package {package};\n\npublic final class Unseen{number} {{\n"
        f"    public static int depth(int left) {{ return left == 0 ? 0 : 1 + {following}; }}\n{methods}\n}}\n"
    )


def task(package):
    """Return the task that uses the whole set."""
    return (
        f"package {package};\n\npublic final class Depth\n"
        "        implements java.util.concurrent.Callable<Integer>, java.io.Serializable {\n"
        "    private static final long serialVersionUID = 1L;\n\n"
        f"    @Override\n    public Integer call() {{\n        return Unseen0.depth({CLASSES - 1});\n    }}\n}}\n"
    )


def main():
    """Write the sets into the folder given."""
    word = f"{random.getrandbits(64):x}"
    for number in range(SETS):
        folder = Path(sys.argv[1]) / f"set{number}"
        folder.mkdir(parents=True)
        (folder / "Depth.java").write_text(task(f"set{number}"))
        for index in range(CLASSES):
            (folder / f"Unseen{index}.java").write_text(source(f"set{number}", index, word))


if __name__ == "__main__":
    main()
