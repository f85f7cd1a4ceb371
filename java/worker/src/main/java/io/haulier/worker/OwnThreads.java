package io.haulier.worker;

import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinWorkerThread;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** Threads that tasks have started and left behind: pools are shut down, timers cancelled, others interrupted. */
final class OwnThreads {
    private static final long PATIENCE = TimeUnit.MILLISECONDS.toNanos(500);
    private static final int LONGEST_NAME = 80;
    private static final Field TARGET = JdkFields.of(Thread.class, "target");
    private static final Field HOLDER = JdkFields.of(Thread.class, "holder");
    private static final Field HELD_TARGET = JdkFields.of("java.lang.Thread$FieldHolder", "task");
    private static final Field POOL = JdkFields.of("java.util.concurrent.ThreadPoolExecutor$Worker", "this$0");
    private static final Field TIMER_QUEUE = JdkFields.of("java.util.TimerThread", "queue");
    private static final Field TIMER_TASKS = JdkFields.of("java.util.TaskQueue", "queue");
    private static final Field TIMER_SIZE = JdkFields.of("java.util.TaskQueue", "size");
    private static final Field TIMER_OPEN = JdkFields.of("java.util.TimerThread", "newTasksMayBeScheduled");

    private OwnThreads() {}

    /** Ends the threads of these loaders, and waits a moment for them; what does not end is a suspect. */
    static void end(List<Thread> threads, Gone gone) throws InterruptedException {
        List<Thread> own = new ArrayList<>();
        for (Thread thread : threads) {
            if (owner(thread, gone) != null) {
                own.add(thread);
                end(thread);
            }
        }
        long deadline = System.nanoTime() + PATIENCE;
        for (Thread thread : own) {
            long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
            if (left > 0) {
                thread.join(left);
            }
        }
        suspect(own, gone);
    }

    /** Names the threads of these loaders that run. */
    static void suspect(List<Thread> threads, Gone gone) {
        for (Thread thread : threads) {
            ClassLoader owner = thread.isAlive() ? owner(thread, gone) : null;
            if (owner != null) {
                gone.suspect(owner, "thread '" + name(thread) + "' runs");
            }
        }
    }

    /** Whether a thread that need not have been started is of these loaders. */
    static boolean owns(Thread thread, Gone gone) {
        return owner(thread, gone) != null || gone.of(Threads.context(thread)) != null;
    }

    /** A name that a task has chosen: cut, and without line breaks. */
    private static String name(Thread thread) {
        String name = thread.getName().replaceAll("\\p{Cntrl}", " ");
        return name.length() <= LONGEST_NAME ? name : name.substring(0, LONGEST_NAME) + "...";
    }

    /** Whose thread it is: by its class, what it runs, or, for a pool, a timer and the like, by its context. */
    static ClassLoader owner(Thread thread, Gone gone) {
        ClassLoader byClass = gone.of(thread);
        if (byClass != null) {
            return byClass;
        }
        Object target = target(thread);
        ClassLoader byTarget = gone.of(target);
        if (byTarget != null) {
            return byTarget;
        }
        Object pool = JdkFields.get(POOL, isPoolWorker(target) ? target : null);
        if (pool instanceof ThreadPoolExecutor executor) {
            ClassLoader byFactory = gone.of(executor.getThreadFactory());
            return byFactory != null ? byFactory : isOfExecutors(executor) ? gone.of(Threads.context(thread)) : null;
        }
        boolean alike = isTimer(thread)
                || thread.getClass() == ForkJoinWorkerThread.class
                || (target != null && target.getClass().getName().startsWith("java.util.concurrent."));
        return alike ? gone.of(Threads.context(thread)) : null;
    }

    /** Pools of the JDK itself have factories of their own. */
    private static boolean isOfExecutors(ThreadPoolExecutor executor) {
        return executor.getThreadFactory().getClass().getName().startsWith("java.util.concurrent.Executors");
    }

    private static boolean isPoolWorker(Object target) {
        return target != null && POOL != null && POOL.getDeclaringClass() == target.getClass();
    }

    private static boolean isTimer(Thread thread) {
        return TIMER_QUEUE != null && TIMER_QUEUE.getDeclaringClass() == thread.getClass();
    }

    private static Object target(Thread thread) {
        return TARGET == null
                ? JdkFields.get(HELD_TARGET, JdkFields.get(HOLDER, thread))
                : JdkFields.get(TARGET, thread);
    }

    private static void end(Thread thread) {
        Object target = target(thread);
        if (isTimer(thread)) {
            cancelTimer(thread);
        } else if (isPoolWorker(target) && JdkFields.get(POOL, target) instanceof ThreadPoolExecutor executor) {
            executor.shutdownNow();
        } else if (thread instanceof ForkJoinWorkerThread worker && worker.getPool() != ForkJoinPool.commonPool()) {
            worker.getPool().shutdownNow();
        } else {
            thread.interrupt();
        }
    }

    /** What {@code Timer.cancel} does; the timer itself is not to be had from its thread. */
    private static void cancelTimer(Thread thread) {
        Object queue = JdkFields.get(TIMER_QUEUE, thread);
        if (queue == null || TIMER_OPEN == null || TIMER_SIZE == null) {
            return;
        }
        synchronized (queue) {
            try {
                TIMER_OPEN.setBoolean(thread, false);
                TIMER_SIZE.setInt(queue, 0);
                if (JdkFields.get(TIMER_TASKS, queue) instanceof Object[] tasks) {
                    Arrays.fill(tasks, null);
                }
            } catch (IllegalAccessException closed) {
                return;
            }
            queue.notifyAll();
        }
    }
}
