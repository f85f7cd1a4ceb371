"""The table of errors: kinds, the contracts that they fit, how they read, what becomes of a task's own exception."""

import concurrent.futures
import copy
import pickle

import haulier
import pytest
from haulier import errors

CONTRACTS = {
    "InvalidArgument": (ValueError, "never"),
    "NotFound": (LookupError, "never"),
    "Conflict": (haulier.Error, "never"),
    "Unavailable": (ConnectionError, "later"),
    "DeadlineExceeded": (TimeoutError, "never"),
    "Canceled": (concurrent.futures.CancelledError, "never"),
    "ResourceExhausted": (haulier.Error, "later"),
    "PermissionDenied": (PermissionError, "never"),
    "CodeNotFound": (ModuleNotFoundError, "never"),
    "TaskFailed": (haulier.Error, "never"),
    "WorkerLost": (concurrent.futures.BrokenExecutor, "now"),
    "ResultUnreadable": (haulier.Error, "never"),
    "SessionLost": (ConnectionError, "now"),
    "Incompatible": (haulier.Error, "never"),
    "Closed": (RuntimeError, "never"),
    "Internal": (RuntimeError, "never"),
}


def test_the_table_is_whole():
    assert list(errors.KINDS) == list(CONTRACTS)


@pytest.mark.parametrize("kind", CONTRACTS)
def test_kind(kind):
    contract, retry = CONTRACTS[kind]
    error = getattr(haulier, kind)("it broke", operation="run x", context={"node": "n1"}, hint="haulier nodes")
    assert isinstance(error, contract) and isinstance(error, haulier.Error)
    assert (error.kind, error.retry, error.message) == (kind, retry, "it broke")
    assert str(error) == "run x: it broke [node=n1]; try: haulier nodes"
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error) and str(again) == str(error)
    assert str(getattr(haulier, kind)("it broke")) == "it broke"


def native(kind, remote=None, context=()):
    return errors.from_native((kind, "later", "run x", "message", list(context), "hint", remote))


def test_from_native():
    error = native("Conflict", context=[("digest", "sha256:00")])
    assert type(error) is haulier.Conflict and error.retry == "later" and error.context == {"digest": "sha256:00"}
    assert type(native("SomethingNew")) is haulier.Internal
    assert native("CodeNotFound", context=[("name", "acme")]).name == "acme"


def test_a_tasks_exception_arrives_as_itself():
    payload = pickle.dumps(KeyError("k"))
    error = native("TaskFailed", ("python", "KeyError", "'k'", "Traceback...", 3, payload))
    assert type(error) is KeyError and error.args == ("k",)
    assert isinstance(error.__cause__, haulier.RemoteTraceback) and "Traceback..." in str(error.__cause__)


@pytest.mark.parametrize(
    "payload",
    [b"", b"garbage", pickle.dumps("no exception"), pickle.dumps(SystemExit(1)), b"cabsent_module\nX\n."],
)
def test_what_cannot_be_rebuilt_is_a_task_failed(payload):
    error = native("TaskFailed", ("python", "acme.Wrong", "text", "trace of it", 3, payload))
    assert type(error) is haulier.TaskFailed
    assert error.remote == haulier.RemoteFailure("python", "acme.Wrong", "text", "trace of it")
    assert "trace of it" in str(error.__cause__)
