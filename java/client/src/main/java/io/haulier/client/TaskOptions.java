package io.haulier.client;

import io.haulier.api.DeploymentMode;
import java.time.Duration;
import java.util.List;
import java.util.Objects;

/**
 * Where and with what a task runs; immutable. By default on any node, with the client's classes, without a deadline.
 */
public final class TaskOptions {
    private static final TaskOptions DEFAULTS = new TaskOptions(Placement.any(), null, List.of(), null);

    private final Placement placement;
    private final Duration timeout;
    private final List<String> units;
    private final DeploymentMode mode;

    private TaskOptions(Placement placement, Duration timeout, List<String> units, DeploymentMode mode) {
        this.placement = Objects.requireNonNull(placement);
        this.timeout = timeout;
        this.units = units;
        this.mode = mode;
    }

    /** Any node, no deadline. */
    public static TaskOptions defaults() {
        return DEFAULTS;
    }

    /** Runs there. */
    public TaskOptions withPlacement(Placement value) {
        return new TaskOptions(value, timeout, units, mode);
    }

    /** Ends with {@code DeadlineExceeded} if the result is not there in this time; at least a millisecond. */
    public TaskOptions withTimeout(Duration value) {
        if (value.toMillis() < 1) {
            throw new IllegalArgumentException("a time-out is at least a millisecond, not " + value);
        }
        return new TaskOptions(placement, value, units, mode);
    }

    /** Puts deployed units before the client's classes on the task's class path: "pricing:1.2.0". */
    public TaskOptions withUnits(String... references) {
        return new TaskOptions(placement, timeout, List.of(references), mode);
    }

    /** Says who shares the loader of the client's classes with these tasks; by default as the session says. */
    public TaskOptions withMode(DeploymentMode value) {
        return new TaskOptions(placement, timeout, units, Objects.requireNonNull(value));
    }

    Placement placement() {
        return placement;
    }

    long deadlineMillis() {
        return timeout == null ? 0 : timeout.toMillis();
    }

    /** 0: that of the session. */
    int modeNumber() {
        return mode == null ? 0 : mode.number();
    }

    String[] units() {
        return units.toArray(String[]::new);
    }
}
