package io.haulier.client;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Stream;
import javax.tools.ToolProvider;

/** Makes jars from sources, for tests that deploy code of a form that no build makes. */
final class Jars {
    private final Path folder;
    private final Map<String, byte[]> entries = new LinkedHashMap<>();
    private final Manifest manifest = new Manifest();
    private final StringBuilder libraries = new StringBuilder();

    private Jars(Path folder) {
        this.folder = folder;
        manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
    }

    /** A jar that is yet empty; what is compiled for it lies in {@code folder}. */
    static Jars in(Path folder) {
        return new Jars(folder);
    }

    Jars attribute(String name, String value) {
        manifest.getMainAttributes().putValue(name, value);
        return this;
    }

    Jars entry(String path, String text) {
        return entry(path, text.getBytes(StandardCharsets.UTF_8));
    }

    Jars entry(String path, byte[] bytes) {
        entries.put(path, bytes);
        return this;
    }

    /** What is compiled from now on may name the classes of these jars. */
    Jars against(Path... jars) {
        for (Path jar : jars) {
            libraries.append(File.pathSeparator).append(jar);
        }
        return this;
    }

    /** Compiles a class against this test's class path, and puts its classes below {@code prefix}. */
    Jars source(String name, String text, String prefix) {
        compile(name, text).forEach((path, bytes) -> entries.put(prefix + path, bytes));
        return this;
    }

    Jars source(String name, String text) {
        return source(name, text, "");
    }

    byte[] bytes(String path) {
        return entries.get(path);
    }

    /** Writes the jar. */
    Path write(String name) throws IOException {
        Path jar = folder.resolve(name);
        try (OutputStream out = Files.newOutputStream(jar); JarOutputStream stream = new JarOutputStream(out, manifest)) {
            for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
                stream.putNextEntry(new JarEntry(entry.getKey()));
                stream.write(entry.getValue());
                stream.closeEntry();
            }
        }
        return jar;
    }

    /** Writes the entries as files below that folder. */
    Path unpack(Path root) throws IOException {
        for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
            Path file = root.resolve(entry.getKey());
            Files.createDirectories(file.getParent());
            Files.write(file, entry.getValue());
        }
        return root;
    }

    private Map<String, byte[]> compile(String name, String text) {
        try {
            Path work = Files.createTempDirectory(folder, "compiled-");
            Path source = work.resolve(name.substring(name.lastIndexOf('.') + 1) + ".java");
            Files.writeString(source, text);
            Path output = Files.createDirectory(work.resolve("classes"));
            List<String> arguments = new ArrayList<>(List.of("-d", output.toString(), "-proc:none", "-nowarn"));
            if (!name.startsWith("java.")) {
                arguments.addAll(List.of("--release", "17", "-cp", classPath() + File.pathSeparator + folder + libraries));
            } else {
                arguments.addAll(List.of("--patch-module", "java.base=" + work));
            }
            arguments.add(source.toString());
            if (ToolProvider.getSystemJavaCompiler().run(null, null, null, arguments.toArray(String[]::new)) != 0) {
                throw new IllegalArgumentException(name + " does not compile");
            }
            return read(output);
        } catch (IOException problem) {
            throw new UncheckedIOException(problem);
        }
    }

    private static String classPath() {
        return System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    }

    private static Map<String, byte[]> read(Path output) throws IOException {
        Map<String, byte[]> classes = new LinkedHashMap<>();
        try (Stream<Path> files = Files.walk(output)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                classes.put(output.relativize(file).toString(), Files.readAllBytes(file));
            }
        }
        return classes;
    }

    /** A class file with as many constants as there can be, and nothing else that is right. */
    static byte[] hugePool(String name) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        out.writeInt(0xCAFEBABE);
        out.writeInt(61);
        out.writeShort(0xFFFF);
        out.writeByte(1);
        out.writeUTF(name);
        for (int index = 2; index < 0xFFFF; index++) {
            out.writeByte(1);
            out.writeUTF("Lacme/Absent" + index + ";");
        }
        out.writeShort(1);
        return bytes.toByteArray();
    }
}
