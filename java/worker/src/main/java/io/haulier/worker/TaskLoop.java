package io.haulier.worker;

import io.haulier.api.internal.CurrentTask;
import java.util.concurrent.atomic.AtomicReferenceArray;

/** Runs the tasks of all slots; its static methods are called from the core, each slot on a thread of its own. */
final class TaskLoop {
    /** The first byte of an answer that is an encoded error; else it is the codec of the result. */
    private static final byte FAILED = 0;

    private static Loaders loaders;
    private static AtomicReferenceArray<RunningTask> running;
    /** Begins and ends of tasks in each slot; far apart, because each is written by another thread. */
    private static long[] steps;

    private static final int APART = 16;

    private TaskLoop() {}

    /** To be called once, before the first task. */
    static void prepare(Loaders ofWorker, int slots) {
        loaders = ofWorker;
        running = new AtomicReferenceArray<>(slots);
        steps = new long[slots * APART];
    }

    /**
     * Runs a task on the thread of its slot.
     *
     * @param loader identity of the class loader
     * @param classPath digest of the class path
     * @param isolated the loader is for this task alone
     * @param resultCodecs one in each four bits, the preferred one in the lowest
     * @return the codec and the result, or 0 and an encoded error
     */
    static byte[] run(
            int slot,
            long taskId,
            byte[] loader,
            byte[] classPath,
            boolean isolated,
            String entryPoint,
            int codec,
            byte[] payload,
            long deadlineMillis,
            int resultCodecs) {
        steps[slot * APART]++;
        Lease lease;
        try {
            lease = isolated ? loaders.enterAlone(loader, classPath) : loaders.enter(loader, classPath);
        } catch (Throwable thrown) {
            return failed(thrown, null, entryPoint, false);
        }
        try {
            RunningTask task = new RunningTask(taskId, deadlineMillis, lease.loader());
            return run(slot, task, lease.locals(slot), entryPoint, codec, payload, resultCodecs);
        } finally {
            steps[slot * APART]++;
            loaders.leave(lease);
        }
    }

    /** Everything in here sees the thread-local values of the task's loader, and none of another one. */
    private static byte[] run(
            int slot,
            RunningTask task,
            SlotLocals locals,
            String entryPoint,
            int codec,
            byte[] payload,
            int resultCodecs) {
        Thread thread = Thread.currentThread();
        locals.exchange(thread);
        try {
            running.set(slot, task);
            thread.setContextClassLoader(task.loader());
            CurrentTask.set(task);
            return Invocation.run(task.loader(), entryPoint, codec, payload, resultCodecs);
        } catch (Throwable thrown) {
            return failed(thrown, task.loader(), entryPoint, task.isCancelled());
        } finally {
            task.end();
            running.set(slot, null);
            CurrentTask.set(null);
            thread.setContextClassLoader(TaskLoop.class.getClassLoader());
            Thread.interrupted();
            locals.exchange(thread);
        }
    }

    /** Another number when a task has begun or ended; another thread may see it late. */
    static long activity() {
        long sum = 0;
        for (int slot = 0; slot < running.length(); slot++) {
            sum += steps[slot * APART];
        }
        return sum;
    }

    /** Interrupts the task if it is the one that runs in that slot. */
    static boolean cancel(long taskId, int slot) {
        RunningTask task = running.get(slot);
        return task != null && task.taskId() == taskId && task.cancel();
    }

    /** Lets class loaders go: no task will use them again. */
    static void release(byte[][] identities) {
        loaders.release(identities);
    }

    /** The loader of the tasks that run now; null if none runs or they have several. */
    static ClassLoader loaderOfAll() {
        ClassLoader common = null;
        for (int slot = 0; slot < running.length(); slot++) {
            RunningTask task = running.get(slot);
            if (task != null && common != null && task.loader() != common) {
                return null;
            }
            common = task == null ? common : task.loader();
        }
        return common;
    }

    private static byte[] failed(Throwable thrown, TaskClassLoader loader, String task, boolean cancelled) {
        byte[] error = Failures.encode(thrown, loader, task, cancelled);
        byte[] answer = new byte[error.length + 1];
        answer[0] = FAILED;
        System.arraycopy(error, 0, answer, 1, error.length);
        return answer;
    }
}
