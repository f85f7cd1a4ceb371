package io.haulier.client;

import io.haulier.api.DeploymentMode;
import io.haulier.api.LoadingPolicy;
import java.time.Duration;
import java.util.List;
import java.util.Objects;

/**
 * Where and with what a task runs; immutable. By default on any node, with the client's classes, without a deadline.
 */
public final class TaskOptions {
    private static final String[] NO_PREFIXES = {};
    private static final TaskOptions DEFAULTS = new TaskOptions(Placement.any(), null, List.of(), null, LoadingPolicy.CHILD_FIRST, NO_PREFIXES);

    private final Placement placement;
    private final Duration timeout;
    private final List<String> units;
    private final DeploymentMode mode;
    private final LoadingPolicy policy;
    private final String[] parentPrefixes;

    private TaskOptions(
            Placement placement,
            Duration timeout,
            List<String> units,
            DeploymentMode mode,
            LoadingPolicy policy,
            String[] parentPrefixes) {
        this.placement = Objects.requireNonNull(placement);
        this.timeout = timeout;
        this.units = units;
        this.mode = mode;
        this.policy = policy;
        this.parentPrefixes = parentPrefixes;
    }

    /** Any node, no deadline. */
    public static TaskOptions defaults() {
        return DEFAULTS;
    }

    /** Runs there. */
    public TaskOptions withPlacement(Placement value) {
        return new TaskOptions(value, timeout, units, mode, policy, parentPrefixes);
    }

    /** Ends with {@code DeadlineExceeded} if the result is not there in this time; at least a millisecond. */
    public TaskOptions withTimeout(Duration value) {
        if (value.toMillis() < 1) {
            throw new IllegalArgumentException("a time-out is at least a millisecond, not " + value);
        }
        return new TaskOptions(placement, value, units, mode, policy, parentPrefixes);
    }

    /** Puts deployed units before the client's classes on the task's class path: "pricing:1.2.0". */
    public TaskOptions withUnits(String... references) {
        return new TaskOptions(placement, timeout, List.of(references), mode, policy, parentPrefixes);
    }

    /** Says who shares the loader of the client's classes with these tasks; by default as the session says. */
    public TaskOptions withMode(DeploymentMode value) {
        return new TaskOptions(placement, timeout, units, Objects.requireNonNull(value), policy, parentPrefixes);
    }

    /** Says who is asked first for a class or a resource; by default the class path of the task. */
    public TaskOptions withPolicy(LoadingPolicy value) {
        return new TaskOptions(placement, timeout, units, mode, Objects.requireNonNull(value), parentPrefixes);
    }

    /**
     * Asks the parent first for classes and resources with these prefixes, whatever the policy: {@code
     * withParentFirst("com.acme.contract")}. By default those of the platform, the API and the logging APIs alone.
     */
    public TaskOptions withParentFirst(String... prefixes) {
        return new TaskOptions(placement, timeout, units, mode, policy, List.of(prefixes).toArray(String[]::new));
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

    LoadingPolicy policy() {
        return policy;
    }

    /** Not to be changed. */
    String[] parentPrefixes() {
        return parentPrefixes;
    }

    String[] units() {
        return units.toArray(String[]::new);
    }
}
