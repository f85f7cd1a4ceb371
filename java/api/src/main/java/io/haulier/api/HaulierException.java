package io.haulier.api;

import java.io.Serial;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.StringJoiner;

/**
 * What happened, where, and what to do next. The one exception of Haulier; unchecked.
 *
 * <p>The exceptions of the user's own tasks arrive as themselves, and as this class with the kind
 * {@link ErrorKind#TASK_FAILED} only where they cannot be rebuilt.
 */
public final class HaulierException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    private final ErrorKind kind;
    private final Retry retry;
    private final String operation;
    private final String problem;
    private final LinkedHashMap<String, String> context;
    private final String hint;
    private final RemoteFailure remote;

    private HaulierException(Builder builder) {
        super(builder.format(), builder.cause);
        this.kind = builder.kind;
        this.retry = builder.retry;
        this.operation = builder.operation;
        this.problem = builder.problem;
        this.context = builder.context;
        this.hint = builder.hint;
        this.remote = builder.remote;
    }

    /**
     * Begins an exception.
     *
     * @param kind what went wrong
     * @param operation what was being done: "deploy pricing:1.2.0"
     * @param problem what happened
     */
    public static Builder of(ErrorKind kind, String operation, String problem) {
        return new Builder(kind, operation, problem);
    }

    /** What went wrong. */
    public ErrorKind kind() {
        return kind;
    }

    /** Whether the same request may succeed when it is made again. */
    public Retry retry() {
        return retry;
    }

    /** What was being done: "deploy pricing:1.2.0". */
    public String operation() {
        return operation;
    }

    /** What happened, without operation, context and hint. */
    public String problem() {
        return problem;
    }

    /** Names and values that help: "address", "node", "digest". */
    public Map<String, String> context() {
        return Collections.unmodifiableMap(context);
    }

    /** What to do next: a command to type, or a setting; may be empty. */
    public String hint() {
        return hint;
    }

    /** The failure of the user's code, if that is what happened. */
    public Optional<RemoteFailure> remote() {
        return Optional.ofNullable(remote);
    }

    /** The trace of the user's code on the worker; empty if there is none. */
    public String remoteTrace() {
        return remote == null ? "" : remote.trace();
    }

    /** Collects the parts of an exception. */
    public static final class Builder {
        private final ErrorKind kind;
        private final String operation;
        private final String problem;
        private final LinkedHashMap<String, String> context = new LinkedHashMap<>();
        private Retry retry;
        private String hint = "";
        private RemoteFailure remote;
        private Throwable cause;

        private Builder(ErrorKind kind, String operation, String problem) {
            this.kind = Objects.requireNonNull(kind);
            this.operation = Objects.requireNonNullElse(operation, "");
            this.problem = Objects.requireNonNullElse(problem, "");
            this.retry = kind.defaultRetry();
        }

        /** Overrides whether to try again; by default the kind says it. */
        public Builder retry(Retry value) {
            this.retry = value;
            return this;
        }

        /** Adds a name and a value that help. */
        public Builder context(String name, String value) {
            context.put(name, value);
            return this;
        }

        /** Says what to do next: a command to type, or a setting. */
        public Builder hint(String value) {
            this.hint = Objects.requireNonNullElse(value, "");
            return this;
        }

        /** Adds the failure of the user's code. */
        public Builder remote(RemoteFailure value) {
            this.remote = value;
            return this;
        }

        /** Adds the cause. */
        public Builder cause(Throwable value) {
            this.cause = value;
            return this;
        }

        /** The exception. */
        public HaulierException build() {
            return new HaulierException(this);
        }

        private String format() {
            StringBuilder text = new StringBuilder(operation.isEmpty() ? "" : operation + ": ").append(problem);
            if (!context.isEmpty()) {
                StringJoiner pairs = new StringJoiner(", ", " [", "]");
                context.forEach((name, value) -> pairs.add(name + "=" + value));
                text.append(pairs);
            }
            if (!hint.isEmpty()) {
                text.append("; try: ").append(hint);
            }
            return text.toString();
        }
    }
}
