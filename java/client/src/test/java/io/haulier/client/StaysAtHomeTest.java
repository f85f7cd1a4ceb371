package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.RemoteCallable;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.net.URLConnection;
import java.net.URLStreamHandler;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** What the deny list names is never sent, and nothing that a node asks for runs code at the client. */
@Timeout(120)
class StaysAtHomeTest {
    private static final Recorder RECORDER = new Recorder();
    private static final String BOMB = "haulier.test.bomb";
    private static final List<String> DENIED =
            List.of(".env", "keys/server.pem", "application-prod.properties", "own/private.key", "acme/secret/token.txt");

    /** The first class that its closure names is denied; the last one is named by a text alone. */
    private static final String LOOKS = """
            package acme;
            import java.util.*;
            public class Looks implements io.haulier.api.RemoteCallable<List<String>> {
                private final String[] names;
                public Looks(String... names) { this.names = names; }
                @Override public List<String> call() {
                    List<String> seen = new ArrayList<>();
                    for (String name : names) {
                        try {
                            Object found = name.startsWith("acme.") ? Class.forName(name) : Looks.class.getResource("/" + name);
                            seen.add(found == null ? "absent" : "found");
                        } catch (Throwable problem) {
                            seen.add(problem.getClass().getSimpleName());
                        }
                    }
                    try (java.io.InputStream open = Looks.class.getResourceAsStream("/open.txt")) {
                        seen.add(open == null ? "no text" : new String(open.readAllBytes()));
                    } catch (java.io.IOException problem) {
                        seen.add(problem.toString());
                    }
                    seen.add(System.getProperty("%s", "unset"));
                    return seen;
                }
                static void never() { acme.secret.Key.of(); }
            }
            """.formatted(BOMB);
    private static final String KEY =
            "package acme.secret; public class Key { public static String of() { return \"secret of Key\"; } }";
    private static final String EXPLODES = "package acme; public class Bomb { static { System.setProperty(\"" + BOMB
            + "\", \"set\"); } public static String text() { return \"text of Bomb\"; } }";

    @RegisterExtension
    static final TestNode NODE = new TestNode("--advertise", RECORDER.address());

    @TempDir
    Path folder;

    @BeforeAll
    static void begin() {
        RECORDER.leadTo(NODE.address());
    }

    @AfterAll
    static void end() throws IOException {
        RECORDER.close();
    }

    /** Says what it has loaded. */
    private static final class Watched extends URLClassLoader {
        Watched(URL... urls) {
            super(urls, StaysAtHomeTest.class.getClassLoader());
        }

        boolean hasLoaded(String name) {
            return findLoadedClass(name) != null;
        }
    }

    /** Has its classes in memory alone. */
    private static final class InMemory extends ClassLoader {
        private final Jars classes;

        InMemory(Jars classes) {
            super(StaysAtHomeTest.class.getClassLoader());
            this.classes = classes;
        }

        boolean hasLoaded(String name) {
            return findLoadedClass(name) != null;
        }

        @Override
        protected Class<?> findClass(String name) throws ClassNotFoundException {
            byte[] bytes = classes.bytes(name.replace('.', '/') + ".class");
            if (bytes == null) {
                throw new ClassNotFoundException(name);
            }
            return defineClass(name, bytes, 0, bytes.length);
        }

        @Override
        @SuppressWarnings("deprecation") // from JDK 20 on there is URL.of
        protected URL findResource(String name) {
            byte[] bytes = classes.bytes(name);
            try {
                return bytes == null ? null : new URL(null, "memory:/" + name, new Bytes(bytes));
            } catch (IOException impossible) {
                throw new IllegalStateException(impossible);
            }
        }
    }

    /** URLs of one content. */
    private static final class Bytes extends URLStreamHandler {
        private final byte[] content;

        Bytes(byte[] content) {
            this.content = content;
        }

        @Override
        protected URLConnection openConnection(URL url) {
            return new URLConnection(url) {
                @Override
                public void connect() {}

                @Override
                public InputStream getInputStream() {
                    return new ByteArrayInputStream(content);
                }
            };
        }
    }

    @SuppressWarnings("unchecked")
    private static RemoteCallable<List<String>> looks(ClassLoader loader, String... names) throws Exception {
        Class<?> type = loader.loadClass("acme.Looks");
        return (RemoteCallable<List<String>>) type.getConstructor(String[].class).newInstance((Object) names);
    }

    @Test
    void whatIsDeniedNeverLeaves() throws Exception {
        Jars jar = Jars.in(folder);
        Path key = jar.source("acme.secret.Key", KEY).write("key.jar");
        jar.against(key).source("acme.Looks", LOOKS).entry("open.txt", "text of open");
        DENIED.forEach(path -> jar.entry(path, "secret of " + path));
        Path unpacked = jar.unpack(folder.resolve("classes"));
        SessionConfig config = SessionConfig.defaults().withDenied("*.key", "acme/secret/**");
        for (Path root : List.of(unpacked, jar.write("looks.jar"))) {
            String[] names = DENIED.toArray(String[]::new);
            try (Watched loader = new Watched(root.toUri().toURL());
                    Cluster cluster = Haulier.connect(RECORDER.address(), config)) {
                List<String> seen = cluster.executor().submit(looks(loader, names)).get(60, TimeUnit.SECONDS);
                assertEquals(List.of("absent", "absent", "absent", "absent", "absent", "text of open"), seen.subList(0, 6));
                List<String> late = cluster.executor().submit(looks(loader, "acme.secret.Key")).get(60, TimeUnit.SECONDS);
                assertEquals("ClassNotFoundException", late.get(0));
            }
        }
        assertTrue(RECORDER.hasSent("text of open"), "the recorder sees what is sent");
        assertFalse(RECORDER.hasSent("secret of"), "what is denied was sent");
    }

    @Test
    void anEmptyPatternIsRefused() {
        SessionConfig config = SessionConfig.defaults().withDenied("/");
        HaulierException refused = assertThrows(HaulierException.class, () -> Haulier.connect(NODE.address(), config));
        assertEquals(ErrorKind.INVALID_ARGUMENT, refused.kind());
    }

    @Test
    void whatIsAskedForIsNotInitialised() throws Exception {
        Path jar = Jars.in(folder).source("acme.secret.Key", KEY).write("key.jar");
        Jars classes = Jars.in(folder).against(jar).source("acme.Looks", LOOKS).source("acme.Bomb", EXPLODES);
        try (Watched loader = new Watched(classes.write("bomb.jar").toUri().toURL());
                Cluster cluster = Haulier.connect(RECORDER.address())) {
            List<String> seen = cluster.executor().submit(looks(loader, "acme.Bomb")).get(60, TimeUnit.SECONDS);
            assertEquals(List.of("found", "no text", "set"), seen);
            assertTrue(RECORDER.hasSent("text of Bomb"), "the node has asked for it");
            assertFalse(loader.hasLoaded("acme.Bomb"), "the client has loaded it");
            assertNull(System.getProperty(BOMB), "the client has initialised it");
        }
    }

    @Test
    void whatIsInMemoryIsNotInitialised() throws Exception {
        String looks = LOOKS.replace("acme.secret.Key.of()", "Bomb.text()");
        Path bomb = Jars.in(folder).source("acme.Bomb", EXPLODES).write("memory.jar");
        InMemory loader =
                new InMemory(Jars.in(folder).against(bomb).source("acme.Bomb", EXPLODES).source("acme.Looks", looks));
        try (Cluster cluster = Haulier.connect(RECORDER.address())) {
            List<String> seen = cluster.executor().submit(looks(loader, "acme.Bomb")).get(60, TimeUnit.SECONDS);
            assertEquals(List.of("found", "no text", "set"), seen);
            assertFalse(loader.hasLoaded("acme.Bomb"), "the client has loaded it");
            assertNull(System.getProperty(BOMB), "the client has initialised it");
        }
    }
}
