package io.haulier.client;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Function;
import java.util.stream.Stream;

/** The units of a cluster, and the content of its nodes: what is deployed, listed, fetched, watched. Of {@link Cluster}. */
public abstract sealed class ClusterUnits permits Cluster {
    /** The number of the connection. */
    final long handle;

    ClusterUnits(long handle) {
        this.handle = handle;
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

    final <T> CompletableFuture<T> ask(Function<String[], T> reader, Question question, Object... arguments) {
        String[] texts = Stream.of(arguments).map(Objects::requireNonNull).map(Object::toString).toArray(String[]::new);
        RecordsFuture<T> future = new RecordsFuture<>(handle, reader);
        NativeCallbacks.request(future, callback -> Native.ask(handle, callback, question.ordinal(), texts));
        return future;
    }

    static <T> Function<String[], T> one(Function<Fields, T> reader) {
        return fields -> reader.apply(new Fields(fields));
    }

    /** The result, or the failure as itself if it is unchecked. */
    static <T> T await(CompletableFuture<T> future) {
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
