package io.haulier.client;

import io.haulier.api.internal.Codec;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.UnaryOperator;

/** Sends tasks of one cluster: what all ways to run something have in common. */
final class Submitter {
    static final int ANY = 0;
    static final int NODE = 1;
    static final int ALL = 2;

    private static final int ONLY_JAVA = Codec.JAVA;
    private static final int VALUES_FIRST = Codec.VALUES | Codec.JAVA << 4;

    private final long cluster;
    private final SessionConfig config;
    private final CodeScopes scopes;
    private final Map<ClassLoader, ResultReader> readers = new ConcurrentHashMap<>();

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
        int target = options.node().isPresent() ? NODE : ANY;
        owner.started(future);
        try {
            NativeCallbacks.request(future, callback -> future.submitted(travel(callback, payload, options, target)));
        } catch (Throwable problem) {
            owner.ended(future);
            throw problem;
        }
        return future;
    }

    /** Runs it on every node. */
    <T> BroadcastFuture<T> broadcast(Object work, TaskOptions options) {
        Payload payload = Payload.of(work);
        BroadcastFuture<T> future = new BroadcastFuture<>(cluster, reader(payload.loader()));
        NativeCallbacks.request(future, callback -> future.submitted(travel(callback, payload, options, ALL)));
        return future;
    }

    /** Calls a named task. */
    <T> RemoteFuture<T> call(String entryPoint, Arguments arguments, TaskOptions options, Class<?> type) {
        RemoteFuture<T> future = new RemoteFuture<>(cluster, typedReader(type), RemoteFuture.Owner.NOBODY);
        int target = options.node().isPresent() ? NODE : ANY;
        NativeCallbacks.request(
                future, callback -> future.submitted(named(callback, entryPoint, arguments, options, target)));
        return future;
    }

    /** Calls a named task on every node. */
    <T> BroadcastFuture<T> callAll(String entryPoint, Arguments arguments, TaskOptions options, Class<?> type) {
        BroadcastFuture<T> future = new BroadcastFuture<>(cluster, typedReader(type));
        NativeCallbacks.request(
                future, callback -> future.submitted(named(callback, entryPoint, arguments, options, ALL)));
        return future;
    }

    private long travel(long callback, Payload payload, TaskOptions options, int target) {
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
                target,
                options.node().orElse(""),
                options.deadlineMillis(),
                ONLY_JAVA);
    }

    private long named(long callback, String entryPoint, Arguments arguments, TaskOptions options, int target) {
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
                target,
                options.node().orElse(""),
                options.deadlineMillis(),
                VALUES_FIRST);
    }

    private ResultReader reader(ClassLoader loader) {
        return readers.computeIfAbsent(loader, key -> new ResultReader(key, config.resultFilter(), null, null));
    }

    private ResultReader typedReader(Class<?> type) {
        ClassLoader loader = type == null || type.getClassLoader() == null ? Payload.contextLoader() : type.getClassLoader();
        return new ResultReader(loader, config.resultFilter(), type, null);
    }
}
