package io.haulier.client;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A task that runs, or ran, on a node. Cancelling it cancels the task; cancelling what was derived from it
 * ({@code thenApply}) does not.
 *
 * <p>The exception of the task arrives as the cause of an {@link ExecutionException}, as itself where it can be rebuilt.
 *
 * @param <T> the result
 */
public final class RemoteFuture<T> extends CompletableFuture<T> implements Pending {
    private static final Answer NO_ANSWER = new Answer(0, null, null, null);
    /** A submit whose answer is there returns at once. */
    private static final long NUMBER_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** Bytes that were received but not read yet: the waiting thread reads them, or a thread kept for it. */
    private record Answer(int codec, byte[] payload, byte[] error, HaulierException problem) {}

    private final CompletableFuture<Answer> answer = new CompletableFuture<>();
    private final AtomicBoolean settled = new AtomicBoolean();
    /** Threads inside get or join: the last thing they do there is to read the answer, if there is one. */
    private final AtomicInteger waiting = new AtomicInteger();
    private final long cluster;
    private final ResultReader reader;
    private final Owner owner;
    private volatile long task;

    /** Knows the tasks that run. Must not block. */
    interface Owner {
        /** Nobody asks. */
        Owner NOBODY = new Owner() {
            @Override
            public void started(RemoteFuture<?> future) {}

            @Override
            public void ended(RemoteFuture<?> future) {}
        };

        /** The task is about to be submitted. */
        void started(RemoteFuture<?> future);

        /** Nothing more will come from the task; said at least once. */
        void ended(RemoteFuture<?> future);
    }

    RemoteFuture(long cluster, ResultReader reader, Owner owner) {
        this.cluster = cluster;
        this.reader = reader;
        this.owner = owner;
    }

    void submitted(long number) {
        task = number;
        if (answer.isDone()) {
            synchronized (this) {
                notifyAll();
            }
        }
        if (answer.getNow(null) == NO_ANSWER) {
            Native.cancel(cluster, number, false);
        }
    }

    /** The number of the task in this session. */
    public long taskId() {
        return task;
    }

    @Override
    public T get() throws InterruptedException, ExecutionException {
        if (!isDone()) {
            waiting.incrementAndGet();
            try {
                answer.get();
            } finally {
                waiting.decrementAndGet();
                settleIfAnswered();
            }
        }
        return super.get();
    }

    @Override
    public T get(long timeout, TimeUnit unit) throws InterruptedException, ExecutionException, TimeoutException {
        long start = System.nanoTime();
        if (!isDone()) {
            waiting.incrementAndGet();
            try {
                answer.get(timeout, unit);
            } finally {
                waiting.decrementAndGet();
                settleIfAnswered();
            }
        }
        return super.get(Math.max(0, unit.toNanos(timeout) - (System.nanoTime() - start)), TimeUnit.NANOSECONDS);
    }

    @Override
    public T join() {
        if (!isDone()) {
            waiting.incrementAndGet();
            answer.join();
            waiting.decrementAndGet();
            settleIfAnswered();
        }
        return super.join();
    }

    @Override
    public T getNow(T valueIfAbsent) {
        settleIfAnswered();
        return super.getNow(valueIfAbsent);
    }

    /**
     * Cancels the task: one that waits never starts, one that runs is asked to stop, then interrupted, and, if it is
     * deaf to both, ended with its worker.
     */
    @Override
    public boolean cancel(boolean mayInterruptIfRunning) {
        boolean first = super.cancel(mayInterruptIfRunning);
        if (first) {
            abandon();
        }
        return isCancelled();
    }

    @Override
    public boolean complete(T value) {
        boolean first = super.complete(value);
        if (first) {
            abandon();
        }
        return first;
    }

    @Override
    public boolean completeExceptionally(Throwable problem) {
        boolean first = super.completeExceptionally(problem);
        if (first) {
            abandon();
        }
        return first;
    }

    @Override
    public void completed(int codec, byte[] payload, byte[] error) {
        arrived(new Answer(codec, payload, error, null));
    }

    @Override
    public void failed(HaulierException problem) {
        arrived(new Answer(0, null, null, problem));
    }

    @Override
    public void outcomes(String[] nodes, int[] codecs, byte[][] payloads, byte[][] errors) {
        completed(codecs[0], payloads[0], errors[0]);
    }

    @Override
    public void records(String[] fields) {
        throw new IllegalStateException("a task has no records");
    }

    @Override
    public long cluster() {
        return cluster;
    }

    private void arrived(Answer received) {
        if (!answer.complete(received)) {
            return;
        }
        owner.ended(this);
        if (getNumberOfDependents() > 0) {
            CallbackThreads.DEPENDENTS.execute(this::settleIfAnswered);
        } else if (waiting.get() == 0) {
            CallbackThreads.READER.execute(this::settleIfAnswered);
        }
    }

    /** The caller has no more use for the answer. */
    private void abandon() {
        settled.set(true);
        if (answer.complete(NO_ANSWER)) {
            owner.ended(this);
            Native.cancel(cluster, task, false);
        }
    }

    private void settleIfAnswered() {
        Answer received = answer.getNow(null);
        if (received == null || received == NO_ANSWER || !settled.compareAndSet(false, true)) {
            return;
        }
        try {
            if (received.problem() != null) {
                super.completeExceptionally(received.problem());
            } else if (received.error() != null) {
                settleFailure(reader.failure(received.error()));
            } else {
                super.complete(cast(reader.read(received.codec(), received.payload())));
            }
        } catch (HaulierException problem) {
            super.completeExceptionally(UnreadableClass.named(problem, reader.loader(), cluster, number()));
        } catch (Throwable problem) {
            super.completeExceptionally(problem);
        }
    }

    /** The number of the task. An answer may come before the submit has returned it. */
    private synchronized long number() {
        boolean interrupted = false;
        long end = System.nanoTime() + NUMBER_NANOS;
        while (task == 0 && System.nanoTime() < end) {
            try {
                TimeUnit.NANOSECONDS.timedWait(this, end - System.nanoTime());
            } catch (InterruptedException problem) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return task;
    }

    private void settleFailure(Throwable problem) {
        if (problem instanceof HaulierException own && own.kind() == ErrorKind.CANCELED) {
            super.cancel(false);
        } else {
            super.completeExceptionally(problem);
        }
    }

    /** The erased type is the caller's word: a wrong one shows as a ClassCastException at the caller. */
    @SuppressWarnings("unchecked")
    private static <T> T cast(Object value) {
        return (T) value;
    }
}
