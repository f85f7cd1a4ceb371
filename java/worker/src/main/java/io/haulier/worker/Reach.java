package io.haulier.worker;

import java.lang.ref.Reference;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Looks through objects of the JDK (collections, tasks of pools, holders) for something that belongs to a loader. It
 * reads fields and calls nothing, so that no code of a task runs.
 */
final class Reach {
    private static final int MOST_OBJECTS = 2000;
    private static final Map<Class<?>, Field[]> FIELDS = new ConcurrentHashMap<>();

    private Reach() {}

    /** The loader that {@code root} leads to; null: none was found. */
    static ClassLoader from(Object root, Gone gone) {
        Deque<Object> open = new ArrayDeque<>();
        Set<Object> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        see(root, open, seen);
        while (!open.isEmpty()) {
            Object at = open.poll();
            ClassLoader found = gone.of(at);
            if (found != null) {
                return found;
            }
            follow(at, open, seen);
        }
        return null;
    }

    private static void follow(Object object, Deque<Object> open, Set<Object> seen) {
        if (object instanceof Object[] array) {
            for (Object element : array) {
                see(element, open, seen);
            }
        } else if (!isLeaf(object)) {
            for (Field field : FIELDS.computeIfAbsent(object.getClass(), Reach::fields)) {
                see(JdkFields.get(field, object), open, seen);
            }
        }
    }

    private static void see(Object object, Deque<Object> open, Set<Object> seen) {
        if (object != null && seen.size() < MOST_OBJECTS && seen.add(object)) {
            open.add(object);
        }
    }

    /** What leads everywhere, or nowhere, or is of other code. */
    private static boolean isLeaf(Object object) {
        return object.getClass().getClassLoader() != null
                || object instanceof Class<?>
                || object instanceof Thread
                || object instanceof ThreadGroup
                || object instanceof ClassLoader
                || object instanceof Reference<?>
                || object instanceof String
                || object instanceof Number;
    }

    private static Field[] fields(Class<?> type) {
        List<Field> fields = new ArrayList<>();
        for (Class<?> at = type; at != null; at = at.getSuperclass()) {
            for (Field field : at.getDeclaredFields()) {
                boolean leads = !Modifier.isStatic(field.getModifiers()) && !field.getType().isPrimitive();
                if (leads && field.trySetAccessible()) {
                    fields.add(field);
                }
            }
        }
        return fields.toArray(Field[]::new);
    }
}
