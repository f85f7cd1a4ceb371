package io.haulier.client;

import io.haulier.api.RemoteCallable;
import io.haulier.api.RemoteRunnable;
import io.haulier.api.Task;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;

/**
 * An {@link ExecutorService} whose tasks run on the nodes of a cluster. Tasks must be serializable; lambdas passed
 * through this type are, without a cast. Their classes travel by themselves.
 *
 * <p>Shutting it down ends neither the session nor other executors of it.
 */
public interface RemoteExecutor extends ExecutorService, AutoCloseable {
    /** Runs a lambda on a node. */
    <T> RemoteFuture<T> submit(RemoteCallable<T> task);

    /** Runs a lambda on a node; the result is null. */
    RemoteFuture<?> submit(RemoteRunnable task);

    /** Runs a task with an argument on a node. Both travel. */
    <A, R> RemoteFuture<R> submit(Task<A, R> task, A argument);

    @Override
    <T> RemoteFuture<T> submit(Callable<T> task);

    @Override
    RemoteFuture<?> submit(Runnable task);

    @Override
    <T> RemoteFuture<T> submit(Runnable task, T result);

    /** Runs a lambda on a node; its failure is lost. */
    void execute(RemoteRunnable task);

    /** Shuts down, and waits for the tasks; if the waiting thread is interrupted, they are cancelled. */
    @Override
    void close();
}
