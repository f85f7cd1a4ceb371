package io.haulier.api.internal;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Reads the wire format of Protocol Buffers; every malformed input is an {@link IllegalArgumentException}. */
final class ProtoReader {
    private final byte[] buffer;
    private final int end;
    private int position;
    private int wireType;

    ProtoReader(byte[] buffer) {
        this(buffer, 0, buffer.length);
    }

    private ProtoReader(byte[] buffer, int position, int end) {
        this.buffer = buffer;
        this.position = position;
        this.end = end;
    }

    /** The number of the next field, 0 at the end. */
    int nextField() {
        if (position >= end) {
            return 0;
        }
        long tag = varint();
        wireType = (int) (tag & 7);
        return (int) (tag >>> 3);
    }

    long readInteger() {
        expect(0);
        return varint();
    }

    long readSigned() {
        long raw = readInteger();
        return (raw >>> 1) ^ -(raw & 1);
    }

    double readDouble() {
        expect(1);
        require(8);
        long bits = 0;
        for (int shift = 0; shift < 64; shift += 8) {
            bits |= (buffer[position++] & 0xFFL) << shift;
        }
        return Double.longBitsToDouble(bits);
    }

    String readString() {
        int length = length();
        String value = new String(buffer, position, length, StandardCharsets.UTF_8);
        position += length;
        return value;
    }

    byte[] readBytes() {
        int length = length();
        byte[] value = Arrays.copyOfRange(buffer, position, position + length);
        position += length;
        return value;
    }

    ProtoReader readMessage() {
        int length = length();
        ProtoReader message = new ProtoReader(buffer, position, position + length);
        position += length;
        return message;
    }

    void skip() {
        switch (wireType) {
            case 0 -> varint();
            case 1 -> advance(8);
            case 2 -> advance(length());
            case 5 -> advance(4);
            default -> throw malformed();
        }
    }

    private int length() {
        expect(2);
        long length = varint();
        if (length < 0 || length > end - position) {
            throw malformed();
        }
        return (int) length;
    }

    private long varint() {
        long value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            require(1);
            byte next = buffer[position++];
            value |= (long) (next & 0x7F) << shift;
            if (next >= 0) {
                return value;
            }
        }
        throw malformed();
    }

    private void advance(int count) {
        require(count);
        position += count;
    }

    private void require(int count) {
        if (count > end - position) {
            throw malformed();
        }
    }

    private void expect(int expected) {
        if (wireType != expected) {
            throw malformed();
        }
    }

    private static IllegalArgumentException malformed() {
        return new IllegalArgumentException("the bytes are no message of the protocol");
    }
}
