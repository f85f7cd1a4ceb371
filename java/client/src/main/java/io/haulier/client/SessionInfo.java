package io.haulier.client;

import io.haulier.api.NodeId;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * A client's scope for code that travels by itself.
 *
 * @param id its name, for {@link Cluster#promote}
 * @param node that its client is connected to
 * @param identity who it belongs to: a token's name, else "unverified:..."
 * @param language of its client: "java"; empty if this client does not know it
 * @param age since it was opened
 * @param tasks that wait or run
 * @param snapshots the digests of the code that it has sent, oldest first: "sha256:..."
 */
public record SessionInfo(
        String id,
        NodeId node,
        String identity,
        Optional<String> language,
        Duration age,
        int tasks,
        List<String> snapshots) {
    static SessionInfo read(Fields fields) {
        return new SessionInfo(
                fields.text(),
                new NodeId(fields.text()),
                fields.text(),
                fields.optionalText(),
                fields.duration(),
                fields.integer(),
                fields.lines().toList());
    }
}
