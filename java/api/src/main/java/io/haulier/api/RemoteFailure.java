package io.haulier.api;

import java.io.Serial;
import java.io.Serializable;

/**
 * The failure of the user's own code on a worker, as text; in any language.
 *
 * @param language "java", "python", or empty if it is not known
 * @param typeName the full name of the exception's class
 * @param message the exception's message; may be empty
 * @param trace the formatted trace, with causes and notes
 */
public record RemoteFailure(String language, String typeName, String message, String trace) implements Serializable {
    @Serial
    private static final long serialVersionUID = 1L;
}
