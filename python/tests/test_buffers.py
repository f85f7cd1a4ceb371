"""Large buffers travel behind the pickle: arrays are made over the memory in which they arrive."""

import os
import pickle

import numpy as np
import pytest
from haulier import _callables, _native


class Samples:
    """Has a buffer of its own, as array libraries do."""

    def __init__(self, data):
        self.data = data

    def __reduce_ex__(self, protocol):
        """Give the buffer to the pickler, which decides where it goes."""
        return Samples, (pickle.PickleBuffer(self.data),)


def owner_of(array):
    """Return the object at the end of an array's bases, by name."""
    while isinstance(array, np.ndarray):
        array = array.base
    return type(getattr(array, "obj", array)).__name__


def increase(array):
    array += 1
    return array


def describe(array):
    return array.dtype.str, array.shape, array.flags.writeable, owner_of(array)


@pytest.mark.parametrize("size", [100_000, 2_000_000])
def test_arguments_are_not_copied_and_belong_to_the_task(pool, size):
    array = np.arange(size, dtype=np.int64).reshape(10, -1)
    assert pool.submit(describe, array).result() == ("<i8", array.shape, True, "Payload")
    increased = pool.submit(increase, array).result()
    assert (increased == array + 1).all()
    assert array[0, 0] == 0


def test_a_task_that_runs_again_sees_what_was_sent(pool):
    array = np.zeros(1_000_000, dtype=np.uint8)
    future = [pool.submit(increase, array) for _ in range(3)]
    assert all((each.result() == 1).all() for each in future)


def test_results_are_not_copied_and_can_be_written_to(pool):
    result = pool.submit(np.ones, 1_000_000).result()
    assert owner_of(result) == "Payload"
    result += 1
    assert result.sum() == 2_000_000


def test_many_and_small_ones(pool):
    arrays = {number: np.full(number * 5000, number, dtype=np.uint8) for number in range(20)}
    back = pool.submit(lambda given: {key: value + 1 for key, value in given.items()}, arrays).result()
    assert all((back[key] == key + 1).all() and len(back[key]) == key * 5000 for key in arrays)


def test_shapes_that_are_not_plain(pool):
    base = np.arange(4_000_000, dtype=np.float32)
    for array in (base[::2], np.asfortranarray(base.reshape(2000, -1)), base[:0], base.reshape(2000, -1).T):
        assert (pool.submit(np.copy, array).result() == array).all()


def test_closures_and_chunks(pool):
    table = np.arange(500_000)
    assert list(pool.map(lambda index: int(table[index]), range(0, 500_000, 100_000), chunksize=2)) == list(
        range(0, 500_000, 100_000)
    )
    assert list(pool.map(np.sum, [table, table], chunksize=2)) == [table.sum()] * 2


def test_broadcasts(cluster):
    (total,) = cluster.broadcast(np.sum, np.ones(200_000)).values()
    assert total == 200_000


def test_classes_with_buffers(pool):
    back = pool.submit(Samples, os.urandom(100)).result()
    assert bytes(back.data) == back.data
    large = os.urandom(300_000)
    assert bytes(pool.submit(lambda samples: samples, Samples(bytearray(large))).result().data) == large


def test_the_form_of_a_payload():
    value = [np.zeros(10, dtype=np.uint8), np.ones(50_000, dtype=np.uint8)]
    payload, by_value, _ = _callables.dumps(value)
    assert payload.startswith(b"\0buffers")
    assert not by_value
    assert len(payload) < 51_000
    assert _callables.dumps(value[0])[0].startswith(b"\x80")
    with pytest.raises(TypeError):
        _native.join_buffers(b"", [object()])
