package io.haulier.worker;

import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.Function;

/** The class loaders of this worker by their identity; the node says when one goes. */
class Loaders {
    private final Map<ByteBuffer, Lease> leases = new ConcurrentHashMap<>();
    private final Function<byte[], ClassPath> classPaths;
    private final int slots;
    private final Consumer<Lease> departed;

    /**
     * {@code classPaths} finds a class path by its digest; it may block. {@code departed} gets each loader that no task
     * will use again.
     */
    Loaders(Function<byte[], ClassPath> classPaths, int slots, Consumer<Lease> departed) {
        this.classPaths = classPaths;
        this.slots = slots;
        this.departed = departed;
    }

    /**
     * The loader of that identity, for a task that begins. The class path is fetched outside of any lock; the first one
     * to have it wins.
     */
    Lease enter(byte[] loader, byte[] classPath) {
        ByteBuffer key = ByteBuffer.wrap(loader);
        while (true) {
            Lease known = leases.get(key);
            if (known == null) {
                Lease fresh = lease(loader, classPath);
                Lease winner = leases.putIfAbsent(key, fresh);
                known = winner == null ? fresh : winner;
            }
            if (known.enter()) {
                return known;
            }
            leases.remove(key, known);
        }
    }

    /** A loader that nobody shares, for a task that begins. */
    Lease enterAlone(byte[] loader, byte[] classPath) {
        Lease lease = lease(loader, classPath);
        lease.enter();
        lease.release();
        return lease;
    }

    /** A task has ended. */
    void leave(Lease lease) {
        if (lease.leave()) {
            departed.accept(lease);
        }
    }

    /** Lets loaders go: each as soon as no task uses it. */
    void release(byte[][] identities) {
        for (byte[] identity : identities) {
            Lease lease = leases.remove(ByteBuffer.wrap(identity));
            if (lease != null && lease.release()) {
                departed.accept(lease);
            }
        }
    }

    private Lease lease(byte[] identity, byte[] classPath) {
        return new Lease(identity, new TaskClassLoader(classPaths.apply(classPath)), slots);
    }
}
