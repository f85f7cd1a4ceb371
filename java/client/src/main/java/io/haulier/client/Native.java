package io.haulier.client;

import io.haulier.api.HaulierException;
import io.haulier.api.internal.ErrorMessage;

/**
 * The native functions. Handles are numbers that the core looks up: a closed or made-up one is an exception. Where a
 * function takes a {@code callback}, the answer comes once, later, through {@link NativeCallbacks}.
 */
final class Native {
    static {
        NativeLibrary.load();
    }

    private Native() {}

    /**
     * Connects; waits at most {@code timeoutMillis}. Empty token and certificate: none.
     *
     * @param callbacks where all answers of this connection are brought
     */
    static native long connect(
            Class<?> callbacks,
            String address,
            String token,
            String certificatePem,
            int mode,
            long timeoutMillis,
            String javaVersion,
            String[] denied);

    /** Ends the session; pending tasks fail as closed. A second call does nothing. */
    static native void close(long cluster);

    /** A scope of peer-loaded code: the class roots of one class loader. */
    static native long openScope(long cluster, String[] roots);

    /** Its class loader has gone: no task will need it any more. One that is not known is closed. */
    static native void closeScope(long scope);

    /** Its roots have changed: they are read again when a task next needs code. */
    static native void refreshScope(long scope);

    /** A set of classes that tasks begin with; the number is for {@link #submit}. */
    static native int addStart(long scope, String[] classNames);

    /**
     * Submits a task.
     *
     * @param callback who gets the answer
     * @param scope the code it needs; 0: none
     * @param start from {@link #addStart}
     * @param units references of units, in order
     * @param entryPoint empty: the payload says it
     * @param target 0: any node, 1: the node of this name, 2: all nodes, 3: the node of this key
     * @param name of the node, or the key
     * @param labels that the node must have: names and values in turns
     * @param failover whether it runs again elsewhere if its node is lost
     * @param mode 0: that of the session
     * @param policy the ordinal of a {@link io.haulier.api.LoadingPolicy}
     * @param parentPrefixes names that are asked at the parent first
     * @param deadlineMillis 0: none
     * @param resultCodecs one in each four bits, the preferred one in the lowest
     * @return the number of the task
     */
    static native long submit(
            long cluster,
            long callback,
            long scope,
            int start,
            String[] units,
            String entryPoint,
            int codec,
            byte[] payload,
            int target,
            String name,
            String[] labels,
            boolean failover,
            int mode,
            int policy,
            String[] parentPrefixes,
            long deadlineMillis,
            int resultCodecs);

    /** Cancels a task; one that is not known is none. */
    static native void cancel(long cluster, long task, boolean force);

    /**
     * Deploys a unit; answers with its record, and before that with how far it is. Empty texts stand for defaults.
     *
     * @return the number of the deployment
     */
    static native long deploy(
            long cluster,
            long callback,
            String name,
            String version,
            String[] sources,
            boolean replace,
            boolean opaque,
            String nodes,
            String sha256,
            boolean dependencies,
            String[] include,
            String[] exclude,
            String[] repositories,
            String[] requirements);

    /** Stops a deployment; one that is not known has ended. */
    static native void stopDeployment(long deployment);

    /** Asks the ordinal of a {@link Question} with its arguments; answers with records. */
    static native void ask(long cluster, long callback, int question, String[] arguments);

    /** The name of the session. */
    static native String sessionId(long cluster);

    /** The exception that the core throws; called from there. */
    static HaulierException exception(byte[] error) {
        return ErrorMessage.decode(error).exception();
    }
}
