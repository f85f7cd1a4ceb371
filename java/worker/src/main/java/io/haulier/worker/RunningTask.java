package io.haulier.worker;

import io.haulier.api.NodeId;
import io.haulier.api.TaskContext;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/** A task on a thread of this worker. */
final class RunningTask implements TaskContext {
    private static final NodeId NODE = new NodeId(Objects.requireNonNullElse(System.getenv("HAULIER_NODE_NAME"), ""));

    private final long taskId;
    private final Instant deadline;
    private final TaskClassLoader loader;
    private final Thread thread = Thread.currentThread();
    private volatile boolean cancelled;
    private boolean ended;

    RunningTask(long taskId, long deadlineMillis, TaskClassLoader loader) {
        this.taskId = taskId;
        this.deadline = deadlineMillis == 0 ? null : Instant.now().plusMillis(deadlineMillis);
        this.loader = loader;
    }

    TaskClassLoader loader() {
        return loader;
    }

    /** Asks the task to end, and interrupts it; false if it has ended. */
    synchronized boolean cancel() {
        if (ended) {
            return false;
        }
        cancelled = true;
        thread.interrupt();
        return true;
    }

    /** No interrupt comes after this. */
    synchronized void end() {
        ended = true;
    }

    @Override
    public NodeId node() {
        return NODE;
    }

    @Override
    public long taskId() {
        return taskId;
    }

    @Override
    public boolean isCancelled() {
        return cancelled;
    }

    @Override
    public Optional<Instant> deadline() {
        return Optional.ofNullable(deadline);
    }

    @Override
    public List<String> classPath() {
        return List.of(loader.classPath().labels());
    }

    @Override
    public Optional<String> sourceOf(Class<?> type) {
        return loader.sourceOf(type);
    }
}
