package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.RemoteCallable;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Many threads bring one new class path at once: there is one loader, and what they need comes once. */
@Timeout(180)
class ManyAtOnceTest {
    private static final int THREADS = 64;
    private static final int ROUNDS = 10;
    private static final long SECONDS = 60;
    /** What is lacking is asked for and sent; then the class that only a text names comes, with what it names. */
    private static final int FETCHES = 3;

    /** Two classes that need each other while they are initialised by nobody, and one that only a text names. */
    private static final String TASK = """
            package acme;
            public class Busy implements io.haulier.api.RemoteCallable<String> {
                static class Left { Right other; static String name() { return "left of %1$d"; } }
                static class Right extends Left { @Override public String toString() { return Left.name(); } }
                @Override public String call() throws Exception {
                    Class<?> late = Class.forName(new StringBuilder("etaL.emca").reverse().toString());
                    return new Right() + " " + late.getMethod("say").invoke(null) + " "
                            + System.identityHashCode(late.getClassLoader());
                }
            }
            """;
    private static final String LATE = "package acme; public class Late { public static String say() { return Later.say(); } }";
    private static final String LATER = "package acme; public class Later { static String say() { return \"late of %d\"; } }";

    @RegisterExtension
    static final TestNode NODE = new TestNode("--slots", "16");

    @TempDir
    Path folder;

    private Path jar(int round) throws Exception {
        Path later = Jars.in(folder).source("acme.Later", LATER.formatted(round)).write("later-" + round + ".jar");
        return Jars.in(folder)
                .against(later)
                .source("acme.Later", LATER.formatted(round))
                .source("acme.Late", LATE)
                .source("acme.Busy", TASK.formatted(round))
                .write("busy-" + round + ".jar");
    }

    @Test
    void oneLoaderAndOneFetch() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        try (Cluster cluster = Haulier.connect(NODE.address())) {
            Set<String> loaders = new HashSet<>();
            for (int round = 0; round < ROUNDS; round++) {
                URL[] urls = {jar(round).toUri().toURL()};
                try (URLClassLoader loader = new URLClassLoader(urls, getClass().getClassLoader())) {
                    long before = cluster.nodes().get(0).codeRoundTrips();
                    Set<String> seen = allAtOnce(threads, cluster, loader);
                    long trips = cluster.nodes().get(0).codeRoundTrips() - before;
                    assertEquals(1, seen.size(), seen.toString());
                    String only = seen.iterator().next();
                    assertTrue(only.startsWith("left of " + round + " late of " + round + " "), only);
                    assertTrue(trips <= FETCHES, trips + " round trips of code");
                    loaders.addAll(seen);
                }
            }
            assertEquals(ROUNDS, loaders.size(), "each class path has its own loader");
        } finally {
            threads.shutdownNow();
        }
    }

    private static Set<String> allAtOnce(ExecutorService threads, Cluster cluster, ClassLoader loader) throws Exception {
        CyclicBarrier together = new CyclicBarrier(THREADS);
        List<Future<String>> tasks = new ArrayList<>();
        for (int thread = 0; thread < THREADS; thread++) {
            tasks.add(threads.submit(() -> {
                RemoteCallable<?> busy =
                        (RemoteCallable<?>) loader.loadClass("acme.Busy").getConstructor().newInstance();
                together.await(SECONDS, TimeUnit.SECONDS);
                return (String) cluster.executor().submit(busy).get(SECONDS, TimeUnit.SECONDS);
            }));
        }
        Set<String> seen = new HashSet<>();
        for (Future<String> task : tasks) {
            seen.add(task.get(SECONDS, TimeUnit.SECONDS));
        }
        return seen;
    }
}
