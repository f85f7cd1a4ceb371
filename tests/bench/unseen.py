#!/usr/bin/env python3
"""Writes Java sources that no node has seen: sets of 500 classes of about 5 KB, different in each run.

Five sets go into the first folder. One more goes into the second: every class of it has the word that is printed, of
which other words of 16 letters make new versions without a compiler.
"""

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


WORD = """package changing;

public final class Word {
    private Word() {}

    public static String word() {
        return "%s";
    }
}
"""

TOLD = """package changing;

public final class Told implements java.util.concurrent.Callable<String>, java.io.Serializable {
    private static final long serialVersionUID = 1L;

    @Override
    public String call() {
        return Word.word();
    }
}
"""


def write_set(folder, package, word):
    """Write a set and its task."""
    folder.mkdir(parents=True)
    (folder / "Depth.java").write_text(task(package))
    for index in range(CLASSES):
        (folder / f"Unseen{index}.java").write_text(source(package, index, word))


def main():
    """Write the sets into the folders given, and print the word."""
    word = f"{random.getrandbits(64):016x}"
    for number in range(SETS):
        write_set(Path(sys.argv[1]) / f"set{number}", f"set{number}", word)
    folder = Path(sys.argv[2]) / "changing"
    write_set(folder, "changing", word)
    (folder / "Word.java").write_text(WORD % word)
    (folder / "Told.java").write_text(TOLD)
    print(word)


if __name__ == "__main__":
    main()
