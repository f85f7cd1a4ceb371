"""Where a module comes from, and why it does not: in explanations, and in the errors of tasks."""

import json
import subprocess

import haulier
import pytest


@pytest.fixture(scope="module")
def units(cluster, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained")
    for unit in ("explained-one", "explained-two"):
        (folder / unit / "acme_explained").mkdir(parents=True)
        (folder / unit / "acme_explained/__init__.py").write_text("")
        (folder / unit / "acme_explained/price.py").write_text("import acme_explaned\n\ndef rate(): return 1\n")
        (folder / unit / "entry.py").write_text("def load():\n    import acme_explained.pric\n")
        cluster.deploy(unit, "1.0", folder / unit)
    yield "explained-one", "explained-two"
    for unit in ("explained-one", "explained-two"):
        cluster.undeploy(unit)


def test_a_module_of_units(cluster, units):
    explained = cluster.explain("acme_explained.price", *units)
    assert explained.kind == "module"
    assert [place.label for place in explained.places] == [
        "explained-one:1.0/explained-one",
        "explained-two:1.0/explained-two",
    ]
    assert "explained-one:1.0" in explained.verdict
    absent = cluster.explain("acme_explained.pric", *units)
    assert absent.places == () and "acme_explained.price" in absent.nearest


def test_a_module_of_a_session(cluster, project, node_binary):
    project.write(acme____init__="", acme__core="def f(): return 1")
    printed = project.run(f"""
        import acme.core, subprocess
        pool.submit(acme.core.f).result()
        session = min((one for one in cluster.sessions() if one.snapshots), key=lambda one: one.age).id
        print(cluster.explain("acme.core", session=session).verdict)
        command = [{str(node_binary)!r}, "explain", "acme.core", "--session", session, "--output", "json"]
        command += ["--address", os.environ["HAULIER_ADDRESS"]]
        print(subprocess.run(command, capture_output=True, text=True).stdout)
    """)
    verdict, _, told = printed.partition("\n")
    assert verdict.startswith("from session ")
    assert json.loads(told)["places"][0]["path"] == "acme/core.py"


def test_the_command_explains_a_module_of_a_unit(address, units, node_binary):
    command = [node_binary, "explain", "acme_explained.price", "--unit", units[0], "--address", address]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "acme_explained/price.py" in told and "explained-one:1.0" in told


def test_an_entry_point_that_is_not_there(cluster, units):
    with pytest.raises(haulier.CodeNotFound) as caught:
        cluster.task(units[0], "acme_explained.pric:rate").call()
    assert caught.value.name == "acme_explained.pric"
    assert "acme_explained.price" in caught.value.context["nearest"]
    assert "acme_explained.pric" in caught.value.context["explained"]


def test_an_import_that_fails_while_a_task_runs(cluster, units, project):
    error = cluster.task(units[0], "entry:load").submit().exception(60)
    assert isinstance(error, ModuleNotFoundError) and error.name == "acme_explained.pric"
    notes = "\n".join(error.__notes__)
    assert "explained-one:1.0" in notes and "acme_explained.price" in notes and "haulier deploy" in notes
    printed = project.run("""
        def load():
            import absent_module
        try:
            pool.submit(load).result()
        except ModuleNotFoundError as error:
            print(error.name, "session" in "".join(error.__notes__), len(error.__notes__))
    """)
    assert printed == "absent_module True 2"


def test_an_import_that_fails_where_a_task_begins(cluster, units):
    error = cluster.task(units[0], "acme_explained.price:rate").submit().exception(60)
    assert isinstance(error, haulier.CodeNotFound) and error.name == "acme_explaned"
    assert "acme_explained" in error.context["explained"]
    assert 'File "explained-one:1.0/explained-one/acme_explained/price.py", line 1' in str(error.__cause__)
