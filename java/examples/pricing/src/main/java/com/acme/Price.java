package com.acme;

import io.haulier.api.Task;

/** The price of an article: {@code haulier run pricing com.acme.Price 42}. */
public final class Price implements Task<Long, Long> {
    private static final long serialVersionUID = 1L;

    @Override
    public Long run(Long article) {
        return article * Rates.current().factor();
    }

    /** The price of several pieces: {@code haulier run pricing com.acme.Price#of 42 3}. */
    public static long of(long article, int pieces) {
        return new Price().run(article) * pieces;
    }
}
