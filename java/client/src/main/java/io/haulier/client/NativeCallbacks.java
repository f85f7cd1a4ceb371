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
    private static final Map<Long, Pending> PENDING = new ConcurrentHashMap<>();
    private static final AtomicLong NEXT = new AtomicLong();

    private NativeCallbacks() {}

    /** Registers {@code pending}, then makes the request with its number; if that throws, nothing is registered. */
    static void request(Pending pending, LongConsumer request) {
        long callback = NEXT.incrementAndGet();
        PENDING.put(callback, pending);
        try {
            request.accept(callback);
        } catch (Throwable problem) {
            PENDING.remove(callback);
            throw problem;
        }
    }

    /** Fails what a closed cluster still owes. */
    static void closed(long cluster) {
        HaulierException problem = HaulierException.of(
                        ErrorKind.CLOSED, "wait for an answer", "the connection was closed before it came")
                .build();
        PENDING.entrySet().removeIf(entry -> {
            boolean owed = entry.getValue().cluster() == cluster;
            if (owed) {
                entry.getValue().failed(problem);
            }
            return owed;
        });
    }

    static void completed(long callback, int codec, byte[] payload, byte[] error) {
        Pending pending = PENDING.remove(callback);
        if (pending != null) {
            pending.completed(codec, payload, error);
        }
    }

    static void outcomes(long callback, String[] nodes, int[] codecs, byte[][] payloads, byte[][] errors) {
        Pending pending = PENDING.remove(callback);
        if (pending != null) {
            pending.outcomes(nodes, codecs, payloads, errors);
        }
    }

    static void records(long callback, String[] fields) {
        Pending pending = PENDING.remove(callback);
        if (pending != null) {
            pending.records(fields);
        }
    }

    static void progress(long callback, int step, long done, long total) {
        Pending pending = PENDING.get(callback);
        if (pending != null) {
            pending.progress(step, done, total);
        }
    }

    static void failed(long callback, byte[] error) {
        Pending pending = PENDING.remove(callback);
        if (pending != null) {
            pending.failed(ErrorMessage.decode(error).exception());
        }
    }
}
