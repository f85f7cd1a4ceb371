package io.haulier.api.internal;

import java.lang.reflect.Array;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;

/**
 * Converts a language-neutral value to the Java type that is declared, where nothing is lost.
 *
 * <p>What cannot be converted is an {@link IllegalArgumentException} that names both.
 */
public final class Conversion {
    private static final Map<Class<?>, Class<?>> BOXES = Map.of(
            boolean.class, Boolean.class,
            byte.class, Byte.class,
            char.class, Character.class,
            short.class, Short.class,
            int.class, Integer.class,
            long.class, Long.class,
            float.class, Float.class,
            double.class, Double.class,
            void.class, Void.class);

    private Conversion() {}

    /** The value as an instance of {@code type}; a primitive type stands for its box, but does not take null. */
    public static Object convert(Object value, Class<?> type) {
        if (value == null) {
            if (type.isPrimitive() && type != void.class) {
                throw new IllegalArgumentException("null is no " + type.getName());
            }
            return null;
        }
        Class<?> boxed = BOXES.getOrDefault(type, type);
        if (boxed.isInstance(value)) {
            return value;
        }
        Object converted = null;
        if (value instanceof Number number) {
            converted = number(number, boxed);
        } else if (value instanceof String text) {
            converted = text(text, boxed);
        } else if (value instanceof Collection<?> collection) {
            converted = collection(collection, boxed);
        }
        if (converted == null) {
            throw new IllegalArgumentException(describe(value) + " is no " + type.getTypeName());
        }
        return converted;
    }

    private static Object number(Number number, Class<?> type) {
        return number instanceof Double || number instanceof Float
                ? ofFloat(number.doubleValue(), type)
                : number instanceof BigInteger || number instanceof BigDecimal ? null : ofInteger(number.longValue(), type);
    }

    private static Object ofInteger(long number, Class<?> type) {
        if (type == Integer.class && number == (int) number) {
            return (int) number;
        } else if (type == Long.class) {
            return number;
        } else if (type == Short.class && number == (short) number) {
            return (short) number;
        } else if (type == Byte.class && number == (byte) number) {
            return (byte) number;
        } else if (type == Double.class && (long) (double) number == number && number != Long.MAX_VALUE) {
            return (double) number;
        } else if (type == Float.class && (long) (float) number == number && number != Long.MAX_VALUE) {
            return (float) number;
        } else if (type == BigInteger.class) {
            return BigInteger.valueOf(number);
        } else if (type == BigDecimal.class) {
            return BigDecimal.valueOf(number);
        }
        return null;
    }

    /** A float becomes a narrower float if that has the same value; never an integer, as in the other languages. */
    private static Object ofFloat(double number, Class<?> type) {
        if (type == Double.class) {
            return number;
        }
        boolean same = Double.isNaN(number) || (float) number == number;
        return type == Float.class && same ? (Object) (float) number : null;
    }

    private static Object text(String text, Class<?> type) {
        if (type == Character.class && text.length() == 1) {
            return text.charAt(0);
        }
        if (type.isEnum()) {
            for (Object constant : type.getEnumConstants()) {
                if (((Enum<?>) constant).name().equals(text)) {
                    return constant;
                }
            }
        }
        return null;
    }

    private static Object collection(Collection<?> collection, Class<?> type) {
        if (type.isArray()) {
            Object array = Array.newInstance(type.getComponentType(), collection.size());
            int index = 0;
            for (Object element : collection) {
                Array.set(array, index++, convert(element, type.getComponentType()));
            }
            return array;
        }
        if (type.isAssignableFrom(LinkedHashSet.class)) {
            return new LinkedHashSet<>(collection);
        }
        return type.isAssignableFrom(ArrayList.class) ? new ArrayList<>(collection) : null;
    }

    /** A value for messages: "integer 300", "string 'abc'", "list". */
    private static String describe(Object value) {
        if (value instanceof Double || value instanceof Float) {
            return "float " + value;
        } else if (value instanceof Number) {
            return "integer " + value;
        } else if (value instanceof String text) {
            return "string '" + (text.length() > 40 ? text.substring(0, 40) + "..." : text) + "'";
        } else if (value instanceof Boolean) {
            return "boolean " + value;
        } else if (value instanceof byte[]) {
            return "bytes";
        } else if (value instanceof List) {
            return "list";
        } else if (value instanceof Map) {
            return "map";
        }
        return value.getClass().getName();
    }
}
