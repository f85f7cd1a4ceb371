package io.haulier.api.internal;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InvalidClassException;
import java.io.ObjectInputFilter;
import java.io.ObjectInputStream;
import java.io.ObjectStreamClass;
import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.util.Map;

/** Reads an object by JDK serialization; its classes come from one given class loader. */
public final class SerialInput extends ObjectInputStream {
    private static final int MAXIMUM_DEPTH = 1000;

    /** Bounds what a stranger's bytes can make this process do; says nothing about classes. */
    public static final ObjectInputFilter DEFAULT_FILTER =
            ObjectInputFilter.Config.createFilter("maxdepth=" + MAXIMUM_DEPTH + ";maxarray=1073741824");

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

    /** The filter refuses what is to be read. */
    public static final class Refused extends InvalidClassException {
        private static final long serialVersionUID = 1L;

        private Refused(String what, InvalidClassException cause) {
            super(what);
            initCause(cause);
        }
    }

    private final ClassLoader loader;
    private String refused;

    private SerialInput(InputStream bytes, ClassLoader loader, ObjectInputFilter filter) throws IOException {
        super(bytes);
        this.loader = loader;
        ObjectInputFilter own = filter == null ? DEFAULT_FILTER : filter;
        ObjectInputFilter both = ObjectInputFilter.merge(own, ObjectInputFilter.Config.getSerialFilter());
        setObjectInputFilter(info -> {
            ObjectInputFilter.Status status = both.checkInput(info);
            if (status == ObjectInputFilter.Status.REJECTED && refused == null) {
                refused = describe(info, own == DEFAULT_FILTER);
            }
            return status;
        });
    }

    /** What the filter refuses: the JDK's own message says only that it does. */
    private static String describe(ObjectInputFilter.FilterInfo info, boolean limitsAlone) {
        if (limitsAlone && info.depth() > MAXIMUM_DEPTH) {
            return "its objects are nested deeper than " + MAXIMUM_DEPTH
                    + ": send a chain of objects as an array or an ArrayList";
        }
        String what = info.serialClass() == null ? "an object" : info.serialClass().getTypeName();
        String length = info.arrayLength() < 0 ? "" : " of length " + info.arrayLength();
        return "the filter for serialized objects refuses " + what + length + " at depth " + info.depth();
    }

    /**
     * Reads an object.
     *
     * @param bytes the serialized form
     * @param loader where its classes come from
     * @param filter what may be read; null: {@link #DEFAULT_FILTER}
     * @throws Refused where the filter refuses; its message says what
     */
    public static Object read(byte[] bytes, ClassLoader loader, ObjectInputFilter filter)
            throws IOException, ClassNotFoundException {
        try (SerialInput input = new SerialInput(new ByteArrayInputStream(bytes), loader, filter)) {
            return input.readFiltered();
        }
    }

    private Object readFiltered() throws IOException, ClassNotFoundException {
        try {
            return readObject();
        } catch (InvalidClassException problem) {
            if (refused == null) {
                throw problem;
            }
            throw new Refused(refused, problem);
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
