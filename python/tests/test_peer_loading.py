"""Code of this client on a node that has never seen it: programs of their own, in projects of several layouts."""

import os

import pytest

INHERITED = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]


def test_the_script_is_never_run_again(project):
    printed = project.run("""
        def f(x): return x + 1
        print("the script runs")
        print(list(pool.map(f, range(3))))
    """)
    assert printed == "the script runs\n[1, 2, 3]"


def test_functions_of_the_script(project):
    printed = project.run("""
        import dataclasses, enum, functools
        class Color(enum.Enum):
            RED = 1
        @dataclasses.dataclass
        class Point:
            x: int
            color: Color = Color.RED
            def moved(self, by): return Point(self.x + by)
        def fact(n): return 1 if n < 2 else n * fact(n - 1)
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        def closure(n):
            seen = []
            def inner(value):
                seen.append(value)
                return seen * n
            return inner
        def twice(function):
            @functools.wraps(function)
            def wrapper(*args): return function(*args) * 2
            return wrapper
        @twice
        def decorated(x): return x
        class Failure(Exception):
            def __init__(self, code):
                super().__init__(code)
                self.code = code
        def fail(): raise Failure(7)
        def make_point(x): return Point(x)
        def identity(value): return value
        async def asynchronous(x): return x
        run = lambda *call: pool.submit(*call).result()
        print(run(fact, 5), run(even, 10), run(closure(2), 1), run(decorated, 4), run(lambda: 42), run(asynchronous, 6))
        point = run(make_point, 3)
        print(type(point) is Point, point == Point(3), point.color is Color.RED, run(point.moved, 2) == Point(5))
        print(run(identity, Color.RED) is Color.RED, run(functools.partial(identity, 8)), run(identity, fact)(4))
        try:
            run(fail)
        except Failure as error:
            print(error.code, "in fail" in str(error.__cause__))
    """)
    assert printed.splitlines() == ["120 True [1, 1] 8 42 6", "True True True True", "True 8 24", "7 True"]


def test_globals_are_those_of_the_submit(project):
    printed = project.run("""
        N, L = 1, [1]
        def number(): return N
        def length(): return len(L)
        first = pool.submit(number).result(), pool.submit(length).result()
        N = 2
        L.append(2)
        print(first, pool.submit(number).result(), pool.submit(length).result())
    """)
    assert printed == "(1, 1) 2 2"


def test_a_package_of_the_project(project):
    project.write(
        acme____init__="from .core import price",
        acme__core="""
            from . import rates
            from .deep.inner import NAME
            def price(amount): return amount * rates.RATE, NAME
        """,
        acme__rates="from acme import table\nRATE = table.VALUE",
        acme__table="VALUE = 3",
        acme__deep____init__="",
        acme__deep__inner="from .. import __name__ as NAME",
    )
    printed = project.run("""
        import acme, acme.core
        print(pool.submit(acme.price, 2).result())
        print(pool.submit(lambda: acme.core.price(5)).result())
        def inside():
            from acme.deep import inner
            return inner.__file__
        there = pool.submit(inside).result()
        print(there != acme.core.__file__ and not there.startswith(os.getcwd()))
    """)
    assert printed.splitlines() == ["(6, 'acme')", "(15, 'acme')", "True"]


def test_circular_imports_namespaces_and_resources(project):
    project.write(
        ring____init__="",
        ring__a="from ring import b\ndef name(): return 'a' + b.name()",
        ring__b="import ring.a\ndef name(): return 'b'",
        spread__part="from importlib import resources\ndef read(): return 'part'",
        kit____init__="",
        kit__reader="""
            import os, pkgutil
            from importlib import resources
            def read():
                with open(os.path.join(os.path.dirname(__file__), "data", "text.txt"), encoding="utf-8") as file:
                    opened = file.read()
                listed = sorted(module.name for module in pkgutil.iter_modules(__import__("kit").__path__))
                return opened, resources.files("kit").joinpath("data/text.txt").read_text("utf-8"), \\
                    pkgutil.get_data("kit", "data/text.txt"), listed
        """,
    )
    project.file("kit/data/text.txt", "ünïcode")
    printed = project.run("""
        import ring.a, spread.part, kit.reader
        print(pool.submit(ring.a.name).result(), pool.submit(spread.part.read).result())
        print(pool.submit(kit.reader.read).result() == kit.reader.read())
    """)
    assert printed.splitlines() == ["ab part", "True"]


def test_a_sibling_of_the_script_found_only_at_run_time(project):
    project.write(sibling="VALUE = 7", late="def value(): return __import__('sib' + 'ling').VALUE")
    printed = project.run("""
        import late
        def computed():
            import importlib
            return importlib.import_module("sib" + "ling").VALUE
        print(pool.submit(late.value).result(), pool.submit(computed).result())
    """)
    assert printed == "7 7"


def test_src_layout_and_pythonpath(project):
    project.write(src__acme____init__="def f(): return 'from src'", other__side="def g(): return 'from other'")
    printed = project.run(
        """
        import acme, side
        print(pool.submit(acme.f).result(), pool.submit(side.g).result())
        """,
        environment={"PYTHONPATH": os.pathsep.join([f"{project.folder}/src", f"{project.folder}/other", *INHERITED])},
        path="scripts/main.py",
    )
    assert printed == "from src from other"


def test_a_changed_module_is_seen_by_the_next_submit(project):
    project.write(acme__core="VALUE = 1\ndef value(): return VALUE")
    printed = project.run("""
        import importlib, pathlib
        import acme.core
        print(pool.submit(acme.core.value).result())
        pathlib.Path("acme/core.py").write_text("VALUE = 22\\ndef value(): return VALUE\\n")
        importlib.reload(acme.core)
        print(pool.submit(acme.core.value).result())
    """)
    assert printed.splitlines() == ["1", "22"]


def test_two_clients_with_the_same_names(project, tmp_path):
    results = []
    for version in (1, 2, 1):
        project.write(acme____init__="from acme.part import VALUE\ndef value(): return VALUE", acme__part="")
        project.write(acme__part=f"VALUE = {version}")
        results.append(project.run("import acme\nprint(pool.submit(acme.value).result())"))
    assert results == ["1", "2", "1"]


@pytest.mark.parametrize("mode", ["isolated", "private", "shared", "continuous"])
def test_modes(project, mode):
    project.write(counter="CALLS = []\ndef count():\n    CALLS.append(1)\n    return len(CALLS)")
    printed = project.run(f"""
        import counter
        with haulier.connect(os.environ["HAULIER_ADDRESS"], mode={mode!r}) as own:
            with own.executor() as alone:
                print(max(alone.submit(counter.count).result() for _ in range(20)))
    """)
    assert printed == "1" if mode == "isolated" else int(printed) >= 2


@pytest.mark.parametrize("mode", ["isolated", "private"])
def test_the_mode_of_an_executor(project, mode):
    project.write(counter="CALLS = []\ndef count():\n    CALLS.append(1)\n    return len(CALLS)")
    printed = project.run(f"""
        import counter
        with cluster.executor(mode={mode!r}) as other:
            print(max(other.submit(counter.count).result() for _ in range(20)))
    """)
    assert printed == "1" if mode == "isolated" else int(printed) >= 2


def test_interactive_interpreters(project):
    program = """
import os, haulier
cluster = haulier.connect(os.environ["HAULIER_ADDRESS"])
pool = cluster.executor()
def f(): return 1
first = pool.submit(f).result()
def f(): return 2
print(first, pool.submit(f).result())
cluster.close()
"""
    assert project.python("-c", program) == "1 2"
    assert project.python("-", text=program) == "1 2"
    project.write(program=program)
    assert project.python("-m", "program") == "1 2"


def test_a_module_that_shadows_one_of_the_standard_library(project):
    project.write(calendar="def name(): return 'mine'", user="import calendar\ndef name(): return calendar.name()")
    assert project.run("import user\nprint(pool.submit(user.name).result())") == "mine"


def test_without_peer_loading(project):
    project.write(acme="def f(): return 1")
    printed = project.run("""
        import acme, math
        with haulier.connect(os.environ["HAULIER_ADDRESS"], peer_loading=False) as own, own.executor() as plain:
            print(plain.submit(math.sqrt, 4.0).result())
            try:
                plain.submit(acme.f).result()
            except haulier.CodeNotFound as error:
                print(error.name, "haulier deploy" in str(error))
    """)
    assert printed.splitlines() == ["2.0", "acme True"]


def test_a_task_submits_tasks(project):
    printed = project.run("""
        def inner(address):
            import haulier
            with haulier.connect(address) as own, own.executor() as nested:
                return nested.submit(pow, 2, 10).result()
        print(pool.submit(inner, os.environ["HAULIER_ADDRESS"]).result())
    """)
    assert printed == "1024"


def test_what_a_task_finds_around_it(project):
    project.write(
        around="""
        import os, sys, tempfile, random, threading, subprocess
        def look():
            command = [sys.executable, "-c", "import around; print(around.NAME)"]
            path = subprocess.run(command, capture_output=True, text=True)
            return {
                "main": sys.modules["__main__"].__dict__.get("zygote"),
                "argv": os.getcwd() == tempfile.gettempdir(),
                "child": path.stdout.strip() or path.stderr,
                "thread": threading.current_thread() is threading.main_thread(),
                "random": random.random(),
            }
        NAME = "around"
        """
    )
    printed = project.run("""
        import around
        found = around, pool.submit(around.look).result()
        print({name: value for name, value in found[1].items() if name != "random"})
        with haulier.connect(os.environ["HAULIER_ADDRESS"], mode="isolated") as own, own.executor() as alone:
            print(len({alone.submit(around.look).result()["random"] for _ in range(3)}))
    """)
    assert printed.splitlines() == ["{'main': None, 'argv': True, 'child': 'around', 'thread': True}", "3"]
