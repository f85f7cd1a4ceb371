package io.haulier.client;

import java.io.File;
import java.io.IOException;
import java.lang.module.Configuration;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.CodeSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.jar.Attributes;
import java.util.jar.JarFile;
import java.util.jar.Manifest;
import java.util.stream.Stream;

/**
 * The jars and folders that a class loader reads, in the order in which it reads them: what can travel.
 *
 * <p>The modules of the JVM that are in files, its class path, the URLs of each {@link URLClassLoader} up to the
 * platform's loader, and what the manifests of jars add ({@code Class-Path}). The API stays at home: workers have it.
 */
final class ClassRoots {
    private static final String OWN_PACKAGE = "io/haulier/";

    private final Set<Path> roots = new LinkedHashSet<>();

    private ClassRoots() {}

    static List<Path> of(ClassLoader loader) {
        ClassRoots result = new ClassRoots();
        Deque<ClassLoader> fromTheTop = new ArrayDeque<>();
        for (ClassLoader at = loader; at != null; at = at.getParent()) {
            fromTheTop.addFirst(at);
        }
        Deque<List<Path>> parts = new ArrayDeque<>();
        for (ClassLoader at : fromTheTop) {
            if (at == ClassLoader.getSystemClassLoader()) {
                parts.addLast(modules(ModuleLayer.boot().configuration()));
                parts.addLast(classPath(System.getProperty("java.class.path", ""), System.getProperty("jdk.module.main")));
            } else if (at.getClass() == URLClassLoader.class) {
                parts.addLast(paths(((URLClassLoader) at).getURLs()));
            } else if (at instanceof URLClassLoader urls) {
                // A plain one asks its parent first; one with a class of its own is there to ask it last.
                parts.addFirst(paths(urls.getURLs()));
            }
        }
        parts.forEach(part -> part.forEach(result::add));
        result.roots.removeIf(ClassRoots::isOwn);
        return List.copyOf(result.roots);
    }

    private void add(Path path) {
        Path root = path.toAbsolutePath().normalize();
        if (Files.exists(root) && roots.add(root) && Files.isRegularFile(root)) {
            manifestClassPath(root).forEach(this::add);
        }
    }

    /** Where modules are, in the order of their places, which tells nothing: no two of them have one package. */
    private static List<Path> modules(Configuration configuration) {
        return configuration.modules().stream()
                .flatMap(module -> module.reference().location().stream())
                .filter(location -> "file".equals(location.getScheme()))
                .map(Path::of)
                .sorted()
                .toList();
    }

    /** An empty one is the current folder, but nothing in a JVM that was started with a module. */
    static List<Path> classPath(String text, String mainModule) {
        if (text.isEmpty() && mainModule != null) {
            return List.of();
        }
        return Stream.of(text.split(File.pathSeparator))
                .map(element -> Path.of(element.isEmpty() ? "." : element))
                .toList();
    }

    private static List<Path> paths(URL[] urls) {
        List<Path> paths = new ArrayList<>();
        for (URL url : urls) {
            toPath(url, paths);
        }
        return paths;
    }

    private static void toPath(URL url, Collection<Path> paths) {
        if (!"file".equals(url.getProtocol())) {
            return;
        }
        try {
            paths.add(Path.of(url.toURI()));
        } catch (URISyntaxException | IllegalArgumentException unescaped) {
            paths.add(Path.of(url.getPath()));
        }
    }

    private static List<Path> manifestClassPath(Path jar) {
        List<Path> paths = new ArrayList<>();
        try (JarFile file = new JarFile(jar.toFile())) {
            Manifest manifest = file.getManifest();
            String text = manifest == null ? null : manifest.getMainAttributes().getValue(Attributes.Name.CLASS_PATH);
            if (text != null && !text.isBlank()) {
                for (String element : text.trim().split(" +")) {
                    toPath(new URL(jar.toUri().toURL(), element), paths);
                }
            }
        } catch (IOException noJar) {
            return paths;
        }
        return paths;
    }

    /**
     * Whether a root holds the API and nothing else: workers have it. The client's own classes travel like any other,
     * because a task's class may mention them.
     */
    private static boolean isOwn(Path root) {
        return isSourceOf(io.haulier.api.Task.class, root) && hasOnlyOwn(root);
    }

    private static boolean isSourceOf(Class<?> type, Path root) {
        CodeSource source = type.getProtectionDomain().getCodeSource();
        try {
            URI location = source == null || source.getLocation() == null ? null : source.getLocation().toURI();
            return location != null && Path.of(location).toAbsolutePath().normalize().equals(root);
        } catch (URISyntaxException | IllegalArgumentException noPath) {
            return false;
        }
    }

    private static boolean hasOnlyOwn(Path root) {
        try {
            if (Files.isDirectory(root)) {
                try (Stream<Path> files = Files.walk(root)) {
                    return files.filter(Files::isRegularFile)
                            .allMatch(file -> isOwnEntry(root.relativize(file).toString().replace(File.separatorChar, '/')));
                }
            }
            try (JarFile jar = new JarFile(root.toFile())) {
                return jar.stream().filter(entry -> !entry.isDirectory()).allMatch(entry -> isOwnEntry(entry.getName()));
            }
        } catch (IOException unreadable) {
            return false;
        }
    }

    private static boolean isOwnEntry(String name) {
        return name.startsWith(OWN_PACKAGE) || name.startsWith("META-INF/");
    }
}
