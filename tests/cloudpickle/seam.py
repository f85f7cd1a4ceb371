"""Puts a worker of Haulier where cloudpickle's tests use another process: a plugin of pytest.

Each pool of the tests is a connection of its own, so that no two share a process of a worker. What their child
interpreter does, which reads a pickle and writes it again, is done by a task.
"""

import os

import haulier

from tests import testutils


class Executor:
    """What the tests need of ``ProcessPoolExecutor``: one process, which they may look at."""

    def __init__(self, max_workers=1):
        """Connect."""
        self.cluster = haulier.connect(os.environ["HAULIER_ADDRESS"])
        self.pool = self.cluster.executor(max_workers=max_workers, timeout=testutils.TIMEOUT)

    def submit(self, function, *args):
        """Submit a call."""
        return self.pool.submit(function, *args)

    @property
    def _processes(self):
        return [self.pool.submit(os.getpid).result()]

    def shutdown(self, wait=True):
        """Disconnect."""
        self.pool.shutdown(wait=wait)
        self.cluster.close()


def pickle_string(input_data, protocol=None, timeout=testutils.TIMEOUT, add_env=None):
    """Pickle a value, read it in a worker, and return it pickled there."""
    payload = testutils.dumps(input_data, protocol=protocol)
    executor = Executor()
    try:
        return executor.submit(again, payload, protocol, add_env or {}).result(timeout)
    except Exception as error:
        raise RuntimeError(str(error)) from error
    finally:
        executor.shutdown()


def again(payload, protocol, environment):
    """Read a pickle and write it."""
    os.environ.update(environment)
    return testutils.dumps(testutils.loads(payload), protocol=protocol)


testutils.ProcessPoolExecutor = Executor
testutils.subprocess_pickle_string = pickle_string
