"""What this interpreter has installed, for the error of a module that was not found.

It reads metadata alone, once and only when something is missing. It must never import what is installed, nor ask for
what the class path has.
"""

import functools
import importlib.machinery
import os
import platform
import sys
from importlib import metadata

_RECORD = "haulier-environment.json"


def told(name, class_path_names, directory):
    """Say what the interpreter has of a module that neither it nor the class path gives."""
    top = name.partition(".")[0]
    where = _where()
    if top in sys.stdlib_module_names:
        given = f"the standard library of {where} has {top}"
    else:
        given = _tops(directory).get(top)
        if given is None:
            return f"{where} does not have it either"
        given = f"distribution {given} of {where} has {top}"
    if top in class_path_names:
        return f"{given}, but the class path comes first with its own {top}"
    return f"{given}, but no {name}" if "." in name else given


def _where():
    version = platform.python_version()
    if os.path.exists(os.path.join(sys.prefix, _RECORD)):
        return f"environment {os.path.basename(sys.prefix)[:8]} (Python {version})"
    return f"{sys.executable} (Python {version})"


@functools.cache
def _tops(directory):
    """Return the distribution of each top-level name, as "numpy 2.1", without those of the class path."""
    paths = [path for path in sys.path if path != directory]
    context = metadata.DistributionFinder.Context(path=paths)
    found = {}
    # Not that of all finders: the one of the class path would fetch.
    for distribution in metadata.MetadataPathFinder.find_distributions(context):
        for top in _names(distribution):
            found.setdefault(top, f"{distribution.name} {distribution.version}")
    return found


def _names(distribution):
    tops = (distribution.read_text("top_level.txt") or "").split()
    suffixes = tuple(importlib.machinery.all_suffixes())
    for file in () if tops else distribution.files or ():
        top = file.parts[0]
        if len(file.parts) > 1:
            tops.append(top)
        elif top.endswith(suffixes):
            tops.append(top.partition(".")[0])
    return set(tops)
