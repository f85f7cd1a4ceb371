package io.haulier.worker;

import java.lang.ref.Reference;
import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** What threads hold of loaders that are gone: context, handler, variables. Threads of the worker itself are clean. */
final class Threads {
    private static final Field CONTEXT = JdkFields.of(Thread.class, "contextClassLoader");
    private static final Field ACCESS = JdkFields.of(Thread.class, "inheritedAccessControlContext");
    private static final Field LOCALS = JdkFields.of(Thread.class, "threadLocals");
    private static final Field INHERITABLE = JdkFields.of(Thread.class, "inheritableThreadLocals");
    private static final Field TABLE = JdkFields.of("java.lang.ThreadLocal$ThreadLocalMap", "table");
    private static final Field VALUE = JdkFields.of("java.lang.ThreadLocal$ThreadLocalMap$Entry", "value");

    private Threads() {}

    /** The threads of this process, without virtual ones. */
    static List<Thread> live() {
        ThreadGroup root = Thread.currentThread().getThreadGroup();
        while (root.getParent() != null) {
            root = root.getParent();
        }
        Thread[] threads = new Thread[root.activeCount() * 2 + 16];
        int count = root.enumerate(threads, true);
        while (count == threads.length) {
            threads = new Thread[threads.length * 2];
            count = root.enumerate(threads, true);
        }
        return new ArrayList<>(Arrays.asList(threads).subList(0, count));
    }

    /** The context class loader as it is stored: a thread's own class may answer something else. */
    static Object context(Thread thread) {
        return CONTEXT == null ? thread.getContextClassLoader() : JdkFields.get(CONTEXT, thread);
    }

    /** Takes away what threads that others use as well hold of these loaders. */
    static void clean(List<Thread> threads, Gone gone) {
        if (gone.of(Thread.getDefaultUncaughtExceptionHandler()) != null) {
            Thread.setDefaultUncaughtExceptionHandler(null);
        }
        for (Thread thread : threads) {
            // A thread of the loaders that does not end keeps its context, by which it is known.
            if (gone.of(context(thread)) != null && OwnThreads.owner(thread, gone) == null) {
                thread.setContextClassLoader(ClassLoader.getSystemClassLoader());
            }
            if (gone.of(thread.getUncaughtExceptionHandler()) != null) {
                thread.setUncaughtExceptionHandler(null);
            }
            // The permissions of whoever made the thread, which nothing asks about: there is no security manager.
            JdkFields.clear(ACCESS, thread);
            cleanVariables(JdkFields.get(LOCALS, thread), gone);
            cleanVariables(JdkFields.get(INHERITABLE, thread), gone);
        }
    }

    /**
     * Empties the entries that lead to these loaders. An entry whose key is cleared is what the collector makes of one
     * whose variable is gone: the thread copes with that at any time.
     */
    private static void cleanVariables(Object map, Gone gone) {
        if (!(JdkFields.get(TABLE, map) instanceof Object[] table)) {
            return;
        }
        for (Object entry : table) {
            if (entry instanceof Reference<?> key) {
                Object value = JdkFields.get(VALUE, entry);
                if (gone.of(key.get()) != null || Reach.from(value, gone) != null) {
                    key.clear();
                    JdkFields.clear(VALUE, entry);
                }
            }
        }
    }
}
