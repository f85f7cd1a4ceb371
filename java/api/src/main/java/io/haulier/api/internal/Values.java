package io.haulier.api.internal;

import java.lang.reflect.Array;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Language-neutral values as bytes: null, boolean, 64-bit integer, float, string, bytes, list, map.
 *
 * <p>In Java a decoded value is null, {@link Boolean}, {@link Long}, {@link Double}, {@link String}, {@code byte[]},
 * {@link List} or {@link Map} (its order is kept). Encoded are these, every narrower number, arrays and collections.
 */
public final class Values {
    /** Deeper than this is no value: it is most likely a cycle. */
    private static final int MAXIMUM_DEPTH = 32;

    private static final int NULL = 1;
    private static final int BOOLEAN = 2;
    private static final int INTEGER = 3;
    private static final int FLOAT = 4;
    private static final int STRING = 5;
    private static final int BYTES = 6;
    private static final int LIST = 7;
    private static final int MAP = 8;

    private Values() {}

    /** Says which part of an object is no value. */
    public static final class NotAValue extends Exception {
        private static final long serialVersionUID = 1L;

        NotAValue(String message) {
            super(message, null, false, false);
        }
    }

    /** Encodes one value. */
    public static byte[] encode(Object value) throws NotAValue {
        return message(value, 0).toByteArray();
    }

    /** Encodes the arguments of a named task. */
    public static byte[] encodeArguments(Object... arguments) throws NotAValue {
        ProtoWriter list = new ProtoWriter();
        for (Object argument : arguments) {
            list.writeMessage(1, message(argument, 0));
        }
        return list.toByteArray();
    }

    /** Decodes one value. */
    public static Object decode(byte[] bytes) {
        return value(new ProtoReader(bytes), 0);
    }

    /** Decodes the arguments of a named task. */
    public static Object[] decodeArguments(byte[] bytes) {
        return list(new ProtoReader(bytes), 0).toArray();
    }

    private static ProtoWriter message(Object value, int depth) throws NotAValue {
        if (depth > MAXIMUM_DEPTH) {
            throw new NotAValue("it is nested deeper than " + MAXIMUM_DEPTH + " levels");
        }
        ProtoWriter writer = new ProtoWriter();
        if (value == null) {
            writer.writeInteger(NULL, 1);
        } else if (value instanceof Boolean flag) {
            writer.writeInteger(BOOLEAN, flag ? 1 : 0);
        } else if (value instanceof Number number) {
            writeNumber(writer, number);
        } else if (value instanceof CharSequence || value instanceof Character) {
            writer.writeString(STRING, wellFormed(value.toString()));
        } else if (value instanceof byte[] bytes) {
            writer.writeBytes(BYTES, bytes);
        } else if (value instanceof Map<?, ?> map) {
            writer.writeMessage(MAP, map(map, depth));
        } else if (value instanceof Collection<?> collection) {
            writer.writeMessage(LIST, list(collection, depth));
        } else if (value.getClass().isArray()) {
            writer.writeMessage(LIST, list(elements(value), depth));
        } else {
            throw new NotAValue(value.getClass().getName() + " is no language-neutral value");
        }
        return writer;
    }

    private static void writeNumber(ProtoWriter writer, Number number) throws NotAValue {
        if (number instanceof Long || number instanceof Integer || number instanceof Short || number instanceof Byte) {
            writer.writeSigned(INTEGER, number.longValue());
        } else if (number instanceof Double || number instanceof Float) {
            writer.writeDouble(FLOAT, number.doubleValue());
        } else if (number instanceof BigInteger big && big.bitLength() < Long.SIZE) {
            writer.writeSigned(INTEGER, big.longValue());
        } else {
            throw new NotAValue(number.getClass().getName() + " " + number + " does not fit in 64 bits");
        }
    }

    /** Text with a lone surrogate cannot be written in UTF-8; it must not change silently. */
    private static String wellFormed(String text) throws NotAValue {
        for (int index = 0; index < text.length(); index++) {
            char unit = text.charAt(index);
            if (!Character.isSurrogate(unit)) {
                continue;
            }
            boolean pair = Character.isHighSurrogate(unit)
                    && index + 1 < text.length()
                    && Character.isLowSurrogate(text.charAt(index + 1));
            if (!pair) {
                throw new NotAValue("the text has half a surrogate pair at " + index);
            }
            index++;
        }
        return text;
    }

    private static ProtoWriter list(Collection<?> collection, int depth) throws NotAValue {
        ProtoWriter list = new ProtoWriter();
        for (Object element : collection) {
            list.writeMessage(1, message(element, depth + 1));
        }
        return list;
    }

    private static ProtoWriter map(Map<?, ?> map, int depth) throws NotAValue {
        ProtoWriter writer = new ProtoWriter();
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            Object key = entry.getKey();
            boolean allowed = key instanceof String
                    || key instanceof Boolean
                    || key instanceof Long
                    || key instanceof Integer
                    || key instanceof Short
                    || key instanceof Byte;
            if (!allowed) {
                throw new NotAValue("the key " + key + " of a map is no string, integer or boolean");
            }
            ProtoWriter pair = new ProtoWriter();
            pair.writeMessage(1, message(key, depth + 1));
            pair.writeMessage(2, message(entry.getValue(), depth + 1));
            writer.writeMessage(1, pair);
        }
        return writer;
    }

    private static List<Object> elements(Object array) {
        int length = Array.getLength(array);
        List<Object> elements = new ArrayList<>(length);
        for (int index = 0; index < length; index++) {
            elements.add(Array.get(array, index));
        }
        return elements;
    }

    private static Object value(ProtoReader reader, int depth) {
        if (depth > 2 * MAXIMUM_DEPTH) {
            throw new IllegalArgumentException("the value is nested too deeply");
        }
        Object value = null;
        for (int field = reader.nextField(); field != 0; field = reader.nextField()) {
            switch (field) {
                case NULL -> {
                    reader.skip();
                    value = null;
                }
                case BOOLEAN -> value = reader.readInteger() != 0;
                case INTEGER -> value = reader.readSigned();
                case FLOAT -> value = reader.readDouble();
                case STRING -> value = reader.readString();
                case BYTES -> value = reader.readBytes();
                case LIST -> value = list(reader.readMessage(), depth + 1);
                case MAP -> value = map(reader.readMessage(), depth + 1);
                default -> reader.skip();
            }
        }
        return value;
    }

    private static List<Object> list(ProtoReader reader, int depth) {
        List<Object> list = new ArrayList<>();
        for (int field = reader.nextField(); field != 0; field = reader.nextField()) {
            if (field == 1) {
                list.add(value(reader.readMessage(), depth));
            } else {
                reader.skip();
            }
        }
        return list;
    }

    private static Map<Object, Object> map(ProtoReader reader, int depth) {
        Map<Object, Object> map = new LinkedHashMap<>();
        for (int field = reader.nextField(); field != 0; field = reader.nextField()) {
            if (field != 1) {
                reader.skip();
                continue;
            }
            ProtoReader entry = reader.readMessage();
            Object key = null;
            Object value = null;
            for (int part = entry.nextField(); part != 0; part = entry.nextField()) {
                switch (part) {
                    case 1 -> key = value(entry.readMessage(), depth);
                    case 2 -> value = value(entry.readMessage(), depth);
                    default -> entry.skip();
                }
            }
            map.put(key, value);
        }
        return map;
    }
}
