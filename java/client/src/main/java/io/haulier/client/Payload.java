package io.haulier.client;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.internal.CapturePath;
import io.haulier.api.internal.SerialOutput;
import java.io.IOException;
import java.io.NotSerializableException;
import java.lang.invoke.SerializedLambda;
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
    /** What the JVM puts into the names of the classes of lambdas. */
    private static final String LAMBDA = "$$Lambda";

    /**
     * Serializes. An object that is held only because a class is written inside its class stays at home; anything else
     * that cannot travel is refused with the path to it.
     */
    static Payload of(Object object) {
        Set<Class<?>> classes = new HashSet<>();
        byte[] bytes;
        try {
            bytes = SerialOutput.write(object, classes);
        } catch (NotSerializableException problem) {
            classes.clear();
            bytes = withoutOuters(object, classes, problem);
        } catch (IOException | StackOverflowError problem) {
            throw refusal(object, problem);
        }
        return new Payload(bytes, classes, loader(object, classes));
    }

    private static byte[] withoutOuters(Object object, Set<Class<?>> classes, NotSerializableException problem) {
        Set<Object> unused = UnusedOuters.of(object);
        if (unused.isEmpty()) {
            throw refusal(object, problem);
        }
        try {
            return SerialOutput.write(object, classes, unused);
        } catch (IOException | StackOverflowError other) {
            throw refusal(object, other);
        }
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
        if (problem instanceof StackOverflowError) {
            return HaulierException.of(
                            ErrorKind.INVALID_ARGUMENT,
                            "send " + describe(object),
                            "its objects are nested too deeply for the stack of this thread")
                    .cause(problem)
                    .hint("send a chain of objects as an array or an ArrayList, or write it in writeObject")
                    .build();
        }
        Optional<String> path = CapturePath.find(object);
        String what = path.map(found -> found + " cannot be serialized (" + problem + ")").orElse(problem.toString());
        return HaulierException.of(ErrorKind.INVALID_ARGUMENT, "send " + describe(object), what)
                .cause(problem)
                .hint(hint(problem))
                .build();
    }

    private static String hint(Throwable problem) {
        if (String.valueOf(problem.getMessage()).contains(LAMBDA)) {
            return "declare the lambda as RemoteCallable or RemoteRunnable, or cast it: (Callable<String> & java.io.Serializable)";
        }
        return "make the class Serializable, mark the field transient, or copy what the task needs into a local variable before"
                + " the lambda";
    }

    /** "the lambda at Main.java:42", "com.acme.Main$1 at Main.java:42": without the line where it is not known. */
    private static String describe(Object object) {
        Class<?> type = object.getClass();
        Optional<SerializedLambda> lambda = CapturePath.lambda(object);
        if (lambda.isPresent()) {
            String name = lambda.get().getCapturingClass().replace('/', '.');
            return ClassFile.named(name, type.getClassLoader())
                    .flatMap(file -> file.line(lambda.get().getImplMethodName()))
                    .map(line -> "the lambda at " + line)
                    .orElse("a lambda of " + name);
        }
        int end = type.isHidden() ? type.getName().indexOf(LAMBDA) : -1;
        if (end > 0) {
            return "a lambda of " + type.getName().substring(0, end);
        }
        Optional<String> line = isUsers(type) ? ClassFile.of(type).flatMap(file -> file.line("<init>")) : Optional.empty();
        return type.getName() + line.map(found -> " at " + found).orElse("");
    }
}
