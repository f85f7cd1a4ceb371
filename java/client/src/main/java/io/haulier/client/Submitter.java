package io.haulier.client;

import io.haulier.api.internal.Codec;
import java.util.Map;
import java.util.function.UnaryOperator;

/** Sends tasks of one cluster: what all ways to run something have in common. */
final class Submitter {
    private static final int ONLY_JAVA = Codec.JAVA;
    private static final int VALUES_FIRST = Codec.VALUES | Codec.JAVA << 4;

    private final long cluster;
    private final SessionConfig config;
    private final CodeScopes scopes;

    Submitter(long cluster, SessionConfig config) {
        this.cluster = cluster;
        this.config = config;
        this.scopes = new CodeScopes(cluster);
    }

    /**
     * Runs a callable, runnable or task that travels.
     *
     * @param owner is told of the start before it and of the end after it
     * @param adapt adapts the reader of the result
     */
    <T> RemoteFuture<T> run(
            Object work, TaskOptions options, RemoteFuture.Owner owner, UnaryOperator<ResultReader> adapt) {
        Payload payload = Payload.of(work);
        RemoteFuture<T> future = new RemoteFuture<>(cluster, adapt.apply(reader(payload.loader())), owner);
        owner.started(future);
        try {
            NativeCallbacks.request(
                    future, payload.loader(), callback -> future.submitted(travel(callback, payload, options)));
        } catch (Throwable problem) {
            owner.ended(future);
            throw problem;
        }
        return future;
    }

    /** Runs it on every node that has the labels. */
    <T> BroadcastFuture<T> broadcast(Object work, Map<String, String> labels) {
        TaskOptions options = TaskOptions.defaults().withPlacement(Placement.everywhere(labels));
        Payload payload = Payload.of(work);
        BroadcastFuture<T> future = new BroadcastFuture<>(cluster, reader(payload.loader()));
        NativeCallbacks.request(
                future, payload.loader(), callback -> future.submitted(travel(callback, payload, options)));
        return future;
    }

    /** Calls a named task. */
    <T> RemoteFuture<T> call(String entryPoint, Arguments arguments, TaskOptions options, Class<?> type) {
        RemoteFuture<T> future = new RemoteFuture<>(cluster, typedReader(type), RemoteFuture.Owner.NOBODY);
        NativeCallbacks.request(
                future, arguments.loader(), callback -> future.submitted(named(callback, entryPoint, arguments, options)));
        return future;
    }

    /** Calls a named task on every node that has the labels. */
    <T> BroadcastFuture<T> callAll(String entryPoint, Arguments arguments, TaskOptions task, Class<?> type) {
        TaskOptions options = task.withPlacement(task.placement().everywhere());
        BroadcastFuture<T> future = new BroadcastFuture<>(cluster, typedReader(type));
        NativeCallbacks.request(
                future, arguments.loader(), callback -> future.submitted(named(callback, entryPoint, arguments, options)));
        return future;
    }

    /** The connection is closed. */
    void close() {
        scopes.close();
    }

    private long travel(long callback, Payload payload, TaskOptions options) {
        Placement placement = options.placement();
        CodeScopes.Scope scope = config.isPeerLoading() ? scopes.of(payload.loader()) : null;
        return Native.submit(
                cluster,
                callback,
                scope == null ? 0 : scope.handle(),
                scope == null ? 0 : scope.start(payload.classes()),
                options.units(),
                "",
                Codec.JAVA,
                payload.bytes(),
                placement.target().ordinal(),
                placement.name(),
                placement.labels(),
                placement.isFailover(),
                options.modeNumber(),
                options.policy().ordinal(),
                options.parentPrefixes(),
                options.deadlineMillis(),
                ONLY_JAVA);
    }

    private long named(long callback, String entryPoint, Arguments arguments, TaskOptions options) {
        Placement placement = options.placement();
        Payload objects = arguments.objects();
        CodeScopes.Scope scope = objects != null && config.isPeerLoading() ? scopes.of(objects.loader()) : null;
        return Native.submit(
                cluster,
                callback,
                scope == null ? 0 : scope.handle(),
                scope == null ? 0 : scope.start(objects.classes()),
                options.units(),
                entryPoint,
                objects == null ? Codec.VALUES : Codec.JAVA,
                objects == null ? arguments.values() : objects.bytes(),
                placement.target().ordinal(),
                placement.name(),
                placement.labels(),
                placement.isFailover(),
                options.modeNumber(),
                options.policy().ordinal(),
                options.parentPrefixes(),
                options.deadlineMillis(),
                VALUES_FIRST);
    }

    private ResultReader reader(ClassLoader loader) {
        return new ResultReader(loader, config.resultFilter(), null, null);
    }

    private ResultReader typedReader(Class<?> type) {
        ClassLoader loader = type == null || type.getClassLoader() == null ? Payload.contextLoader() : type.getClassLoader();
        return new ResultReader(loader, config.resultFilter(), type, null);
    }
}
