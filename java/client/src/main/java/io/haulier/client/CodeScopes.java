package io.haulier.client;

import java.lang.ref.Cleaner;
import java.lang.ref.WeakReference;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.WeakHashMap;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The code that travels: one scope for each class loader of this client, opened when it is first needed. No scope keeps
 * its loader: when that has gone, the scope is closed, and the nodes let its code go. A task that runs keeps its own.
 */
final class CodeScopes implements AutoCloseable {
    private static final String API_PACKAGE = "io/haulier/api/";
    private static final Cleaner CLEANER = Cleaner.create();

    private final long cluster;
    private final Map<ClassLoader, Scope> scopes = new WeakHashMap<>();
    /** The scope of the last task: most tasks of a program come from one loader. */
    private volatile Scope last;

    CodeScopes(long cluster) {
        this.cluster = cluster;
    }

    Scope of(ClassLoader loader) {
        Scope recent = last;
        if (recent != null && recent.loader.refersTo(loader)) {
            return recent;
        }
        synchronized (scopes) {
            Scope scope = scopes.computeIfAbsent(loader, this::open);
            last = scope;
            return scope;
        }
    }

    private Scope open(ClassLoader loader) {
        MemoryClasses memory = new MemoryClasses();
        List<Path> roots = new ArrayList<>(List.of(memory.folder()));
        roots.addAll(ClassRoots.of(loader));
        long handle = Native.openScope(cluster, roots.stream().map(Path::toString).toArray(String[]::new));
        return new Scope(loader, handle, memory);
    }

    /** Waits for no loader any longer: the connection is closed, and all scopes with it. */
    @Override
    public void close() {
        synchronized (scopes) {
            scopes.values().forEach(scope -> scope.closing.clean());
            scopes.clear();
            last = null;
        }
    }

    /** What is done when a loader has gone. */
    private record Closing(long handle, MemoryClasses memory) implements Runnable {
        @Override
        public void run() {
            Native.closeScope(handle);
            memory.delete();
        }
    }

    /** The scope of one class loader, which it does not keep. */
    static final class Scope {
        private final WeakReference<ClassLoader> loader;
        private final long handle;
        private final MemoryClasses memory;
        private final Cleaner.Cleanable closing;
        /** By the names of classes: the classes would keep the loader. */
        private final Map<Set<String>, Integer> starts = new ConcurrentHashMap<>();

        private Scope(ClassLoader loader, long handle, MemoryClasses memory) {
            this.loader = new WeakReference<>(loader);
            this.handle = handle;
            this.memory = memory;
            this.closing = CLEANER.register(loader, new Closing(handle, memory));
        }

        long handle() {
            return handle;
        }

        /** The number of this set of classes: tasks begin with them. */
        int start(Set<Class<?>> classes) {
            Set<String> names = new HashSet<>();
            classes.forEach(type -> names.add(type.getName()));
            Integer known = starts.get(names);
            return known != null ? known : starts.computeIfAbsent(Set.copyOf(names), added -> add(added, classes));
        }

        private int add(Set<String> names, Set<Class<?>> classes) {
            if (memory.keep(loader.get(), classes)) {
                Native.refreshScope(handle);
            }
            return Native.addStart(
                    handle,
                    names.stream()
                            .map(name -> name.replace('.', '/'))
                            .filter(name -> !name.startsWith(API_PACKAGE))
                            .sorted()
                            .toArray(String[]::new));
        }
    }
}
