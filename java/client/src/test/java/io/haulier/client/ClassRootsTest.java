package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.OutputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The roots of a class loader are found, in order, and the API stays at home. */
class ClassRootsTest {
    @TempDir
    Path folder;

    /** A loader that asks its parent last, as those of build tools and servers do. */
    private static final class ChildFirst extends URLClassLoader {
        ChildFirst(URL[] urls, ClassLoader parent) {
            super(urls, parent);
        }
    }

    private Path jar(String name, String classPath) throws Exception {
        Path jar = folder.resolve(name);
        Manifest manifest = new Manifest();
        manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
        if (classPath != null) {
            manifest.getMainAttributes().put(Attributes.Name.CLASS_PATH, classPath);
        }
        try (OutputStream out = Files.newOutputStream(jar); JarOutputStream stream = new JarOutputStream(out, manifest)) {
            stream.finish();
        }
        return jar;
    }

    @Test
    void theClassPathOfTheJvmIsFoundAlsoBehindAManifest() throws Exception {
        List<Path> roots = ClassRoots.of(ClassLoader.getSystemClassLoader());
        Path own = Path.of(ClassRootsTest.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        assertTrue(roots.contains(own), roots.toString());
        assertTrue(roots.stream().anyMatch(root -> root.toString().contains("junit-jupiter-api")), roots.toString());
        Path api = Path.of(io.haulier.api.Task.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        assertFalse(roots.contains(api), roots.toString());
    }

    @Test
    void anEmptyClassPathIsTheFolderUnlessAModuleWasStarted() {
        assertEquals(List.of(Path.of(".")), ClassRoots.classPath("", null));
        assertEquals(List.of(), ClassRoots.classPath("", "shop"));
        assertEquals(List.of(Path.of("a.jar")), ClassRoots.classPath("a.jar", "shop"));
    }

    @Test
    void loadersComeInTheOrderInWhichTheyAreAsked() throws Exception {
        Path parent = jar("parent.jar", null);
        Path child = jar("child with space.jar", "second.jar absent.jar");
        Path second = jar("second.jar", null);
        URL[] parentUrls = {parent.toUri().toURL()};
        URL[] childUrls = {child.toUri().toURL(), new URL("http://localhost/remote.jar")};
        ClassLoader platform = ClassLoader.getPlatformClassLoader();
        try (URLClassLoader outer = new URLClassLoader(parentUrls, platform);
                URLClassLoader parentFirst = new URLClassLoader(childUrls, outer);
                URLClassLoader childFirst = new ChildFirst(childUrls, outer)) {
            assertEquals(List.of(parent, child, second), ClassRoots.of(parentFirst));
            assertEquals(List.of(child, second, parent), ClassRoots.of(childFirst));
        }
    }
}
