package io.haulier.api.internal;

import io.haulier.api.RemoteCallable;
import io.haulier.api.Task;

/**
 * A task that travels together with its argument.
 *
 * @param task what to run
 * @param argument what to run it with
 */
public record TaskCall<A, R>(Task<A, R> task, A argument) implements RemoteCallable<R> {
    @Override
    public R call() throws Exception {
        return task.run(argument);
    }
}
