package io.haulier.client;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import java.io.IOException;
import java.io.InputStream;
import java.net.JarURLConnection;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;
import java.util.jar.JarEntry;

/**
 * Finds and loads the native library, once for each class loader that has this class.
 *
 * <p>The JVM refuses to load one file in two class loaders, so each loads a file of its own, which is unlinked as soon as it
 * is loaded. A library is never unloaded; so that memory and disk do not have one for each loader that comes and goes, all of
 * a process load one copy under names of their own: from the first one where the file is named, as in workers, and from the
 * second one on where it is in a jar. A program that loads it once leaves nothing behind, however it ends.
 */
final class NativeLibrary {
    private static final String PROPERTY = "haulier.native";
    private static final String VARIABLE = "HAULIER_JNI";

    private NativeLibrary() {}

    static void load() {
        List<String> tried = new ArrayList<>();
        String[] overrides = {System.getProperty(PROPERTY), System.getenv(VARIABLE)};
        for (String override : overrides) {
            if (override != null && !override.isBlank() && loadFile(Path.of(override), tried)) {
                return;
            }
        }
        if (loadResource(resource(), tried)) {
            return;
        }
        throw HaulierException.of(
                        ErrorKind.INCOMPATIBLE, "load the native library", "none of these worked: " + String.join("; ", tried))
                .context("platform", platform())
                .context("java", System.getProperty("java.version"))
                .hint("-D" + PROPERTY + "=/path/to/libhaulier_jni.so or the environment variable " + VARIABLE)
                .build();
    }

    /** Where the library is inside the jar: "META-INF/native/linux-x86_64/libhaulier_jni.so". */
    static String resource() {
        return "META-INF/native/" + platform() + "/" + System.mapLibraryName("haulier_jni");
    }

    private static String platform() {
        String system = System.getProperty("os.name").toLowerCase(Locale.ROOT).replaceAll("[^a-z].*", "");
        String machine = System.getProperty("os.arch").equals("amd64") ? "x86_64" : System.getProperty("os.arch");
        return system + "-" + machine;
    }

    private static boolean loadFile(Path file, List<String> tried) {
        if (!Files.isRegularFile(file)) {
            tried.add(file + " (no such file)");
            return false;
        }
        try {
            return loadShared(file, tried);
        } catch (IOException | UnsupportedOperationException noLinks) {
            return loadOwn(file, tried);
        }
    }

    private static boolean loadShared(Path file, List<String> tried) throws IOException {
        try (InputStream bytes = Files.newInputStream(file)) {
            return loadShared(file.toString(), bytes, file.toString(), tried);
        }
    }

    /** Loads a further name of the copy that the class loaders of this process have: for the system it is one library. */
    private static boolean loadShared(String identity, InputStream bytes, String what, List<String> tried)
            throws IOException {
        Path copy = sharedCopy(identity, bytes);
        Path link = copy.resolveSibling(copy.getFileName() + "-" + UUID.randomUUID());
        Files.createLink(link, copy);
        return load(link, what, tried);
    }

    /** The other loaders of this process find it by a property. Two that come at once may make two. */
    private static Path sharedCopy(String identity, InputStream bytes) throws IOException {
        String property = PROPERTY + ".copy-of:" + identity;
        String known = System.getProperty(property);
        if (known != null && Files.isRegularFile(Path.of(known))) {
            return Path.of(known);
        }
        Path copy = Files.createTempFile("haulier-", "-" + System.mapLibraryName("jni"));
        copy.toFile().deleteOnExit();
        copyInto(copy, bytes);
        System.setProperty(property, copy.toString());
        return copy;
    }

    private static boolean loadOwn(Path file, List<String> tried) {
        try (InputStream bytes = Files.newInputStream(file)) {
            return loadCopy(bytes, file.toString(), tried);
        } catch (IOException problem) {
            tried.add(file + " (" + problem + ")");
            return false;
        }
    }

    private static boolean loadResource(String name, List<String> tried) {
        URL url = NativeLibrary.class.getClassLoader().getResource(name);
        if (url == null) {
            tried.add("resource " + name + " (not in the jar)");
            return false;
        }
        String what = "resource " + name;
        try {
            Optional<String> identity = identity(url);
            if (identity.isPresent() && isLoaded(identity.get())) {
                try (InputStream bytes = open(url).getInputStream()) {
                    return loadShared(identity.get(), bytes, what, tried);
                } catch (IOException | UnsupportedOperationException noLinks) {
                    // It loads a copy of its own, as the first one does.
                }
            }
            try (InputStream bytes = open(url).getInputStream()) {
                return loadCopy(bytes, what, tried);
            }
        } catch (IOException problem) {
            tried.add(what + " (" + problem + ")");
            return false;
        }
    }

    /** A connection that keeps no jar open. */
    private static URLConnection open(URL url) throws IOException {
        URLConnection connection = url.openConnection();
        connection.setUseCaches(false);
        return connection;
    }

    /** What tells the libraries of two versions of the client apart; empty if it is in no jar. */
    private static Optional<String> identity(URL url) throws IOException {
        if (!(open(url) instanceof JarURLConnection jar)) {
            return Optional.empty();
        }
        try (InputStream opened = jar.getInputStream()) {
            JarEntry entry = jar.getJarEntry();
            return Optional.of(Long.toHexString(entry.getCrc()) + "-" + entry.getSize());
        }
    }

    /** Whether another class loader of this process has loaded it; notes that this one does. */
    private static boolean isLoaded(String identity) {
        return System.getProperties().putIfAbsent(PROPERTY + ".loaded:" + identity, "true") != null;
    }

    private static boolean loadCopy(InputStream bytes, String what, List<String> tried) throws IOException {
        Path copy = Files.createTempFile("haulier-", "-" + System.mapLibraryName("jni"));
        copyInto(copy, bytes);
        return load(copy, what, tried);
    }

    /** Where the disk is full nothing stays. */
    private static void copyInto(Path copy, InputStream bytes) throws IOException {
        try {
            Files.copy(bytes, copy, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException problem) {
            Files.deleteIfExists(copy);
            throw problem;
        }
    }

    /** Loads a file and removes its name. */
    private static boolean load(Path file, String what, List<String> tried) throws IOException {
        try {
            System.load(file.toString());
            return true;
        } catch (UnsatisfiedLinkError problem) {
            tried.add(what + " (" + problem.getMessage() + ")");
            return false;
        } finally {
            Files.deleteIfExists(file);
        }
    }
}
