package io.haulier.worker;

import java.lang.reflect.InvocationTargetException;
import java.util.concurrent.ForkJoinPool;

/** What may hold a loader and cannot be looked into: it can only be suspected. */
final class Unreachable {
    private Unreachable() {}

    static void suspect(Gone gone) {
        ProcessHandle.current()
                .children()
                .filter(ProcessHandle::isAlive)
                .forEach(child -> gone.suspectAll("process " + child.pid() + ", which a task has started, runs"));
        long delayed = delayedTasks();
        if (delayed > 0 && gone.use("java.util.concurrent.CompletableFuture", "java.util.concurrent.ForkJoinPool")) {
            gone.suspectAll(delayed + " delayed tasks of the common pool wait");
        }
    }

    /** From JDK 25 on the common pool keeps delayed tasks, and only their number can be asked for. */
    private static long delayedTasks() {
        try {
            Object count = ForkJoinPool.class.getMethod("getDelayedTaskCount").invoke(ForkJoinPool.commonPool());
            return ((Number) count).longValue();
        } catch (NoSuchMethodException | IllegalAccessException | InvocationTargetException olderRelease) {
            return 0;
        }
    }
}
