package io.haulier.client;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** A node on a free loopback port for the tests of a class; they are skipped if no node was built. */
final class TestNode implements BeforeAllCallback, AfterAllCallback {
    private static final int START_SECONDS = 20;

    private final List<String> options;
    private TestNode member;
    private Process process;
    private Path data;
    private String address;

    /** A node with these further options. */
    TestNode(String... options) {
        this.options = List.of(options);
    }

    /** It becomes a member of that node's cluster, which must be started before it. */
    TestNode joining(TestNode other) {
        member = other;
        return this;
    }

    /** A folder in which tests and tasks tell each other how far they are; tasks write there with {@code --writable}. */
    static Path signals() {
        try {
            Path folder = Files.createTempDirectory("haulier-signals-");
            folder.toFile().deleteOnExit();
            return folder;
        } catch (IOException problem) {
            throw new UncheckedIOException(problem);
        }
    }

    /** host:port. */
    String address() {
        return address;
    }

    long processId() {
        return process.pid();
    }

    @Override
    public void beforeAll(ExtensionContext context) throws Exception {
        File binary = new File(System.getProperty("haulier.node", ""));
        Assumptions.assumeTrue(binary.canExecute(), "no node at '" + binary + "'; make build-dist");
        data = Files.createTempDirectory("haulier-test-");
        List<String> command = new ArrayList<>(
                List.of(binary.toString(), "node", "--listen", "127.0.0.1:0", "--data-dir", data.toString(), "--exit-with-parent"));
        command.addAll(options);
        if (member != null) {
            command.addAll(List.of("--join", member.address()));
        }
        process = new ProcessBuilder(command)
                .redirectError(data.resolve("log").toFile())
                .start();
        CompletableFuture<String> announcement = CompletableFuture.supplyAsync(this::firstLine);
        String line = announcement.get(START_SECONDS, TimeUnit.SECONDS);
        if (line == null) {
            throw new IllegalStateException("the node did not start: " + Files.readString(data.resolve("log")));
        }
        address = line.substring(line.lastIndexOf(' ') + 1);
    }

    @Override
    public void afterAll(ExtensionContext context) throws Exception {
        if (process != null) {
            process.destroy();
            if (!process.waitFor(START_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        }
        if (data != null) {
            try (Stream<Path> files = Files.walk(data)) {
                for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                    Files.deleteIfExists(file);
                }
            }
        }
    }

    private String firstLine() {
        try {
            return new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8)).readLine();
        } catch (IOException problem) {
            throw new UncheckedIOException(problem);
        }
    }
}
