package io.haulier.worker;

import io.haulier.api.HaulierException;
import io.haulier.api.internal.ErrorMessage;

/** The native functions of a worker. Handles are numbers that the core looks up. */
final class Native {
    private Native() {}

    /** Says hello to the node over an inherited descriptor. */
    static native long connect(int controlDescriptor, String javaVersion, String[] capabilities);

    /** Says to the node why this process cannot work. */
    static native void refuse(int controlDescriptor, String javaVersion, String problem);

    /**
     * Opens packages of a module to one other module, and to no task's.
     *
     * @throws NoSuchMethodError in a JVM that does not have the way to do so
     */
    static native void openPackages(Module module, String[] packages, Module reader);

    /** Gives memory back to the system that the process's allocator keeps and nobody uses. */
    static native void trimMemory();

    /** Answers the node until it is gone; calls {@link TaskLoop#cancel} and {@link TaskLoop#release}. */
    static native void serveControl(long worker, Class<?> taskLoop);

    /** Runs the tasks of a slot until the node closes its link; calls {@link TaskLoop#run}. */
    static native void serveSlot(long worker, int slot, int linkDescriptor, Class<?> taskLoop);

    /**
     * Tells the node what became of loaders that were let go.
     *
     * @param leaked identity of one that stays, with what it loads from and what may hold it; null: none
     * @param recovered identity of one that stayed and was collected after all; null: none
     */
    static native void reportLoaders(
            long worker,
            long released,
            long collected,
            byte[] leaked,
            String[] labels,
            String[] suspects,
            byte[] recovered);

    /** The class path of this digest. */
    static native long openClassPath(long worker, byte[] digest);

    static native void closeClassPath(long classPath);

    /** The ordinal of a {@link Delegation}. */
    static native int delegation(long classPath, String name);

    /** The bytes of the first entry of that path, and in {@code root[0]} the index of its root; null: absent. */
    static native byte[] find(long classPath, String path, int[] root);

    /** The bytes of the entry of that path in one root; null: absent. */
    static native byte[] findIn(long classPath, int root, String path);

    /** The indexes of the roots that have that path, in order. */
    static native int[] roots(long classPath, String path);

    /** The path of the entry that {@link #findIn} gives for that path; null: absent. */
    static native String pathIn(long classPath, int root, String path);

    /** The files that sign a root, beside its manifest; none if it is not signed. */
    static native String[] signatureFiles(long classPath, int root);

    /** The label of each root. */
    static native String[] labels(long classPath);

    /** The error, encoded, for a class or resource that is absent. */
    static native byte[] notFound(long classPath, String name);

    /** Where the names of a message come from, in lines; empty if none of them is of this class path. */
    static native String explain(long classPath, String message);

    /** The exception that the core throws; called from there. */
    static HaulierException exception(byte[] error) {
        return ErrorMessage.decode(error).exception();
    }
}
