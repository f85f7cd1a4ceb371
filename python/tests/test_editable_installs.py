"""Projects that are installed with ``pip install --editable``, and modules that no entry of ``sys.path`` leads to."""

import subprocess
import sys
import zipfile

import pytest

PROJECT = """
    [build-system]
    requires = ["setuptools"]
    build-backend = "setuptools.build_meta"
    [project]
    name = "acme-prices"
    version = "1.0"
    [tool.setuptools]
    packages = ["acme", "acme.deep", "acme.side", "space.part"]
    package-dir = {"acme" = "src/lib", "acme.side" = "other", "space.part" = "parts/one"}
    """
FILES = {
    "src/lib/__init__.py": "from acme.core import price\n",
    "src/lib/core.py": """
        import importlib.resources
        from . import deep, side
        def price(amount): return amount * deep.RATE * side.FACTOR
        def table(): return (importlib.resources.files("acme.deep") / "table.csv").read_text().strip()
        def fail(): raise ValueError("on purpose")
        """,
    "src/lib/deep/__init__.py": "RATE = 3\n",
    "src/lib/deep/table.csv": "1,2\n",
    "src/lib/.env": "SECRET=1\n",
    "other/__init__.py": "FACTOR = 1\n",
    "parts/one/__init__.py": "def name(): return __name__\n",
}
# What the interpreter does with a folder of installed packages when it starts.
START = "import site\nsite.addsitedir(os.path.join(os.path.dirname(__file__), 'site-packages'))\n"


@pytest.fixture
def installed(project, tmp_path_factory):
    """Return a project beside the program, installed as pip does it: by the editable wheel of its build backend."""
    folder = tmp_path_factory.mktemp("source")
    outer, project.folder = project.folder, folder
    project.file("pyproject.toml", PROJECT)
    for path, text in FILES.items():
        project.file(path, text)
    project.folder = outer
    build = "import sys, setuptools.build_meta as backend; print(backend.build_editable(sys.argv[1]))"
    command = [sys.executable, "-c", build, str(outer)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    with zipfile.ZipFile(outer / done.stdout.splitlines()[-1]) as wheel:
        wheel.extractall(outer / "site-packages")
    return project, folder


def test_packages_under_other_names_than_their_folders(installed):
    project, folder = installed
    printed = project.run(
        START
        + f"source = {str(folder)!r}\n"
        + """
import pathlib, acme, acme.core, space.part
print(pool.submit(acme.price, 2).result(), pool.submit(lambda: acme.price(3)).result())
print(pool.submit(acme.core.table).result(), pool.submit(space.part.name).result())
preview = cluster.preview(acme.price, 2)
print(sorted(file.name for file in preview.files), preview.requirements)
print(all(pathlib.Path(file.path).is_file() and file.path.startswith(source) for file in preview.files))
print([out.path.removeprefix(source) for out in preview.left_out if out.rule == "never sent: .env"])
try:
    pool.submit(acme.core.fail).result()
except ValueError as error:
    print(f'File "{source}/src/lib/core.py", line 6, in fail' in str(error.__cause__))
pathlib.Path(source, "other/__init__.py").write_text("FACTOR = 10")
print(pool.submit(acme.price, 2).result())
"""
    )
    # The session knows these files when the preview is made.
    assert printed.splitlines() == ["6 9", "1,2 space.part", "[] []", "True", "['/src/lib/.env']", "True", "60"]


def test_what_a_preview_would_send_of_them(installed):
    project, folder = installed
    printed = project.run(
        START
        + """
import acme
preview = cluster.preview(acme.price, 2)
print(sorted(file.name for file in preview.files), preview.requirements)
print(sorted(file.path for file in preview.files)[0])
"""
    )
    names = ["__init__.py", "core.py", "deep/__init__.py", "deep/table.csv", "side/__init__.py"]
    assert printed.splitlines() == [f"{[f'acme/{name}' for name in names]} []", str(folder / "other/__init__.py")]


LOADING = """
    import importlib.util, sys
    def load(name, path):
        spec = importlib.util.spec_from_file_location(name, path)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    """


@pytest.mark.parametrize("where", ["beside the program", "elsewhere"])
def test_a_module_that_was_loaded_from_a_file(project, tmp_path_factory, where):
    plugins = project.folder / "plugins" if where == "beside the program" else tmp_path_factory.mktemp("plugins")
    plugins.mkdir(exist_ok=True)
    (plugins / "first-v1.py").write_text("def run(x): return __name__, x + 1\n")
    (plugins / "second.py").write_text("import third\ndef run(x): return third.run(x)\n")
    (plugins / "third.py").write_text("def run(x): return x\n")
    (plugins / "fourth-v1.py").write_text("import third4\ndef run(x): return third4.run(x)\n")
    project.file("loading.py", LOADING)
    printed = project.run(f"""
        from loading import load
        folder = {str(plugins)!r}
        first = load("first", folder + "/first-v1.py")
        print(pool.submit(first.run, 1).result())
        load("third", folder + "/third.py")
        load("third4", folder + "/third.py")
        for name, file in (("second", "second.py"), ("fourth", "fourth-v1.py")):
            module = load(name, f"{{folder}}/{{file}}")
            try:
                print(pool.submit(module.run, 1).result())
            except haulier.CodeNotFound as error:
                print(error.context["module"], error.hint)
    """)
    assert printed.splitlines() == [
        "('first', 2)",
        f"third start the program with PYTHONPATH={plugins}",
        "third4 pip install it without --editable, or deploy it: haulier deploy third4 <wheel>",
    ]
