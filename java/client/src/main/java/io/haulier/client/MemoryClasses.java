package io.haulier.client;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.CodeSource;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The classes of one class loader that are in no file of this machine, as those of a shell, or of a task that submits tasks
 * of its own: written to a folder of their own, with the classes of that kind that they name, so that they can travel. No
 * class is initialised for it, and none loaded but those that are made when they are loaded.
 */
final class MemoryClasses {
    private static final int MAXIMUM_CLASSES = 10_000;
    /** What is there travels as it is, or is of the platform. */
    private static final Set<String> OF_FILES = Set.of("file", "jar", "nested", "jrt");

    /** The classes of a task: the temporary folder of a worker goes with it. */
    private static final String OF_WORKERS = "haulier";

    private final Path folder;
    /** Whether the JVM is told to remove what is written: it remembers that as long as it lives. */
    private boolean removedAtExit = true;

    /** Nothing is written before the first class is kept. */
    MemoryClasses() {
        String name = "haulier-" + ProcessHandle.current().pid() + "-" + java.util.UUID.randomUUID();
        this.folder = Path.of(System.getProperty("java.io.tmpdir"), name, "memory");
    }

    /** Where the classes are; it need not exist. */
    Path folder() {
        return folder;
    }

    /** Writes those of {@code classes} that are of this loader and in no file; whether the folder has changed. */
    synchronized boolean keep(ClassLoader loader, Collection<Class<?>> classes) {
        Set<String> seen = new HashSet<>();
        Deque<String> next = new ArrayDeque<>();
        String protocol = null;
        for (Class<?> type : classes) {
            URL url = type.getClassLoader() == loader ? resource(loader, type.getName()) : null;
            if (url != null && isInNoFile(type, url) && seen.add(type.getName())) {
                next.add(type.getName());
                protocol = url.getProtocol();
            }
        }
        removedAtExit = !OF_WORKERS.equals(protocol);
        boolean changed = false;
        while (!next.isEmpty()) {
            String name = next.poll();
            byte[] bytes = bytes(loader, name);
            changed |= write(name, bytes);
            for (String other : ClassFile.read(bytes).classes()) {
                URL url = seen.size() < MAXIMUM_CLASSES && seen.add(other) ? made(loader, other) : null;
                if (url != null && url.getProtocol().equals(protocol)) {
                    next.add(other);
                }
            }
        }
        return changed;
    }

    /** Whether its loader says of no file that it came from there; a program run from its source says it of the source. */
    private static boolean isInNoFile(Class<?> type, URL url) {
        CodeSource source = type.getProtectionDomain().getCodeSource();
        return source == null || source.getLocation() == null || !OF_FILES.contains(url.getProtocol());
    }

    /** A program run from several sources compiles those of a class when that is loaded. */
    private static URL made(ClassLoader loader, String className) {
        URL url = resource(loader, className);
        if (url != null) {
            return url;
        }
        try {
            Class<?> type = Class.forName(className, false, loader);
            return type.getClassLoader() == loader ? resource(loader, className) : null;
        } catch (ClassNotFoundException | LinkageError | RuntimeException absent) {
            return null;
        }
    }

    private static URL resource(ClassLoader loader, String className) {
        return loader.getResource(className.replace('.', '/') + ".class");
    }

    private static byte[] bytes(ClassLoader loader, String className) {
        try (InputStream stream = resource(loader, className).openStream()) {
            return stream.readAllBytes();
        } catch (IOException problem) {
            throw failure(className, problem);
        }
    }

    private boolean write(String className, byte[] bytes) {
        Path file = folder.resolve(className.replace('.', '/') + ".class").normalize();
        if (!file.startsWith(folder)) {
            throw new IllegalArgumentException(className);
        }
        try {
            if (Files.exists(file) && Arrays.equals(Files.readAllBytes(file), bytes)) {
                return false;
            }
            createFolders(file.getParent());
            Files.write(file, bytes);
            removeAtExit(file);
            return true;
        } catch (IOException problem) {
            throw failure(className, problem);
        }
    }

    /** Removes what was written; what cannot be removed goes when this process ends. */
    synchronized void delete() {
        try (Stream<Path> files = Files.walk(folder.getParent())) {
            files.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
        } catch (IOException nothingWasWritten) {
            return;
        }
    }

    /** Nobody else may read or write them; they go when this process ends. */
    private void createFolders(Path wanted) throws IOException {
        if (Files.isDirectory(wanted)) {
            return;
        }
        if (!wanted.equals(folder.getParent())) {
            createFolders(wanted.getParent());
        }
        Files.createDirectory(wanted, java.nio.file.attribute.PosixFilePermissions.asFileAttribute(
                java.nio.file.attribute.PosixFilePermissions.fromString("rwx------")));
        removeAtExit(wanted);
    }

    private void removeAtExit(Path path) {
        if (removedAtExit) {
            path.toFile().deleteOnExit();
        }
    }

    private static HaulierException failure(String className, IOException problem) {
        return HaulierException.of(ErrorKind.INTERNAL, "send " + className, "its class cannot be kept: " + problem)
                .cause(problem)
                .hint("-Djava.io.tmpdir=FOLDER names a folder with room")
                .build();
    }
}
