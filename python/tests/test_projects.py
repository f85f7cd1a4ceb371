"""Projects in all the shapes that users have: where they lie, what is in them, and how they are started."""

import json
import os
import socket
import subprocess
import sys
import sysconfig
import zipapp
import zipfile

import pytest
from conftest import Project

PACKAGE = {
    "acme/__init__.py": "from acme.prices import price\n",
    "acme/prices.py": "from . import rates\ndef price(amount): return amount * rates.RATE\n",
    "acme/rates.py": "RATE = 3\n",
}
CALL = "import acme\nprint(pool.submit(acme.price, 2).result(), pool.submit(lambda: acme.price(3)).result())"


def write(project, files):
    for path, text in files.items():
        project.file(path, text)


@pytest.mark.parametrize("name", ["with spaces", "prüfung-価格", "a'quote\"d", "100%"])
def test_a_folder_with_any_name(tmp_path, address, name):
    folder = tmp_path / name
    folder.mkdir()
    project = Project(folder, address)
    write(project, PACKAGE)
    assert project.run(CALL) == "6 9"


def test_a_folder_behind_a_link(tmp_path, address):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    project = Project(tmp_path / "link", address)
    write(project, PACKAGE)
    assert project.run(CALL) == "6 9"


def test_names_that_differ_by_case_alone(project):
    """One of them cannot be where names have no case, so it travels nowhere: the error says what to do."""
    write(project, {"shop.py": "NAME = 'small'\n", "Shop.py": "NAME = 'large'\n"})
    project.file("look.py", "import shop, Shop\ndef names(): return shop.NAME, Shop.NAME\n")
    printed = project.run("""
        import look
        print([left.rule for left in cluster.preview(look.names).left_out if left.path.endswith("/shop.py")])
        try:
            pool.submit(look.names)
        except haulier.InvalidArgument as error:
            print("'shop.py' differs from 'Shop.py' by case only" in str(error))
            os.system(error.hint.partition("leave one at home: ")[2])
        import Shop
        print(pool.submit(lambda: Shop.NAME).result())
        try:
            cluster.deploy("twins", "1", ".")
        except haulier.InvalidArgument as error:
            print("'shop.py' differs from 'Shop.py' by case only" in str(error), error.hint)
    """)
    assert printed.splitlines() == [
        """["differs from 'Shop.py' by case only"]""",
        "True",
        "large",
        "True rename one of them: mv 'shop.py' NEW-NAME",
    ]


def test_the_order_of_the_path(project):
    write(project, {"first/same.py": "NAME = 1\n", "second/same.py": "NAME = 2\n", "second/other.py": "NAME = 3\n"})
    program = """
        import sys
        sys.path[1:1] = [os.path.abspath("first"), os.path.abspath("second")]
        import same, other
        print(pool.submit(lambda: (same.NAME, other.NAME)).result())
    """
    assert project.run(program) == "(1, 3)"


def test_a_path_that_a_task_or_a_package_changes(project):
    write(
        project,
        {
            "acme/__init__.py": "import os\n__path__.append(os.path.join(__path__[0], 'below'))\n",
            "acme/near.py": "NAME = 'near'\n",
            "acme/below/far.py": "NAME = 'far'\n",
            "front/__init__.py": "import os\n__path__.insert(0, os.path.join(__path__[0], 'own'))\n",
            "front/same.py": "NAME = 'behind'\n",
            "front/own/same.py": "NAME = 'in front'\n",
            "shadowed.py": "NAME = 'of the project'\n",
            "look.py": """
                import os, sys, tempfile
                def packages():
                    from acme import far, near
                    from front import same
                    return near.NAME, far.NAME, same.NAME
                def shadow():
                    folder = tempfile.mkdtemp()
                    with open(os.path.join(folder, "shadowed.py"), "w") as file:
                        file.write("NAME = 'of the task'")
                    sys.path.insert(0, folder)
                    import shadowed
                    return shadowed.NAME
            """,
        },
    )
    printed = project.run("""
        import look
        print(pool.submit(look.packages).result())
        print(pool.submit(look.shadow).result())
    """)
    assert printed.splitlines() == ["('near', 'far', 'in front')", "of the task"]


def test_classes_are_themselves_across_submits(project):
    project.file(
        "shapes.py",
        """
        import dataclasses, enum
        class Color(enum.Enum):
            RED = 1
        @dataclasses.dataclass(frozen=True)
        class Point:
            x: int
            color: Color = Color.RED
        def make(): return Point(1)
        def check(point): return type(point) is Point, point.color is Color.RED, point == Point(1)
    """,
    )
    program = """
        import shapes
        point = pool.submit(shapes.make).result()
        print(type(point) is shapes.Point, point.color is shapes.Color.RED)
        print(pool.submit(shapes.check, point).result())
    """
    assert project.run(program).splitlines() == ["True True", "(True, True, True)"]


def test_what_a_function_may_be(project):
    project.file(
        "kinds.py",
        """
        import functools
        async def later(x): return x + 1
        class Counter:
            def __init__(self, start): self.start = start
            def add(self, x): return self.start + x
            @classmethod
            def of(cls, x): return cls(x).add(0)
            @staticmethod
            def twice(x): return 2 * x
            def __call__(self, x): return self.start * x
        def generate(n):
            yield from range(n)
        class Refused(Exception):
            def __init__(self, code, why): super().__init__(code, why); self.code = code
        def refuse():
            try:
                {}["absent"]
            except KeyError as error:
                failure = Refused(7, "no")
                failure.add_note("look there")
                raise failure from error
        half = functools.partial(lambda x, by: x / by, by=2)
    """,
    )
    printed = project.run("""
        import kinds
        counter = kinds.Counter(3)
        for function in (kinds.later, counter.add, kinds.Counter.of, kinds.Counter.twice, counter, kinds.half):
            print(pool.submit(function, 4).result(), end=" ")
        print()
        try:
            pool.submit(kinds.generate, 3).result()
        except haulier.ResultUnreadable as error:
            print("list" in str(error))
        try:
            pool.submit(kinds.refuse).result()
        except kinds.Refused as error:
            print(error.code, error.__notes__, "KeyError: 'absent'" in str(error.__cause__))
    """)
    assert printed.splitlines() == ["5 7 4 8 12 2.0 ", "True", "7 ['look there'] True"]


ZIPPED = """
import os, haulier, acme
with haulier.connect(os.environ["HAULIER_ADDRESS"]) as cluster, cluster.executor() as pool:
    print(pool.submit(acme.price, 2).result())
"""


def test_a_program_in_an_archive(project):
    write(project, {f"app/{path}": text for path, text in PACKAGE.items()} | {"app/__main__.py": ZIPPED})
    archive = project.folder / "app.pyz"
    zipapp.create_archive(project.folder / "app", archive)
    assert project.python(str(archive)) == "6"


def test_a_package_in_an_archive(project):
    with zipfile.ZipFile(project.folder / "acme.egg", "w") as archive:
        for path, text in PACKAGE.items():
            archive.writestr(path, text)
    printed = project.run(f"import sys\nsys.path.insert(0, os.path.abspath('acme.egg'))\n{CALL}")
    assert printed == "6 9"


def test_an_own_module_without_source(project):
    """Compiled code of a client does not travel: the error names the module, and the way out."""
    (project.folder / "fastmod.c").write_text(
        '#include <Python.h>\nstatic struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "fastmod", NULL, -1, NULL};\n'
        "PyMODINIT_FUNC PyInit_fastmod(void) { return PyModule_Create(&m); }\n"
    )
    include, suffix = sysconfig.get_path("include"), sysconfig.get_config_var("EXT_SUFFIX")
    command = ["gcc", "-shared", "-fPIC", f"-I{include}", "fastmod.c", "-o", f"fastmod{suffix}"]
    subprocess.run(command, cwd=project.folder, check=True)
    project.file("user.py", "import fastmod\ndef name(): return fastmod.__name__\n")
    printed = project.run("""
        import user
        try:
            print(pool.submit(user.name).result())
        except Exception as error:
            print("fastmod" in str(error), "haulier deploy" in str(error) + str(getattr(error, "__notes__", "")))
    """)
    assert printed in ("fastmod", "True True")


def test_children_of_a_task_use_the_package(project):
    write(project, PACKAGE)
    project.file(
        "pools.py",
        """
        import concurrent.futures, multiprocessing, subprocess, sys
        import acme
        def processes(method):
            context = multiprocessing.get_context(method)
            with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
                return pool.submit(acme.price, 2).result()
        def program():
            command = [sys.executable, "-m", "pools"]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        if __name__ == "__main__":
            print(acme.price(5), __spec__.name)
    """,
    )
    printed = project.run("""
        import pools
        for method in ("spawn", "forkserver", "fork"):
            print(pool.submit(pools.processes, method).result(), end=" ")
        print(pool.submit(pools.program).result())
    """)
    assert printed == "6 6 6 15 pools"


def test_a_module_that_comes_late_when_the_client_has_gone(project):
    """What never came to the node is named, with the way out."""
    write(project, {"late_by_name.py": "VALUE = 1\n"})
    project.file(
        "task.py",
        """
        import importlib, json, socket
        def wait(port):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"runs")
                connection.recv(1)
                try:
                    answer = importlib.import_module("late_by" + "_name").VALUE
                except BaseException as error:
                    answer = f"{type(error).__name__}: {error}"
                connection.sendall(json.dumps(answer).encode())
    """,
    )
    project.file(
        "main.py",
        "import os, sys, haulier, task\ncluster = haulier.connect(os.environ['HAULIER_ADDRESS'])\n"
        "cluster.executor().submit(task.wait, int(sys.argv[1])).result()\n",
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "main.py", str(listener.getsockname()[1])]
        environment = {**os.environ, "HAULIER_ADDRESS": project.address}
        with subprocess.Popen(command, cwd=project.folder, env=environment, stderr=subprocess.DEVNULL) as program:
            listener.settimeout(60)
            connection, _ = listener.accept()
            connection.settimeout(60)
            assert connection.recv(4) == b"runs"
            program.kill()
            program.wait()
            connection.sendall(b"1")
            with connection, connection.makefile() as file:
                answer = file.read()
    # The session ends a while after its client, and its tasks with it; until then the module is named.
    assert json.loads(answer).startswith("TaskCanceled") or "'late_by_name.py' of session" in json.loads(answer)


def test_modules_and_packages_that_are_links_elsewhere(project, tmp_path_factory):
    """As build tools and shared folders have them; a change behind a link is seen."""
    shared = tmp_path_factory.mktemp("shared")
    (shared / "lib").mkdir()
    (shared / "lib/__init__.py").write_text("from . import inner\ndef value(): return inner.VALUE\n")
    (shared / "lib/inner.py").write_text("VALUE = 1\n")
    (shared / "one.py").write_text("VALUE = 1\n")
    (project.folder / "linked").symlink_to(shared / "lib", target_is_directory=True)
    (project.folder / "unused").symlink_to(shared, target_is_directory=True)
    (project.folder / "single.py").symlink_to(shared / "one.py")
    project.file("user.py", "import linked, single\ndef values(): return linked.value(), single.VALUE\n")
    printed = project.run(f"""
        import pathlib, user
        print(pool.submit(user.values).result())
        pathlib.Path({str(shared)!r}, "lib/inner.py").write_text("VALUE = 22")
        print(pool.submit(user.values).result())
        pathlib.Path({str(shared)!r}, "one.py").write_text("VALUE = 333")
        print(pool.submit(user.values).result())
    """)
    assert printed.splitlines() == ["(1, 1)", "(22, 1)", "(22, 333)"]


def test_a_working_directory_that_has_gone(project):
    write(project, PACKAGE)
    printed = project.run("""
        import sys, tempfile, acme
        folder = tempfile.mkdtemp()
        os.chdir(folder)
        os.rmdir(folder)
        sys.path.insert(0, "")
        print(pool.submit(acme.price, 2).result(), pool.submit(lambda: acme.price(3)).result())
    """)
    assert printed == "6 9"
