package io.haulier.api.internal;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectOutputStream;
import java.util.Set;

/**
 * Writes an object by JDK serialization, and collects the classes that its bytes name: what a reader will ask for
 * first. Classes of the platform are left out: every worker has them.
 */
public final class SerialOutput extends ObjectOutputStream {
    private static final ClassLoader PLATFORM = ClassLoader.getPlatformClassLoader();

    private final Set<Class<?>> classes;
    private final Set<Object> leftOut;

    private SerialOutput(ByteArrayOutputStream bytes, Set<Class<?>> classes, Set<Object> leftOut) throws IOException {
        super(bytes);
        this.classes = classes;
        this.leftOut = leftOut;
        if (!leftOut.isEmpty()) {
            enableReplaceObject(true);
        }
    }

    /**
     * Serializes an object.
     *
     * @param object what to write
     * @param classes where to put the classes that the bytes name; null: nowhere
     * @throws IOException {@link java.io.NotSerializableException}, or what a {@code writeObject} threw
     */
    public static byte[] write(Object object, Set<Class<?>> classes) throws IOException {
        return write(-1, object, classes, Set.of());
    }

    /** As {@link #write(Object, Set)}, with null wherever an object of {@code leftOut} is: a set by identity. */
    public static byte[] write(Object object, Set<Class<?>> classes, Set<Object> leftOut) throws IOException {
        return write(-1, object, classes, leftOut);
    }

    /** As {@link #write(Object, Set)}, with one byte before the serialized form unless {@code first} is negative. */
    public static byte[] write(int first, Object object, Set<Class<?>> classes) throws IOException {
        return write(first, object, classes, Set.of());
    }

    private static byte[] write(int first, Object object, Set<Class<?>> classes, Set<Object> leftOut)
            throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
        if (first >= 0) {
            bytes.write(first);
        }
        try (SerialOutput output = new SerialOutput(bytes, classes, leftOut)) {
            output.writeObject(object);
        }
        return bytes.toByteArray();
    }

    @Override
    protected Object replaceObject(Object object) {
        return leftOut.contains(object) ? null : object;
    }

    @Override
    protected void annotateClass(Class<?> type) {
        collect(type);
    }

    @Override
    protected void annotateProxyClass(Class<?> type) {
        for (Class<?> part : type.getInterfaces()) {
            collect(part);
        }
    }

    private void collect(Class<?> type) {
        Class<?> element = type;
        while (element.isArray()) {
            element = element.getComponentType();
        }
        if (classes != null && element.getClassLoader() != null && element.getClassLoader() != PLATFORM) {
            classes.add(element);
        }
    }
}
