package com.acme;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;

/** What prices are multiplied with; comes from a resource of the same jar. */
record Rates(long factor) {
    static Rates current() {
        Properties properties = new Properties();
        try (InputStream stream = Rates.class.getResourceAsStream("rates.properties")) {
            properties.load(stream);
        } catch (IOException problem) {
            throw new UncheckedIOException(problem);
        }
        return new Rates(Long.parseLong(properties.getProperty("factor")));
    }
}
