package io.haulier.api;

import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletionException;

/**
 * What one node answered: a result or a failure.
 *
 * @param <T> the result
 */
public final class Outcome<T> {
    private final T value;
    private final Throwable failure;

    private Outcome(T value, Throwable failure) {
        this.value = value;
        this.failure = failure;
    }

    /** A result; null is a result. */
    public static <T> Outcome<T> completed(T value) {
        return new Outcome<>(value, null);
    }

    /** A failure: the user's exception, or a {@link HaulierException}. */
    public static <T> Outcome<T> failed(Throwable failure) {
        return new Outcome<>(null, Objects.requireNonNull(failure));
    }

    /** Whether there is a result. */
    public boolean isCompleted() {
        return failure == null;
    }

    /**
     * The result.
     *
     * @throws CompletionException with the failure as its cause, if there is no result
     */
    public T get() {
        if (failure != null) {
            throw new CompletionException(failure);
        }
        return value;
    }

    /** The failure, if there is one. */
    public Optional<Throwable> failure() {
        return Optional.ofNullable(failure);
    }

    /**
     * The failure.
     *
     * @throws NoSuchElementException if there is a result
     */
    public Throwable exception() {
        return failure().orElseThrow();
    }

    @Override
    public String toString() {
        return failure == null ? "completed: " + value : "failed: " + failure;
    }
}
