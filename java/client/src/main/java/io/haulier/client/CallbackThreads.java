package io.haulier.client;

import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Threads for code of the user that runs when an answer arrives: reading results, dependents of futures. The threads
 * of the core never run it. Idle threads end, so that nothing here holds a class loader.
 */
final class CallbackThreads {
    private static final long IDLE_SECONDS = 1;

    private static final AtomicInteger NUMBER = new AtomicInteger();

    /** Reads results nobody waits for, in order. */
    static final Executor READER = reader();

    /** Completes futures whose dependents may do anything, also wait. */
    static final Executor DEPENDENTS = new ThreadPoolExecutor(
            0, Integer.MAX_VALUE, IDLE_SECONDS, TimeUnit.SECONDS, new SynchronousQueue<>(), factory("haulier-callback-"));

    private CallbackThreads() {}

    private static Executor reader() {
        ThreadPoolExecutor pool = new ThreadPoolExecutor(
                1, 1, IDLE_SECONDS, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), factory("haulier-reader-"));
        pool.allowCoreThreadTimeOut(true);
        return pool;
    }

    private static ThreadFactory factory(String prefix) {
        return work -> {
            Thread thread = new Thread(work, prefix + NUMBER.incrementAndGet());
            thread.setDaemon(true);
            return thread;
        };
    }
}
