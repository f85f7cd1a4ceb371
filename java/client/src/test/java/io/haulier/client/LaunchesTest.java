package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Programs bring their classes however they are started: from their source, and as a module. */
@Timeout(120)
class LaunchesTest {
    @RegisterExtension
    static final TestNode NODE = new TestNode();

    private static final String PROGRAM = """
            import io.haulier.client.*;
            public class Main {
                static class Greeter { String greet(String who) { return "hello " + who; } }
                public static void main(String[] arguments) throws Exception {
                    try (Cluster cluster = Haulier.connect(arguments[0])) {
                        String who = "from a task";
                        System.out.println(cluster.executor().submit(() -> new Greeter().greet(who)).get());
                    }
                }
            }
            """;
    private static final String CLASS_PATH =
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));

    @TempDir
    Path folder;

    @Test
    void fromItsSource() throws Exception {
        Path source = Files.writeString(folder.resolve("Main.java"), PROGRAM);
        assertEquals("hello from a task", output("-cp", CLASS_PATH, source.toString(), NODE.address()));
    }

    @Test
    void fromSeveralSources() throws Exception {
        Assumptions.assumeTrue(Runtime.version().feature() >= 22, "older ones take one source");
        String program = PROGRAM.replaceFirst("static class Greeter.*\n", "");
        Path source = Files.writeString(folder.resolve("Main.java"), program);
        Files.writeString(folder.resolve("Greeter.java"), "class Greeter { String greet(String who) { return Word.of() + who; } }");
        Files.writeString(folder.resolve("Word.java"), "class Word { static String of() { return \"hello \"; } }");
        assertEquals("hello from a task", output("-cp", CLASS_PATH, source.toString(), NODE.address()));
    }

    @Test
    void asAModule() throws Exception {
        Path sources = Files.createDirectories(folder.resolve("source/shop"));
        Path module = Files.writeString(folder.resolve("source/module-info.java"), "module shop {}");
        Path main = Files.writeString(sources.resolve("Main.java"), "package shop;\n" + PROGRAM);
        Path classes = folder.resolve("shop-module");
        String[] options = {
            "-d", classes.toString(), "-cp", CLASS_PATH, "--add-reads", "shop=ALL-UNNAMED", module.toString(), main.toString()
        };
        assertEquals(0, ToolProvider.getSystemJavaCompiler().run(null, null, null, options));
        String[] started = {
            "-cp", CLASS_PATH, "--add-reads", "shop=ALL-UNNAMED", "-p", classes.toString(), "-m", "shop/shop.Main"
        };
        List<String> arguments = new ArrayList<>(List.of(started));
        arguments.add(NODE.address());
        assertEquals("hello from a task", output(arguments.toArray(String[]::new)));
    }

    /** What the program prints; it must end well. */
    private String output(String... arguments) throws Exception {
        File errors = folder.resolve("errors").toFile();
        File output = folder.resolve("output").toFile();
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
        command.add("-Dhaulier.native=" + System.getProperty("haulier.native"));
        command.addAll(List.of(arguments));
        Process program =
                new ProcessBuilder(command).directory(folder.toFile()).redirectError(errors).redirectOutput(output).start();
        try {
            assertTrue(program.waitFor(60, TimeUnit.SECONDS), "it does not end");
            assertEquals(0, program.exitValue(), () -> read(errors));
            return read(output).strip();
        } finally {
            program.destroyForcibly();
        }
    }

    private static String read(File file) {
        try {
            return Files.readString(file.toPath());
        } catch (java.io.IOException problem) {
            throw new java.io.UncheckedIOException(problem);
        }
    }
}
