"""What a task sees when the code of its client changes: that of its submit, to the end, and nothing else."""

import os

PROGRAM_START = """
import importlib, pathlib, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
"""


def test_a_running_task_keeps_the_code_of_its_submit(project):
    project.write(
        work____init__="",
        work__part="VALUE = 'old'",
        work__task="""
            import importlib, socket

            def early(port):
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    connection.recv(1)
                return importlib.import_module("work.part").VALUE, importlib.import_module("la" + "te").VALUE

            def value():
                from work.part import VALUE
                return VALUE
        """,
        late="VALUE = 'old and late'",
    )
    printed = project.run(
        PROGRAM_START
        + """
import work.task
running = pool.submit(work.task.early, port)
connection, _ = listener.accept()
pathlib.Path("work/part.py").write_text("VALUE = 'new'")
pathlib.Path("late.py").unlink()
print(pool.submit(work.task.value).result())
connection.sendall(b"1")
print(running.result())
"""
    )
    assert printed.splitlines() == ["new", "('old', 'old and late')"]


def test_a_deleted_module_is_absent_for_the_next_submit(project):
    project.write(
        acme____init__="",
        acme__gone="VALUE = 1",
        acme__task="""
            import importlib
            def load(name):
                try:
                    return importlib.import_module(name).VALUE
                except ModuleNotFoundError as error:
                    return error.name
        """,
        single="VALUE = 2",
    )
    printed = project.run("""
        import pathlib
        from acme.task import load
        print(pool.submit(load, "acme.gone").result(), pool.submit(load, "single").result())
        pathlib.Path("acme/gone.py").unlink()
        pathlib.Path("single.py").unlink()
        print(pool.submit(load, "acme.gone").result(), pool.submit(load, "single").result())
    """)
    assert printed.splitlines() == ["1 2", "acme.gone single"]


def test_a_new_module_and_a_new_package_are_seen(project):
    project.write(load="import importlib\ndef load(name): return importlib.import_module(name).VALUE")
    printed = project.run("""
        import pathlib
        from load import load
        print(pool.submit(load, "load").exception() is not None)
        pathlib.Path("fresh/deep").mkdir(parents=True)
        pathlib.Path("fresh/deep/module.py").write_text("VALUE = 1")
        print(pool.submit(load, "fresh.deep.module").result())
        pathlib.Path("fresh/other.py").write_text("VALUE = 2")
        print(pool.submit(load, "fresh.other").result())
    """)
    assert printed.splitlines() == ["True", "1", "2"]


def test_two_class_paths_with_the_same_module_at_once(cluster, tmp_path):
    tasks = []
    for number in (1, 2):
        folder = tmp_path / f"unit{number}"
        folder.mkdir()
        (folder / "same.py").write_text(
            "import socket\n\n\ndef wait(port):\n"
            "    with socket.create_connection(('127.0.0.1', port)) as connection:\n"
            "        connection.recv(1)\n"
            f"    return {number}, __import__('companion').NUMBER\n"
        )
        (folder / "companion.py").write_text(f"NUMBER = {number}\n")
        cluster.deploy(f"same-{number}", "1.0", folder)
        tasks.append(cluster.task(f"same-{number}", "same:wait"))
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        running = [task.submit(port) for task in tasks]
        connections = [listener.accept()[0] for _ in tasks]
        for connection in connections:
            connection.sendall(b"1")
            connection.close()
        assert [list(future.result(timeout=60)) for future in running] == [[1, 1], [2, 2]]


def test_two_clients_with_the_same_names_at_once(project, tmp_path):
    """Two programs that stand still inside their tasks at the same time."""
    import subprocess
    import sys

    programs = []
    for number in (1, 2):
        folder = tmp_path / f"client{number}"
        (folder / "acme").mkdir(parents=True)
        (folder / "acme/__init__.py").write_text(f"NUMBER = {number}\n")
        (folder / "acme/task.py").write_text(
            "import acme\n\ndef wait(port):\n    import socket\n"
            "    with socket.create_connection(('127.0.0.1', port)) as connection:\n        connection.recv(1)\n"
            "    from acme.late import VALUE\n    return acme.NUMBER, VALUE\n"
        )
        (folder / "acme/late.py").write_text(f"VALUE = {number * 10}\n")
        (folder / "main.py").write_text(
            "import os, sys, haulier\nfrom acme.task import wait\n"
            "with haulier.connect(os.environ['HAULIER_ADDRESS']) as cluster, cluster.executor() as pool:\n"
            "    print(pool.submit(wait, int(sys.argv[1])).result(timeout=60))\n"
        )
        programs.append(folder)
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "main.py", str(listener.getsockname()[1])]
        environment = {**os.environ, "HAULIER_ADDRESS": project.address}
        running = [
            subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
            for folder in programs
        ]
        connections = [listener.accept()[0] for _ in running]
        for connection in connections:
            connection.sendall(b"1")
        printed = [program.communicate(timeout=60)[0].strip() for program in running]
        for connection in connections:
            connection.close()
    assert printed == ["(1, 10)", "(2, 20)"]


def test_data_beside_modules(cluster, project):
    project.write(reader="import os\ndef read(name): return open(os.path.join(os.path.dirname(__file__), name)).read()")
    project.file("config.json", "{}")
    project.file("data/table.csv", "1,2")
    printed = project.run("""
        from reader import read
        with haulier.connect(os.environ["HAULIER_ADDRESS"], include=["config.json", "data/*.csv"]) as own:
            with own.executor() as wide:
                print(wide.submit(read, "config.json").result(), wide.submit(read, "data/table.csv").result())
                import pathlib
                pathlib.Path("config.json").write_text("[]")
                print(wide.submit(read, "config.json").result())
        print(type(pool.submit(read, "config.json").exception()).__name__)
    """)
    assert printed.splitlines() == ["{} 1,2", "[]", "FileNotFoundError"]
    folder = project.folder / "unit"
    folder.mkdir()
    (folder / "app.py").write_text((project.folder / "reader.py").read_text())
    (folder / "settings.toml").write_text("x = 1")
    cluster.deploy("data-beside", "1.0", folder)
    assert cluster.task("data-beside", "app:read").call("settings.toml") == "x = 1"


def test_only_what_has_changed_is_compiled_again(project):
    project.write(
        pack____init__="",
        pack__a="VALUE = 0",
        pack__b=f"VALUE = 1  # {project.folder}",
        look="""
            def run():
                from haulier_worker.class_path import SourceLoader
                before = len(SourceLoader.compiled)
                import pack.a, pack.b
                return pack.a.VALUE, [path for path, _ in SourceLoader.compiled[before:] if path != "pack/__init__.py"]
        """,
    )
    printed = project.run("""
        import pathlib, time, look
        print(pool.submit(look.run).result())
        # What was compiled is kept once the result is on its way.
        end = time.monotonic() + 30
        number, compiled = 0, None
        while compiled != ["pack/a.py"] and time.monotonic() < end:
            number += 1
            pathlib.Path("pack/a.py").write_text(f"VALUE = {number}  # of {os.getcwd()}")
            value, compiled = pool.submit(look.run).result()
            assert value == number
        print(compiled)
    """)
    assert printed.splitlines() == ["(0, ['pack/a.py', 'pack/b.py'])", "['pack/a.py']"]
