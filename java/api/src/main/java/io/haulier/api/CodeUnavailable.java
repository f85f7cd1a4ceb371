package io.haulier.api;

import java.io.Serial;

/**
 * A class that exists cannot be had for now: its client does not answer, or the node is going down.
 *
 * <p>An error of its own, because the JVM remembers a {@link ClassNotFoundException} or {@link LinkageError} for ever,
 * and this one may be gone at the next call.
 */
public final class CodeUnavailable extends Error {
    @Serial
    private static final long serialVersionUID = 1L;

    /** Names the class or resource, and why it cannot be had. */
    public CodeUnavailable(String name, Throwable cause) {
        super(name + " cannot be loaded for now: " + cause.getMessage(), cause);
    }
}
