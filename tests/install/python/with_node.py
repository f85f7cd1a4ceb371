"""Both wheels: a node of one's own, tasks of this script, and no process left behind."""

import os
import sys
import time

import haulier
import haulier_node

assert "site-packages" in str(haulier_node.path()), haulier_node.path()


def square(value):
    """Return the square; a function of this script."""
    return value * value, os.getpid()


with haulier.local() as cluster:
    with cluster.executor() as pool:
        results = list(pool.map(square, range(10)))
    assert [result for result, _ in results] == [value * value for value in range(10)], results
    assert os.getpid() not in {process for _, process in results}, results
    (node,) = cluster.nodes()
    processes = [node.process_id, *(process for _, process in results)]
    print(f"node {node.name} {node.version} runs {dict(node.runtimes)}")

end = time.monotonic() + 10
while left := [process for process in processes if os.path.exists(f"/proc/{process}")]:
    if time.monotonic() > end:
        sys.exit(f"left running: {left}")
    time.sleep(0.01)
print("both wheels: as it should be")
