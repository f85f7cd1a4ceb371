package io.haulier.client;

import io.haulier.api.internal.CapturePath;
import java.io.Externalizable;
import java.io.ObjectOutputStream;
import java.io.ObjectStreamClass;
import java.io.ObjectStreamField;
import java.io.Serializable;
import java.lang.invoke.SerializedLambda;
import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;

/**
 * The objects that a task holds only because its class is written inside theirs: javac gives every anonymous, local and
 * inner class a field {@code this$0}, before release 18 also where no code reads it. Such an object need not travel.
 *
 * <p>Nothing is left out on suspicion: where it cannot see what an object holds, it finds none.
 */
final class UnusedOuters {
    private static final String FIELD = "this$";
    private static final int MAXIMUM_OBJECTS = 100_000;

    /** Whether no code reads the field of the outer object, by the class that has it. */
    private static final ClassValue<Boolean> UNREAD = new ClassValue<>() {
        @Override
        protected Boolean computeValue(Class<?> type) {
            return isUnread(type);
        }
    };

    private final Set<Object> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    private final Deque<Object> next = new ArrayDeque<>();
    private final Set<Object> unused = Collections.newSetFromMap(new IdentityHashMap<>());
    private boolean blind;

    private UnusedOuters() {}

    /** The outer objects that {@code root} holds and does not use; a set by identity. */
    static Set<Object> of(Object root) {
        UnusedOuters search = new UnusedOuters();
        search.needs(root);
        while (!search.next.isEmpty() && !search.blind) {
            search.visit(search.next.poll());
        }
        // What is needed anywhere travels, or cannot.
        search.unused.removeAll(search.seen);
        return search.blind ? Set.of() : search.unused;
    }

    private void needs(Object object) {
        if (object != null && seen.add(object)) {
            next.add(object);
            blind |= seen.size() > MAXIMUM_OBJECTS;
        }
    }

    private void visit(Object object) {
        Class<?> type = object.getClass();
        if (!(object instanceof Serializable) || isLeaf(object, type)) {
            return;
        }
        if (type.isArray()) {
            for (int index = 0; !type.getComponentType().isPrimitive() && index < Array.getLength(object); index++) {
                needs(Array.get(object, index));
            }
        } else if (type.isHidden()) {
            visitLambda(object);
        } else if (Proxy.isProxyClass(type)) {
            needs(Proxy.getInvocationHandler(object));
        } else if (type.getPackageName().equals("java.util")) {
            visitCollection(object);
        } else {
            visitFields(object);
        }
    }

    private static boolean isLeaf(Object object, Class<?> type) {
        String place = type.getPackageName();
        return object instanceof Enum<?>
                || place.equals("java.lang") && !(object instanceof Throwable)
                || place.equals("java.math")
                || place.startsWith("java.time")
                || place.equals("java.util")
                        && !(object instanceof Collection<?> || object instanceof Map<?, ?>)
                        && hasOnlyNumbers(type);
    }

    private static boolean hasOnlyNumbers(Class<?> type) {
        return Arrays.stream(ObjectStreamClass.lookupAny(type).getFields()).allMatch(ObjectStreamField::isPrimitive);
    }

    private void visitLambda(Object object) {
        SerializedLambda lambda = CapturePath.lambda(object).orElse(null);
        blind |= lambda == null;
        for (int index = 0; lambda != null && index < lambda.getCapturedArgCount(); index++) {
            needs(lambda.getCapturedArg(index));
        }
    }

    private void visitCollection(Object object) {
        if (object instanceof SortedMap<?, ?> map) {
            needs(map.comparator());
        } else if (object instanceof SortedSet<?> set) {
            needs(set.comparator());
        } else if (object instanceof PriorityQueue<?> queue) {
            needs(queue.comparator());
        }
        if (object instanceof Collection<?> collection) {
            collection.forEach(this::needs);
        } else if (object instanceof Map<?, ?> map) {
            map.forEach((key, value) -> {
                needs(key);
                needs(value);
            });
        } else {
            blind = true;
        }
    }

    private void visitFields(Object object) {
        blind |= writesItself(object.getClass());
        for (Class<?> type = object.getClass(); !blind && type != Object.class; type = type.getSuperclass()) {
            // What a superclass that is not serializable holds does not travel.
            ObjectStreamClass description = ObjectStreamClass.lookup(type);
            for (ObjectStreamField part : description == null ? new ObjectStreamField[0] : description.getFields()) {
                if (!part.isPrimitive()) {
                    visitField(type, part.getName(), object);
                }
            }
        }
    }

    private void visitField(Class<?> type, String name, Object object) {
        try {
            Field field = type.getDeclaredField(name);
            if (!field.trySetAccessible()) {
                blind = true;
                return;
            }
            Object value = field.get(object);
            if (value != null && isOuter(field) && UNREAD.get(type)) {
                unused.add(value);
            } else {
                needs(value);
            }
        } catch (ReflectiveOperationException unreadable) {
            blind = true;
        }
    }

    /** Whether it decides by code of its own what travels. */
    private static boolean writesItself(Class<?> type) {
        boolean own = Externalizable.class.isAssignableFrom(type);
        for (Class<?> at = type; !own && at != null; at = at.getSuperclass()) {
            own = has(at, "writeObject", ObjectOutputStream.class) || has(at, "writeReplace");
        }
        return own;
    }

    private static boolean has(Class<?> type, String method, Class<?>... parameters) {
        try {
            type.getDeclaredMethod(method, parameters);
            return true;
        } catch (NoSuchMethodException absent) {
            return false;
        }
    }

    private static boolean isOuter(Field field) {
        return field.isSynthetic() && field.getName().startsWith(FIELD) && !Modifier.isStatic(field.getModifiers());
    }

    /** Reads the code of the class and of all that are written in the same top-level class: only they can see it. */
    private static boolean isUnread(Class<?> type) {
        String owner = type.getName().replace('.', '/');
        try {
            // Classes for Java before 11, and those of some other compilers, do not say which belong together.
            if (type.getNestHost() == type) {
                return false;
            }
            for (Class<?> member : type.getNestHost().getNestMembers()) {
                ClassFile file = ClassFile.of(member).orElse(null);
                if (file == null || reads(file, owner, type)) {
                    return false;
                }
            }
            return true;
        } catch (LinkageError | IllegalArgumentException | IndexOutOfBoundsException unreadable) {
            return false;
        }
    }

    private static boolean reads(ClassFile file, String owner, Class<?> type) {
        for (Field field : type.getDeclaredFields()) {
            if (isOuter(field) && file.reads(owner, field.getName())) {
                return true;
            }
        }
        return false;
    }
}
