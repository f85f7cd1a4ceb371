"""How a callable and its arguments travel.

What a module of the user has under its name travels by that name, with its module's code behind it. Everything else
(functions of ``__main__``, lambdas, closures) travels by value, with cloudpickle, and only to an interpreter of the
same implementation and minor version. Nothing here knows connections.
"""

from __future__ import annotations

import dis
import functools
import importlib
import io
import pickle
import sys
import types
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

from haulier import _native, _obstacles

PICKLE_PROTOCOL = 5

NO_ARGUMENTS = pickle.dumps(((), {}), PICKLE_PROTOCOL)
"""The pickle of a call without arguments."""

INTERPRETER = f"{sys.implementation.name}-{sys.version_info.major}.{sys.version_info.minor}"
"""What code by value needs of a worker: "cpython-3.11"."""


def capabilities() -> list[str]:
    """Return what pickles of this interpreter depend on."""
    return [INTERPRETER, f"cloudpickle-{cloudpickle.__version__.partition('.')[0]}"]


def entry_point(function: Callable[..., Any]) -> tuple[str, str] | None:
    """Return module and qualified name if importing them elsewhere gives this very object."""
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    if type(module) is not str or type(name) is not str or module == "__main__" or "<" in name:
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return (module, name) if found is function else None


class Buffers(list[memoryview]):
    """The buffers of a pickle that travel behind it, out of band (PEP 574), so that nobody copies them twice."""

    __slots__ = ()

    def __call__(self, buffer: pickle.PickleBuffer) -> bool:
        """Take a large buffer; a small one stays in the pickle."""
        view = buffer.raw()
        if view.nbytes < _SMALL_BUFFER:
            return True
        self.append(view)
        return False

    def join(self, payload: bytes) -> bytes:
        """Return one payload of the pickle and these buffers."""
        return _native.join_buffers(payload, self) if self else payload


# A buffer in the pickle is copied three times more, which is not worth a change of form below this size, in bytes.
_SMALL_BUFFER = 32 * 1024


def dumps(value: object) -> tuple[bytes, bool, frozenset[str]]:
    """Pickle a value: the bytes, whether they hold code by value, and the modules that such code refers to.

    Large buffers, of arrays for example, are not in the pickle but behind it.
    """
    buffers = Buffers()
    try:
        payload = pickle.dumps(value, PICKLE_PROTOCOL, buffer_callback=buffers)
    except Exception:
        return _dumps_by_value(value, Buffers())
    if b"__main__" in payload:
        return _dumps_by_value(value, Buffers())
    return buffers.join(payload), False, frozenset()


def dumps_plain(value: object) -> tuple[bytes, bool, frozenset[str]]:
    """Do the same, with everything in the pickle, so that it can be a part of another one."""
    try:
        payload = pickle.dumps(value, PICKLE_PROTOCOL)
    except Exception:
        return _dumps_by_value(value, None)
    return _dumps_by_value(value, None) if b"__main__" in payload else (payload, False, frozenset())


def dumps_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bytes, bool]:
    """Pickle the arguments of a call: the bytes, and whether they hold code by value."""
    if not args and not kwargs:
        return NO_ARGUMENTS, False
    payload, by_value, _ = dumps((args, kwargs))
    return payload, by_value


class Constant:
    """The pickle of a function that has nothing but its code, for as long as that is so.

    Such a function has no closure, no attributes, and refers to nothing that can change without being rebound. It is
    pickled once, and a worker reads it once.
    """

    __slots__ = ("__weakref__", "_code", "_defaults", "_references", "alone", "modules", "payload")

    def __init__(self, function: types.FunctionType, references: dict[str, object]) -> None:
        self._code = function.__code__
        self._defaults = function.__defaults__
        self._references = tuple(references.items())
        self.payload, _, self.modules = _dumps_by_value(function, None)
        self.alone = pickle.dumps(((self.payload,), {}), PICKLE_PROTOCOL)
        """The arguments of a call without further arguments."""

    def holds(self, function: types.FunctionType) -> bool:
        """Say whether the function is still the one that was pickled."""
        if function.__code__ is not self._code or function.__defaults__ is not self._defaults or function.__dict__:
            return False
        variables = function.__globals__
        for name, value in self._references:  # noqa: SIM110  a loop is the fastest
            if variables.get(name, _ABSENT) is not value:
                return False
        return True


_ABSENT = object()
_PLAIN = frozenset((type(None), bool, int, float, str, bytes))
_REFLECTIVE = frozenset(("globals", "locals", "vars", "exec", "eval", "__builtins__"))
_constants: weakref.WeakKeyDictionary[types.FunctionType, Constant] = weakref.WeakKeyDictionary()


def constant(function: Callable[..., Any]) -> Constant | None:
    """Return the pickle of a function that is constant; None for every other callable."""
    if type(function) is not types.FunctionType:
        return None
    known = _constants.get(function)
    if known is not None and known.holds(function):
        return known
    references = _constant_references(function)
    if references is None:
        return None
    known = _constants[function] = Constant(function, references)
    return known


def _constant_references(function: types.FunctionType) -> dict[str, object] | None:
    """Return what the names in a function's code refer to, if all that it has is constant."""
    parts = [*(function.__defaults__ or ()), *function.__annotations__.values()]
    if function.__closure__ or function.__kwdefaults__ or function.__dict__ or not all(map(_is_constant, parts)):
        return None
    names = _names(function.__code__)
    references = {name: function.__globals__.get(name, _ABSENT) for name in names}
    constant = _REFLECTIVE.isdisjoint(names) and all(map(_is_constant, references.values()))
    return references if constant else None


def _is_constant(value: object) -> bool:
    kind = type(value)
    return value is _ABSENT or kind in _PLAIN or _is_importable_module(value) or _is_builtin(value)


def _is_importable_module(value: object) -> bool:
    if not isinstance(value, types.ModuleType):
        return False
    return value.__name__ != "__main__" and sys.modules.get(value.__name__) is value


def _is_builtin(value: object) -> bool:
    return isinstance(value, type | types.BuiltinFunctionType) and value.__module__ == "builtins"


@functools.lru_cache(maxsize=1024)
def _names(code: types.CodeType) -> frozenset[str]:
    """Return every name in a function's code and in the code inside: globals, attributes and imports alike.

    A function that assigns to globals has a reflective name, so to say.
    """
    names = set(code.co_names)
    if any(instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") for instruction in dis.get_instructions(code)):
        names.add("globals")
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return frozenset(names)


class Pickled:
    """Something that was pickled before: it enters other pickles as it is, and is itself again when they are read."""

    __slots__ = ("payload",)

    def __init__(self, payload: bytes) -> None:
        self.payload = payload

    def __reduce__(self) -> tuple[Any, ...]:
        """Be read as what was pickled."""
        return pickle.loads, (self.payload,)


def _dumps_by_value(value: object, buffers: Buffers | None) -> tuple[bytes, bool, frozenset[str]]:
    try:
        return _by_value(value, buffers)
    except Exception as error:
        _obstacles.note(error, value, _pickles)
        raise


def _pickles(value: object) -> bool:
    try:
        _by_value(value, None)
    except Exception:
        return False
    return True


def _by_value(value: object, buffers: Buffers | None) -> tuple[bytes, bool, frozenset[str]]:
    with io.BytesIO() as file:
        pickler = _Pickler(file, PICKLE_PROTOCOL, buffers)
        pickler.dump(value)
        payload = file.getvalue()
    return buffers.join(payload) if buffers else payload, True, frozenset(pickler.modules)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles code by value, and notes which modules it refers to."""

    def __init__(self, file: io.BytesIO, protocol: int, buffers: Buffers | None) -> None:
        super().__init__(file, protocol=protocol, buffer_callback=buffers)
        self.modules: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        kind = type(obj)
        if kind is types.ModuleType:
            self.modules.add(obj.__name__)
        elif kind is types.FunctionType or issubclass(kind, type):
            if type(obj.__module__) is str:
                self.modules.add(obj.__module__)
            if kind is types.FunctionType:
                self.modules.update(imports(obj.__code__))
        elif issubclass(kind, types.ModuleType) and _is_importable_module(obj):
            # Such as libraries put in their own place, to load their parts late.
            self.modules.add(obj.__name__)
            return importlib.import_module, (obj.__name__,)
        elif kind is _Cache and entry_point(obj) is None:
            return _cached, (obj.__wrapped__, obj.cache_parameters())
        elif kind is functools.cached_property and "lock" in vars(obj):
            # Up to Python 3.11 each has a lock.
            return functools.cached_property, (obj.func,), {k: v for k, v in vars(obj).items() if k != "lock"}
        return super().reducer_override(obj)


_Cache = type(functools.cache(len))


def _cached(function: Callable[..., Any], parameters: dict[str, Any]) -> Callable[..., Any]:
    """Make a cache of one's own on a worker: ``functools`` pickles them by name, which nothing there has."""
    import functools

    made: Callable[..., Any] = functools.lru_cache(**parameters)(function)
    return made


# It travels by value, because a worker may have another version of this library.
_cached.__module__ = "__main__"


@functools.lru_cache(maxsize=1024)
def imports(code: types.CodeType) -> frozenset[str]:
    """Return the absolute names that a function imports when it runs."""
    return frozenset(_imports(code))


def _imports(code: types.CodeType) -> Iterable[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME" and instruction.argval:
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _imports(constant)
