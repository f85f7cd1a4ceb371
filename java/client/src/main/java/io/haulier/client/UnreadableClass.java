package io.haulier.client;

import io.haulier.api.HaulierException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InvalidClassException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;

/**
 * A class of a result that this client does not have, or has in another version: what it was where the task ran, and what
 * it is here, by the digests of both.
 */
final class UnreadableClass {
    /** What is added to a failure must not hold it up for long. */
    private static final long ASK_SECONDS = 2;

    private UnreadableClass() {}

    /**
     * The failure with both digests, where a class is its reason and the node that ran the task knows it; else as it was.
     *
     * @param loader where the class was looked for
     * @param cluster the number of the connection
     * @param task the number of the task
     */
    static HaulierException named(HaulierException problem, ClassLoader loader, long cluster, long task) {
        Optional<String> name = className(problem.getCause());
        if (name.isEmpty()) {
            return problem;
        }
        String there = there(name.get(), cluster, task);
        String here = here(name.get(), loader);
        if (there.isEmpty() || there.startsWith(here)) {
            return problem;
        }
        String what = problem.problem() + "; " + name.get() + " is " + there + " where the task ran, and " + here + " here";
        HaulierException.Builder named = HaulierException.of(problem.kind(), problem.operation(), what);
        problem.context().forEach(named::context);
        return named.cause(problem.getCause()).hint(problem.hint()).build();
    }

    private static Optional<String> className(Throwable cause) {
        if (cause instanceof ClassNotFoundException absent) {
            return Optional.ofNullable(absent.getMessage());
        }
        return cause instanceof InvalidClassException other ? Optional.ofNullable(other.classname) : Optional.empty();
    }

    /** "sha256:... of pricing:1.2.0/pricing.jar"; empty if nobody knows. */
    private static String there(String name, long cluster, long task) {
        RecordsFuture<Explanation> asked =
                new RecordsFuture<>(cluster, fields -> Explanation.read(new Fields(fields)));
        try {
            String[] arguments = {name, Native.sessionId(cluster) + "/" + task};
            NativeCallbacks.request(
                    asked, callback -> Native.ask(cluster, callback, Question.EXPLAIN_TASK.ordinal(), arguments));
            Explanation explained = asked.orTimeout(ASK_SECONDS, TimeUnit.SECONDS).join();
            return explained.places().stream()
                    .findFirst()
                    .map(place -> place.digest() + " of " + place.label())
                    .orElse("");
        } catch (HaulierException | CompletionException | CancellationException unknown) {
            return "";
        }
    }

    private static String here(String name, ClassLoader loader) {
        try (InputStream bytes = loader.getResourceAsStream(name.replace('.', '/') + ".class")) {
            if (bytes == null) {
                return "absent";
            }
            return "sha256:" + HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes.readAllBytes()));
        } catch (IOException unreadable) {
            return "unreadable";
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException("every JDK has SHA-256", impossible);
        }
    }
}
