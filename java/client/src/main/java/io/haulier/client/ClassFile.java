package io.haulier.client;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * What a class file says and reflection does not: the line at which a method begins, whether its code reads a field, and
 * which classes it names. Reads what javac writes; whatever else it meets is an {@link IllegalArgumentException}.
 */
final class ClassFile {
    private static final int MAGIC = 0xCAFEBABE;
    private static final Pattern IN_DESCRIPTOR = Pattern.compile("L([^;<>()\\[:]+)[;<]");
    private static final int TEXT = 1;
    private static final int CLASS = 7;
    private static final int FIELD_REFERENCE = 9;
    private static final int METHOD_HANDLE = 15;
    private static final int GET_FIELD = 0xb4;
    private static final int TABLE_SWITCH = 0xaa;
    private static final int LOOKUP_SWITCH = 0xab;
    private static final int WIDE = 0xc4;
    private static final int INCREMENT = 0x84;
    private static final String CONSTRUCTOR = "<init>";

    private final ByteBuffer bytes;
    /** Where each constant begins, with its tag; 0 where none does. */
    private final int[] constants;
    private final List<Code> methods = new ArrayList<>();
    private String sourceFile = "";

    /** A method with code; {@code line} is 0 if unknown. */
    private record Code(String name, int start, int length, int line) {}

    private ClassFile(byte[] content) {
        bytes = ByteBuffer.wrap(content);
        if (bytes.getInt(0) != MAGIC) {
            throw new IllegalArgumentException("it does not begin with CAFEBABE");
        }
        constants = new int[Short.toUnsignedInt(bytes.getShort(8))];
        bytes.position(10);
        readConstants();
        bytes.position(bytes.position() + 6);
        skip(2 * u2());
        for (int left = u2(); left > 0; left--) {
            skip(6);
            skipAttributes();
        }
        for (int left = u2(); left > 0; left--) {
            readMethod();
        }
        for (int left = u2(); left > 0; left--) {
            boolean source = text(u2()).equals("SourceFile");
            int end = u4() + bytes.position();
            sourceFile = source ? text(u2()) : sourceFile;
            bytes.position(end);
        }
    }

    /** The class file as its loader finds it; empty if it cannot be had or read. */
    static Optional<ClassFile> of(Class<?> type) {
        return named(type.getName(), type.getClassLoader());
    }

    /** The class file of that name; no class is loaded. */
    static Optional<ClassFile> named(String name, ClassLoader loader) {
        String path = name.replace('.', '/') + ".class";
        try (InputStream stream =
                loader == null ? ClassLoader.getSystemResourceAsStream(path) : loader.getResourceAsStream(path)) {
            return stream == null ? Optional.empty() : Optional.of(read(stream.readAllBytes()));
        } catch (IOException | IllegalArgumentException unreadable) {
            return Optional.empty();
        }
    }

    static ClassFile read(byte[] content) {
        try {
            return new ClassFile(content);
        } catch (RuntimeException malformed) {
            throw new IllegalArgumentException("this is no class file", malformed);
        }
    }

    /** "Main.java:42": where the first method of that name begins; empty if it was compiled without lines. */
    Optional<String> line(String method) {
        return methods.stream()
                .filter(code -> code.name.equals(method) && code.line > 0 && !sourceFile.isEmpty())
                .findFirst()
                .map(code -> sourceFile + ":" + code.line);
    }

    /** The names of the classes that it mentions; a text that looks like one counts. */
    Set<String> classes() {
        Set<String> names = new LinkedHashSet<>();
        for (int index = 1; index < constants.length; index++) {
            if (tag(index) == CLASS && !text(operand(index, 1)).startsWith("[")) {
                names.add(text(operand(index, 1)).replace('/', '.'));
            } else if (tag(index) == TEXT) {
                IN_DESCRIPTOR.matcher(text(index)).results().forEach(found -> names.add(found.group(1).replace('/', '.')));
            }
        }
        return names;
    }

    /** Whether code outside of constructors reads the field: {@code owner} is "com/acme/Main$1". */
    boolean reads(String owner, String field) {
        for (int index = 1; index < constants.length; index++) {
            if (isField(index, owner, field) && isRead(index)) {
                return true;
            }
        }
        return false;
    }

    private boolean isField(int index, String owner, String field) {
        if (tag(index) != FIELD_REFERENCE) {
            return false;
        }
        int nameAndType = constants[operand(index, 3)];
        return text(operand(operand(index, 1), 1)).equals(owner)
                && text(Short.toUnsignedInt(bytes.getShort(nameAndType + 1))).equals(field);
    }

    private boolean isRead(int field) {
        for (int index = 1; index < constants.length; index++) {
            if (tag(index) == METHOD_HANDLE && operand(index, 2) == field) {
                return true;
            }
        }
        return methods.stream().anyMatch(code -> !code.name.equals(CONSTRUCTOR) && isRead(code, field));
    }

    private boolean isRead(Code code, int field) {
        int end = code.start + code.length;
        for (int at = code.start; at < end; at += instructionLength(code.start, at)) {
            if (u1(at) == GET_FIELD && Short.toUnsignedInt(bytes.getShort(at + 1)) == field) {
                return true;
            }
        }
        return false;
    }

    private int instructionLength(int start, int at) {
        int code = u1(at);
        int operands = at + 4 - (at - start) % 4;
        if (code == TABLE_SWITCH) {
            return operands + 12 + 4 * (bytes.getInt(operands + 8) - bytes.getInt(operands + 4) + 1) - at;
        } else if (code == LOOKUP_SWITCH) {
            return operands + 8 + 8 * bytes.getInt(operands + 4) - at;
        } else if (code == WIDE) {
            return u1(at + 1) == INCREMENT ? 6 : 4;
        }
        return length(code);
    }

    /** The lengths of the instructions, as the JVM's specification lists them. */
    private static int length(int code) {
        if (code == 0x10 || code == 0x12 || isIn(code, 0x15, 0x19) || isIn(code, 0x36, 0x3a) || code == 0xa9 || code == 0xbc) {
            return 2;
        } else if (code == 0x11
                || isIn(code, 0x13, 0x14)
                || code == INCREMENT
                || isIn(code, 0x99, 0xa8)
                || isIn(code, 0xb2, 0xb8)
                || code == 0xbb
                || code == 0xbd
                || isIn(code, 0xc0, 0xc1)
                || isIn(code, 0xc6, 0xc7)) {
            return 3;
        } else if (code == 0xc5) {
            return 4;
        } else if (isIn(code, 0xb9, 0xba) || isIn(code, 0xc8, 0xc9)) {
            return 5;
        } else if (code > 0xc9) {
            throw new IllegalArgumentException("no instruction: " + code);
        }
        return 1;
    }

    private static boolean isIn(int code, int first, int last) {
        return code >= first && code <= last;
    }

    private void readConstants() {
        for (int index = 1; index < constants.length; index++) {
            constants[index] = bytes.position();
            int tag = Byte.toUnsignedInt(bytes.get());
            switch (tag) {
                case 1 -> skip(u2());
                case 3, 4, 9, 10, 11, 12, 17, 18 -> skip(4);
                case 5, 6 -> {
                    skip(8);
                    index++;
                }
                case 7, 8, 16, 19, 20 -> skip(2);
                case METHOD_HANDLE -> skip(3);
                default -> throw new IllegalArgumentException("no constant: " + tag);
            }
        }
    }

    private void readMethod() {
        skip(2);
        String name = text(u2());
        skip(2);
        for (int left = u2(); left > 0; left--) {
            boolean code = text(u2()).equals("Code");
            int end = u4() + bytes.position();
            if (code) {
                skip(4);
                int length = u4();
                int start = bytes.position();
                skip(length);
                skip(8 * u2());
                methods.add(new Code(name, start, length, firstLine()));
            }
            bytes.position(end);
        }
    }

    private int firstLine() {
        for (int left = u2(); left > 0; left--) {
            boolean lines = text(u2()).equals("LineNumberTable");
            int end = u4() + bytes.position();
            if (lines && u2() > 0) {
                skip(2);
                return u2();
            }
            bytes.position(end);
        }
        return 0;
    }

    private void skipAttributes() {
        for (int left = u2(); left > 0; left--) {
            skip(2);
            skip(u4());
        }
    }

    private int tag(int index) {
        return constants[index] == 0 ? 0 : u1(constants[index]);
    }

    private int operand(int index, int offset) {
        return Short.toUnsignedInt(bytes.getShort(constants[index] + offset));
    }

    private String text(int index) {
        int at = constants[index];
        return new String(bytes.array(), at + 3, Short.toUnsignedInt(bytes.getShort(at + 1)), StandardCharsets.UTF_8);
    }

    private int u1(int at) {
        return Byte.toUnsignedInt(bytes.get(at));
    }

    private int u2() {
        return Short.toUnsignedInt(bytes.getShort());
    }

    private int u4() {
        return bytes.getInt();
    }

    private void skip(int count) {
        bytes.position(bytes.position() + count);
    }
}
