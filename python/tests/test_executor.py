"""The contract of concurrent.futures, on a real node."""

import concurrent.futures
import functools
import math
import pickle
import threading
import time
import weakref

import haulier
import jobs
import pytest


def test_submit(pool):
    assert pool.submit(pow, 2, 5).result() == 32
    assert pool.submit(jobs.echo, 1, self=2, fn=3, timeout=4).result() == ((1,), {"self": 2, "fn": 3, "timeout": 4})
    assert isinstance(pool.submit(math.sqrt, 4.0), concurrent.futures.Future)
    with pytest.raises(TypeError):
        pool.submit(fn=jobs.nothing)
    with pytest.raises(TypeError):
        pool.submit()


def test_map(pool):
    assert list(pool.map(pow, range(10), range(10))) == list(map(pow, range(10), range(10)))
    assert list(pool.map(jobs.square, [])) == list(pool.map(jobs.nothing)) == []
    assert list(pool.map(lambda value, n=3: value * n, range(4))) == [0, 3, 6, 9]


@pytest.mark.parametrize("chunksize", [1, 2, 3, 100])
@pytest.mark.parametrize("function", [jobs.square, lambda value: value * value])
def test_map_in_chunks(pool, chunksize, function):
    assert list(pool.map(function, range(10), chunksize=chunksize)) == [value * value for value in range(10)]


def test_map_refuses_nonsense(pool):
    for wrong in ({"chunksize": 0}, {"chunksize": -1}, {"buffersize": 0}):
        with pytest.raises(ValueError):
            pool.map(jobs.square, [1], **wrong)


def test_map_raises_where_the_result_would_be(pool):
    results = pool.map(divmod, [1, 1, 1], [1, 0, 1])
    assert next(results) == (1, 0)
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_map_reads_ahead_only_as_far_as_asked(pool):
    taken = []

    def source():
        for value in range(100):
            taken.append(value)
            yield value

    results = pool.map(jobs.square, source(), buffersize=4)
    assert len(taken) == 4
    assert [next(results), next(results)] == [0, 1]
    assert len(taken) == 6
    results.close()


def test_map_timeout(pool):
    begun = time.monotonic()
    results = pool.map(jobs.sleep, [0, 30], timeout=1)
    assert next(results) == 0
    with pytest.raises(TimeoutError):
        next(results)
    assert time.monotonic() - begun < 15


def test_the_function_of_a_map_is_pickled_once(pool):
    pickled = []

    class Function:
        def __reduce__(self):
            pickled.append(self)
            return functools.partial, (pow, 2)

    assert list(pool.map(Function(), range(5))) == [1, 2, 4, 8, 16]
    assert len(pickled) == 1


def test_shutdown(cluster):
    executor = cluster.executor()
    future = executor.submit(jobs.sleep, 0.2)
    executor.shutdown()
    assert future.done() and future.result() == 0.2
    executor.shutdown()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        executor.submit(jobs.nothing)
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        executor.map(jobs.nothing, [1])


def test_shutdown_without_waiting(cluster):
    executor = cluster.executor()
    future = executor.submit(jobs.sleep, 0.5)
    executor.shutdown(wait=False)
    assert not future.done()
    assert future.result(timeout=30) == 0.5


def test_shutdown_cancels(cluster):
    executor = cluster.executor()
    futures = [executor.submit(jobs.sleep, 60) for _ in range(20)]
    begun = time.monotonic()
    executor.shutdown(cancel_futures=True)
    assert time.monotonic() - begun < 30
    assert all(future.cancelled() for future in futures)


def test_max_workers(cluster):
    with pytest.raises(ValueError, match="max_workers must be greater than 0"):
        cluster.executor(max_workers=0)
    with cluster.executor(max_workers=2) as executor:
        assert list(executor.map(jobs.square, range(50))) == [value * value for value in range(50)]
    executor = cluster.executor(max_workers=1)
    futures = [executor.submit(jobs.sleep, 0.3) for _ in range(20)]
    executor.shutdown(cancel_futures=True)
    cancelled = [future for future in futures if future.cancelled()]
    others = [future for future in futures if not future.cancelled()]
    assert len(cancelled) >= 18 and others and all(future.result() == 0.3 for future in others)


def test_wait_and_as_completed(pool):
    slow, quick = pool.submit(jobs.sleep, 0.5), pool.submit(jobs.square, 2)
    done, waiting = concurrent.futures.wait([slow, quick], return_when=concurrent.futures.FIRST_COMPLETED)
    assert quick in done or slow in done
    assert {future.result() for future in concurrent.futures.as_completed([slow, quick])} == {0.5, 4}
    doomed = pool.submit(jobs.sleep, 60)
    doomed.cancel()
    assert concurrent.futures.wait([doomed], timeout=10).done == {doomed}


def test_callbacks(pool):
    called = threading.Event()
    future = pool.submit(jobs.square, 3)
    future.add_done_callback(lambda done: called.set() if done.result() == 9 else None)
    assert called.wait(30)


def test_callbacks_may_submit(pool):
    again = concurrent.futures.Future()
    future = pool.submit(jobs.square, 3)
    future.add_done_callback(lambda done: again.set_result(pool.submit(jobs.square, done.result())))
    assert again.result(30).result(30) == 81


def test_results_are_not_kept(cluster):
    with cluster.executor() as executor:
        future = executor.submit(jobs.Shape, 3)
        reference = weakref.ref(future.result(30))
        finished = weakref.ref(future)
        del future
        executor.submit(jobs.nothing).result(30)
        assert reference() is None and finished() is None


def test_what_does_not_pickle_fails_in_the_future(pool):
    assert isinstance(pool.submit(jobs.echo, threading.Lock()).exception(), TypeError)

    class Unwilling:
        def __reduce__(self):
            raise ZeroDivisionError("no")

    with pytest.raises(ZeroDivisionError):
        pool.submit(jobs.echo, Unwilling()).result()
    assert pool.submit(jobs.square, 3).result() == 9


def test_a_result_that_does_not_pickle(pool):
    with pytest.raises(haulier.ResultUnreadable, match="lock"):
        pool.submit(jobs.lock).result()
    with pytest.raises(haulier.ResultUnreadable, match="generator") as caught:
        pool.submit(jobs.numbers).result()
    assert "list(...)" in caught.value.hint
    with pytest.raises(haulier.ResultUnreadable, match="does not pickle"):
        pool.submit(eval, "lambda: 1").result()


def test_waiting_times_out_and_the_task_goes_on(pool):
    future = pool.submit(jobs.sleep, 1)
    with pytest.raises(TimeoutError):
        future.result(timeout=0.05)
    assert future.result(timeout=30) == 1


def test_from_many_threads(pool):
    def many():
        return [pool.submit(jobs.square, value) for value in range(200)]

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        futures = [future for made in threads.map(lambda _: many(), range(8)) for future in made]
    assert sum(future.result() for future in futures) == 8 * sum(value * value for value in range(200))


def test_large_arguments_and_results(pool):
    data = bytes(range(256)) * 40_000
    assert pool.submit(bytes.__add__, data, b"!").result() == data + b"!"
    assert pool.submit(bytearray, data).result() == data


def test_objects_of_own_classes(pool):
    shape = jobs.Shape(3)
    assert pool.submit(shape.area).result() == 9
    assert pool.submit(shape, 2).result() == 6
    assert pool.submit(jobs.Shape.named).result() == "Shape"
    assert pool.submit(functools.partial(jobs.add, 40), 2).result() == 42
    assert pool.submit(jobs.echo, shape).result() == ((shape,), {})
    assert type(pool.submit(jobs.Shape, 5).result()) is jobs.Shape


def test_asynchronous_functions(pool):
    assert pool.submit(jobs.asynchronous, 7).result() == 7


def test_asyncio(pool):
    import asyncio

    async def both():
        loop = asyncio.get_running_loop()
        first = loop.run_in_executor(pool, jobs.square, 4)
        return await asyncio.gather(first, asyncio.wrap_future(pool.submit(jobs.square, 5)))

    assert asyncio.run(both()) == [16, 25]


def test_broadcast(cluster):
    (node,) = cluster.nodes()
    assert cluster.broadcast(jobs.add, 1, right=2) == {node.name: 3}
    outcome = cluster.broadcast(jobs.fail, "everywhere")[node.name]
    assert isinstance(outcome, ValueError) and "everywhere" in str(outcome)


def test_on_a_node(cluster):
    (node,) = cluster.nodes()
    with cluster.executor(node=node.name) as executor:
        assert executor.submit(jobs.square, 2).result() == 4
    with cluster.executor(node="no-such-node") as executor, pytest.raises(haulier.NotFound, match="no-such-node"):
        executor.submit(jobs.square, 2).result()


def test_futures_do_not_pickle(pool):
    with pytest.raises(TypeError):
        pickle.dumps(pool.submit(jobs.nothing))


def test_connections_do_not_pickle(cluster, pool):
    for capturing in (lambda: cluster.nodes(), lambda: pool.submit(jobs.nothing)):
        with pytest.raises(TypeError, match=r"in the task: haulier.connect\("):
            pool.submit(capturing).result()
