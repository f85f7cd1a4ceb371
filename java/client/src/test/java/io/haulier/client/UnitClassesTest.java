package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.LoadingPolicy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Classes and resources of units are found as on a plain class path; a broken class is an error of its task. */
@Timeout(120)
class UnitClassesTest {
    @RegisterExtension
    static final TestNode NODE = new TestNode();

    private static final String GOOD =
            "package acme; public class Good { public static long process() { return ProcessHandle.current().pid(); } }";
    private static final int MAJOR = 6;

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

    private static Object call(DeployedUnit unit, String entryPoint, Object... arguments) {
        return cluster.task(unit, entryPoint).call(arguments);
    }

    private Jars jar() {
        return Jars.in(folder);
    }

    @Test
    void resourcesAndServicesComeFromAllJarsInOrder() throws Exception {
        String provider = "package acme.%1$s; public class Codec implements java.util.function.Supplier<String> {"
                + " public String get() { return \"%1$s\"; } }";
        String tasks = """
                package acme;
                import java.util.*;
                public class Look {
                    public static List<String> services() {
                        List<String> found = new ArrayList<>();
                        for (java.util.function.Supplier<?> one : ServiceLoader.load(java.util.function.Supplier.class)) {
                            found.add(one.get().toString());
                        }
                        return found;
                    }
                    public static List<String> resources(String name) throws Exception {
                        List<String> found = new ArrayList<>();
                        for (java.net.URL url : Collections.list(Look.class.getClassLoader().getResources(name))) {
                            found.add(new String(url.openStream().readAllBytes()));
                        }
                        found.add(new String(Look.class.getResourceAsStream("/" + name).readAllBytes()));
                        found.add(new String(Look.class.getResource("/" + name).openStream().readAllBytes()));
                        return found;
                    }
                    public static List<String> about() {
                        Package own = Look.class.getPackage();
                        return List.of(own.getImplementationVersion(), own.getName(),
                                Look.class.getProtectionDomain().getCodeSource().getLocation().toString(),
                                Thread.currentThread().getContextClassLoader() == Look.class.getClassLoader() ? "own" : "other");
                    }
                }
                """;
        String services = "META-INF/services/java.util.function.Supplier";
        Path one = jar().attribute("Implementation-Version", "7")
                .source("acme.Look", tasks)
                .source("acme.one.Codec", provider.formatted("one"))
                .entry(services, "# of one\nacme.one.Codec\n")
                .entry("acme/Text ä#.txt", "1")
                .write("one.jar");
        Path two = jar().source("acme.two.Codec", provider.formatted("two"))
                .entry(services, "acme.two.Codec # of two\nacme.one.Codec\n")
                .entry("acme/Text ä#.txt", "2")
                .write("two.jar");
        DeployedUnit unit = cluster.deploy("look", "1", one, two).get(30, TimeUnit.SECONDS);
        assertEquals(List.of("one", "two"), call(unit, "acme.Look#services"));
        assertEquals(List.of("1", "2", "1", "1"), call(unit, "acme.Look#resources", "acme/Text ä#.txt"));
        assertEquals(List.of("7", "acme", "haulier:/look:1/one.jar", "own"), call(unit, "acme.Look#about"));
    }

    @Test
    void thePolicyOfATaskHoldsForClassesAndResources() throws Exception {
        String twin = "com/sun/nio/file/ExtendedOpenOption.class";
        String where = """
                package acme;
                public class Where {
                    public static String of() throws Exception {
                        Class<?> type = Class.forName("com.sun.nio.file.ExtendedOpenOption", false, Where.class.getClassLoader());
                        java.net.URL url = Where.class.getResource("/com/sun/nio/file/ExtendedOpenOption.class");
                        return (type.getClassLoader() == null ? "platform " : "unit ") + url.getProtocol();
                    }
                }
                """;
        Jars jar = jar().source("acme.Where", where);
        try (java.io.InputStream bytes = ClassLoader.getSystemResourceAsStream(twin)) {
            jar.entry(twin, bytes.readAllBytes());
        }
        DeployedUnit unit = cluster.deploy("where", "1", jar.write("where.jar")).join();
        TaskRef<String> task = cluster.task(unit, "acme.Where#of", String.class);
        assertEquals("unit haulier", task.call());
        assertEquals("unit haulier", task.policy(LoadingPolicy.SELF_ONLY).call());
        assertEquals("platform jrt", task.policy(LoadingPolicy.PARENT_FIRST).call());
        assertEquals("platform jrt", task.parentFirst("com.sun.nio.file").call());
        assertEquals("unit haulier", task.parentFirst("com.sun.nio.fil").call());
        assertEquals("platform jrt", task.policy(LoadingPolicy.SELF_ONLY).parentFirst("com.sun.nio").call());
    }

    @Test
    void aJarWithVersionsGivesThatOfTheWorkersJava() throws Exception {
        String versioned = "package acme; public class Which { public static String say() { return \"%s\"; } }";
        Path jar = jar().attribute("Multi-Release", "true")
                .source("acme.Which", versioned.formatted("base"))
                .source("acme.Which", versioned.formatted("11"), "META-INF/versions/11/")
                .source("acme.Which", versioned.formatted("99"), "META-INF/versions/99/")
                .write("multi.jar");
        DeployedUnit unit = cluster.deploy("multi", "1", jar).join();
        assertEquals("11", call(unit, "acme.Which#say"));
    }

    @Test
    void aSealedPackageIsOfOneJar() throws Exception {
        String text = "package acme.sealed; public class %s { public static String say() { return \"x\"; } }";
        Path sealed = jar().attribute("Sealed", "true").source("acme.sealed.In", text.formatted("In")).write("sealed.jar");
        Path other = jar().source("acme.sealed.Out", text.formatted("Out")).write("other.jar");
        DeployedUnit unit = cluster.deploy("sealed", "1", sealed, other).join();
        assertEquals("x", call(unit, "acme.sealed.In#say"));
        SecurityException violation = assertThrows(SecurityException.class, () -> call(unit, "acme.sealed.Out#say"));
        assertTrue(violation.getMessage().contains("acme.sealed"), violation.getMessage());
    }

    @Test
    void aBrokenClassIsAnErrorOfItsTaskAlone() throws Exception {
        Jars jar = jar().source("acme.Good", GOOD);
        byte[] good = jar.bytes("acme/Good.class");
        byte[] newer = good.clone();
        newer[MAJOR] = 0;
        newer[MAJOR + 1] = 99;
        jar.entry("acme/Newer.class", newer).entry("acme/Other.class", good).entry("acme/Corrupt.class", new byte[] {1, 2});
        jar.entry("acme/Huge.class", Jars.hugePool("acme/Huge"));
        DeployedUnit unit = cluster.deploy("broken", "1", jar.write("broken.jar")).join();
        Object process = call(unit, "acme.Good#process");
        String unsupported = failure(unit, "acme.Newer#process", UnsupportedClassVersionError.class);
        assertTrue(unsupported.contains("Java 55 (class file version 99)"), unsupported);
        assertTrue(unsupported.contains("haulier node --java PATH"), unsupported);
        assertTrue(failure(unit, "acme.Other#process", NoClassDefFoundError.class).contains("wrong name: acme/Good"));
        assertTrue(failure(unit, "acme.Corrupt#process", ClassFormatError.class).contains("acme.Corrupt in broken:1/"));
        assertTrue(failure(unit, "acme.Huge#process", ClassFormatError.class).contains("acme.Huge in broken:1/"));
        assertEquals(process, call(unit, "acme.Good#process"), "the worker goes on");
    }

    /** What the task failed with, as the client sees it. */
    private static String failure(DeployedUnit unit, String entryPoint, Class<? extends Throwable> type) {
        Throwable thrown = assertThrows(Throwable.class, () -> call(unit, entryPoint));
        Throwable problem = thrown instanceof CompletionException ? thrown.getCause() : thrown;
        return assertInstanceOf(type, problem).getMessage();
    }

    @Test
    void classesThatOnlyOthersMayDefineBreakNothing() throws Exception {
        Path jar = jar().source("acme.Good", GOOD)
                .source("java.util.Evil", "package java.util; public class Evil {}")
                .source("io.haulier.api.Task", "package io.haulier.api; public interface Task<A, R> { R other(A a); }")
                .source("acme.UsesTask", """
                        package acme;
                        public class UsesTask implements io.haulier.api.Task<Integer, Integer> {
                            public Integer run(Integer value) { return value + 1; }
                            public static String evil() throws Exception {
                                return Class.forName("java.util.Evil").getName();
                            }
                        }
                        """)
                .write("greedy.jar");
        DeployedUnit unit = cluster.deploy("greedy", "1", jar).join();
        assertEquals(42L, call(unit, "acme.UsesTask", 41));
        failure(unit, "acme.UsesTask#evil", Throwable.class);
        assertTrue((Long) call(unit, "acme.Good#process") > 0);
    }

    @Test
    void eachLoaderHasItsOwnCopyOfANativeLibrary() throws Exception {
        byte[] library = nativeLibrary();
        String source = """
                package acme;
                public class Counter {
                    static {
                        try (java.io.InputStream in = Counter.class.getResourceAsStream("/libcounter.so")) {
                            java.nio.file.Path copy = java.nio.file.Files.createTempFile("counter", ".so");
                            java.nio.file.Files.write(copy, in.readAllBytes());
                            System.load(copy.toString());
                            java.nio.file.Files.delete(copy);
                        } catch (java.io.IOException problem) {
                            throw new java.io.UncheckedIOException(problem);
                        }
                    }
                    static native int next();
                    public static int count() { return next(); }
                }
                """;
        Path jar = jar().source("acme.Counter", source).entry("libcounter.so", library).write("counter.jar");
        DeployedUnit one = cluster.deploy("counter", "1", jar).join();
        Path other = jar().source("acme.Counter", source).entry("libcounter.so", library).entry("two", "").write("counter2.jar");
        DeployedUnit two = cluster.deploy("counter", "2", other).join();
        assertEquals(1L, call(one, "acme.Counter#count"));
        assertEquals(2L, call(one, "acme.Counter#count"));
        assertEquals(1L, call(two, "acme.Counter#count"));
        assertEquals(3L, call(one, "acme.Counter#count"));
    }

    private byte[] nativeLibrary() throws Exception {
        Path source = Files.writeString(
                folder.resolve("counter.c"),
                "#include <jni.h>\nstatic int count;\n"
                        + "JNIEXPORT jint JNICALL Java_acme_Counter_next(JNIEnv *env, jclass c) { return ++count; }\n");
        Path library = folder.resolve("libcounter.so");
        Path include = Path.of(System.getProperty("java.home"), "include");
        Process compiler = new ProcessBuilder(
                        "gcc", "-shared", "-fPIC", "-I" + include, "-I" + include.resolve("linux"), "-o",
                        library.toString(), source.toString())
                .inheritIO()
                .start();
        assertEquals(0, compiler.waitFor());
        return Files.readAllBytes(library);
    }
}
