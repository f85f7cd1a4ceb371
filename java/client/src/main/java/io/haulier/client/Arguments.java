package io.haulier.client;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.internal.Values;

/**
 * The arguments of a named task: language-neutral values if they can be, else Java objects for a Java task.
 *
 * @param values the encoded values; null if there are objects
 * @param objects the serialized {@code Object[]}; null if there are values
 */
record Arguments(byte[] values, Payload objects) {
    /** Whose classes the objects are of; null: there are none. */
    ClassLoader loader() {
        return objects == null ? null : objects.loader();
    }

    static Arguments of(String entryPoint, Object... arguments) {
        try {
            return new Arguments(Values.encodeArguments(arguments), null);
        } catch (Values.NotAValue problem) {
            if (entryPoint.indexOf(':') >= 0) {
                throw HaulierException.of(
                                ErrorKind.INVALID_ARGUMENT,
                                "call " + entryPoint,
                                "a Python task takes language-neutral values, and " + problem.getMessage())
                        .hint("pass null, booleans, numbers, strings, byte[], lists and maps")
                        .build();
            }
            return new Arguments(null, Payload.of(arguments));
        }
    }
}
