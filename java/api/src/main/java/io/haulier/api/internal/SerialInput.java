package io.haulier.api.internal;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.ObjectInputFilter;
import java.io.ObjectInputStream;
import java.io.ObjectStreamClass;
import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.util.Map;

/** Reads an object by JDK serialization; its classes come from one given class loader. */
public final class SerialInput extends ObjectInputStream {
    /** Bounds what a stranger's bytes can make this process do; says nothing about classes. */
    public static final ObjectInputFilter DEFAULT_FILTER =
            ObjectInputFilter.Config.createFilter("maxdepth=1000;maxarray=1073741824");

    private static final Map<String, Class<?>> PRIMITIVES = Map.of(
            "boolean", boolean.class,
            "byte", byte.class,
            "char", char.class,
            "short", short.class,
            "int", int.class,
            "long", long.class,
            "float", float.class,
            "double", double.class,
            "void", void.class);

    private final ClassLoader loader;

    private SerialInput(InputStream bytes, ClassLoader loader, ObjectInputFilter filter) throws IOException {
        super(bytes);
        this.loader = loader;
        ObjectInputFilter own = filter == null ? DEFAULT_FILTER : filter;
        setObjectInputFilter(ObjectInputFilter.merge(own, ObjectInputFilter.Config.getSerialFilter()));
    }

    /**
     * Reads an object.
     *
     * @param bytes the serialized form
     * @param loader where its classes come from
     * @param filter what may be read; null: {@link #DEFAULT_FILTER}
     */
    public static Object read(byte[] bytes, ClassLoader loader, ObjectInputFilter filter)
            throws IOException, ClassNotFoundException {
        try (SerialInput input = new SerialInput(new ByteArrayInputStream(bytes), loader, filter)) {
            return input.readObject();
        }
    }

    @Override
    protected Class<?> resolveClass(ObjectStreamClass description) throws ClassNotFoundException {
        String name = description.getName();
        Class<?> primitive = PRIMITIVES.get(name);
        return primitive == null ? Class.forName(name, false, loader) : primitive;
    }

    @Override
    @SuppressWarnings("deprecation") // the class is needed, not an instance: there is no other way to it
    protected Class<?> resolveProxyClass(String[] names) throws ClassNotFoundException {
        Class<?>[] interfaces = new Class<?>[names.length];
        ClassLoader definer = loader;
        for (int index = 0; index < names.length; index++) {
            interfaces[index] = Class.forName(names[index], false, loader);
            if (!Modifier.isPublic(interfaces[index].getModifiers())) {
                definer = interfaces[index].getClassLoader();
            }
        }
        try {
            return Proxy.getProxyClass(definer, interfaces);
        } catch (IllegalArgumentException problem) {
            throw new ClassNotFoundException(String.join(", ", names), problem);
        }
    }
}
