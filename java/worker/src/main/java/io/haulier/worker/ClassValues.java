package io.haulier.worker;

import java.lang.ref.Reference;
import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;

/**
 * Values that a {@link ClassValue} keeps in classes of the JDK. There is no list of the classes that have any: those
 * are looked at that libraries use as keys.
 */
final class ClassValues {
    private static final Field MAP = JdkFields.of(Class.class, "classValueMap");
    private static final List<Class<?>> KEYS = List.of(
            Object.class, String.class, CharSequence.class, Number.class, Boolean.class, Character.class, Byte.class,
            Short.class, Integer.class, Long.class, Float.class, Double.class, Void.class, boolean.class, char.class,
            byte.class, short.class, int.class, long.class, float.class, double.class, void.class, Object[].class,
            String[].class, byte[].class, int[].class, long[].class, Class.class, Enum.class, Record.class,
            Throwable.class, Exception.class, RuntimeException.class, Runnable.class, Comparable.class, Iterable.class,
            java.util.List.class, java.util.ArrayList.class, java.util.Map.class, java.util.HashMap.class,
            java.util.Set.class, java.util.HashSet.class, java.util.Collection.class, java.util.Optional.class,
            java.util.Date.class, java.util.UUID.class, java.util.LinkedHashMap.class,
            java.util.function.Function.class, java.util.function.Supplier.class,
            java.util.concurrent.Callable.class, java.io.Serializable.class,
            java.math.BigDecimal.class, java.math.BigInteger.class, java.time.Instant.class, java.time.LocalDate.class,
            java.time.LocalDateTime.class, java.time.Duration.class, java.net.URI.class, java.net.URL.class);

    private ClassValues() {}

    static void remove(Gone gone) {
        for (Class<?> key : KEYS) {
            if (JdkFields.get(MAP, key) instanceof Map<?, ?> values) {
                remove(key, values, gone);
            }
        }
    }

    private static void remove(Class<?> key, Map<?, ?> values, Gone gone) {
        Collection<Object> entries;
        synchronized (values) {
            entries = new ArrayList<>(values.values());
        }
        for (Object entry : entries) {
            ClassValue<?> of = classValue(entry);
            if (of != null && (gone.of(of) != null || Reach.from(value(entry), gone) != null)) {
                of.remove(key);
            }
        }
    }

    private static Object value(Object entry) {
        return JdkFields.get(field(entry, "value"), entry);
    }

    /** An entry knows its version weakly (it is the reference, or from JDK 25 on has one), and that the class value. */
    private static ClassValue<?> classValue(Object entry) {
        Object reference = entry instanceof Reference<?> ? entry : JdkFields.get(field(entry, "version"), entry);
        Object version = reference instanceof Reference<?> weak ? weak.get() : null;
        Object found = version == null ? null : JdkFields.get(field(version, "classValue"), version);
        return found instanceof ClassValue<?> value ? value : null;
    }

    private static Field field(Object object, String name) {
        return JdkFields.of(object.getClass(), name);
    }
}
