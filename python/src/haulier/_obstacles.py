"""Which part of a value is why it does not pickle, for a note on the error.

Looks at values only after a pickle has failed, and knows neither connections nor how anything travels.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable
from typing import Any

# How deep it looks, and at how many parts of one value.
_DEPTH = 12
_BREADTH = 1000


def note(error: BaseException, value: object, pickles: Callable[[object], bool]) -> None:
    """Add a note to the error of a pickle that names what does not pickle in ``value``, where that can be told.

    ``pickles`` says whether a part does by itself.
    """
    path: list[str] = []
    seen = {id(value)}
    while len(path) < _DEPTH:
        for name, part in _some(value):
            if id(part) not in seen and not pickles(part):
                seen.add(id(part))
                path.append(name)
                value = part
                break
        else:
            break
    named = [name for name in reversed(path) if name]
    if named:
        error.add_note(f"{type(value).__module__}.{type(value).__qualname__} cannot travel: {', in '.join(named)}")


def _some(value: object) -> Iterable[tuple[str, object]]:
    try:
        for count, part in enumerate(_parts(value)):
            if count == _BREADTH:
                return
            yield part
    except Exception:
        # Objects of others may fail when they are looked at; then there is no more to tell.
        return


def _parts(value: Any) -> Iterable[tuple[str, object]]:
    if isinstance(value, types.FunctionType):
        found = inspect.getclosurevars(value)
        for name, part in (*found.nonlocals.items(), *found.globals.items()):
            yield f"variable {name!r} of {value.__name__}()", part
        for number, part in enumerate(value.__defaults__ or ()):
            yield f"default {number} of {value.__name__}()", part
    elif isinstance(value, types.MethodType):
        yield f"the object of its method {value.__name__}()", value.__self__
    elif isinstance(value, type):
        for name, part in list(vars(value).items()):
            inner = part.__func__ if isinstance(part, staticmethod | classmethod) else part
            if not isinstance(inner, types.GetSetDescriptorType):
                yield f"attribute {name!r} of class {value.__name__}", inner
    elif isinstance(value, dict):
        for key, part in list(value.items()):
            yield f"item {key!r:.50}", part
    elif isinstance(value, list | tuple | set | frozenset):
        for part in list(value):
            yield "", part
    else:
        yield f"class {type(value).__name__}", type(value)
        for name, part in list(getattr(value, "__dict__", {}).items()):
            yield f"attribute {name!r} of a {type(value).__name__}", part
