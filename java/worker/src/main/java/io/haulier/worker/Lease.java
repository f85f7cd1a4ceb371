package io.haulier.worker;

/**
 * A loader, and the tasks that use it. It goes when the node has released it and its last task has ended, whichever
 * comes last.
 */
final class Lease {
    private final byte[] identity;
    private final TaskClassLoader loader;
    private final SlotLocals[] locals;
    private int tasks;
    private boolean released;
    private boolean gone;

    Lease(byte[] identity, TaskClassLoader loader, int slots) {
        this.identity = identity;
        this.loader = loader;
        this.locals = new SlotLocals[slots];
    }

    byte[] identity() {
        return identity;
    }

    TaskClassLoader loader() {
        return loader;
    }

    /** The thread-local values of its tasks on that slot; to be called on the slot's thread. */
    SlotLocals locals(int slot) {
        if (locals[slot] == null) {
            locals[slot] = new SlotLocals();
        }
        return locals[slot];
    }

    /** A task begins; false if the loader is gone. */
    synchronized boolean enter() {
        if (gone) {
            return false;
        }
        tasks++;
        return true;
    }

    /** A task has ended; true if the loader goes with it. */
    synchronized boolean leave() {
        tasks--;
        return goesNow();
    }

    /** No further task will use it; true if it goes now. */
    synchronized boolean release() {
        released = true;
        return goesNow();
    }

    private boolean goesNow() {
        boolean now = released && tasks == 0 && !gone;
        gone |= now;
        return now;
    }
}
