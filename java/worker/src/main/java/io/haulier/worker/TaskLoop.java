package io.haulier.worker;

import io.haulier.api.internal.CurrentTask;
import java.util.concurrent.atomic.AtomicReferenceArray;

/** Runs the tasks of all slots; its static methods are called from the core, each slot on a thread of its own. */
final class TaskLoop {
    /** The first byte of an answer that is an encoded error; else it is the codec of the result. */
    private static final byte FAILED = 0;

    private static Loaders loaders;
    private static AtomicReferenceArray<RunningTask> running;

    private TaskLoop() {}

    /** To be called once, before the first task. */
    static void prepare(Loaders ofWorker, int slots) {
        loaders = ofWorker;
        running = new AtomicReferenceArray<>(slots);
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
        TaskClassLoader own = null;
        RunningTask task = null;
        Thread thread = Thread.currentThread();
        try {
            own = isolated ? loaders.alone(classPath) : loaders.of(loader, classPath);
            task = new RunningTask(taskId, deadlineMillis, own);
            running.set(slot, task);
            thread.setContextClassLoader(own);
            CurrentTask.set(task);
            return Invocation.run(own, entryPoint, codec, payload, resultCodecs);
        } catch (Throwable thrown) {
            return failed(thrown, own, entryPoint, task != null && task.isCancelled());
        } finally {
            if (task != null) {
                task.end();
                running.set(slot, null);
            }
            CurrentTask.set(null);
            thread.setContextClassLoader(TaskLoop.class.getClassLoader());
            Thread.interrupted();
        }
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
