package io.haulier.client;

import io.haulier.api.HaulierException;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/** An answer that consists of records: units, nodes. */
class RecordsFuture<T> extends CompletableFuture<T> implements Pending {
    private final long cluster;
    private final Function<String[], T> reader;

    RecordsFuture(long cluster, Function<String[], T> reader) {
        this.cluster = cluster;
        this.reader = reader;
    }

    @Override
    public void records(String[] fields) {
        CallbackThreads.DEPENDENTS.execute(() -> {
            try {
                complete(reader.apply(fields));
            } catch (RuntimeException problem) {
                completeExceptionally(problem);
            }
        });
    }

    @Override
    public void failed(HaulierException problem) {
        CallbackThreads.DEPENDENTS.execute(() -> completeExceptionally(problem));
    }

    @Override
    public void completed(int codec, byte[] payload, byte[] error) {
        throw new IllegalStateException("records have no payload");
    }

    @Override
    public void outcomes(String[] nodes, int[] codecs, byte[][] payloads, byte[][] errors) {
        throw new IllegalStateException("records have no outcomes");
    }

    @Override
    public long cluster() {
        return cluster;
    }
}
