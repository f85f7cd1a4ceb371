package io.haulier.api.internal;

import java.io.ObjectStreamClass;
import java.io.ObjectStreamField;
import java.io.Serializable;
import java.lang.invoke.SerializedLambda;
import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Finds how an object holds one that cannot be serialized: {@code Main$1.this$0 -> Main.connection}.
 *
 * <p>Looks only, and gives up where the platform does not let it look.
 */
public final class CapturePath {
    private static final int MAXIMUM_DEPTH = 64;

    private final Set<Object> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    private final List<String> path = new ArrayList<>();

    private CapturePath() {}

    /** The path from {@code root} to the first object that is not {@link Serializable}; empty if none is found. */
    public static Optional<String> find(Object root) {
        CapturePath search = new CapturePath();
        if (!search.visit(root)) {
            return Optional.empty();
        }
        return Optional.of(search.path.isEmpty() ? root.getClass().getName() : String.join(" -> ", search.path));
    }

    private boolean visit(Object object) {
        if (object == null || path.size() > MAXIMUM_DEPTH || !seen.add(object)) {
            return false;
        }
        Class<?> type = object.getClass();
        if (!(object instanceof Serializable)) {
            return true;
        }
        if (object instanceof String || object instanceof Number || object instanceof Class || type.isEnum()) {
            return false;
        }
        if (type.isArray()) {
            return !type.getComponentType().isPrimitive() && visitArray(object);
        }
        Optional<SerializedLambda> lambda = lambda(object);
        if (lambda.isPresent()) {
            return visitLambda(lambda.get());
        }
        if (Proxy.isProxyClass(type)) {
            return step("proxy of " + type.getInterfaces()[0].getSimpleName(), Proxy.getInvocationHandler(object));
        }
        if (object instanceof Collection<?> collection) {
            return visitElements(collection, type.getSimpleName());
        }
        if (object instanceof Map<?, ?> map) {
            return visitElements(map.keySet(), type.getSimpleName() + " key")
                    || visitElements(map.values(), type.getSimpleName() + " value");
        }
        return visitFields(object);
    }

    private boolean step(String name, Object next) {
        path.add(name);
        if (visit(next)) {
            return true;
        }
        path.remove(path.size() - 1);
        return false;
    }

    private boolean visitArray(Object array) {
        for (int index = 0; index < Array.getLength(array); index++) {
            if (step("[" + index + "]", Array.get(array, index))) {
                return true;
            }
        }
        return false;
    }

    private boolean visitElements(Collection<?> elements, String name) {
        int index = 0;
        for (Object element : elements) {
            if (step(name + "[" + index++ + "]", element)) {
                return true;
            }
        }
        return false;
    }

    private boolean visitLambda(SerializedLambda lambda) {
        String name = lambda.getCapturingClass().replace('/', '.') + " lambda";
        for (int index = 0; index < lambda.getCapturedArgCount(); index++) {
            if (step(name + ".captured " + (index + 1), lambda.getCapturedArg(index))) {
                return true;
            }
        }
        return false;
    }

    private boolean visitFields(Object object) {
        for (Class<?> type = object.getClass(); type != null; type = type.getSuperclass()) {
            ObjectStreamClass description = ObjectStreamClass.lookup(type);
            if (description == null) {
                continue;
            }
            for (ObjectStreamField part : description.getFields()) {
                if (part.isPrimitive()) {
                    continue;
                }
                Optional<Object> value = value(type, part.getName(), object);
                if (value.isPresent() && step(type.getName() + "." + part.getName(), value.get())) {
                    return true;
                }
            }
        }
        return false;
    }

    private static Optional<Object> value(Class<?> type, String name, Object object) {
        try {
            Field field = type.getDeclaredField(name);
            return field.trySetAccessible() ? Optional.ofNullable(field.get(object)) : Optional.empty();
        } catch (ReflectiveOperationException unreadable) {
            return Optional.empty();
        }
    }

    /** What a lambda is made of; empty if the object is no serializable lambda. */
    public static Optional<SerializedLambda> lambda(Object object) {
        if (!object.getClass().isHidden()) {
            return Optional.empty();
        }
        try {
            Method replace = object.getClass().getDeclaredMethod("writeReplace");
            if (replace.trySetAccessible() && replace.invoke(object) instanceof SerializedLambda lambda) {
                return Optional.of(lambda);
            }
        } catch (ReflectiveOperationException noLambda) {
            return Optional.empty();
        }
        return Optional.empty();
    }
}
