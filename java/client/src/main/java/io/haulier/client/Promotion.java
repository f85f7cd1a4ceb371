package io.haulier.client;

import java.util.Objects;

/**
 * What the code of a session becomes; immutable.
 *
 * <pre>{@code
 * cluster.promote(Promotion.of(cluster.sessionId(), "pricing").withVersion("1.2.0"));
 * }</pre>
 *
 * @param session of {@link Cluster#sessions}, or {@link Cluster#sessionId}
 * @param name of the unit
 * @param version verbatim; empty: the next revision
 * @param snapshot the beginning of a snapshot's digest in hexadecimal; empty: the newest
 * @param replace whether it may take the place of other bytes of the same version
 * @param nodes that must have it before the answer comes, as in {@link DeployRequest.Builder#nodes}; empty: the majority
 */
public record Promotion(
        String session, String name, String version, String snapshot, boolean replace, String nodes) {
    /** Checks that nothing is null. */
    public Promotion {
        Objects.requireNonNull(session, "session");
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(version, "version");
        Objects.requireNonNull(snapshot, "snapshot");
        Objects.requireNonNull(nodes, "nodes");
    }

    /** The newest code of the session, as the next revision of the unit. */
    public static Promotion of(String session, String name) {
        return new Promotion(session, name, "", "", false, "");
    }

    /** As this version, verbatim. */
    public Promotion withVersion(String value) {
        return new Promotion(session, name, value, snapshot, replace, nodes);
    }

    /** Not the newest code, but the snapshot whose digest begins so, in hexadecimal. */
    public Promotion withSnapshot(String value) {
        return new Promotion(session, name, version, value, replace, nodes);
    }

    /** In the place of other bytes of the same version. */
    public Promotion withReplace() {
        return new Promotion(session, name, version, snapshot, true, nodes);
    }

    /** Answered when these nodes have it: "one", "majority", "all", or names with commas between them. */
    public Promotion withNodes(String value) {
        return new Promotion(session, name, version, snapshot, replace, value);
    }
}
