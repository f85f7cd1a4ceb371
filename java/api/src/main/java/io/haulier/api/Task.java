package io.haulier.api;

import java.io.Serializable;

/**
 * A task with an argument and a result.
 *
 * <p>Deployed in a unit it is called by its class name, {@code cluster.task("pricing:1.2.0", "com.acme.Price")}; each
 * call makes a new instance with the constructor that has no parameters. It also travels by itself through
 * {@code RemoteExecutor.submit(task, argument)}.
 *
 * @param <A> the argument; numbers are converted to it when nothing is lost
 * @param <R> the result
 */
@FunctionalInterface
public interface Task<A, R> extends Serializable {
    /**
     * Runs on a worker.
     *
     * @param argument the argument of the call; null if there was none
     * @return the result; null is a result
     * @throws Exception as the caller shall see it
     */
    R run(A argument) throws Exception;
}
