package io.haulier.client;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * Where and with what a task runs; immutable. By default on any node, with the client's classes, without a deadline.
 */
public final class TaskOptions {
    private static final TaskOptions DEFAULTS = new TaskOptions(null, null, List.of());

    private final String node;
    private final Duration timeout;
    private final List<String> units;

    private TaskOptions(String node, Duration timeout, List<String> units) {
        this.node = node;
        this.timeout = timeout;
        this.units = units;
    }

    /** Any node, no deadline. */
    public static TaskOptions defaults() {
        return DEFAULTS;
    }

    /** Runs on the node of this name. */
    public TaskOptions onNode(String name) {
        return new TaskOptions(Objects.requireNonNull(name), timeout, units);
    }

    /** Ends with {@code DeadlineExceeded} if the result is not there in this time; at least a millisecond. */
    public TaskOptions withTimeout(Duration value) {
        if (value.toMillis() < 1) {
            throw new IllegalArgumentException("a time-out is at least a millisecond, not " + value);
        }
        return new TaskOptions(node, value, units);
    }

    /** Puts deployed units before the client's classes on the task's class path: "pricing:1.2.0". */
    public TaskOptions withUnits(String... references) {
        return new TaskOptions(node, timeout, List.of(references));
    }

    Optional<String> node() {
        return Optional.ofNullable(node);
    }

    long deadlineMillis() {
        return timeout == null ? 0 : timeout.toMillis();
    }

    String[] units() {
        return units.toArray(String[]::new);
    }
}
