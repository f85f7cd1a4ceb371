package io.haulier.client;

import io.haulier.api.DeploymentMode;
import io.haulier.api.NodeId;
import io.haulier.api.Outcome;
import io.haulier.api.RemoteCallable;
import io.haulier.api.RemoteRunnable;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * A connection to a cluster: one session. Safe for use by many threads.
 *
 * <p>{@link #close()} ends the session: tasks that still run are cancelled, and their futures fail as closed.
 */
public final class Cluster implements AutoCloseable {
    private final long handle;
    private final String address;
    private final SessionConfig config;
    private final Submitter submitter;
    private final AtomicBoolean closed = new AtomicBoolean();

    Cluster(long handle, String address, SessionConfig config) {
        this.handle = handle;
        this.address = address;
        this.config = config;
        this.submitter = new Submitter(handle, config);
    }

    /** Runs tasks on any node, without deadlines. */
    public RemoteExecutor executor() {
        return executor(TaskOptions.defaults());
    }

    /** Runs tasks there, without deadlines. */
    public RemoteExecutor executor(Placement placement) {
        return executor(TaskOptions.defaults().withPlacement(placement));
    }

    /** Runs tasks as the options say. */
    public RemoteExecutor executor(TaskOptions options) {
        return new SessionExecutor(submitter, options);
    }

    /** Runs it on every node and waits: each node's result or failure. */
    public <T> Map<NodeId, Outcome<T>> broadcast(RemoteCallable<T> work) {
        return await(broadcastAsync(work));
    }

    /** Runs it on every node and waits: each node's result or failure. The callable must be serializable. */
    public <T> Map<NodeId, Outcome<T>> broadcast(Callable<T> work) {
        return await(broadcastAsync(work));
    }

    /** Runs it on every node and waits: each node's success or failure. */
    public Map<NodeId, Outcome<Void>> broadcast(RemoteRunnable work) {
        return await(broadcastAsync(work));
    }

    /** Runs it on every node and waits: each node's success or failure. The runnable must be serializable. */
    public Map<NodeId, Outcome<Void>> broadcast(Runnable work) {
        return await(broadcastAsync(work));
    }

    /** Runs it on every node that has these labels, and waits: each node's result or failure. */
    public <T> Map<NodeId, Outcome<T>> broadcast(Map<String, String> labels, RemoteCallable<T> work) {
        return await(broadcastAsync(labels, work));
    }

    /** Runs it on every node that has these labels, and waits: each node's result or failure. The callable must be serializable. */
    public <T> Map<NodeId, Outcome<T>> broadcast(Map<String, String> labels, Callable<T> work) {
        return await(broadcastAsync(labels, work));
    }

    /** Runs it on every node that has these labels, and waits: each node's success or failure. */
    public Map<NodeId, Outcome<Void>> broadcast(Map<String, String> labels, RemoteRunnable work) {
        return await(broadcastAsync(labels, work));
    }

    /** Runs it on every node that has these labels, and waits: each node's success or failure. The runnable must be serializable. */
    public Map<NodeId, Outcome<Void>> broadcast(Map<String, String> labels, Runnable work) {
        return await(broadcastAsync(labels, work));
    }

    /** Runs it on every node. */
    public <T> CompletableFuture<Map<NodeId, Outcome<T>>> broadcastAsync(RemoteCallable<T> work) {
        return submitter.broadcast(work, Map.of());
    }

    /** Runs it on every node. The callable must be serializable. */
    public <T> CompletableFuture<Map<NodeId, Outcome<T>>> broadcastAsync(Callable<T> work) {
        return submitter.broadcast(work, Map.of());
    }

    /** Runs it on every node. */
    public CompletableFuture<Map<NodeId, Outcome<Void>>> broadcastAsync(RemoteRunnable work) {
        return submitter.broadcast(work, Map.of());
    }

    /** Runs it on every node. The runnable must be serializable. */
    public CompletableFuture<Map<NodeId, Outcome<Void>>> broadcastAsync(Runnable work) {
        return submitter.broadcast(work, Map.of());
    }

    /** Runs it on every node that has these labels. */
    public <T> CompletableFuture<Map<NodeId, Outcome<T>>> broadcastAsync(
            Map<String, String> labels, RemoteCallable<T> work) {
        return submitter.broadcast(work, labels);
    }

    /** Runs it on every node that has these labels. The callable must be serializable. */
    public <T> CompletableFuture<Map<NodeId, Outcome<T>>> broadcastAsync(
            Map<String, String> labels, Callable<T> work) {
        return submitter.broadcast(work, labels);
    }

    /** Runs it on every node that has these labels. */
    public CompletableFuture<Map<NodeId, Outcome<Void>>> broadcastAsync(
            Map<String, String> labels, RemoteRunnable work) {
        return submitter.broadcast(work, labels);
    }

    /** Runs it on every node that has these labels. The runnable must be serializable. */
    public CompletableFuture<Map<NodeId, Outcome<Void>>> broadcastAsync(
            Map<String, String> labels, Runnable work) {
        return submitter.broadcast(work, labels);
    }

    /**
     * Deploys jars, folders of classes and jars, or zips as one unit. The same bytes again are a success; other bytes
     * under the same version a conflict.
     *
     * @param name of the unit
     * @param version verbatim; empty: the next revision of a unit that never had an explicit version
     * @param sources in the order of their class path
     */
    public CompletableFuture<DeployedUnit> deploy(String name, String version, Path... sources) {
        return deploy(name, version, false, sources);
    }

    /** As {@link #deploy}, but puts the new bytes in the place of other bytes of the same version. */
    public CompletableFuture<DeployedUnit> redeploy(String name, String version, Path... sources) {
        return deploy(name, version, true, sources);
    }

    /**
     * Removes one version ("pricing:1.2.0") or a whole unit ("pricing"). Tasks that run end first.
     *
     * @return what was removed
     */
    public CompletableFuture<List<DeployedUnit>> undeploy(String reference) {
        return records(
                DeployedUnit::ofRecords, callback -> Native.undeploy(handle, callback, reference, false));
    }

    /** As {@link #undeploy}, but cancels the tasks that run. */
    public CompletableFuture<List<DeployedUnit>> undeployNow(String reference) {
        return records(DeployedUnit::ofRecords, callback -> Native.undeploy(handle, callback, reference, true));
    }

    /** The deployed units. */
    public List<DeployedUnit> deployments() {
        return await(records(DeployedUnit::ofRecords, callback -> Native.listUnits(handle, callback, "")));
    }

    /** The nodes of the cluster, as the node sees them that this client is connected to. */
    public List<NodeInfo> nodes() {
        return await(records(NodeInfo::ofRecords, callback -> Native.listNodes(handle, callback)));
    }

    /**
     * A named task of a unit; its result is what arrives: null, {@link Boolean}, {@link Long}, {@link Double},
     * {@link String}, {@code byte[]}, {@link List}, {@link Map}, or a Java object.
     *
     * @param unit "pricing", "pricing:1.2.0", "pricing@sha256:..."
     * @param entryPoint "com.acme.Price", "com.acme.Price#staticMethod", for Python "module:callable"
     */
    public TaskRef<Object> task(String unit, String entryPoint) {
        return new TaskRef<>(submitter, entryPoint, null, TaskOptions.defaults().withUnits(unit));
    }

    /** A named task of a unit; its result is converted to {@code type} where nothing is lost. */
    public <R> TaskRef<R> task(String unit, String entryPoint, Class<R> type) {
        return new TaskRef<>(submitter, entryPoint, type, TaskOptions.defaults().withUnits(unit));
    }

    /** {@link #task(String, String)} of exactly this version. */
    public TaskRef<Object> task(DeployedUnit unit, String entryPoint) {
        return task(unit.reference(), entryPoint);
    }

    /** {@link #task(String, String, Class)} of exactly this version. */
    public <R> TaskRef<R> task(DeployedUnit unit, String entryPoint, Class<R> type) {
        return task(unit.reference(), entryPoint, type);
    }

    /** Who shares the loaders of this session's classes. */
    public DeploymentMode mode() {
        return config.mode();
    }

    /** Whether this connection was closed. */
    public boolean isClosed() {
        return closed.get();
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            Native.close(handle);
            NativeCallbacks.closed(handle);
        }
    }

    @Override
    public String toString() {
        return "cluster at " + address + (isClosed() ? " (closed)" : "");
    }

    private CompletableFuture<DeployedUnit> deploy(String name, String version, boolean replace, Path... sources) {
        String[] files = Stream.of(sources).map(source -> source.toAbsolutePath().toString()).toArray(String[]::new);
        return records(
                fields -> DeployedUnit.ofRecords(fields).get(0),
                callback -> Native.deploy(handle, callback, name, version, replace, files));
    }

    private <T> CompletableFuture<T> records(Function<String[], T> reader, Consumer<Long> request) {
        RecordsFuture<T> future = new RecordsFuture<>(handle, reader);
        NativeCallbacks.request(future, request::accept);
        return future;
    }

    /** The result, or the failure as itself if it is unchecked. */
    private static <T> T await(CompletableFuture<T> future) {
        try {
            return future.join();
        } catch (CompletionException problem) {
            if (problem.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw problem;
        }
    }
}
