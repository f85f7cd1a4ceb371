package io.haulier.api.internal;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Writes the wire format of Protocol Buffers: only what values and errors need. */
final class ProtoWriter {
    private byte[] buffer = new byte[64];
    private int size;

    void writeInteger(int field, long value) {
        tag(field, 0);
        varint(value);
    }

    void writeSigned(int field, long value) {
        writeInteger(field, (value << 1) ^ (value >> 63));
    }

    void writeDouble(int field, double value) {
        tag(field, 1);
        ensure(8);
        long bits = Double.doubleToRawLongBits(value);
        for (int shift = 0; shift < 64; shift += 8) {
            buffer[size++] = (byte) (bits >>> shift);
        }
    }

    void writeString(int field, String value) {
        writeBytes(field, value.getBytes(StandardCharsets.UTF_8));
    }

    /** As the wire format has it: an empty string is left out. */
    void writeText(int field, String value) {
        if (value != null && !value.isEmpty()) {
            writeString(field, value);
        }
    }

    void writeBytes(int field, byte[] value) {
        writeBytes(field, value, value.length);
    }

    void writeMessage(int field, ProtoWriter message) {
        writeBytes(field, message.buffer, message.size);
    }

    byte[] toByteArray() {
        return Arrays.copyOf(buffer, size);
    }

    private void writeBytes(int field, byte[] value, int length) {
        tag(field, 2);
        varint(length);
        ensure(length);
        System.arraycopy(value, 0, buffer, size, length);
        size += length;
    }

    private void tag(int field, int wireType) {
        varint((long) field << 3 | wireType);
    }

    private void varint(long value) {
        ensure(10);
        long rest = value;
        while ((rest & ~0x7FL) != 0) {
            buffer[size++] = (byte) (rest & 0x7F | 0x80);
            rest >>>= 7;
        }
        buffer[size++] = (byte) rest;
    }

    private void ensure(int more) {
        int needed = Math.addExact(size, more);
        if (needed > buffer.length) {
            buffer = Arrays.copyOf(buffer, Math.max(needed, (int) Math.min(Integer.MAX_VALUE - 8, buffer.length * 2L)));
        }
    }
}
