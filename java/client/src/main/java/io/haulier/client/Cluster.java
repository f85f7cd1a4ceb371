package io.haulier.client;

import io.haulier.api.DeploymentMode;
import io.haulier.api.NodeId;
import io.haulier.api.Outcome;
import io.haulier.api.RemoteCallable;
import io.haulier.api.RemoteRunnable;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;

/**
 * A connection to a cluster: one session. Safe for use by many threads.
 *
 * <p>{@link #close()} ends the session: tasks that still run are cancelled, and their futures fail as closed.
 */
public final class Cluster extends ClusterUnits implements AutoCloseable {
    private final String address;
    private final SessionConfig config;
    private final Submitter submitter;
    private final AtomicBoolean closed = new AtomicBoolean();

    Cluster(long handle, String address, SessionConfig config) {
        super(handle);
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

    /** The name of this client's session; empty while the connection is lost. */
    public String sessionId() {
        return Native.sessionId(handle);
    }

    /** The sessions of this identity at the node that this client is connected to, the oldest first. */
    public CompletableFuture<List<SessionInfo>> sessions() {
        return ask(fields -> Fields.all(fields, SessionInfo::read), Question.SESSIONS);
    }

    /**
     * The code that stays of this identity's sessions in the continuous mode, on whatever node; what was used last comes
     * first. Its reference is run in place of a unit, and undeployed.
     */
    public CompletableFuture<List<ContinuousCode>> continuousCode() {
        return ask(fields -> Fields.all(fields, ContinuousCode::read), Question.CONTINUOUS_CODE);
    }

    /**
     * Says where a class ("com.acme.Price"), a resource ("com/acme/prices.csv") or a module ("acme.price") comes from in
     * the class path of these units: which root gives it, which others have it too, and which rule decides. Nothing is
     * loaded.
     *
     * <pre>{@code
     * System.out.println(cluster.explain("com.acme.Price", "pricing:1.2.0").join());
     * }</pre>
     */
    public CompletableFuture<Explanation> explain(String name, String... units) {
        return explainIn("", name, units);
    }

    /** As {@link #explain}, with the newest code of a session of this identity at this node after the units. */
    public CompletableFuture<Explanation> explainIn(String sessionId, String name, String... units) {
        Stream<String> arguments = Stream.concat(Stream.of(name, sessionId), Arrays.stream(units));
        return ask(fields -> Explanation.read(new Fields(fields)), Question.EXPLAIN, arguments.toArray());
    }

    /**
     * As {@link #explain}, in the class path of a task of this identity that runs on any node, or has ended in the last
     * ten minutes. The node that ran it is asked; fails as {@code Unavailable} if that is lost.
     *
     * @param task "SESSION/NUMBER", as the error of a task says it
     */
    public CompletableFuture<Explanation> explainTask(String task, String name) {
        return ask(fields -> Explanation.read(new Fields(fields)), Question.EXPLAIN_TASK, name, task);
    }

    /** The nodes of the cluster, as the node sees them that this client is connected to. */
    public List<NodeInfo> nodes() {
        return await(ask(NodeInfo::ofRecords, Question.NODES));
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

    /**
     * A named task whose class path is several units, searched in order: its own first, then those that it shares with
     * others.
     *
     * <pre>{@code
     * cluster.task(List.of("pricing:1.2.0", "contract:1.0.0"), "com.acme.Price", Quote.class)
     * }</pre>
     */
    public <R> TaskRef<R> task(List<String> units, String entryPoint, Class<R> type) {
        TaskOptions options = TaskOptions.defaults().withUnits(units.toArray(String[]::new));
        return new TaskRef<>(submitter, entryPoint, type, options);
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
            submitter.close();
        }
    }

    @Override
    public String toString() {
        return "cluster at " + address + (isClosed() ? " (closed)" : "");
    }
}
