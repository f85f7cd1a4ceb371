package io.haulier.client;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.RemoteTrace;
import io.haulier.api.internal.Codec;
import io.haulier.api.internal.Conversion;
import io.haulier.api.internal.ErrorMessage;
import io.haulier.api.internal.SerialInput;
import io.haulier.api.internal.Values;
import java.io.ObjectInputFilter;
import java.util.function.Supplier;

/**
 * Turns the bytes of a result or of a failure into an object.
 *
 * @param loader where the classes of the result come from
 * @param filter what may be read
 * @param type what the result is converted to; null: it stays as it is
 * @param instead what is given instead of the result; null: the result is
 */
record ResultReader(ClassLoader loader, ObjectInputFilter filter, Class<?> type, Supplier<?> instead) {
    /** Gives {@code value} instead of what the task returns. */
    ResultReader giving(Object value) {
        return new ResultReader(loader, filter, type, () -> value);
    }

    /** Reads a result. */
    Object read(int codec, byte[] payload) {
        if (instead != null) {
            return instead.get();
        }
        Object value =
                switch (codec) {
                    case Codec.VALUES -> Values.decode(payload);
                    case Codec.JAVA -> deserialize(payload);
                    default -> throw unreadable("the result was written by " + Codec.name(codec), null);
                };
        if (type == null) {
            return value;
        }
        try {
            return Conversion.convert(value, type);
        } catch (IllegalArgumentException problem) {
            throw unreadable(problem.getMessage(), problem);
        }
    }

    /** Reads a failure: the user's own exception where it can be rebuilt. */
    Throwable failure(byte[] error) {
        ErrorMessage message = ErrorMessage.decode(error);
        HaulierException problem = message.exception();
        if (problem.kind() != ErrorKind.TASK_FAILED || message.codec() != Codec.JAVA) {
            return problem;
        }
        try {
            if (SerialInput.read(message.object(), loader, filter) instanceof Throwable original) {
                original.addSuppressed(new RemoteTrace("thrown by a task" + place(problem) + ": " + problem.remoteTrace()));
                return original;
            }
        } catch (Exception | LinkageError notRebuilt) {
            problem.addSuppressed(notRebuilt);
        }
        return problem;
    }

    private static String place(HaulierException problem) {
        String node = problem.context().get("node");
        return node == null ? "" : " on node " + node;
    }

    private Object deserialize(byte[] payload) {
        try {
            return SerialInput.read(payload, loader, filter);
        } catch (Exception | LinkageError problem) {
            throw unreadable("its Java object cannot be rebuilt here: " + problem, problem);
        }
    }

    private static HaulierException unreadable(String problem, Throwable cause) {
        return HaulierException.of(ErrorKind.RESULT_UNREADABLE, "read a result", problem)
                .cause(cause)
                .hint("return null, a boolean, number, string, byte[], list or map, or a class that both sides have")
                .build();
    }
}
