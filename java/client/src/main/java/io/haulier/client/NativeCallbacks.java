package io.haulier.client;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.internal.ErrorMessage;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;

/** Where the core brings its answers; the static methods without a caller here are called from there. */
final class NativeCallbacks {
    private static final Map<Long, Waiting> WAITING = new ConcurrentHashMap<>();
    private static final AtomicLong NEXT = new AtomicLong();

    /** What waits, and the class loader that is needed until the answer has come; null: none. */
    private record Waiting(Pending pending, ClassLoader loader) {}

    private NativeCallbacks() {}

    /** As {@link #request(Pending, ClassLoader, LongConsumer)}, for what needs no class loader. */
    static void request(Pending pending, LongConsumer request) {
        request(pending, null, request);
    }

    /**
     * Registers {@code pending}, then makes the request with its number; if that throws, nothing is registered. The loader
     * stays until the answer.
     */
    static void request(Pending pending, ClassLoader loader, LongConsumer request) {
        long callback = NEXT.incrementAndGet();
        WAITING.put(callback, new Waiting(pending, loader));
        try {
            request.accept(callback);
        } catch (Throwable problem) {
            WAITING.remove(callback);
            throw problem;
        }
    }

    /** Fails what a closed cluster still owes. */
    static void closed(long cluster) {
        HaulierException problem = HaulierException.of(
                        ErrorKind.CLOSED, "wait for an answer", "the connection was closed before it came")
                .build();
        WAITING.values().removeIf(waiting -> {
            boolean owed = waiting.pending().cluster() == cluster;
            if (owed) {
                waiting.pending().failed(problem);
            }
            return owed;
        });
    }

    static void completed(long callback, int codec, byte[] payload, byte[] error) {
        Pending pending = take(callback);
        if (pending != null) {
            pending.completed(codec, payload, error);
        }
    }

    static void outcomes(long callback, String[] nodes, int[] codecs, byte[][] payloads, byte[][] errors) {
        Pending pending = take(callback);
        if (pending != null) {
            pending.outcomes(nodes, codecs, payloads, errors);
        }
    }

    static void records(long callback, String[] fields) {
        Pending pending = take(callback);
        if (pending != null) {
            pending.records(fields);
        }
    }

    static void progress(long callback, int step, long done, long total) {
        Waiting waiting = WAITING.get(callback);
        if (waiting != null) {
            waiting.pending().progress(step, done, total);
        }
    }

    static void failed(long callback, byte[] error) {
        Pending pending = take(callback);
        if (pending != null) {
            pending.failed(ErrorMessage.decode(error).exception());
        }
    }

    private static Pending take(long callback) {
        Waiting waiting = WAITING.remove(callback);
        return waiting == null ? null : waiting.pending();
    }
}
