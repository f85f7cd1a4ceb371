package io.haulier.worker;

import static org.junit.jupiter.api.Assertions.assertNull;

import java.lang.ref.WeakReference;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What cleaning itself must not hold. */
class CleaningTest {
    private static final int ROUNDS = 100;

    /** The thread that cleans may not have ended for the JVM when it was joined: it must hold no loader by then. */
    @Test
    void loadersGoWithTheCollectionAfterCleaning() throws InterruptedException {
        for (int round = 0; round < ROUNDS; round++) {
            WeakReference<TaskClassLoader> loader = cleaned();
            System.gc();
            assertNull(loader.get(), "round " + round);
        }
    }

    private static WeakReference<TaskClassLoader> cleaned() throws InterruptedException {
        TaskClassLoader loader = new TaskClassLoader(new MemoryClassPath().root("none", Map.of()));
        Cleaning.run(List.of(loader));
        return new WeakReference<>(loader);
    }
}
