package io.haulier.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Many threads that load the same classes at once get one of each, and none waits for ever. */
@Timeout(300)
class ConcurrentLoadingTest {
    private static final int THREADS = 64;
    private static final int CLASSES = 16;
    private static final int ROUNDS = System.getenv("HAULIER_SOAK") == null ? 20 : 1000;

    private final ExecutorService pool = Executors.newFixedThreadPool(THREADS);

    @AfterEach
    void end() {
        pool.shutdownNow();
    }

    /** A ring: each class is the superclass of a class inside the one before, and made by the interface of that one. */
    private static MemoryClassPath ring() {
        Map<String, String> sources = new LinkedHashMap<>();
        for (int index = 0; index < CLASSES; index++) {
            int next = (index + 1) % CLASSES;
            int other = (index + 7) % CLASSES;
            sources.put("acme/C" + index + ".java", """
                    package acme;
                    public class C%1$d implements P%1$d {
                        static class Inner extends C%2$d { C%3$d other = new C%3$d(); }
                        public int value() { return %1$d + new Inner().own(); }
                        public int own() { return next() == null ? 0 : 1; }
                    }
                    interface P%1$d { default P%2$d next() { return new C%2$d(); } }
                    """.formatted(index, next, other));
        }
        return new MemoryClassPath().root("ring", sources);
    }

    private static Class<?> load(ClassLoader loader, int index, boolean byCall) throws Exception {
        String name = "acme.C" + index % CLASSES;
        Class<?> type = byCall ? loader.loadClass(name) : Class.forName(name, true, loader);
        assertEquals(index % CLASSES + 1, type.getMethod("value").invoke(type.getConstructor().newInstance()));
        return type;
    }

    @Test
    void classesThatNameEachOtherAreLoadedOnce() throws Exception {
        MemoryClassPath classPath = ring();
        for (int round = 0; round < ROUNDS; round++) {
            TaskClassLoader[] loaders = {new TaskClassLoader(classPath), new TaskClassLoader(classPath)};
            CyclicBarrier start = new CyclicBarrier(THREADS);
            List<Future<Class<?>>> loaded = new ArrayList<>();
            for (int thread = 0; thread < THREADS; thread++) {
                int number = thread;
                loaded.add(pool.submit(() -> {
                    start.await(60, TimeUnit.SECONDS);
                    return load(loaders[number % 2], number / 2, number % 3 == 0);
                }));
            }
            for (int thread = 0; thread < THREADS; thread++) {
                Class<?> type = loaded.get(thread).get(120, TimeUnit.SECONDS);
                assertSame(loaders[thread % 2], type.getClassLoader());
                assertSame(loaders[thread % 2].loadClass(type.getName()), type);
            }
        }
    }
}
