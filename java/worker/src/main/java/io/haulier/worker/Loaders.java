package io.haulier.worker;

import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;

/** The class loaders of this worker by their identity; the node says when one goes. */
class Loaders {
    private final Map<ByteBuffer, TaskClassLoader> loaders = new ConcurrentHashMap<>();
    private final Function<byte[], ClassPath> classPaths;

    /** {@code classPaths} finds a class path by its digest; it may block. */
    Loaders(Function<byte[], ClassPath> classPaths) {
        this.classPaths = classPaths;
    }

    /** The loader of that identity. The class path is fetched outside of any lock; the first one to have it wins. */
    TaskClassLoader of(byte[] loader, byte[] classPath) {
        ByteBuffer key = ByteBuffer.wrap(loader);
        TaskClassLoader known = loaders.get(key);
        if (known != null) {
            return known;
        }
        TaskClassLoader fresh = alone(classPath);
        TaskClassLoader winner = loaders.putIfAbsent(key, fresh);
        return winner == null ? fresh : winner;
    }

    /** A loader that nobody shares. */
    TaskClassLoader alone(byte[] classPath) {
        return new TaskClassLoader(classPaths.apply(classPath));
    }

    void release(byte[][] identities) {
        for (byte[] identity : identities) {
            loaders.remove(ByteBuffer.wrap(identity));
        }
    }
}
