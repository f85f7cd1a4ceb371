package io.haulier.client;

import io.haulier.api.HaulierException;
import io.haulier.api.NodeId;
import io.haulier.api.Outcome;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;

/** The outcomes of a task that runs on every node. Cancelling it cancels the task everywhere. */
final class BroadcastFuture<T> extends CompletableFuture<Map<NodeId, Outcome<T>>> implements Pending {
    private final long cluster;
    private final ResultReader reader;
    private volatile long task;

    BroadcastFuture(long cluster, ResultReader reader) {
        this.cluster = cluster;
        this.reader = reader;
    }

    void submitted(long number) {
        task = number;
    }

    @Override
    public boolean cancel(boolean mayInterruptIfRunning) {
        if (super.cancel(mayInterruptIfRunning)) {
            Native.cancel(cluster, task, false);
        }
        return isCancelled();
    }

    @Override
    public void outcomes(String[] nodes, int[] codecs, byte[][] payloads, byte[][] errors) {
        CallbackThreads.DEPENDENTS.execute(() -> {
            Map<NodeId, Outcome<T>> outcomes = new TreeMap<>();
            for (int index = 0; index < nodes.length; index++) {
                outcomes.put(new NodeId(nodes[index]), outcome(codecs[index], payloads[index], errors[index]));
            }
            complete(outcomes);
        });
    }

    @Override
    public void failed(HaulierException problem) {
        CallbackThreads.DEPENDENTS.execute(() -> completeExceptionally(problem));
    }

    @Override
    public void completed(int codec, byte[] payload, byte[] error) {
        throw new IllegalStateException("a broadcast has an outcome for each node");
    }

    @Override
    public void records(String[] fields) {
        throw new IllegalStateException("a broadcast has no records");
    }

    @Override
    public long cluster() {
        return cluster;
    }

    @SuppressWarnings("unchecked") // the erased type is the caller's word
    private Outcome<T> outcome(int codec, byte[] payload, byte[] error) {
        try {
            return error == null
                    ? Outcome.completed((T) reader.read(codec, payload))
                    : Outcome.failed(reader.failure(error));
        } catch (HaulierException problem) {
            return Outcome.failed(UnreadableClass.named(problem, reader.loader(), cluster, task));
        }
    }
}
