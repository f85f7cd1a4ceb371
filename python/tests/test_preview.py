"""What a submit says that it would send, and what stays at home."""

import os
import subprocess
import time

import pytest


@pytest.fixture
def acme(project):
    project.write(
        acme____init__="",
        acme__core="import json, numpy, acme.rates\nfrom tools import tool\ndef price(amount): return amount",
        acme__rates="RATES = " + repr("x" * 5000),
        tools="import late\ntool = 1",
        late="",
        other="",
    )
    project.file("acme/table.csv", "1,2\n")
    project.file("acme/.env", "SECRET=1")
    project.file("acme/keys/server.pem", "secret")
    project.file("venv/pyvenv.cfg", "")
    project.file("venv/lib/module.py", "")
    project.file("node_modules/x.py", "")
    project.file(".tox/x.py", "")
    project.file("results/big.bin", "x" * 1000)
    project.file("notebooks/scratch.py", "x = 1")
    project.file(".haulierignore", "/notebooks/\n")
    return project


def test_a_preview_tells_files_sizes_rules_and_requirements(acme):
    printed = acme.run("""
        import acme.core
        preview = cluster.preview(acme.core.price, 3)
        folder = os.getcwd() + "/"
        print(sorted(file.name for file in preview.files))
        print(sorted(file.name for file in preview.later))
        print(sorted((out.path.removeprefix(folder), out.rule) for out in preview.left_out))
        print(preview.requirements, preview.by_value, preview.call_size > 0)
        print(preview.size == sum(file.size for file in preview.files if file.size) + preview.call_size)
        print(preview.largest[0].name, len(preview.largest), preview.largest[0].path.startswith(folder))
        print(str(preview).splitlines()[0].startswith("6 files and a call of"))
    """)
    lines = printed.splitlines()
    names = ["__init__.py", "core.py", "rates.py", "table.csv"]
    assert lines[0] == str([*(f"acme/{name}" for name in names), "late.py", "tools.py"])
    assert lines[1] == "['main.py', 'other.py']"
    assert eval(lines[2]) == [
        (".tox", "hidden"),
        ("acme/.env", "never sent: .env"),
        ("acme/keys/server.pem", "never sent: *.pem"),
        ("node_modules", "installed packages"),
        ("notebooks", ".haulierignore: /notebooks/"),
        ("results", "no Python source in it"),
        ("venv", "virtual environment"),
    ]
    assert lines[3].startswith("['numpy==") and lines[3].endswith("] False True")
    assert lines[4] == "True"
    assert lines[5] == "acme/rates.py 6 True"
    assert lines[6] == "True"


def test_what_was_sent_is_not_sent_again(acme):
    printed = acme.run("""
        import acme.rates, late
        def use(): return len(acme.rates.RATES)
        before = cluster.preview(use)
        print(len(before.files), before.by_value, cluster.preview(len, "x").files)
        print(pool.submit(use).result())
        after = cluster.preview(use)
        print(len(after.files), after.size == after.call_size)
        import pathlib
        pathlib.Path("acme/rates.py").write_text("RATES = 'yy'")
        print([file.name for file in cluster.preview(use).files])
        del acme.rates.RATES
        importlib = __import__("importlib")
        importlib.reload(acme.rates)
        print(pool.submit(use).result())
    """)
    assert printed.splitlines() == ["6 True []", "5000", "0 True", "['acme/rates.py']", "2"]


def test_includes_win_but_secrets_must_be_named(acme):
    acme.write(
        looking="""
            import os
            def look(*names): return [os.path.exists(f"{os.path.dirname(__file__)}/{name}") for name in names]
        """
    )
    printed = acme.run("""
        from looking import look
        import acme.core
        names = ("notebooks/scratch.py", "results/big.bin", "acme/keys/server.pem", "acme/.env")
        for include in ([], ["notebooks/**", "results", "acme/keys/*.pem", "**/.env"], ["acme/keys/server.pem"]):
            with haulier.connect(os.environ["HAULIER_ADDRESS"], include=include) as own, own.executor() as wide:
                def use(*names):
                    import acme, importlib.util
                    importlib.util.find_spec("notebooks")
                    return look(*names)
                print(wide.submit(use, *names).result())
        try:
            haulier.connect(os.environ["HAULIER_ADDRESS"], include=["!x"])
        except haulier.InvalidArgument as error:
            print(error.hint)
    """)
    assert printed.splitlines() == [
        "[False, False, False, False]",
        "[True, True, False, False]",
        "[False, False, True, False]",
        "a path from the import root: config.json, assets/**",
    ]


def test_what_is_denied_stays_at_home(acme):
    acme.write(
        looking="""
            import os
            def look(*names): return [os.path.exists(f"{os.path.dirname(__file__)}/{name}") for name in names]
        """
    )
    printed = acme.run("""
        from looking import look
        names = ("acme/core.py", "acme/table.csv", "results/big.bin")
        with haulier.connect(os.environ["HAULIER_ADDRESS"], deny="table.csv", include="results") as own:
            print(sorted(out.rule for out in own.preview(look).left_out if out.path.endswith("table.csv")))
            def use(*names):
                import acme.core
                return look(*names)
            print(own.executor().submit(use, *names).result())
    """)
    assert printed.splitlines() == ["['never sent: table.csv']", "[True, False, True]"]


def test_a_home_folder_with_too_much_in_it(project):
    project.write(work="def f(): return 1")
    big = project.folder / "clones/one"
    big.mkdir(parents=True)
    (big / "m.py").touch()
    for number in range(50_100):
        os.link(big / "m.py", big / f"m{number}.py")
    program = """
        import time, work
        begun = time.perf_counter()
        try:
            print(pool.submit(work.f).result())
        except haulier.ResourceExhausted as error:
            print(error.message)
            print(error.hint)
        print(time.perf_counter() - begun < 30)
    """
    lines = project.run(program).splitlines()
    assert f"'{project.folder}' is too large" in lines[0] and "'clones' has more than 50000" in lines[0]
    assert lines[1].startswith(f"leave it out: echo '/clones/' >> '{project.folder}/.haulierignore'")
    subprocess.run(lines[1].removeprefix("leave it out: ").partition(";")[0], shell=True, check=True)
    assert project.run(program).splitlines()[0] == "1"


def test_large_data_beside_a_script_is_not_read(project):
    project.write(work="def f(): return 1")
    data = project.folder / "data"
    data.mkdir()
    with (data / "huge.bin").open("wb") as file:
        file.truncate(20 << 30)
    with (project.folder / "beside.bin").open("wb") as file:
        file.truncate(20 << 30)
    begun = time.monotonic()
    assert project.run("import work\nprint(pool.submit(work.f).result())") == "1"
    assert time.monotonic() - begun < 30
    package = project.folder / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (data / "huge.bin").rename(package / "huge.bin")
    printed = project.run("""
        import work
        try:
            pool.submit(work.f).result()
        except haulier.ResourceExhausted as error:
            print(error.message)
    """)
    assert "20480 MiB, 20480 of them in 'package'" in printed


def test_the_metadata_of_an_editable_install_is_found(project):
    project.file(
        "src/acme_editable/__init__.py",
        "from importlib.metadata import version\ndef own(): return version('acme-editable')",
    )
    project.file("src/acme_editable.egg-info/PKG-INFO", "Metadata-Version: 2.1\nName: acme-editable\nVersion: 7.1\n")
    printed = project.run(
        "import acme_editable\nprint(acme_editable.own(), pool.submit(acme_editable.own).result())",
        environment={
            "PYTHONPATH": os.pathsep.join([f"{project.folder}/src", *filter(None, [os.environ.get("PYTHONPATH")])])
        },
        path="scripts/main.py",
    )
    assert printed == "7.1 7.1"


def test_without_a_guard_a_script_with_a_node_of_its_own_runs_once(project, node_binary):
    project.write(helper="def twice(x): return 2 * x")
    project.file(
        "script.py",
        """
        import haulier, helper
        print("once")
        with haulier.local() as cluster, cluster.executor() as pool:
            def f(x): return helper.twice(x) + 1
            print(list(pool.map(f, range(3))))
        """,
    )
    printed = project.python("script.py", environment={"HAULIER_NODE": str(node_binary)})
    assert printed == "once\n[1, 3, 5]"


def test_doctests(project):
    project.file(
        "example.txt",
        """
        >>> import haulier, os
        >>> cluster = haulier.connect(os.environ["HAULIER_ADDRESS"])
        >>> pool = cluster.executor()
        >>> def f(x): return x + 1
        >>> pool.submit(f, 1).result()
        2
        >>> def f(x): return x + 2
        >>> pool.submit(f, 1).result()
        3
        >>> cluster.close()
        """,
    )
    project.file("documented.py", '"""Has examples.\n\n' + (project.folder / "example.txt").read_text() + '"""\n')
    assert project.python("-m", "doctest", "example.txt") == ""
    assert project.python("-m", "doctest", "documented.py") == ""


@pytest.mark.parametrize("submit", ["pool.submit(acme.rates.rate)", "pool.map(acme.rates.rate, [1])"])
def test_a_dry_run_shows_the_first_submit(acme, submit):
    acme.file("acme/rates.py", "import pathlib\ndef rate(*_): pathlib.Path(__file__ + '.ran').touch()\n")
    program = f"""
        import os, sys, haulier, acme.rates
        if __name__ == "__main__":
            print(sys.argv)
            with haulier.connect(os.environ["HAULIER_ADDRESS"]) as cluster, cluster.executor() as pool:
                list({submit})
            print("never here")
    """
    acme.file("program.py", program)
    for named in (["program.py"], ["-m", "program"], [str(acme.folder / "program.py")]):
        lines = acme.python("-m", "haulier", "--dry-run", *named, "--own", "3").splitlines()
        assert lines[0].endswith("'--own', '3']")
        assert lines[1].startswith("6 files and a call of") and "never here" not in lines
        assert any("acme/keys/server.pem  (never sent: *.pem)" in line for line in lines)
    assert not list(acme.folder.glob("**/*.ran"))
    acme.file("nothing.py", "print('submits nothing')")
    with pytest.raises(AssertionError, match="the program has submitted nothing"):
        acme.python("-m", "haulier", "--dry-run", "nothing.py")
