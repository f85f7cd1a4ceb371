package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.RemoteCallable;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** A class {@code X} and its companion {@code X$} are of one version, however late the second one is loaded. */
@Timeout(120)
class PairsTest {
    private static final long SECONDS = 60;
    private static final Path SIGNALS = TestNode.signals();
    private static final Path BEGUN = SIGNALS.resolve("begun");
    private static final Path GO = SIGNALS.resolve("go");

    private static final String PART = "package acme; public class %s { public static String say() { return \"%s\"; } }";
    /** Has loaded one of both when it says that it has begun. */
    private static final String LOADS = """
            package acme;
            import java.nio.charset.StandardCharsets;
            import java.nio.file.*;
            import java.util.*;
            public class Loads implements io.haulier.api.RemoteCallable<List<String>> {
                private final String begun, go;
                public Loads(String begun, String go) { this.begun = begun; this.go = go; }
                @Override public List<String> call() throws Exception { return pair(begun, go); }
                public static List<String> pair(String begun, String go) throws Exception {
                    String first = say("X.emca");
                    if (!begun.isEmpty()) {
                        Files.writeString(Path.of(begun), "");
                        while (!Files.exists(Path.of(go))) { Thread.sleep(5); }
                    }
                    byte[] bytes = Loads.class.getResource("X$.class").openStream().readAllBytes();
                    String text = new String(bytes, StandardCharsets.ISO_8859_1);
                    String resource = text.contains("companion 1") ? "1" : text.contains("companion 2") ? "2" : "other";
                    return List.of(first, say("$X.emca"), resource);
                }
                private static String say(String reversed) throws Exception {
                    String name = new StringBuilder(reversed).reverse().toString();
                    return (String) Class.forName(name).getMethod("say").invoke(null);
                }
            }
            """;
    private static final List<String> OLD = List.of("class 1", "companion 1", "1");
    private static final List<String> NEW = List.of("class 2", "companion 2", "2");

    @RegisterExtension
    static final TestNode NODE = new TestNode("--writable", SIGNALS.toString());

    private static Cluster cluster;

    @TempDir
    Path folder;

    @BeforeAll
    static void connect() {
        cluster = Haulier.connect(NODE.address());
    }

    @AfterAll
    static void close() {
        if (cluster != null) {
            cluster.close();
        }
    }

    @AfterEach
    void removeSignals() throws IOException {
        Files.deleteIfExists(BEGUN);
        Files.deleteIfExists(GO);
    }

    private Jars version(int number) {
        return Jars.in(folder)
                .source("acme.Loads", LOADS)
                .source("acme.X", PART.formatted("X", "class " + number))
                .source("acme.X$", PART.formatted("X$", "companion " + number));
    }

    /** Lets {@code change} happen while the task has loaded one class of the pair; gives what the task saw. */
    private static Object during(Future<?> task, Callable<?> change) throws Exception {
        try {
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
            while (!Files.exists(BEGUN)) {
                assertTrue(System.nanoTime() < end && !task.isDone(), "the task does not begin");
                TimeUnit.MILLISECONDS.sleep(5);
            }
            change.call();
        } finally {
            Files.writeString(GO, "");
        }
        return task.get(SECONDS, TimeUnit.SECONDS);
    }

    @Test
    void ofAUnitThatIsReplaced() throws Exception {
        Path one = version(1).write("one.jar");
        Path two = version(2).write("two.jar");
        cluster.deploy("pair", "1.0.0", one).get(30, TimeUnit.SECONDS);
        TaskRef<Object> pair = cluster.task("pair", "acme.Loads#pair");
        assertEquals(OLD, during(pair.submit(BEGUN.toString(), GO.toString()), () -> {
            cluster.redeploy("pair", "1.0.0", two).get(30, TimeUnit.SECONDS);
            assertEquals(NEW, pair.call("", ""), "while the old one lives");
            return null;
        }));
        assertEquals(NEW, pair.call("", ""));
    }

    @Test
    void ofAUnitThatIsFollowedAndRemoved() throws Exception {
        cluster.deploy("next", "1.0.0", version(1).write("next-1.jar")).get(30, TimeUnit.SECONDS);
        TaskRef<Object> latest = cluster.task("next", "acme.Loads#pair");
        assertEquals(OLD, during(latest.submit(BEGUN.toString(), GO.toString()), () -> {
            cluster.deploy("next", "2.0.0", version(2).write("next-2.jar")).get(30, TimeUnit.SECONDS);
            cluster.undeploy("next:1.0.0").get(30, TimeUnit.SECONDS);
            assertEquals(NEW, latest.call("", ""), "while the old one lives");
            return null;
        }));
    }

    @Test
    void ofAFolderThatIsCompiledAgain() throws Exception {
        Path classes = version(1).unpack(Files.createDirectory(folder.resolve("classes")));
        Jars newer = version(2);
        try (URLClassLoader old = loader(classes);
                URLClassLoader fresh = loader(classes)) {
            Future<?> task = cluster.executor().submit(loads(old, BEGUN.toString(), GO.toString()));
            assertEquals(OLD, during(task, () -> newer.unpack(classes)));
            Future<?> next = cluster.executor().submit(loads(fresh, "", ""));
            assertEquals(NEW, next.get(SECONDS, TimeUnit.SECONDS));
            Future<?> again = cluster.executor().submit(loads(old, "", ""));
            assertEquals(OLD, again.get(SECONDS, TimeUnit.SECONDS), "a loader of the client has one version for good");
        }
    }

    private URLClassLoader loader(Path classes) throws IOException {
        return new URLClassLoader(new URL[] {classes.toUri().toURL()}, getClass().getClassLoader());
    }

    private static RemoteCallable<?> loads(ClassLoader loader, String begun, String go) throws Exception {
        Class<?> type = loader.loadClass("acme.Loads");
        return (RemoteCallable<?>) type.getConstructor(String.class, String.class).newInstance(begun, go);
    }
}
