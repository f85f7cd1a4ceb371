"""Units: deployed from Python, listed, called by name, removed."""

import zipfile
from decimal import Decimal

import haulier
import pytest


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "pricing_unit"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "core.py").write_text(
        "from decimal import Decimal\n"
        "def price(amount, factor=2): return amount * factor\n"
        "def kinds(*values, **named): return [type(value).__name__ for value in values], sorted(named)\n"
        "def nested(): return {'list': [1, 2.5, None], 'bytes': b'x'}\n"
        "def pair(): return (1, 2)\n"
        "def decimal(): return Decimal('1.5')\n"
        "class Failure(Exception): pass\n"
        "def fail(): raise Failure('as asked')\n"
        "NUMBER = 7\n"
    )
    return folder


@pytest.fixture
def unit(cluster, package):
    deployed = cluster.deploy("py-pricing", "1.0.0", package)
    yield deployed
    cluster.undeploy("py-pricing")


def test_life_of_a_unit(cluster, package):
    unit = cluster.deploy("py-life", "1.0.0", package)
    assert (unit.name, unit.version, unit.state, unit.reference) == ("py-life", "1.0.0", "deployed", "py-life:1.0.0")
    assert unit.digest.startswith("sha256:") and len(unit.digest) == 71
    assert unit.entries == 2 and unit.sources == ("pricing_unit",) and unit.size > 100
    assert cluster.deploy("py-life", "1.0.0", str(package)).digest == unit.digest
    (package / "core.py").write_text("def price(amount): return -amount\n")
    with pytest.raises(haulier.Conflict, match=unit.digest[7:19]):
        cluster.deploy("py-life", "1.0.0", package)
    replaced = cluster.deploy("py-life", "1.0.0", package, replace=True)
    assert replaced.digest != unit.digest and replaced.generation > unit.generation
    assert cluster.task("py-life:1.0.0", "pricing_unit.core:price").call(1) == -1
    assert [listed.digest for listed in cluster.list_deployments("py-life") if listed.state == "deployed"] == [
        replaced.digest
    ]
    assert [removed.reference for removed in cluster.undeploy(replaced)] == ["py-life:1.0.0"]
    assert [listed for listed in cluster.list_deployments("py-life") if listed.state == "deployed"] == []
    with pytest.raises(haulier.NotFound):
        cluster.undeploy("py-life")
    with pytest.raises(haulier.NotFound, match="haulier list-deployments"):
        cluster.task("py-life:1.0.0", "pricing_unit.core:price").call(1)


def test_next_revision(cluster, package):
    try:
        assert cluster.deploy("py-revision", None, package).version == "0.0.1"
        (package / "more.py").write_text("")
        assert cluster.deploy("py-revision", "", package).version == "0.0.2"
    finally:
        cluster.undeploy("py-revision")


def test_sources(cluster, tmp_path):
    (tmp_path / "single_unit.py").write_text("def f(): return 'module'")
    wheel = tmp_path / "wheel_unit-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(
            "wheel_unit/__init__.py", "from importlib.metadata import version\ndef f(): return version('wheel_unit')"
        )
        archive.writestr("wheel_unit-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: wheel_unit\nVersion: 1.0\n")
        archive.writestr(
            "wheel_unit-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("wheel_unit-1.0.dist-info/RECORD", "")
    cluster.deploy("py-sources", "1.0.0", tmp_path / "single_unit.py", wheel)
    try:
        assert cluster.task("py-sources", "single_unit:f").call() == "module"
        assert cluster.task("py-sources", "wheel_unit:f").call() == "1.0"
    finally:
        cluster.undeploy("py-sources")
    with pytest.raises(haulier.NotFound, match="absent"):
        cluster.deploy("py-sources", "1.0.0", tmp_path / "absent")
    with pytest.raises(haulier.InvalidArgument):
        cluster.deploy("py-sources", "1.0.0")
    with pytest.raises(haulier.InvalidArgument):
        cluster.deploy("../escape", "1.0.0", wheel)


def test_calls(cluster, unit):
    price = cluster.task(unit, "pricing_unit.core:price")
    assert price.call(21) == 42 and price.call(21, 3) == 63 and price.call(2, factor=5) == 10
    assert [future.result() for future in [price.submit(value) for value in range(5)]] == [0, 2, 4, 6, 8]
    assert price.submit(1).result(timeout=30) == 2
    assert list(price.broadcast(4).values()) == [8]
    assert price.call("ab") == "abab" and price.entry_point == "pricing_unit.core:price"
    assert price.with_options(timeout=30, node=cluster.nodes()[0].name).call(1) == 2
    with pytest.raises(haulier.DeadlineExceeded):
        cluster.task(unit, "time:sleep").call(60, timeout=0.3)


def test_arguments_keep_their_types_between_pythons(cluster, unit):
    kinds = cluster.task("py-pricing:1.0.0", "pricing_unit.core:kinds")
    assert kinds.call(1, None, "s", b"b", [1], {"k": 1}) == (["int", "NoneType", "str", "bytes", "list", "dict"], [])
    assert kinds.call((1,), Decimal(1), {1}, k=1) == (["tuple", "Decimal", "set"], ["k"])
    assert kinds.call(2**70, "\ud800") == (["int", "str"], [])
    task = lambda name: cluster.task(unit, f"pricing_unit.core:{name}")  # noqa: E731
    assert task("nested").call() == {"list": [1, 2.5, None], "bytes": b"x"}
    assert task("pair").call() == (1, 2) and task("decimal").call() == Decimal("1.5")


def test_failures(cluster, unit):
    with pytest.raises(haulier.TaskFailed, match="as asked") as caught:
        cluster.task(unit, "pricing_unit.core:fail").call()
    assert caught.value.remote.type_name == "pricing_unit.core.Failure"
    with pytest.raises(ZeroDivisionError):
        cluster.task(unit, "operator:truediv").call(1, 0)


MISSING = [
    ("pricing_unitt.core:price", haulier.CodeNotFound, ["pricing_unitt", "pricing_unit", "haulier deploy"]),
    ("pricing_unit.cores:price", haulier.CodeNotFound, ["pricing_unit.cores"]),
    ("pricing_unit.core:prices", haulier.CodeNotFound, ["'prices'", "price"]),
    ("pricing_unit.core:Failure.absent", haulier.CodeNotFound, ["'absent'"]),
    ("pricing_unit.core:NUMBER", haulier.InvalidArgument, ["no callable", "int"]),
    ("pricing_unit.core:", haulier.InvalidArgument, ["names no callable"]),
    ("pricing_unit..core:x", haulier.InvalidArgument, ["names no callable"]),
]


@pytest.mark.parametrize(("entry_point", "error", "parts"), MISSING)
def test_missing(cluster, unit, entry_point, error, parts):
    with pytest.raises(error) as caught:
        cluster.task(unit, entry_point).call(1)
    for part in parts:
        assert part in str(caught.value)


def test_java_takes_values_only(cluster, unit):
    price = cluster.task(unit, "com.acme.Price")
    with pytest.raises(haulier.InvalidArgument, match="argument 1 of type"):
        price.submit(object())
    with pytest.raises(haulier.InvalidArgument, match="keyword"):
        price.call(amount=1)


def test_nodes(cluster):
    (node,) = cluster.nodes()
    assert node.process_id > 1 and node.address.startswith("127.0.0.1:") and node.uptime >= 0
    assert node.runtimes["python"].startswith("3.")
