package io.haulier.client;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.LoadingPolicy;
import io.haulier.api.NodeId;
import io.haulier.api.Outcome;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/**
 * A named task of a deployed unit; immutable.
 *
 * <p>Arguments are null, booleans, numbers, strings, {@code byte[]}, lists and maps for a task of any language, and any
 * serializable object for a Java task.
 *
 * @param <R> the result
 */
public final class TaskRef<R> {
    private final Submitter submitter;
    private final String entryPoint;
    private final Class<R> type;
    private final TaskOptions options;

    TaskRef(Submitter submitter, String entryPoint, Class<R> type, TaskOptions options) {
        this.submitter = submitter;
        this.entryPoint = entryPoint;
        this.type = type;
        this.options = options;
    }

    /**
     * Calls the task and waits.
     *
     * @throws HaulierException if it could not run, or failed with an exception that is checked or cannot be rebuilt;
     *     an unchecked exception of the task is thrown as itself
     */
    public R call(Object... arguments) {
        RemoteFuture<R> future = submit(arguments);
        try {
            return future.get();
        } catch (ExecutionException problem) {
            Throwable cause = problem.getCause();
            if (cause instanceof RuntimeException unchecked) {
                throw unchecked;
            } else if (cause instanceof Error error) {
                throw error;
            }
            throw HaulierException.of(ErrorKind.TASK_FAILED, "call " + entryPoint, cause.toString())
                    .cause(cause)
                    .build();
        } catch (InterruptedException interrupted) {
            future.cancel(true);
            Thread.currentThread().interrupt();
            throw HaulierException.of(ErrorKind.CANCELED, "call " + entryPoint, "the calling thread was interrupted")
                    .cause(interrupted)
                    .build();
        }
    }

    /** Calls the task. */
    public RemoteFuture<R> submit(Object... arguments) {
        return submitter.call(entryPoint, Arguments.of(entryPoint, arguments), options, type);
    }

    /**
     * Calls the task on every node that has the labels of the placement: each node's result or failure. A node or key of
     * the placement does not count.
     */
    public CompletableFuture<Map<NodeId, Outcome<R>>> broadcast(Object... arguments) {
        return submitter.callAll(entryPoint, Arguments.of(entryPoint, arguments), options, type);
    }

    /** The same task; a call ends with {@code DeadlineExceeded} if the result is not there in this time. */
    public TaskRef<R> timeout(Duration timeout) {
        return new TaskRef<>(submitter, entryPoint, type, options.withTimeout(timeout));
    }

    /** The same task, run there. */
    public TaskRef<R> placement(Placement placement) {
        return new TaskRef<>(submitter, entryPoint, type, options.withPlacement(placement));
    }

    /** The same task; says who is asked first for a class or a resource. By default its units. */
    public TaskRef<R> policy(LoadingPolicy policy) {
        return new TaskRef<>(submitter, entryPoint, type, options.withPolicy(policy));
    }

    /** The same task; the platform is asked first for classes and resources with these prefixes, whatever the policy. */
    public TaskRef<R> parentFirst(String... prefixes) {
        return new TaskRef<>(submitter, entryPoint, type, options.withParentFirst(prefixes));
    }

    /** The name of the task. */
    public String entryPoint() {
        return entryPoint;
    }
}
