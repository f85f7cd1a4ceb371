package io.haulier.worker;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/** Class loaders that no task will use again, and what was found that may hold them. */
final class Gone {
    private static final int DEPTH = 16;
    private static final int MOST_SUSPECTS = 8;

    private final Map<ClassLoader, List<String>> suspects = new IdentityHashMap<>();

    Gone(Collection<TaskClassLoader> loaders) {
        loaders.forEach(loader -> suspects.put(loader, new ArrayList<>()));
    }

    Collection<ClassLoader> loaders() {
        return Collections.unmodifiableSet(suspects.keySet());
    }

    /** The one of these loaders that the object belongs to: by its class, as a class, or as a loader; null: none. */
    ClassLoader of(Object object) {
        if (object == null) {
            return null;
        } else if (object instanceof ClassLoader loader) {
            return ancestor(loader);
        } else if (object instanceof Class<?> type) {
            return ancestor(type.getClassLoader());
        }
        return ancestor(object.getClass().getClassLoader());
    }

    /** A loader that a task made belongs to the task's one. */
    private ClassLoader ancestor(ClassLoader loader) {
        ClassLoader at = loader;
        for (int depth = 0; at != null && depth < DEPTH; depth++) {
            if (suspects.containsKey(at)) {
                return at;
            }
            at = at.getParent();
        }
        return null;
    }

    /** Whether the classes of one of these loaders have used a class of the platform. */
    boolean use(String... names) {
        for (ClassLoader loader : suspects.keySet()) {
            for (String name : names) {
                if (((TaskClassLoader) loader).uses(name)) {
                    return true;
                }
            }
        }
        return false;
    }

    /** Something may hold that loader. */
    void suspect(ClassLoader loader, String what) {
        List<String> known = suspects.get(loader);
        if (known != null && known.size() < MOST_SUSPECTS && !known.contains(what)) {
            known.add(what);
        }
    }

    /** Something may hold any of them. */
    void suspectAll(String what) {
        suspects.keySet().forEach(loader -> suspect(loader, what));
    }

    List<String> suspects(ClassLoader loader) {
        return suspects.get(loader);
    }
}
