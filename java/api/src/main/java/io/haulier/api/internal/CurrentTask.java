package io.haulier.api.internal;

import io.haulier.api.TaskContext;

/** The task of each thread; set by the worker around each call. */
public final class CurrentTask {
    private static final ThreadLocal<TaskContext> CURRENT = new ThreadLocal<>();

    private CurrentTask() {}

    /** The task of this thread, or null. */
    public static TaskContext get() {
        return CURRENT.get();
    }

    /** Sets the task of this thread; null: none. */
    public static void set(TaskContext context) {
        if (context == null) {
            CURRENT.remove();
        } else {
            CURRENT.set(context);
        }
    }
}
