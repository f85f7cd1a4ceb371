package io.haulier.client;

import io.haulier.api.RemoteCallable;
import io.haulier.api.RemoteRunnable;
import io.haulier.api.Task;
import io.haulier.api.internal.TaskCall;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.UnaryOperator;

/** The executor of a session: knows its own tasks, so that it can wait for them and cancel them. */
final class SessionExecutor implements RemoteExecutor {
    private static final long FOREVER = Long.MAX_VALUE;

    private final Submitter submitter;
    private final TaskOptions options;
    private final Set<RemoteFuture<?>> running = ConcurrentHashMap.newKeySet();
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition terminated = lock.newCondition();
    private final RemoteFuture.Owner owner = new RemoteFuture.Owner() {
        @Override
        public void started(RemoteFuture<?> future) {
            running.add(future);
        }

        @Override
        public void ended(RemoteFuture<?> future) {
            running.remove(future);
            if (shutdown) {
                signalIfTerminated();
            }
        }
    };
    private volatile boolean shutdown;

    SessionExecutor(Submitter submitter, TaskOptions options) {
        this.submitter = submitter;
        this.options = options;
    }

    @Override
    public <T> RemoteFuture<T> submit(RemoteCallable<T> task) {
        return start(task);
    }

    @Override
    public <T> RemoteFuture<T> submit(Callable<T> task) {
        return start(task);
    }

    @Override
    public RemoteFuture<?> submit(RemoteRunnable task) {
        return start(task);
    }

    @Override
    public RemoteFuture<?> submit(Runnable task) {
        return start(task);
    }

    @Override
    public <T> RemoteFuture<T> submit(Runnable task, T result) {
        Objects.requireNonNull(task);
        return start(task, reader -> reader.giving(result));
    }

    @Override
    public <A, R> RemoteFuture<R> submit(Task<A, R> task, A argument) {
        Objects.requireNonNull(task);
        return start(new TaskCall<>(task, argument));
    }

    @Override
    public void execute(RemoteRunnable task) {
        start(task);
    }

    @Override
    public void execute(Runnable task) {
        start(task);
    }

    @Override
    public <T> List<Future<T>> invokeAll(Collection<? extends Callable<T>> tasks) throws InterruptedException {
        return invokeAll(tasks, FOREVER, TimeUnit.NANOSECONDS);
    }

    @Override
    public <T> List<Future<T>> invokeAll(Collection<? extends Callable<T>> tasks, long timeout, TimeUnit unit)
            throws InterruptedException {
        Deadline deadline = new Deadline(timeout, unit);
        List<Future<T>> futures = new ArrayList<>(tasks.size());
        boolean complete = false;
        try {
            for (Callable<T> task : tasks) {
                futures.add(start(task));
            }
            for (Future<T> future : futures) {
                waitFor(future, deadline);
            }
            complete = true;
        } catch (TimeoutException late) {
            // The contract: what is not done is cancelled, and all futures are given back.
            return futures;
        } finally {
            if (!complete) {
                futures.forEach(future -> future.cancel(true));
            }
        }
        return futures;
    }

    @Override
    public <T> T invokeAny(Collection<? extends Callable<T>> tasks) throws InterruptedException, ExecutionException {
        try {
            return invokeAny(tasks, FOREVER, TimeUnit.NANOSECONDS);
        } catch (TimeoutException impossible) {
            throw new IllegalStateException("292 years have passed", impossible);
        }
    }

    @Override
    public <T> T invokeAny(Collection<? extends Callable<T>> tasks, long timeout, TimeUnit unit)
            throws InterruptedException, ExecutionException, TimeoutException {
        if (tasks.isEmpty()) {
            throw new IllegalArgumentException("invokeAny needs a task");
        }
        Deadline deadline = new Deadline(timeout, unit);
        LinkedBlockingQueue<RemoteFuture<T>> done = new LinkedBlockingQueue<>();
        List<RemoteFuture<T>> futures = new ArrayList<>(tasks.size());
        try {
            for (Callable<T> task : tasks) {
                RemoteFuture<T> future = start(task);
                futures.add(future);
                future.whenComplete((value, problem) -> done.add(future));
            }
            ExecutionException last = null;
            for (int left = futures.size(); left > 0; left--) {
                RemoteFuture<T> next = done.poll(deadline.remaining(), TimeUnit.NANOSECONDS);
                if (next == null) {
                    throw new TimeoutException("no task succeeded in time");
                }
                try {
                    return next.get();
                } catch (ExecutionException problem) {
                    last = problem;
                } catch (CancellationException problem) {
                    last = new ExecutionException(problem);
                }
            }
            throw last;
        } finally {
            futures.forEach(future -> future.cancel(true));
        }
    }

    @Override
    public void shutdown() {
        shutdown = true;
        signalIfTerminated();
    }

    @Override
    public List<Runnable> shutdownNow() {
        shutdown();
        running.forEach(future -> future.cancel(true));
        return List.of();
    }

    @Override
    public boolean isShutdown() {
        return shutdown;
    }

    @Override
    public boolean isTerminated() {
        return shutdown && running.isEmpty();
    }

    @Override
    public boolean awaitTermination(long timeout, TimeUnit unit) throws InterruptedException {
        long left = unit.toNanos(timeout);
        lock.lockInterruptibly();
        try {
            while (!isTerminated()) {
                if (left <= 0) {
                    return false;
                }
                left = terminated.awaitNanos(left);
            }
            return true;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void close() {
        shutdown();
        boolean interrupted = false;
        while (!isTerminated()) {
            try {
                awaitTermination(1, TimeUnit.DAYS);
            } catch (InterruptedException problem) {
                if (!interrupted) {
                    shutdownNow();
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private <T> RemoteFuture<T> start(Object task) {
        return start(task, UnaryOperator.identity());
    }

    private <T> RemoteFuture<T> start(Object task, UnaryOperator<ResultReader> adapt) {
        Objects.requireNonNull(task);
        if (shutdown) {
            throw new RejectedExecutionException("the executor was shut down");
        }
        if (task.getClass().getName().startsWith("java.util.concurrent.")) {
            throw new RejectedExecutionException(task.getClass().getName()
                    + " cannot travel; submit the callable itself: executor.submit(callable) gives a CompletableFuture");
        }
        RemoteFuture<T> future = submitter.run(task, options, owner, adapt);
        if (shutdown) {
            signalIfTerminated();
        }
        return future;
    }

    private void signalIfTerminated() {
        lock.lock();
        try {
            if (isTerminated()) {
                terminated.signalAll();
            }
        } finally {
            lock.unlock();
        }
    }

    private static void waitFor(Future<?> future, Deadline deadline) throws InterruptedException, TimeoutException {
        try {
            future.get(deadline.remaining(), TimeUnit.NANOSECONDS);
        } catch (ExecutionException | CancellationException answered) {
            // The caller reads it from the future.
            return;
        }
    }

    /** A point in time on this machine's clock. */
    private static final class Deadline {
        private final long start = System.nanoTime();
        private final long nanos;

        Deadline(long timeout, TimeUnit unit) {
            nanos = unit.toNanos(timeout);
        }

        long remaining() {
            return nanos == FOREVER ? FOREVER : nanos - (System.nanoTime() - start);
        }
    }
}
