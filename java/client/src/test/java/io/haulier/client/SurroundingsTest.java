package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

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

/** Resources, services, packages and loaders are for code that travels what they are at home, its own before others'. */
@Timeout(120)
class SurroundingsTest {
    @RegisterExtension
    static final TestNode NODE = new TestNode();

    private static final String SUPPLIERS = "META-INF/services/java.util.function.Supplier";
    private static final String PROVIDER = "package acme; public class %1$s implements java.util.function.Supplier<String> {"
            + " public String get() { return \"%1$s\"; } }";
    private static final String TASK = """
            package acme;
            import java.util.*;
            import java.util.function.Supplier;
            public class Around implements io.haulier.api.RemoteCallable<List<Object>> {
                @Override public List<Object> call() throws Exception {
                    List<Object> seen = new ArrayList<>();
                    ServiceLoader.load(Supplier.class).forEach(one -> seen.add(one.get()));
                    ClassLoader loader = Around.class.getClassLoader();
                    for (java.net.URL url : Collections.list(loader.getResources("acme/text.txt"))) {
                        seen.add(new String(url.openStream().readAllBytes()));
                    }
                    seen.add(new String(loader.getResource("acme/text.txt").openStream().readAllBytes()));
                    seen.add(new String(Around.class.getResourceAsStream("text.txt").readAllBytes()));
                    seen.add(Collections.list(loader.getResources("absent.txt")).size());
                    Package own = Around.class.getPackage();
                    seen.add(own.getName() + " " + own.getImplementationTitle() + " " + own.getImplementationVersion());
                    seen.add(Around.class.getProtectionDomain().getCodeSource().getLocation().toString());
                    seen.add(Thread.currentThread().getContextClassLoader() == loader);
                    for (java.nio.file.spi.FileSystemProvider provider : java.nio.file.spi.FileSystemProvider.installedProviders()) {
                        seen.add(provider.getScheme());
                    }
                    return seen;
                }
            }
            """;

    @TempDir
    Path folder;

    @Test
    @SuppressWarnings("unchecked")
    void codeThatTravelsFindsThem() throws Exception {
        Path one = Jars.in(folder)
                .attribute("Implementation-Title", "surroundings")
                .attribute("Implementation-Version", "1.5")
                .source("acme.Around", TASK)
                .source("acme.First", PROVIDER.formatted("First"))
                .entry(SUPPLIERS, "acme.First\n")
                .entry("acme/text.txt", "one")
                .write("one.jar");
        Path two = Jars.in(folder)
                .source("acme.Second", PROVIDER.formatted("Second"))
                .entry(SUPPLIERS, "acme.Second\nacme.First\n")
                .entry("acme/text.txt", "two")
                .write("two.jar");
        URL[] urls = {one.toUri().toURL(), two.toUri().toURL()};
        try (URLClassLoader loader = new URLClassLoader(urls, getClass().getClassLoader());
                Cluster cluster = Haulier.connect(NODE.address())) {
            RemoteCallable<List<Object>> task = (RemoteCallable<List<Object>>)
                    loader.loadClass("acme.Around").getConstructor().newInstance();
            List<Object> seen = cluster.executor().submit(task).get(60, TimeUnit.SECONDS);
            String location = "haulier:/session%20" + cluster.sessionId() + "/one.jar";
            assertEquals(
                    List.of("First", "Second", "one", "two", "one", "one", 0, "acme surroundings 1.5", location, true),
                    seen.subList(0, 10));
            assertEquals("file", seen.get(10), "what the platform has");
        }
    }
}
