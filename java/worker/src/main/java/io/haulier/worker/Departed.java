package io.haulier.worker;

import java.lang.ref.PhantomReference;
import java.lang.ref.ReferenceQueue;
import java.lang.ref.WeakReference;
import java.util.List;

/** A loader that no task will use again, until it is collected. It holds nothing of the loader itself. */
final class Departed extends PhantomReference<TaskClassLoader> {
    private final byte[] identity;
    private final List<String> labels;
    private final WeakReference<TaskClassLoader> loader;
    private List<String> suspects = List.of();
    private int collections;
    private boolean leaked;

    Departed(Lease lease, ReferenceQueue<TaskClassLoader> collected) {
        super(lease.loader(), collected);
        this.identity = lease.identity();
        this.labels = List.of(lease.loader().classPath().labels());
        this.loader = new WeakReference<>(lease.loader());
    }

    byte[] identity() {
        return identity;
    }

    List<String> labels() {
        return labels;
    }

    /** The loader; null if it is about to be collected. */
    TaskClassLoader loader() {
        return loader.get();
    }

    /** What may hold it; never empty. */
    List<String> suspects() {
        return suspects.isEmpty() ? List.of("unknown") : suspects;
    }

    void suspects(List<String> found) {
        suspects = List.copyOf(found);
    }

    /** It has outlived one more collection; how many these are. */
    int outlived() {
        return ++collections;
    }

    boolean isLeaked() {
        return leaked;
    }

    void setLeaked() {
        leaked = true;
    }
}
