package io.haulier.client;

import io.haulier.api.DeploymentMode;
import io.haulier.api.NodeId;
import io.haulier.api.Outcome;
import io.haulier.api.RemoteCallable;
import io.haulier.api.RemoteRunnable;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicBoolean;
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
     * under the same version a conflict. Cancelling the future stops it.
     *
     * @param name of the unit
     * @param version verbatim; empty: the artifact's own, else the next revision of a unit that never had an explicit
     *     version
     * @param sources in the order of their class path
     */
    public CompletableFuture<DeployedUnit> deploy(String name, String version, Path... sources) {
        return deploy(DeployRequest.of(name).version(version).paths(sources).build());
    }

    /** As {@link #deploy(String, String, Path...)}, but puts the new bytes in the place of other bytes of the version. */
    public CompletableFuture<DeployedUnit> redeploy(String name, String version, Path... sources) {
        return deploy(DeployRequest.of(name).version(version).paths(sources).replace().build());
    }

    /**
     * Deploys as the request says: files, URLs or Maven coordinates.
     *
     * @return the future of the unit, which says how far it is; it fails as {@code InvalidArgument} for a name, version
     *     or source that is not acceptable, {@code Conflict} if the version is there with other bytes, {@code Canceled}
     *     if it is undeployed meanwhile
     */
    public Deployment deploy(DeployRequest request) {
        Deployment deployment = new Deployment(handle, request.listener());
        NativeCallbacks.request(deployment, callback -> deployment.started(request.send(handle, callback)));
        return deployment;
    }

    /**
     * Removes one version ("pricing:1.2.0"), or a whole unit with its aliases ("pricing"). Tasks that run end first.
     * Fails as {@code Conflict} for a version that an alias points to.
     *
     * @return what was removed
     */
    public CompletableFuture<List<DeployedUnit>> undeploy(String reference) {
        return ask(DeployedUnit::ofRecords, Question.UNDEPLOY, reference, false);
    }

    /** As {@link #undeploy}, but cancels the tasks that run, and removes an alias that points to the version. */
    public CompletableFuture<List<DeployedUnit>> undeployNow(String reference) {
        return ask(DeployedUnit::ofRecords, Question.UNDEPLOY, reference, true);
    }

    /** The deployed units. */
    public List<DeployedUnit> deployments() {
        return await(ask(DeployedUnit::ofRecords, Question.UNITS, ""));
    }

    /** One unit with its files, and where they came from. Fails as {@code NotFound} for what is not there. */
    public CompletableFuture<UnitDetails> inspect(String reference) {
        return ask(one(UnitDetails::read), Question.UNIT, reference);
    }

    /** {@link #download(String, Path, boolean)}, which replaces nothing that is there. */
    public CompletableFuture<List<Path>> download(String reference, Path folder) {
        return download(reference, folder, false);
    }

    /**
     * Writes the sources of a unit into a folder, which is made if it is not there. An archive that is opaque gets the
     * bytes that it had; any other jar, zip or wheel is an archive of its files, stored and in their order; the rest are
     * folders and Python files. Each appears whole and verified, or not at all. Fails as {@code NotFound} for the unit,
     * {@code Conflict} for what is there already.
     *
     * @param force replaces what is there
     * @return the path of each source, in the order in which they are searched
     */
    public CompletableFuture<List<Path>> download(String reference, Path folder, boolean force) {
        String absolute = folder.toAbsolutePath().toString();
        return ask(
                fields -> Stream.of(fields).map(Path::of).toList(), Question.DOWNLOAD, reference, absolute, force);
    }

    /**
     * Points a movable name of a unit to a deployed version, atomically. Tasks then find it as "pricing:stable"; those
     * that were submitted before keep what they have. Fails as {@code NotFound} for a version that is not there,
     * {@code Conflict} if a version has the alias's name, {@code InvalidArgument} for "latest", which is computed, and
     * for a name that does not begin with a letter.
     *
     * @return the unit
     */
    public CompletableFuture<DeployedUnit> setAlias(String name, String alias, String version) {
        return ask(one(DeployedUnit::read), Question.SET_ALIAS, name, alias, version);
    }

    /**
     * Removes an alias. Fails as {@code NotFound} if there is none.
     *
     * @return the version that it pointed to
     */
    public CompletableFuture<String> removeAlias(String name, String alias) {
        return ask(one(Fields::text), Question.REMOVE_ALIAS, name, alias);
    }

    /** {@link #waitForUnit(String, String, Duration)} for the majority of the nodes, at most 60 seconds. */
    public CompletableFuture<DeployedUnit> waitForUnit(String reference) {
        return waitForUnit(reference, "majority", Duration.ofSeconds(60));
    }

    /**
     * Waits until nodes have a unit. Those that are lost are not waited for.
     *
     * @param reference "pricing", "pricing:1.2.0", "pricing:stable"
     * @param nodes "one", "majority", "all", or names with commas between them
     * @param timeout at most an hour; then it fails as {@code DeadlineExceeded} and names the nodes that lack it
     */
    public CompletableFuture<DeployedUnit> waitForUnit(String reference, String nodes, Duration timeout) {
        return ask(one(DeployedUnit::read), Question.WAIT_FOR_UNIT, reference, nodes, timeout.toMillis());
    }

    /**
     * Makes a unit of the code that a session has loaded on the cluster, file for file. Its client must be there, and at
     * the same node as this one: it sends what its tasks have not needed so far. Fails as {@code NotFound} for a session
     * that the node does not have, or that has sent no code.
     */
    public CompletableFuture<DeployedUnit> promote(Promotion promotion) {
        return ask(
                one(DeployedUnit::read),
                Question.PROMOTE,
                promotion.session(),
                promotion.name(),
                promotion.version(),
                promotion.snapshot(),
                promotion.replace(),
                promotion.nodes());
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
     * As {@link #explain}, in the class path of a task of this identity that runs at this node, or has ended there in the
     * last ten minutes.
     *
     * @param task "SESSION/NUMBER", as the error of a task says it
     */
    public CompletableFuture<Explanation> explainTask(String task, String name) {
        return ask(fields -> Explanation.read(new Fields(fields)), Question.EXPLAIN_TASK, name, task);
    }

    /**
     * Frees content of the node that this client is connected to, which no unit, session or task names. The node does so
     * by itself with what is older than an hour.
     *
     * @param dryRun only says what would go
     */
    public CompletableFuture<CollectedGarbage> collectGarbage(boolean dryRun) {
        return ask(one(CollectedGarbage::read), Question.COLLECT_GARBAGE, dryRun);
    }

    /** {@link #watchStorage(String, Duration, Duration)} every 5 seconds (folders) or 30 seconds; settled after 2. */
    public CompletableFuture<StorageWatch> watchStorage(String url) {
        return watchStorage(url, Duration.ZERO, Duration.ZERO);
    }

    /**
     * Watches a storage: what is there is deployed, what changes is redeployed, what goes is undeployed. Watching it
     * again changes the times. Fails as {@code InvalidArgument} for a URL that cannot be watched.
     *
     * @param url "file:///srv/units", "s3://bucket/units", "ftp://host/units", "https://host/units/"
     * @param interval how often it is looked at; zero: the default
     * @param settle how long a file must have been unchanged before it is taken; zero: the default
     */
    public CompletableFuture<StorageWatch> watchStorage(String url, Duration interval, Duration settle) {
        return ask(
                one(StorageWatch::read), Question.WATCH_STORAGE, url, interval.toMillis(), settle.toMillis());
    }

    /**
     * Watches a storage no longer. Fails as {@code NotFound} if it is not watched.
     *
     * @param watch its id or URL
     * @param undeploy also undeploys what came from it
     * @return what was known of it
     */
    public CompletableFuture<StorageWatch> unwatchStorage(String watch, boolean undeploy) {
        return ask(one(StorageWatch::read), Question.UNWATCH_STORAGE, watch, undeploy);
    }

    /** The storages that are watched, with their state. */
    public CompletableFuture<List<StorageWatch>> watchedStorages() {
        return ask(fields -> Fields.all(fields, StorageWatch::read), Question.WATCHED_STORAGES);
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

    private <T> CompletableFuture<T> ask(Function<String[], T> reader, Question question, Object... arguments) {
        String[] texts = Stream.of(arguments).map(Objects::requireNonNull).map(Object::toString).toArray(String[]::new);
        RecordsFuture<T> future = new RecordsFuture<>(handle, reader);
        NativeCallbacks.request(future, callback -> Native.ask(handle, callback, question.ordinal(), texts));
        return future;
    }

    private static <T> Function<String[], T> one(Function<Fields, T> reader) {
        return fields -> reader.apply(new Fields(fields));
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
