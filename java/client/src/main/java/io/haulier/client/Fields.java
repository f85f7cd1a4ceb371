package io.haulier.client;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;

/** Reads the fields of records, which the core brings as texts, one after the other. */
final class Fields {
    private final String[] fields;
    private int next;

    Fields(String[] fields) {
        this.fields = fields;
    }

    /** Records up to the end. */
    static <T> List<T> all(String[] fields, Function<Fields, T> reader) {
        Fields source = new Fields(fields);
        List<T> records = new ArrayList<>();
        while (source.next < fields.length) {
            records.add(reader.apply(source));
        }
        return records;
    }

    String text() {
        if (next >= fields.length) {
            throw new NoSuchElementException("a record of the core lacks a field");
        }
        return fields[next++];
    }

    /** An empty text is none. */
    Optional<String> optionalText() {
        return Optional.of(text()).filter(text -> !text.isEmpty());
    }

    int integer() {
        return Integer.parseInt(text());
    }

    long number() {
        return Long.parseLong(text());
    }

    boolean flag() {
        return Boolean.parseBoolean(text());
    }

    /** Milliseconds. */
    Duration duration() {
        return Duration.ofMillis(number());
    }

    /** Milliseconds since the epoch. */
    Instant instant() {
        return Instant.ofEpochMilli(number());
    }

    /** A text with a line for each. */
    Stream<String> lines() {
        return text().lines();
    }

    /** Records after their number. */
    <T> List<T> records(Function<Fields, T> reader) {
        int count = integer();
        List<T> records = new ArrayList<>();
        for (int read = 0; read < count; read++) {
            records.add(reader.apply(this));
        }
        return List.copyOf(records);
    }
}
