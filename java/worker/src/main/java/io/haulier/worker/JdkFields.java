package io.haulier.worker;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.lang.reflect.Field;

/**
 * Private fields of the JDK, which cleaning needs to see. They are there when {@link Main} has opened their packages to
 * this module; where one is not, what depends on it is left out.
 */
final class JdkFields {
    private static final VarHandle THREAD_LOCALS = threadField("threadLocals");
    private static final VarHandle INHERITABLE_THREAD_LOCALS = threadField("inheritableThreadLocals");

    private JdkFields() {}

    /** Puts thread-local values in place of a thread's own, and returns those; null: none. */
    static Object exchangeThreadLocals(Thread thread, Object values) {
        return exchange(THREAD_LOCALS, thread, values);
    }

    /** As {@link #exchangeThreadLocals}, for those that new threads inherit. */
    static Object exchangeInheritable(Thread thread, Object values) {
        return exchange(INHERITABLE_THREAD_LOCALS, thread, values);
    }

    private static Object exchange(VarHandle field, Thread thread, Object values) {
        if (field == null) {
            return null;
        }
        Object before = field.get(thread);
        field.set(thread, values);
        return before;
    }

    private static VarHandle threadField(String name) {
        try {
            MethodHandles.Lookup inside = MethodHandles.privateLookupIn(Thread.class, MethodHandles.lookup());
            return inside.findVarHandle(Thread.class, name, Class.forName("java.lang.ThreadLocal$ThreadLocalMap"));
        } catch (ReflectiveOperationException | RuntimeException closed) {
            return null;
        }
    }

    /** A field of a class that may not exist in this JDK; null: it does not, or is closed to us. */
    static Field of(String className, String name) {
        try {
            return of(Class.forName(className, false, ClassLoader.getPlatformClassLoader()), name);
        } catch (ClassNotFoundException otherRelease) {
            return null;
        }
    }

    /** A field of that class; null: there is none, or it is closed to us. */
    static Field of(Class<?> type, String name) {
        try {
            Field field = type.getDeclaredField(name);
            return field.trySetAccessible() ? field : null;
        } catch (NoSuchFieldException otherRelease) {
            return null;
        }
    }

    /** The value of a field; null if there is no such field, or no object. */
    static Object get(Field field, Object object) {
        if (field == null || object == null) {
            return null;
        }
        try {
            return field.get(object);
        } catch (IllegalAccessException closed) {
            return null;
        }
    }

    /** The value of a static field; null if there is no such field. */
    static Object getStatic(Field field) {
        try {
            return field == null ? null : field.get(null);
        } catch (IllegalAccessException closed) {
            return null;
        }
    }

    /** Sets a field to null; false if that cannot be done. */
    static boolean clear(Field field, Object object) {
        if (field == null || object == null) {
            return false;
        }
        try {
            field.set(object, null);
            return true;
        } catch (IllegalAccessException closed) {
            return false;
        }
    }
}
