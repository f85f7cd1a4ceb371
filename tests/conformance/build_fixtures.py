#!/usr/bin/env python3
"""Builds what the conformance cases deploy, from the sources in fixtures/, into <target folder>/fixtures.

Jars are compiled once with javac; hostile archives are written by hand, as no ordinary tool makes them. Nothing is
done when neither the sources nor this file have changed. It knows nothing of nodes and clients.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCES = HERE / "fixtures"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
API = ROOT / "java/api/target/haulier-api-0.1.0.jar"
EPOCH = (1980, 1, 1, 0, 0, 0)


def main():
    """Build into a new folder and put it in place of the old one."""
    out = TARGET / "fixtures"
    digest = sources_digest()
    stamp = out / "built-from"
    if stamp.is_file() and stamp.read_text() == digest:
        print(f"{out} (current)")
        return
    fresh = TARGET / f"fixtures.{os.getpid()}"
    fresh.mkdir(parents=True)
    try:
        build_java(fresh)
        build_python(fresh)
        build_hostile(fresh)
        (fresh / "built-from").write_text(digest)
        shutil.rmtree(out, ignore_errors=True)
        fresh.rename(out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    print(out)


def sources_digest():
    """Return a digest of everything that the fixtures are made from."""
    digest = hashlib.sha256()
    for path in [*sorted(SOURCES.rglob("*")), Path(__file__), API]:
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def build_java(out):
    """Compile each folder of fixtures/java and pack the jars, folders of classes and folders of jars."""
    classes = out / "classes"
    java = SOURCES / "java"
    compile_java(java / "absent", classes / "absent", [])
    for name in ["pricing-1", "pricing-2", "order-a", "order-b"]:
        compile_java(java / name, classes / name, [])
        pack(classes / name, out / f"{name}.jar")
    compile_java(java / "tasks", classes / "tasks", [classes / "absent", API])
    pack(classes / "tasks", out / "tasks.jar")
    library = out / "library"
    (library / "nested").mkdir(parents=True)
    shutil.copy(out / "pricing-1.jar", library / "pricing.jar")
    shutil.copy(out / "tasks.jar", library / "nested" / "tasks with space.jar")
    pack(classes / "pricing-1", out / "pricing-1.zip")


def compile_java(source, destination, class_path):
    """Compile the sources of a folder for Java 17; copy its resources."""
    destination.mkdir(parents=True)
    files = [str(path) for path in sorted(source.rglob("*.java"))]
    options = ["-Xlint:all,-path", "-Werror", "--release", "17", "-d", str(destination)]
    if class_path:
        options += ["--class-path", os.pathsep.join(map(str, class_path))]
    subprocess.run(["javac", *options, *files], check=True, stdin=subprocess.DEVNULL)
    for path in source.rglob("*"):
        if path.is_file() and path.suffix != ".java":
            shutil.copy(path, destination / path.relative_to(source))


def pack(folder, archive, extra=()):
    """Pack a folder, in the order of paths and without times; extra entries are (name, bytes) and stand last."""
    with zipfile.ZipFile(archive, "w") as out:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                name = path.relative_to(folder).as_posix()
                out.writestr(zipfile.ZipInfo(name, EPOCH), path.read_bytes(), zipfile.ZIP_DEFLATED)
        for name, data in extra:
            out.writestr(zipfile.ZipInfo(name, EPOCH), data, zipfile.ZIP_DEFLATED)


def build_python(out):
    """Copy packages and modules; make a wheel."""
    ignore = shutil.ignore_patterns("__pycache__")
    for version in ["1", "2"]:
        shutil.copytree(SOURCES / "python" / version, out / f"scoring-{version}", ignore=ignore)
    shutil.copytree(SOURCES / "python/tasks/acme_tasks", out / "acme_tasks", ignore=ignore)
    shutil.copy(SOURCES / "python/acme_single.py", out / "acme_single.py")
    information = "acme_scoring-1.0.0.dist-info"
    metadata = "Metadata-Version: 2.1\nName: acme-scoring\nVersion: 1.0.0\n"
    wheel = "Wheel-Version: 1.0\nGenerator: haulier\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    extra = [(f"{information}/METADATA", metadata), (f"{information}/WHEEL", wheel), (f"{information}/RECORD", "")]
    pack(SOURCES / "python/1", out / "acme_scoring-1.0.0-py3-none-any.whl", extra)


def build_hostile(out):
    """Write archives that must be refused."""
    classes = out / "classes/pricing-1"
    names = {
        "parent": "../evil.txt",
        "inner-parent": "acme/../../evil.txt",
        "absolute": "/etc/evil.txt",
        "backslash": "acme\\evil.txt",
        "drive": "C:/evil.txt",
        "case-twins": "acme/PRICE.class",
    }
    for label, name in names.items():
        pack(classes, out / f"hostile-{label}.jar", [(name, b"evil")])
    pack(classes, out / "hostile-bomb.jar", [("bomb.bin", bytes(64 << 20))])
    good = (out / "pricing-1.jar").read_bytes()
    (out / "hostile-truncated.jar").write_bytes(good[: len(good) // 2])
    (out / "hostile-noise.jar").write_bytes(b"this is no archive")


if __name__ == "__main__":
    sys.exit(main())
