package io.haulier.client;

import java.time.Duration;
import java.util.List;
import java.util.Objects;

/**
 * Where and with what a task runs; immutable. By default on any node, with the client's classes, without a deadline.
 */
public final class TaskOptions {
    private static final TaskOptions DEFAULTS = new TaskOptions(Placement.any(), null, List.of());

    private final Placement placement;
    private final Duration timeout;
    private final List<String> units;

    private TaskOptions(Placement placement, Duration timeout, List<String> units) {
        this.placement = Objects.requireNonNull(placement);
        this.timeout = timeout;
        this.units = units;
    }

    /** Any node, no deadline. */
    public static TaskOptions defaults() {
        return DEFAULTS;
    }

    /** Runs there. */
    public TaskOptions withPlacement(Placement value) {
        return new TaskOptions(value, timeout, units);
    }

    /** Ends with {@code DeadlineExceeded} if the result is not there in this time; at least a millisecond. */
    public TaskOptions withTimeout(Duration value) {
        if (value.toMillis() < 1) {
            throw new IllegalArgumentException("a time-out is at least a millisecond, not " + value);
        }
        return new TaskOptions(placement, value, units);
    }

    /** Puts deployed units before the client's classes on the task's class path: "pricing:1.2.0". */
    public TaskOptions withUnits(String... references) {
        return new TaskOptions(placement, timeout, List.of(references));
    }

    Placement placement() {
        return placement;
    }

    long deadlineMillis() {
        return timeout == null ? 0 : timeout.toMillis();
    }

    String[] units() {
        return units.toArray(String[]::new);
    }
}
