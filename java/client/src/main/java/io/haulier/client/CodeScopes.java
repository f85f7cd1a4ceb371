package io.haulier.client;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** The code that travels: one scope for each class loader of this client, opened when it is first needed. */
final class CodeScopes {
    private static final String API_PACKAGE = "io/haulier/api/";

    private final long cluster;
    private final Map<ClassLoader, Scope> scopes = new ConcurrentHashMap<>();

    CodeScopes(long cluster) {
        this.cluster = cluster;
    }

    Scope of(ClassLoader loader) {
        return scopes.computeIfAbsent(loader, this::open);
    }

    private Scope open(ClassLoader loader) {
        MemoryClasses memory = new MemoryClasses(loader);
        List<Path> roots = new ArrayList<>(List.of(memory.folder()));
        roots.addAll(ClassRoots.of(loader));
        long handle = Native.openScope(cluster, roots.stream().map(Path::toString).toArray(String[]::new));
        return new Scope(handle, memory);
    }

    /** The scope of one class loader. */
    static final class Scope {
        private final long handle;
        private final MemoryClasses memory;
        private final Map<Set<Class<?>>, Integer> starts = new ConcurrentHashMap<>();

        private Scope(long handle, MemoryClasses memory) {
            this.handle = handle;
            this.memory = memory;
        }

        long handle() {
            return handle;
        }

        /** The number of this set of classes: tasks begin with them. */
        int start(Set<Class<?>> classes) {
            Integer known = starts.get(classes);
            return known != null ? known : starts.computeIfAbsent(Set.copyOf(classes), this::add);
        }

        private int add(Set<Class<?>> classes) {
            if (memory.keep(classes)) {
                Native.refreshScope(handle);
            }
            return Native.addStart(
                    handle,
                    classes.stream()
                            .map(type -> type.getName().replace('.', '/'))
                            .filter(name -> !name.startsWith(API_PACKAGE))
                            .sorted()
                            .toArray(String[]::new));
        }
    }
}
