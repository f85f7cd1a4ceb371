package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.RemoteCallable;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** A client whose class path has classes that no JVM takes: its tasks run, and only what they load fails. */
@Timeout(60)
class BrokenClassesTest {
    private static final int MAJOR = 6;
    private static final String LOADS =
            """
            package acme;
            import java.util.*;
            public class Loads implements io.haulier.api.RemoteCallable<List<String>> {
                private final String[] names;
                public Loads(String... names) { this.names = names; }
                @Override public List<String> call() {
                    List<String> seen = new ArrayList<>(List.of(Long.toString(ProcessHandle.current().pid())));
                    for (int round = 0; round < 2; round++) {
                        for (String name : names) {
                            try {
                                seen.add(Class.forName(name).getSimpleName());
                            } catch (Throwable problem) {
                                seen.add(problem.getClass().getSimpleName());
                            }
                        }
                    }
                    return seen;
                }
                /** The closure of this class names all of them. */
                static void never() { Newer.of(); Other.of(); Corrupt.of(); Huge.of(); }
                static class Newer { static void of() {} }
                static class Other { static void of() {} }
                static class Corrupt { static void of() {} }
                static class Huge { static void of() {} }
            }
            """;

    @RegisterExtension
    static final TestNode NODE = new TestNode();

    @TempDir
    Path folder;

    @Test
    @SuppressWarnings("unchecked")
    void whatIsBrokenIsAnErrorOfWhoLoadsIt() throws Exception {
        Jars jar = Jars.in(folder).source("acme.Loads", LOADS);
        byte[] newer = jar.bytes("acme/Loads$Newer.class").clone();
        newer[MAJOR + 1] = 99;
        byte[] wrong = jar.bytes("acme/Loads$Huge.class").clone();
        jar.entry("acme/Loads$Newer.class", newer)
                .entry("acme/Loads$Other.class", wrong)
                .entry("acme/Loads$Corrupt.class", new byte[] {1, 2})
                .entry("acme/Loads$Huge.class", Jars.hugePool("acme/Loads$Huge"));
        URL[] urls = {jar.write("broken.jar").toUri().toURL()};
        try (URLClassLoader loader = new URLClassLoader(urls, getClass().getClassLoader());
                Cluster cluster = Haulier.connect(NODE.address())) {
            String[] names = {"acme.Loads$Newer", "acme.Loads$Other", "acme.Loads$Corrupt", "acme.Loads$Huge", "acme.Loads"};
            RemoteCallable<List<String>> loads = (RemoteCallable<List<String>>)
                    loader.loadClass("acme.Loads").getConstructor(String[].class).newInstance((Object) names);
            List<String> seen = cluster.executor().submit(loads).get(30, TimeUnit.SECONDS);
            List<String> errors =
                    List.of("UnsupportedClassVersionError", "NoClassDefFoundError", "ClassFormatError", "ClassFormatError", "Loads");
            assertEquals(errors, seen.subList(1, 6));
            assertEquals(errors, seen.subList(6, 11), "the same call site says the same again");
            List<String> again = cluster.executor().submit(loads).get(30, TimeUnit.SECONDS);
            assertEquals(seen.get(0), again.get(0), "the worker goes on");
            assertTrue(cluster.sessions().join().stream().anyMatch(one -> one.id().equals(cluster.sessionId())));
        }
    }
}
