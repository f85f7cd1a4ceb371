package io.haulier.api;

import java.util.Objects;

/**
 * The name of a node, unique in its cluster.
 *
 * @param name as given to the node when it was started
 */
public record NodeId(String name) implements Comparable<NodeId> {
    /** Refuses null. */
    public NodeId {
        Objects.requireNonNull(name);
    }

    @Override
    public int compareTo(NodeId other) {
        return name.compareTo(other.name);
    }

    @Override
    public String toString() {
        return name;
    }
}
