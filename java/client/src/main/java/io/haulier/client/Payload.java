package io.haulier.client;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.internal.CapturePath;
import io.haulier.api.internal.SerialOutput;
import java.io.IOException;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;

/**
 * A serialized object with the classes its bytes name.
 *
 * @param bytes its serialized form
 * @param classes what a reader asks for first, without those of the platform
 * @param loader the class loader of the client that these classes belong to
 */
record Payload(byte[] bytes, Set<Class<?>> classes, ClassLoader loader) {
    private static final ClassLoader PLATFORM = ClassLoader.getPlatformClassLoader();

    /** Serializes; what cannot travel is refused with the path to it. */
    static Payload of(Object object) {
        Set<Class<?>> classes = new HashSet<>();
        byte[] bytes;
        try {
            bytes = SerialOutput.write(object, classes);
        } catch (IOException | StackOverflowError problem) {
            throw refusal(object, problem);
        }
        return new Payload(bytes, classes, loader(object, classes));
    }

    /** The loader of the object's class; for a class of the platform, that of what it holds. */
    private static ClassLoader loader(Object object, Set<Class<?>> classes) {
        ClassLoader own = object.getClass().getClassLoader();
        if (isUsers(object.getClass())) {
            return own;
        }
        return classes.stream()
                .filter(Payload::isUsers)
                .findFirst()
                .map(Class::getClassLoader)
                .orElseGet(Payload::contextLoader);
    }

    /** The context class loader of this thread, or that of the application. */
    static ClassLoader contextLoader() {
        ClassLoader context = Thread.currentThread().getContextClassLoader();
        return context == null ? ClassLoader.getSystemClassLoader() : context;
    }

    private static boolean isUsers(Class<?> type) {
        ClassLoader loader = type.getClassLoader();
        return loader != null && loader != PLATFORM && !type.getName().startsWith("io.haulier.api.");
    }

    private static HaulierException refusal(Object object, Throwable problem) {
        Optional<String> path = CapturePath.find(object);
        String what = path.map(found -> found + " cannot be serialized (" + problem + ")").orElse(problem.toString());
        return HaulierException.of(ErrorKind.INVALID_ARGUMENT, "send " + object.getClass().getName(), what)
                .cause(problem)
                .hint("make the class Serializable, mark the field transient, or copy what the task needs into a local"
                        + " variable before the lambda")
                .build();
    }
}
