"""How tasks end when they do not return: exceptions, cancels, deadlines, the end of their process."""

import concurrent.futures
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback

import haulier
import jobs
import pytest
from conftest import DEADLINE


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE)
        yield server


def port(listener):
    return listener.getsockname()[1]


def test_exceptions_arrive_as_themselves(pool):
    with pytest.raises(ValueError, match="wrong price") as caught:
        pool.submit(jobs.fail, "wrong price").result()
    error = caught.value
    assert error.__notes__ == ["a note of the task"]
    assert isinstance(error.__cause__, haulier.RemoteTraceback)
    shown = "".join(traceback.format_exception(error))
    assert "KeyError: 'the cause'" in shown and "raise error from cause" in shown and "jobs.py" in shown
    assert "haulier_worker" not in shown


def test_own_exceptions(pool):
    with pytest.raises(jobs.Reported) as caught:
        pool.submit(jobs.fail_reported, 7).result()
    assert caught.value.code == 7
    with pytest.raises(ExceptionGroup) as group:
        pool.submit(jobs.fail_group).result()
    assert [type(error) for error in group.value.exceptions] == [ValueError, TypeError]


@pytest.mark.parametrize(
    ("function", "args", "name", "text"),
    [
        (jobs.fail_picky, (), "jobs.Picky", "one two"),
        (jobs.fail_unpicklable, (), "RuntimeError", "has a lock"),
        (jobs.leave, (3,), "SystemExit", "3"),
    ],
)
def test_exceptions_that_cannot_be_rebuilt(pool, function, args, name, text):
    with pytest.raises(haulier.TaskFailed, match=text) as caught:
        pool.submit(function, *args).result()
    assert caught.value.remote.type_name == name and function.__name__ in caught.value.remote.trace


def test_recursion(pool):
    with pytest.raises(RecursionError):
        pool.submit(jobs.recurse).result()


def test_wrong_arguments(pool):
    with pytest.raises(TypeError, match="square"):
        pool.submit(jobs.square).result()


@pytest.mark.parametrize("behaviour", ["sleep", "spin", "wait"])
def test_cancel_while_running(pool, listener, behaviour):
    future = pool.submit(jobs.announce, port(listener), behaviour)
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(DEADLINE)
        connection.recv(1)
        begun = time.monotonic()
        assert future.cancel() and future.cancel() and future.cancelled()
        assert connection.recv(1) == b"", "the task's socket closes when it ends"
        assert time.monotonic() - begun < 5, "before it would have been killed"
    with pytest.raises(concurrent.futures.CancelledError):
        future.result()
    with pytest.raises(haulier.Canceled):
        future.exception()
    assert pool.submit(jobs.square, 2).result() == 4


def test_a_cancelled_task_may_clean_up(pool, listener):
    future = pool.submit(jobs.announce, port(listener), "tidy")
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(DEADLINE)
        connection.recv(1)
        future.cancel()
        assert connection.recv(1) == b"2"


def test_a_deaf_task_is_killed(pool, listener):
    future = pool.submit(jobs.announce, port(listener), "deaf")
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(DEADLINE)
        connection.recv(1)
        future.cancel()
        assert connection.recv(1) == b""
    assert pool.submit(jobs.square, 2).result() == 4


def test_cancel_while_queued(cluster, listener):
    with cluster.executor() as executor:
        futures = [executor.submit(jobs.sleep, 0.05) for _ in range(50)]
        last = futures[-1]
        assert last.cancel()
        assert [future.result() for future in futures[:-1]] == [0.05] * 49
    assert last.cancelled() and not last.running() and last.done()


def test_cancel_after_the_end(pool):
    future = pool.submit(jobs.square, 3)
    assert future.result() == 9
    assert not future.cancel() and not future.cancelled()


def test_deadline(cluster):
    with cluster.executor(timeout=0.3) as executor:
        begun = time.monotonic()
        with pytest.raises(haulier.DeadlineExceeded) as caught:
            executor.submit(jobs.sleep, 60).result()
        assert isinstance(caught.value, TimeoutError) and time.monotonic() - begun < 5
    with cluster.executor() as executor:
        assert executor.submit(jobs.square, 2).result() == 4


def test_the_end_of_the_process(pool):
    with pytest.raises(haulier.WorkerLost, match="last words") as caught:
        pool.submit(jobs.end, 7).result()
    assert isinstance(caught.value, concurrent.futures.BrokenExecutor) and "7" in str(caught.value)
    with pytest.raises(haulier.WorkerLost, match=r"SEGV|11"):
        pool.submit(os.kill, pool.submit(os.getpid).result(), signal.SIGSEGV).result()
    assert pool.submit(jobs.square, 2).result() == 4


def test_a_task_that_forks_answers_once(pool):
    assert pool.submit(jobs.fork_and_return).result() == "once"
    assert pool.submit(jobs.square, 2).result() == 4


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_multiprocessing_inside_a_task(pool, context):
    assert pool.submit(jobs.multiprocess, context).result() == [4, 9]


def test_a_missing_module_inside_a_task(pool):
    with pytest.raises(ModuleNotFoundError, match="acme_absent") as caught:
        pool.submit(__import__, "acme_absent").result()
    assert caught.value.name == "acme_absent"
    note, explained = caught.value.__notes__
    assert "acme_absent" in note and "haulier deploy" in note and "searched: session" in explained


def test_ctrl_c_ends_a_wait(project):
    project.write(
        main="""
        import os, signal, threading, time, haulier
        signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in the background
        cluster = haulier.connect(os.environ["HAULIER_ADDRESS"])
        future = cluster.executor().submit(time.sleep, 60)
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        begun = time.monotonic()
        try:
            future.result()
        except KeyboardInterrupt:
            assert time.monotonic() - begun < 10
            print("interrupted")
        cluster.close()
        """
    )
    assert project.python("main.py") == "interrupted"


def test_ctrl_c_loses_no_result(project):
    project.write(
        main="""
        import os, signal, haulier
        cluster = haulier.connect(os.environ["HAULIER_ADDRESS"])
        pool = cluster.executor()
        interrupted = 0
        def interrupt(number, frame):
            raise KeyboardInterrupt
        signal.signal(signal.SIGALRM, interrupt)
        for round in range(300):
            futures = [pool.submit(pow, 2, value) for value in range(30)]
            left = list(futures)
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0002 + round * 1e-5)
                while left:
                    left[-1].result(timeout=30)
                    left.pop()
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
            assert [future.result(timeout=30) for future in futures] == [2**value for value in range(30)]
        assert interrupted > 3, interrupted
        print("all there")
        cluster.close()
        """
    )
    assert project.python("main.py") == "all there"


def test_an_open_connection_does_not_hold_the_interpreter(project):
    project.write(
        main="""
        import os, time, haulier
        cluster = haulier.connect(os.environ["HAULIER_ADDRESS"])
        pool = cluster.executor()
        pool.submit(time.sleep, 60)
        print(pool.submit(pow, 2, 3).result())
        """
    )
    begun = time.monotonic()
    assert project.python("main.py") == "8"
    assert time.monotonic() - begun < 20


def test_after_close(address):
    cluster = haulier.connect(address)
    pool = cluster.executor()
    future = pool.submit(jobs.sleep, 60)
    cluster.close()
    cluster.close()
    assert cluster.closed and "closed" in repr(cluster)
    with pytest.raises(haulier.Canceled):
        future.result(timeout=10)
    for call in (
        cluster.nodes,
        cluster.list_deployments,
        lambda: pool.submit(jobs.nothing),
        lambda: cluster.undeploy("x"),
        lambda: cluster.task("x", "a:b").call(),
        lambda: cluster.broadcast(jobs.nothing),
    ):
        with pytest.raises(haulier.Closed, match="connect again"):
            call()


def test_after_fork(address):
    """A child has no connection: every call says so, and nothing hangs."""
    program = f"""
import os, sys, time, haulier
cluster = haulier.connect({address!r})
pool = cluster.executor()
pending = pool.submit(time.sleep, 1)
child = os.fork()
if child == 0:
    try:
        for call in (cluster.nodes, pending.result, lambda: pool.submit(pow, 2, 3)):
            try:
                call()
            except haulier.Closed as error:
                assert "child process" in str(error), error
            else:
                os._exit(3)
        with haulier.connect({address!r}) as own:
            assert own.executor().submit(pow, 2, 3).result() == 8
        os._exit(0)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(4)
assert os.waitpid(child, 0)[1] == 0
assert pending.result() is None
cluster.close()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=DEADLINE)


def test_wrong_addresses():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        with pytest.raises(haulier.Unavailable):
            haulier.connect(f"127.0.0.1:{port(silent)}", timeout=0.5)
        assert time.monotonic() - begun < 5
        unused = port(silent)
    with pytest.raises(haulier.Unavailable, match="haulier node"):
        haulier.connect(f"127.0.0.1:{unused}")
    with pytest.raises(haulier.InvalidArgument):
        haulier.connect("not an address")
    with pytest.raises(haulier.InvalidArgument):
        haulier.connect("127.0.0.1:1", mode="sometimes")


def test_results_after_threads_have_gone(pool):
    """A thread that submitted may end before its task does."""
    futures = []
    thread = threading.Thread(target=lambda: futures.append(pool.submit(jobs.sleep, 0.2)))
    thread.start()
    thread.join()
    assert futures[0].result(timeout=30) == 0.2
