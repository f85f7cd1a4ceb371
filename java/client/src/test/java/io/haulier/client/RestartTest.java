package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.lang.ref.PhantomReference;
import java.lang.ref.ReferenceQueue;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** An application server loads the client again and again, each time in a class loader of its own. */
@Timeout(90)
class RestartTest {
    private static final int RESTARTS = 20;

    @RegisterExtension
    static final TestNode NODE = new TestNode();

    /** Asks its parent only for what its URLs do not have. */
    private static final class ChildFirst extends URLClassLoader {
        ChildFirst(URL[] urls) {
            super(urls, ClassLoader.getPlatformClassLoader());
        }
    }

    /** What runs inside such a loader. */
    static final class Application {
        private Application() {}

        /** Connects, runs a task, and closes, unless told to stay. */
        static AutoCloseable run(String address, boolean stay) throws Exception {
            Cluster cluster = Haulier.connect(address);
            int answer = cluster.executor().submit(() -> 42).get(30, TimeUnit.SECONDS);
            if (answer != 42) {
                throw new IllegalStateException("the answer was " + answer);
            }
            if (stay) {
                return cluster;
            }
            cluster.close();
            return () -> {};
        }
    }

    private static ClassLoader loader(Path... jars) throws Exception {
        List<URL> urls = new ArrayList<>();
        for (Path jar : jars) {
            urls.add(jar.toUri().toURL());
        }
        for (String element : System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"))
                .split(File.pathSeparator)) {
            urls.add(new File(element).toURI().toURL());
        }
        return new ChildFirst(urls.toArray(URL[]::new));
    }

    private static AutoCloseable start(ClassLoader loader, boolean stay) throws Exception {
        Class<?> application = Class.forName(Application.class.getName(), true, loader);
        assertEquals(loader, application.getClassLoader());
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        thread.setContextClassLoader(loader);
        try {
            Method run = application.getDeclaredMethod("run", String.class, boolean.class);
            run.setAccessible(true);
            return (AutoCloseable) run.invoke(null, NODE.address(), stay);
        } finally {
            thread.setContextClassLoader(before);
        }
    }

    @Test
    void twoAtOnceWork() throws Exception {
        try (AutoCloseable first = start(loader(), true);
                AutoCloseable second = start(loader(), true)) {
            assertNotNull(first);
            assertNotNull(second);
        }
    }

    @Test
    void allHaveOneCopyOfTheLibraryInTheirJar(@TempDir Path folder) throws Exception {
        String named = System.getProperty("haulier.native");
        Path jar = Jars.in(folder)
                .entry(NativeLibrary.resource(), Files.readAllBytes(Path.of(named)))
                .write("with-library.jar");
        long before = Hops.libraries();
        System.clearProperty("haulier.native");
        try {
            for (int restart = 0; restart < RESTARTS / 2; restart++) {
                start(loader(jar), false).close();
            }
        } finally {
            System.setProperty("haulier.native", named);
        }
        assertEquals(2, Hops.libraries() - before, "that of the first one, and that of all others");
    }

    @Test
    void aClosedOneIsCollected() throws Exception {
        ReferenceQueue<ClassLoader> queue = new ReferenceQueue<>();
        List<PhantomReference<ClassLoader>> loaders = new ArrayList<>();
        for (int restart = 0; restart < RESTARTS; restart++) {
            ClassLoader loader = loader();
            start(loader, false).close();
            loaders.add(new PhantomReference<>(loader, queue));
        }
        int collected = 0;
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(40);
        while (collected < RESTARTS && System.nanoTime() < end) {
            System.gc();
            while (queue.remove(200) != null) {
                collected++;
            }
        }
        assertTrue(collected >= RESTARTS - 1, collected + " of " + loaders.size() + " class loaders were collected");
    }
}
