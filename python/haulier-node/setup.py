"""Puts the distribution folder into the wheel, and says for which platform it is.

The folder is that of ``HAULIER_DIST``, else ``dist`` in the target folder of cargo.
"""

import os
import shutil
import sysconfig
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

PARTS = ("bin/haulier", "lib/haulier/haulier-worker.jar", "lib/haulier/python/haulier_worker/_native.abi3.so")


def distribution():
    """Return the distribution folder; fail if it is not whole."""
    target = os.environ.get("CARGO_TARGET_DIR") or Path.home() / ".cache/haulier/target"
    folder = Path(os.environ.get("HAULIER_DIST") or Path(target) / "dist")
    missing = [part for part in PARTS if not (folder / part).is_file()]
    if missing:
        raise SystemExit(f"{folder} lacks {', '.join(missing)}; make it with: make build-dist")
    return folder


class BuildWithDistribution(build_py):
    """Copies the distribution folder beside the module."""

    def run(self):
        """Copy the module, then the folder."""
        super().run()
        copy = Path(self.build_lib) / "haulier_node/dist"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(distribution(), copy, ignore=shutil.ignore_patterns("__pycache__"))


class PlatformWheel(bdist_wheel):
    """A wheel for any Python 3 of this platform."""

    def finalize_options(self):
        """Say that there is machine code inside."""
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self):
        """Return the tags: any Python 3, no interface of an extension module."""
        return "py3", "none", sysconfig.get_platform().replace("-", "_").replace(".", "_")


setup(cmdclass={"build_py": BuildWithDistribution, "bdist_wheel": PlatformWheel})
