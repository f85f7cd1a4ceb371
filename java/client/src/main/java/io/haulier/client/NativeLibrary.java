package io.haulier.client;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.UUID;

/**
 * Finds and loads the native library, once for each class loader that has this class.
 *
 * <p>The JVM refuses to load one file in two class loaders, so each loads a copy of its own; the file is unlinked as
 * soon as it is loaded. A library is never unloaded, so where the file is named, as in workers, all loaders of the process
 * load one copy under names of their own: memory and disk have it once, however many loaders come and go.
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

    /** Loads a further name of the copy that all class loaders of this process have: for the system it is one library. */
    private static boolean loadShared(Path file, List<String> tried) throws IOException {
        Path copy = sharedCopy(file);
        Path link = copy.resolveSibling(copy.getFileName() + "-" + UUID.randomUUID());
        Files.createLink(link, copy);
        return load(link, file.toString(), tried);
    }

    /** The other loaders of this process find it by a property. Two that come at once may make two. */
    private static Path sharedCopy(Path file) throws IOException {
        String property = PROPERTY + ".copy-of:" + file;
        String known = System.getProperty(property);
        if (known != null && Files.isRegularFile(Path.of(known))) {
            return Path.of(known);
        }
        Path copy = Files.createTempFile("haulier-", "-" + System.mapLibraryName("jni"));
        copy.toFile().deleteOnExit();
        Files.copy(file, copy, StandardCopyOption.REPLACE_EXISTING);
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
        try (InputStream bytes = NativeLibrary.class.getClassLoader().getResourceAsStream(name)) {
            if (bytes == null) {
                tried.add("resource " + name + " (not in the jar)");
                return false;
            }
            return loadCopy(bytes, "resource " + name, tried);
        } catch (IOException problem) {
            tried.add("resource " + name + " (" + problem + ")");
            return false;
        }
    }

    private static boolean loadCopy(InputStream bytes, String what, List<String> tried) throws IOException {
        Path copy = Files.createTempFile("haulier-", "-" + System.mapLibraryName("jni"));
        try {
            Files.copy(bytes, copy, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException problem) {
            Files.deleteIfExists(copy);
            throw problem;
        }
        return load(copy, what, tried);
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
