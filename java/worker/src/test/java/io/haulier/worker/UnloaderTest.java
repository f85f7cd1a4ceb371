package io.haulier.worker;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/** What becomes of loaders that no task uses. */
class UnloaderTest {
    private static final long DEADLINE_SECONDS = 60;

    /** What the JVM frees some seconds after a loader has gone is given back, too. */
    @Test
    void memoryIsGivenBackOnceMoreAfterTheLastLoaderHasGone() throws InterruptedException {
        CountDownLatch gone = new CountDownLatch(1);
        CountDownLatch givenBack = new CountDownLatch(1);
        AtomicBoolean isLast = new AtomicBoolean();
        Runnable collecting = () -> {
            System.gc();
            if (isLast.get()) {
                givenBack.countDown();
            }
        };
        Unloader unloader = new Unloader(() -> 0, collecting, (released, collected, leaked, recovered) -> {
            if (collected == 1) {
                isLast.set(true);
                gone.countDown();
            }
        });
        Thread thread = new Thread(unloader, "unloader of a test");
        thread.setDaemon(true);
        thread.start();
        unloader.depart(lease());
        assertTrue(gone.await(DEADLINE_SECONDS, TimeUnit.SECONDS), "the loader stays");
        assertTrue(givenBack.await(DEADLINE_SECONDS, TimeUnit.SECONDS), "its memory stays");
    }

    private static Lease lease() {
        return new Lease(new byte[32], new TaskClassLoader(new MemoryClassPath().root("none", Map.of())), 1);
    }
}
