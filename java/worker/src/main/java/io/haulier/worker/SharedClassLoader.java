package io.haulier.worker;

import io.haulier.api.Task;

/** The parent of every task's class loader: the platform and the API, and nothing else of the worker. */
final class SharedClassLoader extends ClassLoader {
    private static final String API_PACKAGE = "io.haulier.api.";

    static {
        registerAsParallelCapable();
    }

    private final ClassLoader api = Task.class.getClassLoader();

    SharedClassLoader() {
        super("haulier-api", ClassLoader.getPlatformClassLoader());
    }

    @Override
    protected Class<?> findClass(String name) throws ClassNotFoundException {
        if (name.startsWith(API_PACKAGE)) {
            return api.loadClass(name);
        }
        throw new ClassNotFoundException(name);
    }
}
