"""Tasks that submit tasks of their own and wait for them."""

import haulier


def count(addresses, depth):
    """Count down to 0, each time as a task of the next of these nodes."""
    if depth == 0:
        return 0
    with haulier.connect(addresses[0]) as cluster:
        nested = cluster.task("nested", "acme_nested:count", timeout=60)
        return 1 + nested.call([*addresses[1:], addresses[0]], depth - 1)


def hop(address, names, depth):
    """Count down to 0, each time on the next of these nodes, all by way of one."""
    if depth == 0:
        return 0
    with haulier.connect(address) as cluster:
        nested = cluster.task("nested", "acme_nested:hop", timeout=60, node=names[0])
        return 1 + nested.call(address, [*names[1:], names[0]], depth - 1)


def spread(address, width, depth):
    """Count the leaves of a tree of tasks."""
    if depth == 0:
        return 1
    with haulier.connect(address) as cluster:
        nested = cluster.task("nested", "acme_nested:spread", timeout=60)
        return sum(future.result() for future in [nested.submit(address, width, depth - 1) for _ in range(width)])
