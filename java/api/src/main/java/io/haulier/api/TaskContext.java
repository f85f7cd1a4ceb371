package io.haulier.api;

import io.haulier.api.internal.CurrentTask;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** What a running task finds around it. */
public interface TaskContext {
    /**
     * The context of the task that this thread runs.
     *
     * @throws IllegalStateException on a thread that runs none
     */
    static TaskContext current() {
        return find().orElseThrow(() -> new IllegalStateException("this thread runs no task of Haulier"));
    }

    /** The context of the task that this thread runs; empty on any other thread, for example at the client. */
    static Optional<TaskContext> find() {
        return Optional.ofNullable(CurrentTask.get());
    }

    /** The name of the node; empty if it did not say. */
    NodeId node();

    /** The number of the task, unique on its node. */
    long taskId();

    /** Whether the task was cancelled: a task that works long looks at this now and then, and returns. */
    boolean isCancelled();

    /** When the caller stops waiting; empty if there is no deadline. */
    Optional<Instant> deadline();

    /** The class path of the task, in order: "pricing:1.2.0/pricing.jar", "session ab12/classes". */
    List<String> classPath();

    /** Where a class came from: an element of {@link #classPath()}, or empty for the platform and the API. */
    Optional<String> sourceOf(Class<?> type);
}
