package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.RemoteCallable;
import io.haulier.api.RemoteRunnable;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** An application server loads applications again and again, each in a class loader of its own, and all use one client. */
@Timeout(120)
class DroppedLoadersTest {
    private static final int APPLICATIONS = 20;
    private static final long SECONDS = 60;
    private static final Path SIGNALS = TestNode.signals();

    private static final String APPLICATION =
            """
            package acme;
            public class App implements io.haulier.api.RemoteCallable<String> {
                @Override public String call() { return new Part().name(); }
                static class Part { String name() { return "application %d"; } }
            }
            """;
    private static final String PATIENT =
            """
            package acme;
            import java.nio.file.*;
            public class Patient implements io.haulier.api.RemoteRunnable {
                private final String begun, go, done;
                public Patient(String begun, String go, String done) { this.begun = begun; this.go = go; this.done = done; }
                @Override public void run() {
                    try {
                        Files.writeString(Path.of(begun), "");
                        while (!Files.exists(Path.of(go))) { Thread.sleep(5); }
                        Class<?> late = Class.forName(new StringBuilder("etaL.emca").reverse().toString());
                        Files.writeString(Path.of(done), late.getDeclaredConstructor().newInstance().toString());
                    } catch (Exception problem) {
                        throw new IllegalStateException(problem);
                    }
                }
            }
            """;
    private static final String LATE =
            "package acme; public class Late { @Override public String toString() { return \"late\"; } }";

    @RegisterExtension
    static final TestNode NODE = new TestNode("--writable", SIGNALS.toString());

    @TempDir
    Path folder;

    private static URLClassLoader loader(Path jar) throws IOException {
        return new URLClassLoader(new URL[] {jar.toUri().toURL()}, DroppedLoadersTest.class.getClassLoader());
    }

    /** Loads an application, runs its task, and keeps nothing of it but the loader that it returns. */
    private ClassLoader application(RemoteExecutor pool, int number) throws Exception {
        Path jar = Jars.in(folder).source("acme.App", APPLICATION.formatted(number)).write("app-" + number + ".jar");
        ClassLoader loader = loader(jar);
        RemoteCallable<?> task =
                (RemoteCallable<?>) loader.loadClass("acme.App").getDeclaredConstructor().newInstance();
        assertEquals("application " + number, pool.submit(task).get(SECONDS, TimeUnit.SECONDS));
        return loader;
    }

    private static int snapshots(Cluster cluster) {
        return cluster.sessions().join().stream()
                .filter(session -> session.id().equals(cluster.sessionId()))
                .mapToInt(session -> session.snapshots().size())
                .sum();
    }

    private static void until(String what, BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < end, what);
            System.gc();
            TimeUnit.MILLISECONDS.sleep(50);
        }
    }

    @Test
    void allAreCollectedWhileTheClusterIsOpen() throws Exception {
        try (Cluster cluster = Haulier.connect(NODE.address())) {
            RemoteExecutor pool = cluster.executor();
            List<ClassLoader> held = new ArrayList<>();
            List<WeakReference<ClassLoader>> loaders = new ArrayList<>();
            for (int number = 0; number < APPLICATIONS; number++) {
                held.add(application(pool, number));
                loaders.add(new WeakReference<>(held.get(number)));
            }
            assertEquals(APPLICATIONS, snapshots(cluster), "each has code of its own");
            ClassLoader kept = held.get(APPLICATIONS - 1);
            held.clear();
            until("class loaders stay", () -> loaders.stream().filter(loader -> loader.get() != null).count() == 1);
            until("the node keeps their code", () -> snapshots(cluster) == 1);
            RemoteCallable<?> again =
                    (RemoteCallable<?>) kept.loadClass("acme.App").getDeclaredConstructor().newInstance();
            assertEquals("application " + (APPLICATIONS - 1), pool.submit(again).get(SECONDS, TimeUnit.SECONDS));
            application(pool, 0);
        }
    }

    /** The loader is reachable by nobody but the connection. */
    private WeakReference<ClassLoader> start(RemoteExecutor pool, Path begun, Path go, Path done) throws Exception {
        Path jar = Jars.in(folder).source("acme.Patient", PATIENT).source("acme.Late", LATE).write("patient.jar");
        ClassLoader loader = loader(jar);
        Object task = loader.loadClass("acme.Patient")
                .getDeclaredConstructor(String.class, String.class, String.class)
                .newInstance(begun.toString(), go.toString(), done.toString());
        pool.execute((RemoteRunnable) task);
        return new WeakReference<>(loader);
    }

    @Test
    void aTaskThatRunsKeepsItsLoader() throws Exception {
        Path begun = SIGNALS.resolve("begun");
        Path go = SIGNALS.resolve("go");
        Path done = SIGNALS.resolve("done");
        try (Cluster cluster = Haulier.connect(NODE.address())) {
            WeakReference<ClassLoader> loader = start(cluster.executor(), begun, go, done);
            until("the task does not begin", () -> Files.exists(begun));
            for (int round = 0; round < 10; round++) {
                System.gc();
                assertFalse(loader.refersTo(null), "its loader has gone while it runs");
            }
            Files.writeString(go, "");
            until("the task did not find its late class", () -> Files.exists(done));
            until("its loader stays after it", () -> loader.refersTo(null));
            until("the node keeps its code", () -> snapshots(cluster) == 0);
            assertEquals("late", Files.readString(done));
        } finally {
            for (Path path : List.of(begun, go, done)) {
                Files.deleteIfExists(path);
            }
        }
    }
}
