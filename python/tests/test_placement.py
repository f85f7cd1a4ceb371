"""Where tasks run, as it is said; and what is known of nodes."""

import haulier
import pytest
from haulier import _calls


def test_options_are_checked():
    made = _calls.options(1.0, None, {"zone": "a", "disk": "ssd"}, "customer-7", True)
    assert made.labels == (("disk", "ssd"), ("zone", "a")) and made.key == "customer-7" and made.failover
    assert made == _calls.options(1.0, None, {"disk": "ssd", "zone": "a"}, "customer-7", True)
    assert hash(made) != hash(made._replace(key="customer-8"))
    with pytest.raises(haulier.InvalidArgument, match="node and a key"):
        _calls.options(None, "n1", None, "customer-7", False)


def test_tasks_run_where_they_are_sent(cluster):
    (node,) = cluster.nodes()
    for where in ({}, {"node": node.name}, {"key": "customer-7"}, {"labels": {}}):
        with cluster.executor(timeout=30, failover=True, **where) as pool:
            assert pool.submit(abs, -42).result() == 42
        assert cluster.broadcast(abs, -42, labels={}) == {node.name: 42}
    with pytest.raises(ValueError, match="node and a key"):
        cluster.executor(node=node.name, key="customer-7")
    with pytest.raises(TypeError):
        cluster.executor(labels={"zone": 1})


def test_a_task_is_moved(cluster, tmp_path):
    (tmp_path / "moved_unit.py").write_text("def f(): return 'here'\n")
    (node,) = cluster.nodes()
    cluster.deploy("py-moved", "1.0.0", tmp_path / "moved_unit.py", nodes=[node.name])
    try:
        task = cluster.task("py-moved", "moved_unit:f", key="customer-7", failover=True)
        assert task.call() == "here"
        moved = task.with_options(node=node.name, failover=False)
        assert (moved._options.node, moved._options.key, moved._options.failover) == (node.name, None, False)
        assert task.with_options(timeout=30)._options == task._options._replace(timeout=30)
        assert moved.call() == "here" and moved.broadcast() == {node.name: "here"}
        with pytest.raises(haulier.NotFound, match="nowhere"):
            task.with_options(node="nowhere").call()
    finally:
        cluster.undeploy("py-moved")


def test_a_key_for_each_customer_takes_no_memory(cluster):
    calls = cluster._calls
    for number in range(3 * _calls._MOST_TEMPLATES):
        calls.call(abs, (1,), {}, _calls.Options(key=str(number)))
    assert len(calls._templates) <= _calls._MOST_TEMPLATES


def test_nodes(cluster, address):
    (node,) = cluster.nodes()
    assert (node.address, node.state, node.labels, node.direct) == (address, "alive", {}, True)
    assert node.slots >= 2 and node.owns_catalogue and node.code_round_trips >= 0


def test_the_first_address_that_answers(address):
    with haulier.connect(f"127.0.0.1:1,{address}") as cluster:
        assert cluster.executor().submit(abs, -1).result(30) == 1
