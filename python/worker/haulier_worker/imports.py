"""What the tasks of this process have imported from distributions: later processes have it from the beginning."""

import os
import sys

_MOST = 64
_LONGEST = 100


class Imports:
    """Tells of modules that were not there when it was made, or when it was last asked."""

    def __init__(self, report):
        """Make one before the class path is on ``sys.path``: what lies there is never told."""
        self._report = report
        self._folders = tuple(os.path.join(path, "") for path in sys.path if path)
        self._known = set(sys.modules)
        self._count = len(self._known)

    def tell(self):
        """Report what has come, if anything has."""
        if len(sys.modules) == self._count:
            return
        modules = dict(sys.modules)
        new = [name for name in modules if name not in self._known]
        # What is below a new package has come with it, or is told by a process that has the package from the beginning.
        told = [name for name in new if self._is_told(name, modules[name])]
        self._known.update(new)
        self._count = len(modules)
        if told:
            self._report(told[:_MOST])

    def _is_told(self, name, module):
        top, _, _ = name.partition(".")
        parent, _, _ = name.rpartition(".")
        if (parent and parent not in self._known) or top in sys.stdlib_module_names or len(name) > _LONGEST:
            return False
        return name.replace(".", "_").isidentifier() and _file(module).startswith(self._folders)


def _file(module):
    """Return where a module was loaded from; asks none that would load itself now."""
    try:
        spec = object.__getattribute__(module, "__dict__").get("__spec__")
        if spec is None:
            return ""
        return (spec.origin if spec.has_location else next(iter(spec.submodule_search_locations or ()), "")) or ""
    except Exception:
        return ""
