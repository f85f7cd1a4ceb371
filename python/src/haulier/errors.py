"""The one error of Haulier, a class for each kind.

Owns how an error reads and how the failure of a task becomes an exception again. It must never know where errors come
from: connections, executors and tasks hand over plain fields.
"""

from __future__ import annotations

import concurrent.futures
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from haulier import _traces

Retry = Literal["never", "later", "now"]

_PICKLE = 3
# Entry points that stand for a callable that travels.
_OWN_TASK = "run haulier_worker."


@dataclass(frozen=True, slots=True)
class RemoteFailure:
    """What is known of the exception of a task, as text."""

    language: str
    """"java" or "python"."""
    type_name: str
    """The full name of the exception's class."""
    message: str
    """The exception's message."""
    trace: str
    """The formatted trace, with causes and notes."""


class RemoteTraceback(Exception):
    """The trace of a task, as the cause of what it raised: tracebacks print it above the local one."""

    def __init__(self, trace: str) -> None:
        super().__init__(trace)
        self.trace = trace

    def __str__(self) -> str:
        """Return the trace, set apart from the local one."""
        return f'\n"""\n{self.trace}"""'


class Error(Exception):
    """What happened, where, whether to try again, and what to do next.

    Every class below is one kind; catch ``haulier.Error`` for all of them. What a task itself raised is not wrapped:
    it arrives as it is, with the remote trace as its cause, where it can be rebuilt here.
    """

    kind: ClassVar[str] = "Internal"
    """The name of the kind, the same in every language."""

    default_retry: ClassVar[Retry] = "never"

    def __init__(
        self,
        message: str = "",
        *,
        operation: str = "",
        retry: Retry | None = None,
        context: Mapping[str, str] | None = None,
        hint: str = "",
        remote: RemoteFailure | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        """What happened."""
        self.operation = operation
        """What was being done: "deploy pricing:1.2.0"."""
        self.retry: Retry = self.default_retry if retry is None else retry
        """Whether the same request may succeed when it is made again."""
        self.context = dict(context or {})
        """Names and values that help: "address", "digest"."""
        self.hint = hint
        """What to do next: a command to type, or a setting."""
        self.remote = remote
        """The failure of the task, for ``TaskFailed``."""

    def __str__(self) -> str:
        """Return all of it in one line."""
        text = f"{self.operation}: {self.message}" if self.operation else self.message
        if self.context:
            text += f" [{', '.join(f'{name}={value}' for name, value in self.context.items())}]"
        return f"{text}; try: {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep every field in a pickle."""
        fields = {
            "operation": self.operation,
            "retry": self.retry,
            "context": self.context,
            "hint": self.hint,
            "remote": self.remote,
        }
        return _rebuild, (type(self), self.message, fields)


def _rebuild(kind: type[Error], message: str, fields: dict[str, Any]) -> Error:
    return kind(message, **fields)


class InvalidArgument(Error, ValueError):
    """The request itself is wrong; change it."""

    kind = "InvalidArgument"


class NotFound(Error, LookupError):
    """A unit, alias, node or task of that name does not exist."""

    kind = "NotFound"


class Conflict(Error):
    """The name is taken by other content, or the state does not allow the request."""

    kind = "Conflict"


class Unavailable(Error, ConnectionError):
    """A node or the catalogue cannot be reached for now; try later."""

    kind = "Unavailable"
    default_retry = "later"


class DeadlineExceeded(Error, TimeoutError):
    """The deadline passed before the end."""

    kind = "DeadlineExceeded"


class Canceled(Error, concurrent.futures.CancelledError):
    """The task was cancelled."""

    kind = "Canceled"


class ResourceExhausted(Error):
    """A queue, a limit or a disk is full; the message has the numbers."""

    kind = "ResourceExhausted"
    default_retry = "later"


class PermissionDenied(Error, PermissionError):
    """The caller is not known or not allowed to."""

    kind = "PermissionDenied"


class CodeNotFound(Error, ModuleNotFoundError):
    """A class, module or entry point was not found; the message says what was searched, and what would deploy it."""

    kind = "CodeNotFound"


class TaskFailed(Error):
    """The task failed with an exception that cannot be rebuilt here; ``remote`` has its type, message and trace."""

    kind = "TaskFailed"


class WorkerLost(Error, concurrent.futures.BrokenExecutor):
    """The worker process ended while the task ran; the message has exit status and last output."""

    kind = "WorkerLost"
    default_retry = "now"


class ResultUnreadable(Error):
    """The result exists but cannot be read here."""

    kind = "ResultUnreadable"


class SessionLost(Error, ConnectionError):
    """The session, or the code that it promised, is gone."""

    kind = "SessionLost"
    default_retry = "now"


class Incompatible(Error):
    """Two sides differ in a version; the message has both."""

    kind = "Incompatible"


class Closed(Error, RuntimeError):
    """The handle was closed before the call, or belongs to the parent of a forked process."""

    kind = "Closed"


class Internal(Error, RuntimeError):
    """A defect of Haulier. Please report it."""

    kind = "Internal"


KINDS: dict[str, type[Error]] = {
    error.kind: error
    for error in (
        InvalidArgument,
        NotFound,
        Conflict,
        Unavailable,
        DeadlineExceeded,
        Canceled,
        ResourceExhausted,
        PermissionDenied,
        CodeNotFound,
        TaskFailed,
        WorkerLost,
        ResultUnreadable,
        SessionLost,
        Incompatible,
        Closed,
        Internal,
    )
}
"""Every kind by its name."""

NativeError = tuple[str, Retry, str, str, Sequence[tuple[str, str]], str, tuple[str, str, str, str, int, bytes] | None]
"""An error of the native module: kind, retry, operation, message, context, hint, remote failure."""


def from_native(fields: NativeError) -> BaseException:
    """Make the exception to raise: one of the classes above, or what the task itself raised."""
    kind, retry, operation, message, context, hint, failure = fields
    if operation.startswith(_OWN_TASK):
        operation = "run a Python callable"
    remote = None
    if failure is not None:
        language, type_name, text, trace, codec, payload = failure
        if language == "python":
            trace = _traces.localized(trace)
        if kind == "TaskFailed" and codec == _PICKLE and (raised := _load_exception(payload)) is not None:
            raised.__cause__ = RemoteTraceback(trace)
            return raised
        remote = RemoteFailure(language, type_name, text, trace)
    error = KINDS.get(kind, Internal)(
        message, operation=operation, retry=retry, context=dict(context), hint=hint, remote=remote
    )
    if isinstance(error, CodeNotFound):
        error.name = error.context.get("name")
    if remote is not None and remote.trace:
        error.__cause__ = RemoteTraceback(remote.trace)
    return error


def _load_exception(payload: bytes) -> Exception | None:
    """Rebuild the exception of a task; None where this interpreter cannot, for example for want of its class."""
    try:
        raised = pickle.loads(payload)
    except Exception:
        return None
    return raised if isinstance(raised, Exception) else None
