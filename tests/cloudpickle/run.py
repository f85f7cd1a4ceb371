#!/usr/bin/env python3
"""Runs cloudpickle's own tests with their round trips through a worker of the node at HAULIER_ADDRESS.

The tests are not in cloudpickle's distributions on PyPI: they are fetched with its sources from Debian, else from its
repository, once, verified by their digests and kept in the cache of the build. HAULIER_CLOUDPICKLE names a checkout
instead.
"""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path

VERSION = "3.1.2"
SOURCES = (
    f"https://deb.debian.org/debian/pool/main/c/cloudpickle/cloudpickle_{VERSION}.orig.tar.gz",
    f"https://github.com/cloudpipe/cloudpickle/archive/refs/tags/v{VERSION}.tar.gz",
)
LARGEST_SOURCE = 8 << 20
FILES = {
    "tests/__init__.py": "1f188f29e3cd3f81585fcf5b4375835206d2e273d97a48bb546d23ee8a6435c3",
    "tests/cloudpickle_test.py": "3541e2cfef597711e530ff086d31293a7cf284f74f0daa4eb37ccebde5b5a902",
    "tests/testutils.py": "f810e83573e5e5d4415f3a812d23f1c0ce40c2bfccd9dc0afe45906812b7c045",
    "tests/mock_local_folder/mod.py": "50b66fc5f632fa40248d6e25dcec5056e81ed1560d346b9fde360cfb0876908f",
    "tests/mock_local_folder/subfolder/submod.py": "88ba81b886ad1c04b76d6fdc8ba83438acd3b52873ac08deeef49ac7fac114f9",
    "tests/cloudpickle_testpkg/_cloudpickle_testpkg/__init__.py": (
        "a02078bf9e155048f0063c13b7103da866d5095d8d896c5f27cb66af4a7711c7"
    ),
    "tests/cloudpickle_testpkg/_cloudpickle_testpkg/mod.py": (
        "2ee3e9b9b886eca12de6db01218b76e63ff6a0ff6bc0b82ce0bf04beada643ea"
    ),
}
# What cannot hold, each for its reason. Names are those of pytest, without the class.
EXCEPTIONS = {
    "test_pickle_constructs_from_module_registered_for_pickling_by_value": (
        "it wants workers that cannot import the client's modules, which is what peer loading makes possible"
    ),
}
FETCH_TIMEOUT = 20
DEADLINE = 300


def verified(folder):
    """Say whether all files are there, as they should be."""
    paths = {name: folder / name for name in FILES}
    return all(
        path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == FILES[name] for name, path in paths.items()
    )


def fetch(source, folder):
    """Take the files out of an archive of the sources; raises OSError, TarError, or KeyError where it lacks one."""
    with urllib.request.urlopen(source, timeout=FETCH_TIMEOUT) as answer:
        data = answer.read(LARGEST_SOURCE)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for name in FILES:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.extractfile(f"cloudpickle-{VERSION}/{name}").read())


def sources():
    """Return the folder with the tests; ends the program where they cannot be had."""
    if checkout := os.environ.get("HAULIER_CLOUDPICKLE"):
        if not verified(Path(checkout)):
            sys.exit(
                f"HAULIER_CLOUDPICKLE={checkout} has not the tests of cloudpickle {VERSION}: git checkout v{VERSION}"
            )
        return Path(checkout)
    folder = Path.home() / ".cache/haulier" / f"cloudpickle-{VERSION}"
    problems = []
    for source in SOURCES:
        if verified(folder):
            break
        try:
            fetch(source, folder)
        except (OSError, tarfile.TarError, KeyError) as error:
            problems.append(f"{source}: {error}")
    if not verified(folder):
        sys.exit(
            "the tests of cloudpickle cannot be fetched, or have other bytes than expected\n"
            + "\n".join(problems)
            + "\nwith a checkout of them: HAULIER_CLOUDPICKLE=/path/to/cloudpickle make test-cloudpickle"
        )
    return folder


def main():
    """Run them."""
    found = sources()
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory(prefix="cloudpickle-") as scratch:
        work = Path(scratch)
        for name in FILES:
            target = work / name.replace("tests/cloudpickle_testpkg/", "")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found / name, target)
        shutil.copyfile(here / "seam.py", work / "seam.py")
        for name, reason in EXCEPTIONS.items():
            print(f"not run: {name}: {reason}")
        left_out = " and ".join(f"not {name}" for name in EXCEPTIONS)
        command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "seam", "-p", "no:cacheprovider", "--tb=short"]
        command += ["tests/cloudpickle_test.py", *(["-k", left_out] if left_out else []), *sys.argv[1:]]
        path = os.pathsep.join(filter(None, [str(work), os.environ.get("PYTHONPATH", "")]))
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(command, cwd=work, env=environment, timeout=DEADLINE, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
