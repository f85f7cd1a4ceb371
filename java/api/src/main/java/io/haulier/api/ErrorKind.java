package io.haulier.api;

/** What went wrong, and so what a caller can do. The names are the same in every language. */
public enum ErrorKind {
    /** The request itself is wrong; change it. */
    INVALID_ARGUMENT("InvalidArgument"),
    /** A unit, node or task of that name does not exist. */
    NOT_FOUND("NotFound"),
    /** The name is taken by other content, or the state does not allow the request. */
    CONFLICT("Conflict"),
    /** A node cannot be reached for now; try later. */
    UNAVAILABLE("Unavailable"),
    /** The deadline passed before the end. */
    DEADLINE_EXCEEDED("DeadlineExceeded"),
    /** The task was cancelled. */
    CANCELED("Canceled"),
    /** A queue, a limit or a disk is full; the message has the numbers. */
    RESOURCE_EXHAUSTED("ResourceExhausted"),
    /** The caller is not known or not allowed to. */
    PERMISSION_DENIED("PermissionDenied"),
    /** A class, module or entry point is not on the class path; the message says what was searched. */
    CODE_NOT_FOUND("CodeNotFound"),
    /** The user's code failed; {@link HaulierException#remoteTrace()} has its trace. */
    TASK_FAILED("TaskFailed"),
    /** The worker process ended while the task ran; the message has exit status and last output. */
    WORKER_LOST("WorkerLost"),
    /** The result exists but cannot be read here. */
    RESULT_UNREADABLE("ResultUnreadable"),
    /** The session, or the code that it promised, is gone. */
    SESSION_LOST("SessionLost"),
    /** Two sides differ in a version; the message has both. */
    INCOMPATIBLE("Incompatible"),
    /** The handle was closed before the call. */
    CLOSED("Closed"),
    /** A defect of Haulier. Please report it. */
    INTERNAL("Internal");

    private static final ErrorKind[] ALL = values();

    private final String label;

    ErrorKind(String label) {
        this.label = label;
    }

    /** The kind with the protocol's number; {@link #INTERNAL} for a number that is not known. */
    public static ErrorKind of(int number) {
        return number >= 1 && number <= ALL.length ? ALL[number - 1] : INTERNAL;
    }

    /** The number in the protocol. */
    public int number() {
        return ordinal() + 1;
    }

    /** The name as in the documentation and in every other language: {@code CodeNotFound}. */
    public String label() {
        return label;
    }

    /** Whether a request that failed so may succeed when it is made again, unless the error says otherwise. */
    public Retry defaultRetry() {
        return switch (this) {
            case UNAVAILABLE, RESOURCE_EXHAUSTED -> Retry.LATER;
            case WORKER_LOST, SESSION_LOST -> Retry.NOW;
            default -> Retry.NEVER;
        };
    }
}
