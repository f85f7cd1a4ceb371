package io.haulier.api;

import java.io.Serial;

/** Where an exception of a task was thrown: attached, as suppressed, to the exception that arrives at the caller. */
public final class RemoteTrace extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    /** The trace as text; this exception has no trace of its own. */
    public RemoteTrace(String message) {
        super(message, null, false, false);
    }

    @Override
    public String toString() {
        return getMessage();
    }
}
