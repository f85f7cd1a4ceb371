"""What clients name when the callable itself travels."""

import functools
import pickle


def run_chunk(function, calls):
    """Call a function once for each tuple of arguments and return the results in order."""
    return [function(*arguments) for arguments in calls]


def run_pickled(pickled, /, *args, **kwargs):
    """Call a function that has nothing but its code: it is read once."""
    return _read(pickled)(*args, **kwargs)


@functools.lru_cache(maxsize=256)
def _read(pickled):
    return pickle.loads(pickled)
