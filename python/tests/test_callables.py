"""In which form a callable travels, and which modules are said to be behind it."""

import functools
import math
import operator
import pickle
import sys
import threading
import types

import cloudpickle
import jobs
import pytest
from haulier import _callables

IMPORTABLE = [
    (jobs.square, ("jobs", "square")),
    (jobs.Shape, ("jobs", "Shape")),
    (jobs.Shape.unit, ("jobs", "Shape.unit")),
    (jobs.Shape.area, ("jobs", "Shape.area")),
    (math.sqrt, ("math", "sqrt")),
    (len, ("builtins", "len")),
    (dict, ("builtins", "dict")),
    (jobs.Shape.named, None),
    (jobs.Shape(2).area, None),
    (jobs.Shape(2), None),
    (functools.partial(jobs.add, 1), None),
    (operator.itemgetter(0), None),
    (lambda: None, None),
    ([].append, None),
    ("".join, None),
]


@pytest.mark.parametrize(("function", "expected"), IMPORTABLE, ids=str)
def test_entry_point(function, expected):
    assert _callables.entry_point(function) == expected


def test_a_decorated_function_is_found_and_a_replaced_one_is_not(monkeypatch):
    @functools.wraps(jobs.square)
    def wrapper(value):
        return value

    assert _callables.entry_point(wrapper) is None
    original = jobs.square
    monkeypatch.setattr(jobs, "square", wrapper)
    assert _callables.entry_point(wrapper) == ("jobs", "square")
    assert _callables.entry_point(original) is None


def function_of_main(source, **variables):
    """Make a function as if the main program had defined it."""
    module = types.ModuleType("__main__")
    module.__dict__.update(variables)
    exec(source, module.__dict__)
    return module.f


def test_code_by_value_is_told_from_data():
    assert _callables.dumps((jobs.square, 1)) == (pickle.dumps((jobs.square, 1), 5), False, frozenset())
    payload, by_value, modules = _callables.dumps(function_of_main("def f(): return jobs.square(2)", jobs=jobs))
    assert by_value and "jobs" in modules and pickle.loads(payload)() == 4


def test_imports_inside_functions_are_seen():
    source = "def f():\n  import jobs, os.path\n  def g():\n    from acme.pricing import price\n  return g"
    _, _, modules = _callables.dumps(function_of_main(source))
    assert {"jobs", "os.path", "acme.pricing"} <= modules


def test_no_arguments_cost_nothing():
    assert _callables.dumps_arguments((), {}) == (_callables.NO_ARGUMENTS, False)
    assert pickle.loads(_callables.NO_ARGUMENTS) == ((), {})


def test_pickled_is_itself_again():
    assert pickle.loads(pickle.dumps(_callables.Pickled(pickle.dumps([1, 2])), 5)) == [1, 2]


CONSTANT = [
    "def f(x, y=2, z='s'): return x * y",
    "def f(): return len([1])",
    "import os\ndef f(): return os.getpid()",
    "N = 3\ndef f(): return N",
    "def f(x: int) -> str: return [y for y in range(x)]",
    "f = lambda: 1",
    "async def f(): return 1",
]
NOT_CONSTANT = [
    "L = []\ndef f(): return L",
    "def g(): pass\ndef f(): return g()",
    "def f(x=[]): return x",
    "def f(*, k=1): return k",
    "def f(): return f",
    "def f(): return globals()",
    "def f(): return eval('1')",
    "def f():\n  global N\n  N = 1",
    "def make():\n  n = 1\n  return lambda: n\nf = make()",
    "def f(): pass\nf.attribute = 1",
    "class C: pass\ndef f(): return C",
    "class f: pass",
]


@pytest.mark.parametrize("source", CONSTANT)
def test_constant(source):
    function = function_of_main(source)
    known = _callables.constant(function)
    assert known is not None and _callables.constant(function) is known
    assert cloudpickle.loads(known.payload).__name__ == function.__name__


@pytest.mark.parametrize("source", NOT_CONSTANT)
def test_not_constant(source):
    assert _callables.constant(function_of_main(source)) is None


def test_a_constant_function_that_changes_is_pickled_again():
    function = function_of_main("N = 3\ndef f(x=1): return N + x")
    first = _callables.constant(function)
    function.__globals__["N"] = 4
    second = _callables.constant(function)
    assert second is not first and pickle.loads(second.payload)() == 5
    function.__defaults__ = (2,)
    assert pickle.loads(_callables.constant(function).payload)() == 6
    function.__code__ = (lambda x: N).__code__  # noqa: F821
    assert pickle.loads(_callables.constant(function).payload)() == 4
    function.__globals__["N"] = []
    assert _callables.constant(function) is None


def test_caches_of_the_program_are_made_anew():
    source = """
import functools
@functools.lru_cache(maxsize=7, typed=True)
def f(n): return n if n < 2 else f(n - 1) + f(n - 2)
"""
    function = function_of_main(source)
    payload, by_value, _ = _callables.dumps(function)
    again = pickle.loads(payload)
    assert by_value and again(30) == 832040
    assert again.cache_parameters() == {"maxsize": 7, "typed": True}
    assert function.cache_info().currsize == 0
    assert again.__wrapped__.__globals__["f"] is again
    assert pickle.loads(_callables.dumps((jobs.remembered, 1))[0])[0] is jobs.remembered


def test_cached_properties():
    source = """
import functools
class K:
    @functools.cached_property
    def five(self): return 5
def f(): return K().five, K.five.attrname
"""
    assert pickle.loads(_callables.dumps(function_of_main(source))[0])() == (5, "five")


OBSTACLES = [
    ("def f(): return lock", "_thread.lock cannot travel: variable 'lock' of f()"),
    (
        "class K:\n    pass\nk = K()\nk.held = [{'here': lock}]\ndef f(): return k",
        "_thread.lock cannot travel: item 'here', in attribute 'held' of a K, in variable 'k' of f()",
    ),
    (
        "class K:\n    held = lock\ndef f(): return K()",
        "_thread.lock cannot travel: attribute 'held' of class K, in variable 'K' of f()",
    ),
    ("class K:\n    def m(self): return lock\nf = K().m", "_thread.lock cannot travel: variable 'lock' of m()"),
]


@pytest.mark.parametrize(("source", "expected"), OBSTACLES, ids=range(len(OBSTACLES)))
def test_the_error_names_what_does_not_pickle(source, expected):
    with pytest.raises(TypeError) as caught:
        _callables.dumps((function_of_main(source, lock=threading.Lock()), (), {}))
    assert any(note.startswith(expected) for note in caught.value.__notes__), caught.value.__notes__


def test_modules_of_a_kind_of_their_own_travel_by_name(monkeypatch):
    own = type("Late", (types.ModuleType,), {})("late_module")
    own.held = threading.Lock()
    monkeypatch.setitem(sys.modules, own.__name__, own)
    payload, by_value, modules = _callables.dumps(function_of_main("def f(): return late", late=own))
    assert pickle.loads(payload)() is own and by_value and modules >= {"late_module"}
