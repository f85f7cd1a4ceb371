"""Traces name files as the user knows them, and show the lines of the user's sources."""

from haulier import _traces


def test_modules_of_the_program_have_its_paths(project):
    project.write(acme__core="def price(amount):\n    return amount / 0  # the line\n")
    printed = project.run("""
        import traceback, acme.core
        try:
            pool.submit(acme.core.price, 1).result()
        except ZeroDivisionError as error:
            traceback.print_exception(error, file=__import__("sys").stdout)
    """)
    assert f'File "{project.folder}/acme/core.py", line 2, in price\n    return amount / 0  # the line' in printed
    assert "class-paths" not in printed


def test_code_by_value_has_its_lines(project):
    printed = project.run("""
        import traceback
        def divide(amount):
            return amount / 0  # the line
        try:
            pool.submit(divide, 1).result()
        except ZeroDivisionError as error:
            traceback.print_exception(error, file=__import__("sys").stdout)
    """)
    remote = printed.partition("The above exception")[0]
    assert f'File "{project.folder}/main.py"' in remote
    assert "in divide\n    return amount / 0  # the line" in remote


def test_units_are_named(cluster, tmp_path):
    (tmp_path / "failing.py").write_text("def fail():\n    raise KeyError('x')\n")
    cluster.deploy("failing-unit", "1.0", tmp_path / "failing.py")
    error = cluster.task("failing-unit", "failing:fail").submit().exception(60)
    assert 'File "failing-unit:1.0/failing.py/failing.py", line 2, in fail' in str(error.__cause__)
    assert "raise KeyError('x')" in str(error.__cause__)


def test_a_module_that_cannot_be_compiled(project):
    project.write(acme__broken="x = (\n")
    printed = project.run("""
        import traceback
        def load():
            import acme.broken
        try:
            pool.submit(load).result()
        except SyntaxError as error:
            print(error.__cause__)
    """)
    assert f'File "{project.folder}/acme/broken.py", line 1' in printed


def test_lines_are_added_where_there_are_none(tmp_path):
    path = tmp_path / "own.py"
    path.write_text("one\n  two\n")
    frame = f'  File "{path}", line 2, in f\n'
    assert _traces.localized(f"{frame}ValueError\n") == f"{frame}    two\nValueError\n"
    assert _traces.localized(f"{frame}    shown\nE\n") == f"{frame}    shown\nE\n"
    group = f'  |   File "{path}", line 1, in f\n  | ValueError\n'
    assert "  |     one\n" in _traces.localized(group)
    unknown = '  File "<string>", line 1, in f\n  File "/nowhere.py", line 3\nE\n'
    assert _traces.localized(unknown) == unknown
    elsewhere = '  File "session x/elsewhere/a.py", line 1, in f\n'
    assert _traces.localized(elsewhere) == elsewhere
