package io.haulier.worker;

import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinWorkerThread;

/**
 * Makes the threads of the common pool, which parallel streams and {@code CompletableFuture.supplyAsync} use. They
 * belong to no task; their context class loader is that of the tasks that run, as long as these share one.
 */
public final class ForkJoinThreads implements ForkJoinPool.ForkJoinWorkerThreadFactory {
    private static final String PROPERTY = "java.util.concurrent.ForkJoinPool.common.threadFactory";

    /** Called by the JVM, once. */
    public ForkJoinThreads() {}

    /** To be called before anything uses the common pool. */
    static void install() {
        System.setProperty(PROPERTY, ForkJoinThreads.class.getName());
    }

    @Override
    public ForkJoinWorkerThread newThread(ForkJoinPool pool) {
        Thread caller = Thread.currentThread();
        // A thread of all tasks inherits from none of them.
        Object inheritable = JdkFields.exchangeInheritable(caller, null);
        try {
            return new ForkJoinThread(pool);
        } finally {
            JdkFields.exchangeInheritable(caller, inheritable);
        }
    }

    private static final class ForkJoinThread extends ForkJoinWorkerThread {
        ForkJoinThread(ForkJoinPool pool) {
            super(pool);
        }

        @Override
        public ClassLoader getContextClassLoader() {
            ClassLoader ofTasks = TaskLoop.loaderOfAll();
            return ofTasks == null ? super.getContextClassLoader() : ofTasks;
        }
    }
}
