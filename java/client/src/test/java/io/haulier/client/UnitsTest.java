package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.client.RemoteTasks.Point;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Units are deployed, called by name and removed. */
@Timeout(60)
class UnitsTest {
    @RegisterExtension
    static final TestNode NODE = new TestNode();

    private static final String TASKS = "io.haulier.client.RemoteTasks";

    private static Cluster cluster;
    private static Path classes;

    @BeforeAll
    static void connect() throws Exception {
        cluster = Haulier.connect(NODE.address());
        classes = Path.of(UnitsTest.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    }

    @AfterAll
    static void close() {
        if (cluster != null) {
            cluster.close();
        }
    }

    @Test
    void aUnitLivesAndGoes() throws Exception {
        DeployedUnit unit = cluster.deploy("life", "1.2.0", classes).get(30, TimeUnit.SECONDS);
        assertEquals("life:1.2.0", unit.reference());
        assertTrue(unit.digest().startsWith("sha256:"), unit.digest());
        assertEquals(unit.digest(), cluster.deploy("life", "1.2.0", classes).join().digest());
        assertTrue(cluster.deployments().stream().anyMatch(listed -> listed.reference().equals("life:1.2.0")));
        assertEquals("SHOUT", cluster.task("life:1.2.0", TASKS + "#shout").call("shout"));
        assertEquals("life:1.2.0/test-classes", cluster.task(unit, TASKS + "$WhereFrom", String.class).call());
        List<DeployedUnit> removed = cluster.undeploy("life").get(30, TimeUnit.SECONDS);
        assertEquals(List.of("life:1.2.0"), removed.stream().map(DeployedUnit::reference).toList());
        HaulierException gone = assertThrows(
                HaulierException.class, () -> cluster.task("life:1.2.0", TASKS + "#shout").call("x"));
        assertEquals(ErrorKind.NOT_FOUND, gone.kind());
        CompletionException twice =
                assertThrows(CompletionException.class, () -> cluster.undeploy("life").join());
        assertEquals(ErrorKind.NOT_FOUND, assertInstanceOf(HaulierException.class, twice.getCause()).kind());
    }

    @Test
    void resultsAndArgumentsAreConverted() {
        DeployedUnit unit = cluster.deploy("conversions", "1", classes).join();
        Named named = new Named(unit);
        assertEquals(5L, named.call("integer", Object.class, 5));
        assertEquals(5, named.call("integer", Integer.class, 5L));
        assertEquals(new Point(1, 2), named.call("point", Point.class, 1, 2));
        assertEquals(3, named.call("sum", Integer.class, new Point(1, 2)));
        assertArrayEquals(new byte[] {1}, named.call("bytes", byte[].class, (Object) new byte[] {1}));
        assertEquals(Map.of("a", List.of(1L)), named.call("any", Map.class, Map.of("a", List.of(1))));
        HaulierException misfit = assertThrows(HaulierException.class, () -> named.call("integer", Object.class, "x"));
        assertEquals(ErrorKind.INVALID_ARGUMENT, misfit.kind());
        HaulierException result = assertThrows(HaulierException.class, () -> named.call("any", Integer.class, "x"));
        assertEquals(ErrorKind.RESULT_UNREADABLE, result.kind());
        IllegalStateException own =
                assertThrows(IllegalStateException.class, () -> named.call("fail", Object.class, "as itself"));
        assertEquals("as itself", own.getMessage());
        HaulierException checked =
                assertThrows(HaulierException.class, () -> named.call("failChecked", Object.class, "checked"));
        assertInstanceOf(RemoteTasks.OwnException.class, checked.getCause());
    }

    @Test
    void aResultOfAnotherVersionNamesBothDigests(@TempDir Path folder) throws Exception {
        String item = "package acme; public class Item implements java.io.Serializable {"
                + " private static final long serialVersionUID = %dL; public static Object make() { return new Item(); } }";
        Jars first = Jars.in(folder).source("acme.Item", item.formatted(1));
        Jars second = Jars.in(folder).source("acme.Item", item.formatted(2));
        DeployedUnit unit = cluster.deploy("versions", "1", first.write("first.jar")).join();
        try (URLClassLoader here = new URLClassLoader(new URL[] {second.write("second.jar").toUri().toURL()})) {
            HaulierException other = assertThrows(
                    HaulierException.class, () -> cluster.task(unit, "acme.Item#make", here.loadClass("acme.Item")).call());
            assertEquals(ErrorKind.RESULT_UNREADABLE, other.kind());
            assertTrue(other.getMessage().contains(digest(first) + " of versions:1/first.jar"), other.getMessage());
            assertTrue(other.getMessage().contains(digest(second) + " here"), other.getMessage());
        }
        HaulierException absent =
                assertThrows(HaulierException.class, () -> cluster.task(unit, "acme.Item#make").call());
        assertTrue(absent.getMessage().contains(digest(first)), absent.getMessage());
        assertTrue(absent.getMessage().contains("absent here"), absent.getMessage());
    }

    private static String digest(Jars jar) throws Exception {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(jar.bytes("acme/Item.class"));
        return "sha256:" + HexFormat.of().formatHex(digest);
    }

    @Test
    void theUnitComesBeforeTheSession() throws Exception {
        cluster.deploy("first", "1", classes).join();
        try (RemoteExecutor pool = cluster.executor(TaskOptions.defaults().withUnits("first:1"))) {
            assertEquals("first:1/test-classes", pool.submit(new RemoteTasks.WhereFrom()).get());
        }
    }

    @Test
    void otherBytesUnderTheSameVersionConflict() {
        cluster.deploy("conflict", "1", classes).join();
        Path other = Path.of(System.getProperty("java.class.path").split(":")[0]);
        Path jar = ClassRoots.of(ClassLoader.getSystemClassLoader()).stream()
                .filter(root -> root.toString().endsWith(".jar"))
                .findFirst()
                .orElse(other);
        CompletionException conflict =
                assertThrows(CompletionException.class, () -> cluster.deploy("conflict", "1", jar).join());
        assertEquals(ErrorKind.CONFLICT, assertInstanceOf(HaulierException.class, conflict.getCause()).kind());
        assertEquals(2, cluster.redeploy("conflict", "1", jar).join().generation());
    }

    /** Calls the named tasks below. */
    private record Named(DeployedUnit unit) {
        <R> R call(String method, Class<R> type, Object... arguments) {
            return cluster.task(unit, "io.haulier.client.NamedTasks#" + method, type).call(arguments);
        }
    }
}
