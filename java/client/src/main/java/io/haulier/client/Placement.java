package io.haulier.client;

import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * On which node a task runs, and what happens when that node is lost; immutable.
 *
 * <pre>{@code
 * cluster.executor(Placement.node("n1"));
 * cluster.executor(Placement.key("customer-7").failover());
 * cluster.executor(Placement.any().label("zone", "a").label("disk", "ssd"));
 * }</pre>
 */
public final class Placement {
    private static final Placement ANY = new Placement(Target.ANY, "", Map.of(), false);

    /** Which nodes; the order is that of the numbers in {@link Native#submit}. */
    enum Target {
        ANY,
        NODE,
        ALL,
        KEY
    }

    private final Target target;
    private final String name;
    private final Map<String, String> labels;
    private final boolean failover;
    private final String[] pairs;

    private Placement(Target target, String name, Map<String, String> labels, boolean failover) {
        this.target = target;
        this.name = Objects.requireNonNull(name);
        this.labels = labels;
        this.failover = failover;
        this.pairs = labels.entrySet().stream()
                .flatMap(label -> Stream.of(label.getKey(), label.getValue()))
                .toArray(String[]::new);
    }

    /** The least loaded node. */
    public static Placement any() {
        return ANY;
    }

    /** The node of this name. */
    public static Placement node(String name) {
        return new Placement(Target.NODE, name, Map.of(), false);
    }

    /** Always the same node for the same key, as long as that node is there. */
    public static Placement key(String key) {
        return new Placement(Target.KEY, key, Map.of(), false);
    }

    /** Only nodes that have this label, besides those that were asked for before. */
    public Placement label(String key, String value) {
        Map<String, String> more = new TreeMap<>(labels);
        more.put(Objects.requireNonNull(key), Objects.requireNonNull(value));
        return new Placement(target, name, more, failover);
    }

    /**
     * A task runs again elsewhere if a node is lost that has it; it may then run more than once. Otherwise it fails as
     * {@code WorkerLost} or {@code SessionLost}.
     */
    public Placement failover() {
        return new Placement(target, name, labels, true);
    }

    /** Every node that has the labels. */
    Placement everywhere() {
        return new Placement(Target.ALL, "", labels, failover);
    }

    /** Every node that has these labels. */
    static Placement everywhere(Map<String, String> labels) {
        return new Placement(Target.ALL, "", Map.copyOf(labels), false);
    }

    Target target() {
        return target;
    }

    /** The name of the node, or the key; empty if there is none. */
    String name() {
        return name;
    }

    /** Labels and their values in turns; not to be changed. */
    String[] labels() {
        return pairs;
    }

    boolean isFailover() {
        return failover;
    }

    @Override
    public String toString() {
        String where =
                switch (target) {
                    case ANY -> "any node";
                    case NODE -> "node " + name;
                    case ALL -> "all nodes";
                    case KEY -> "the node of key " + name;
                };
        return where + (labels.isEmpty() ? "" : " with " + labels) + (failover ? ", with failover" : "");
    }
}
