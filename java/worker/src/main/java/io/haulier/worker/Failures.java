package io.haulier.worker;

import io.haulier.api.CodeUnavailable;
import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.RemoteFailure;
import io.haulier.api.internal.Codec;
import io.haulier.api.internal.ErrorMessage;
import io.haulier.api.internal.SerialInput;
import io.haulier.api.internal.SerialOutput;
import java.io.PrintWriter;
import java.io.StringWriter;

/** What a task threw, as bytes: text always, and the object where it is verified that it loads again. */
final class Failures {
    private static final int OBJECT_LIMIT = 256 * 1024;
    private static final int TEXT_LIMIT = 64 * 1024;
    private static final int CAUSES = 10;
    private static final byte[] NO_OBJECT = {};

    private Failures() {}

    /**
     * Encodes a failure.
     *
     * @param thrown what the task, or the attempt to run it, threw
     * @param loader the loader of the task; null if it could not be had
     * @param task for the message
     * @param cancelled whether the task was asked to end before
     */
    static byte[] encode(Throwable thrown, TaskClassLoader loader, String task, boolean cancelled) {
        if (thrown instanceof Refusal refusal) {
            return ErrorMessage.encode(refusal.error());
        }
        if (thrown instanceof CodeUnavailable && thrown.getCause() instanceof HaulierException problem) {
            return ErrorMessage.encode(problem);
        }
        if (loader == null && thrown instanceof HaulierException problem) {
            return ErrorMessage.encode(problem);
        }
        String operation = task.isEmpty() ? "run a task" : "run " + task;
        if (cancelled) {
            return ErrorMessage.encode(HaulierException.of(
                            ErrorKind.CANCELED, operation, "it was cancelled while it ran, and ended with " + text(thrown))
                    .build());
        }
        RemoteFailure remote = new RemoteFailure("java", thrown.getClass().getName(), message(thrown), trace(thrown));
        HaulierException.Builder error =
                HaulierException.of(ErrorKind.TASK_FAILED, operation, text(thrown)).remote(remote);
        String missing = missingClass(thrown);
        if (missing != null && loader != null) {
            HaulierException absent = loader.classPath().notFound(missing);
            absent.context().forEach(error::context);
            error.hint(absent.hint());
        } else if (loader != null) {
            String explained = explained(thrown, loader);
            if (!explained.isEmpty()) {
                error.context("explained", explained);
            }
        }
        byte[] object = loader == null ? NO_OBJECT : verified(thrown, loader);
        return new ErrorMessage(error.build(), object.length == 0 ? 0 : Codec.JAVA, object).encode();
    }

    /** The name of the class that the task could not find; null if it failed otherwise. */
    private static String missingClass(Throwable thrown) {
        boolean missing = thrown instanceof ClassNotFoundException || thrown.getClass() == NoClassDefFoundError.class;
        String name = missing ? message(thrown) : "";
        return name.isEmpty() || name.contains(" ") ? null : name.replace('/', '.');
    }

    /** For a failure to link, at any depth: which of several copies of a class was taken is what one wants to know. */
    private static String explained(Throwable thrown, TaskClassLoader loader) {
        Throwable cause = thrown;
        for (int depth = 0; cause != null && depth < CAUSES; depth++) {
            if (cause instanceof LinkageError || cause instanceof ClassNotFoundException || cause instanceof ClassCastException) {
                return loader.classPath().explain(message(cause));
            }
            cause = cause.getCause();
        }
        return "";
    }

    private static byte[] verified(Throwable thrown, ClassLoader loader) {
        try {
            byte[] bytes = SerialOutput.write(thrown, null);
            if (bytes.length <= OBJECT_LIMIT && SerialInput.read(bytes, loader, null) instanceof Throwable) {
                return bytes;
            }
        } catch (Exception | LinkageError | StackOverflowError cannotTravel) {
            return NO_OBJECT;
        }
        return NO_OBJECT;
    }

    private static String text(Throwable thrown) {
        String message = message(thrown);
        String type = thrown.getClass().getName();
        return message.isEmpty() ? type : type + ": " + message;
    }

    /** The user's own code makes this text: it may fail. */
    private static String message(Throwable thrown) {
        try {
            String message = thrown.getLocalizedMessage();
            return message == null ? "" : cut(message);
        } catch (Exception | LinkageError | StackOverflowError problem) {
            return "(its message failed with " + problem.getClass().getName() + ")";
        }
    }

    private static String trace(Throwable thrown) {
        StringWriter text = new StringWriter();
        try (PrintWriter writer = new PrintWriter(text)) {
            thrown.printStackTrace(writer);
        } catch (Exception | LinkageError | StackOverflowError problem) {
            text.append("(its trace failed with ").append(problem.getClass().getName()).append(")");
        }
        return cut(text.toString());
    }

    private static String cut(String text) {
        return text.length() <= TEXT_LIMIT ? text : text.substring(0, TEXT_LIMIT) + "...";
    }
}
