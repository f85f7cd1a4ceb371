package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** A node with two JDKs runs each task on the older one that reads its classes; skipped where there is only one. */
@Timeout(120)
class SeveralJdksTest {
    private static final Path PLACES = Path.of("/usr/lib/jvm");
    private static final String SOURCE =
            "package acme; public class Release { public static int feature() { return Runtime.version().feature(); } }";
    private static final int MAJOR = 7;

    /** A JDK. */
    private record Jdk(Path home, int release) {
        String program(String name) {
            return home.resolve("bin").resolve(name).toString();
        }
    }

    private static final List<Jdk> JDKS = jdks();

    @RegisterExtension
    static final TestNode NODE = new TestNode(
            "--java", newest().program("java"), "--java", JDKS.isEmpty() ? "java" : JDKS.get(0).program("java"));

    @TempDir
    Path folder;

    /** Those with a compiler, the oldest first. */
    private static List<Jdk> jdks() {
        try (Stream<Path> homes = Files.exists(PLACES) ? Files.list(PLACES) : Stream.empty()) {
            return homes.filter(home -> Files.isExecutable(home.resolve("bin/javac")))
                    .map(home -> release(home).map(release -> new Jdk(home, release)))
                    .flatMap(Optional::stream)
                    .filter(jdk -> jdk.release >= 17)
                    .sorted(Comparator.comparing(Jdk::release))
                    .toList();
        } catch (IOException problem) {
            throw new UncheckedIOException(problem);
        }
    }

    private static Optional<Integer> release(Path home) {
        try (Stream<String> lines = Files.lines(home.resolve("release"))) {
            return lines.filter(line -> line.startsWith("JAVA_VERSION=\""))
                    .map(line -> Integer.parseInt(line.replaceAll("[^0-9]*([0-9]+).*", "$1")))
                    .findFirst();
        } catch (IOException none) {
            return Optional.empty();
        }
    }

    private static Jdk newest() {
        return JDKS.isEmpty() ? new Jdk(Path.of(System.getProperty("java.home")), 0) : JDKS.get(JDKS.size() - 1);
    }

    @BeforeAll
    static void needsTwo() {
        boolean two = !JDKS.isEmpty() && JDKS.get(0).release < newest().release;
        Assumptions.assumeTrue(two, "one JDK only in " + PLACES + ": " + JDKS);
    }

    @Test
    void theOldestThatReadsTheClassesRunsThem() throws Exception {
        Jars old = Jars.in(folder).source("acme.Release", SOURCE);
        byte[] future = old.bytes("acme/Release.class").clone();
        future[MAJOR] = (byte) 200;
        try (Cluster cluster = Haulier.connect(NODE.address())) {
            DeployedUnit first = cluster.deploy("release", "1", old.write("old.jar")).join();
            DeployedUnit second = cluster.deploy("release", "2", compiledByTheNewest()).join();
            Path ahead = Jars.in(folder).entry("acme/Release.class", future).write("ahead.jar");
            DeployedUnit third = cluster.deploy("release", "3", ahead).join();
            for (int round = 0; round < 2; round++) {
                assertEquals((long) JDKS.get(0).release, cluster.task(first, "acme.Release#feature").call());
                assertEquals((long) newest().release, cluster.task(second, "acme.Release#feature").call());
            }
            HaulierException none =
                    assertThrows(HaulierException.class, () -> cluster.task(third, "acme.Release#feature").call());
            assertEquals(ErrorKind.INCOMPATIBLE, none.kind());
            assertTrue(none.getMessage().contains("for Java 156 (class file version 200)"), none.getMessage());
            assertTrue(none.getMessage().contains("haulier node --java PATH"), none.getMessage());
            int ran = cluster.executor().submit(() -> Runtime.version().feature()).get();
            assertEquals(JDKS.get(0).release, ran, "this test is compiled for Java 17");
        }
    }

    private Path compiledByTheNewest() throws Exception {
        Path source = Files.writeString(folder.resolve("Release.java"), SOURCE);
        Path classes = folder.resolve("newest");
        Process compiler = new ProcessBuilder(newest().program("javac"), "-d", classes.toString(), source.toString())
                .inheritIO()
                .start();
        assertEquals(0, compiler.waitFor());
        byte[] bytes = Files.readAllBytes(classes.resolve("acme/Release.class"));
        return Jars.in(folder).entry("acme/Release.class", bytes).write("newest.jar");
    }
}
