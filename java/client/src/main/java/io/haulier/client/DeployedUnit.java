package io.haulier.client;

import io.haulier.api.NodeId;
import java.time.Instant;
import java.util.List;

/**
 * A version of a unit.
 *
 * @param name the unit
 * @param version verbatim, as deployed
 * @param digest of its content: "sha256:..."
 * @param state DEPLOYED, or why not
 * @param size bytes of all entries, uncompressed, and of archives that are kept as they were
 * @param entries number of entries
 * @param generation grows with each replacement of the same version
 * @param deployedAt by the node's clock
 * @param deployedBy the token's name, else "unverified:..."
 * @param sources one name for each jar or folder
 * @param holders the nodes on which it is whole, as far as the node knows that was asked
 * @param aliases the movable names that point to it: "stable"
 * @param warnings what of its content is seldom meant: classes that nobody will load, two versions of one library; only
 *     in what a deployment returns
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
        List<NodeId> holders,
        List<String> aliases,
        List<String> warnings) {

    /** "name:version". */
    public String reference() {
        return name + ":" + version;
    }

    static List<DeployedUnit> ofRecords(String[] fields) {
        return Fields.all(fields, DeployedUnit::read);
    }

    static DeployedUnit read(Fields fields) {
        return new DeployedUnit(
                fields.text(),
                fields.text(),
                fields.text(),
                fields.text(),
                fields.number(),
                fields.integer(),
                fields.number(),
                fields.instant(),
                fields.text(),
                fields.lines().toList(),
                fields.lines().map(NodeId::new).toList(),
                fields.lines().toList(),
                fields.lines().toList());
    }
}
