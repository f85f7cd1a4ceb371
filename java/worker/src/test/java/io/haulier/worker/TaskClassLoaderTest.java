package io.haulier.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.CodeUnavailable;
import io.haulier.api.Task;
import java.io.FileNotFoundException;
import java.io.InputStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

/** Classes and resources come from where they should, and only from there. */
class TaskClassLoaderTest {
    private static final String PRICE = "package acme; public class Price { public static int value() { return %d; } }";

    private static MemoryClassPath price(String label, int value) {
        return new MemoryClassPath().root(label, Map.of("acme/Price.java", PRICE.formatted(value)));
    }

    private static String text(URL url) throws Exception {
        try (InputStream stream = url.openStream()) {
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    @Test
    void aClassKnowsItsLoaderItsSourceAndItsPackage() throws Exception {
        MemoryClassPath classPath = price("pricing:1.2.0/pricing jar.jar", 1);
        classPath.entries(0).put("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\nImplementation-Version: 1.2.0\n\n".getBytes());
        TaskClassLoader loader = new TaskClassLoader(classPath);
        Class<?> type = loader.loadClass("acme.Price");
        assertSame(loader, type.getClassLoader());
        assertEquals("pricing:1.2.0/pricing jar.jar", loader.sourceOf(type).orElseThrow());
        assertEquals("acme", type.getPackage().getName());
        assertEquals("1.2.0", type.getPackage().getImplementationVersion());
        URL location = type.getProtectionDomain().getCodeSource().getLocation();
        assertEquals("haulier:/pricing:1.2.0/pricing%20jar.jar", location.toString());
        assertTrue(loader.sourceOf(String.class).isEmpty());
    }

    @Test
    void twoLoadersNeverShare() throws Exception {
        Class<?> one = new TaskClassLoader(price("a", 1)).loadClass("acme.Price");
        Class<?> two = new TaskClassLoader(price("b", 2)).loadClass("acme.Price");
        assertNotSame(one, two);
        assertEquals(1, one.getMethod("value").invoke(null));
        assertEquals(2, two.getMethod("value").invoke(null));
    }

    @Test
    void theFirstRootWins() throws Exception {
        MemoryClassPath classPath = price("a", 1).root("b", Map.of("acme/Price.java", PRICE.formatted(2)));
        Class<?> type = new TaskClassLoader(classPath).loadClass("acme.Price");
        assertEquals(1, type.getMethod("value").invoke(null));
    }

    @Test
    void theApiIsSharedAndTheWorkerIsHidden() throws Exception {
        TaskClassLoader loader = new TaskClassLoader(price("a", 1));
        assertSame(Task.class, loader.loadClass(Task.class.getName()));
        assertThrows(ClassNotFoundException.class, () -> loader.loadClass(Main.class.getName()));
        assertThrows(ClassNotFoundException.class, () -> loader.loadClass("org.junit.jupiter.api.Test"));
        assertSame(java.sql.Driver.class, loader.loadClass("java.sql.Driver"));
    }

    @Test
    void theParentIsAskedFirstWhereThePolicySaysSo() throws Exception {
        Map<String, String> shadow = Map.of("org/w3c/dom/Node.java", "package org.w3c.dom; public class Node {}");
        String name = "org.w3c.dom.Node";
        TaskClassLoader childFirst = new TaskClassLoader(new MemoryClassPath().root("a", shadow));
        assertSame(childFirst, childFirst.loadClass(name).getClassLoader());
        TaskClassLoader parentFirst =
                new TaskClassLoader(new MemoryClassPath().root("a", shadow).delegating(Delegation.PARENT_FIRST));
        assertSame(org.w3c.dom.Node.class, parentFirst.loadClass(name));
    }

    @Test
    void resourcesAreReadFromTheirOwnRoot() throws Exception {
        MemoryClassPath classPath = new MemoryClassPath()
                .root("same", Map.of("acme/ä b#.txt", "one", "only.txt", "only"))
                .root("same", Map.of("acme/ä b#.txt", "two"));
        TaskClassLoader loader = new TaskClassLoader(classPath);
        List<String> all = new ArrayList<>();
        for (URL url : Collections.list(loader.getResources("acme/ä b#.txt"))) {
            all.add(text(url));
        }
        assertEquals(List.of("one", "two"), all);
        assertEquals("one", text(loader.getResource("acme/ä b#.txt")));
        assertEquals("only", new String(loader.getResourceAsStream("only.txt").readAllBytes(), StandardCharsets.UTF_8));
        assertNull(loader.getResource("absent.txt"));
        URL sibling = new URL(loader.getResource("only.txt"), "other.txt");
        assertThrows(FileNotFoundException.class, sibling::openStream);
    }

    @Test
    void providersOfAllRootsAreFound() throws Exception {
        String provider = "package acme; public class %1$s implements java.util.function.Supplier<String> {"
                + " public String get() { return \"%1$s\"; } }";
        String file = "META-INF/services/java.util.function.Supplier";
        MemoryClassPath classPath = new MemoryClassPath()
                .root("a", Map.of("acme/A.java", provider.formatted("A"), file, "acme.A"))
                .root("b", Map.of("acme/B.java", provider.formatted("B"), file, "acme.B"));
        List<String> names = new ArrayList<>();
        for (Supplier<?> supplier : ServiceLoader.load(Supplier.class, new TaskClassLoader(classPath))) {
            names.add((String) supplier.get());
        }
        assertEquals(List.of("A", "B"), names);
    }

    @Test
    void whatCannotBeHadForNowIsFoundTheNextTime() throws Exception {
        Map<String, String> sources = Map.of(
                "acme/Caller.java",
                "package acme; public class Caller implements java.util.concurrent.Callable<Integer> {"
                        + " public Integer call() { return Late.VALUE.length(); } }",
                "acme/Late.java",
                "package acme; class Late { static final String VALUE = String.valueOf(42); }");
        MemoryClassPath classPath = new MemoryClassPath().root("a", sources);
        TaskClassLoader loader = new TaskClassLoader(classPath);
        Callable<?> caller =
                (Callable<?>) loader.loadClass("acme.Caller").getConstructor().newInstance();
        classPath.setUnavailable(true);
        CodeUnavailable problem = assertThrows(CodeUnavailable.class, caller::call);
        assertTrue(problem.getMessage().contains("acme.Late"), problem.getMessage());
        classPath.setUnavailable(false);
        assertEquals(2, caller.call(), "the same call site works the next time");
    }

    @Test
    void manyThreadsGetOneClass() throws Exception {
        int threads = 16;
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        try {
            for (int round = 0; round < 50; round++) {
                TaskClassLoader loader = new TaskClassLoader(price("a", round));
                CyclicBarrier start = new CyclicBarrier(threads);
                List<Future<Class<?>>> loaded = new ArrayList<>();
                for (int thread = 0; thread < threads; thread++) {
                    loaded.add(pool.submit(() -> {
                        start.await();
                        return Class.forName("acme.Price", true, loader);
                    }));
                }
                Class<?> first = loaded.get(0).get();
                for (Future<Class<?>> other : loaded) {
                    assertSame(first, other.get());
                }
            }
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void aBrokenClassIsAnErrorOfItsTask() {
        MemoryClassPath classPath = price("a", 1);
        byte[] bytes = classPath.entries(0).get("acme/Price.class");
        classPath.entries(0).put("acme/Other.class", bytes);
        byte[] newer = bytes.clone();
        newer[7] = (byte) 200;
        classPath.entries(0).put("acme/Newer.class", newer);
        classPath.entries(0).put("acme/Corrupt.class", new byte[] {1, 2, 3});
        TaskClassLoader loader = new TaskClassLoader(classPath);
        assertThrows(NoClassDefFoundError.class, () -> loader.loadClass("acme.Other"));
        UnsupportedClassVersionError unsupported =
                assertThrows(UnsupportedClassVersionError.class, () -> loader.loadClass("acme.Newer"));
        String versions = "acme.Newer was compiled for Java 156 (class file version 200); this worker runs Java "
                + Runtime.version().feature();
        assertTrue(unsupported.getMessage().startsWith(versions), unsupported.getMessage());
        assertThrows(ClassFormatError.class, () -> loader.loadClass("acme.Corrupt"));
    }
}
