package io.haulier.client;

import io.haulier.api.NodeId;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/**
 * A version of a unit.
 *
 * @param name the unit
 * @param version verbatim, as deployed
 * @param digest of its content: "sha256:..."
 * @param state DEPLOYED, or why not
 * @param size bytes of all entries, uncompressed
 * @param entries number of entries
 * @param generation grows with each replacement of the same version
 * @param deployedAt by the node's clock
 * @param deployedBy the token's name, else "unverified:..."
 * @param sources one name for each jar or folder
 * @param holders the nodes on which it is whole, as far as the node knows that was asked
 */
public record DeployedUnit(
        String name,
        String version,
        String digest,
        String state,
        long size,
        int entries,
        long generation,
        Instant deployedAt,
        String deployedBy,
        List<String> sources,
        List<NodeId> holders) {
    private static final int FIELDS = 11;

    /** "name:version". */
    public String reference() {
        return name + ":" + version;
    }

    static List<DeployedUnit> ofRecords(String[] fields) {
        List<DeployedUnit> units = new ArrayList<>(fields.length / FIELDS);
        for (int at = 0; at < fields.length; at += FIELDS) {
            units.add(new DeployedUnit(
                    fields[at],
                    fields[at + 1],
                    fields[at + 2],
                    fields[at + 3],
                    Long.parseLong(fields[at + 4]),
                    Integer.parseInt(fields[at + 5]),
                    Long.parseLong(fields[at + 6]),
                    Instant.ofEpochMilli(Long.parseLong(fields[at + 7])),
                    fields[at + 8],
                    fields[at + 9].lines().toList(),
                    fields[at + 10].lines().map(NodeId::new).toList()));
        }
        return units;
    }
}
