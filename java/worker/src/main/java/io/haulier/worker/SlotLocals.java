package io.haulier.worker;

/**
 * The thread-local values that the tasks of one loader have on the thread of one slot. A task finds those of the tasks
 * before it, those of other loaders never; and they go with the loader, whatever holds them.
 */
final class SlotLocals {
    private Object values;
    private Object inheritable;

    /** Called on the slot's thread before the task and after it. */
    void exchange(Thread thread) {
        values = JdkFields.exchangeThreadLocals(thread, values);
        inheritable = JdkFields.exchangeInheritable(thread, inheritable);
    }
}
