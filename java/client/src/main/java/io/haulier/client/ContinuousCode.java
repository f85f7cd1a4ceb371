package io.haulier.client;

import java.time.Instant;
import java.util.List;

/**
 * Code that stays after the sessions in the continuous mode that brought it.
 *
 * @param reference what it is run and undeployed by: "session:" and the digest of the snapshot in hexadecimal
 * @param identities who has brought it, and may run it and undeploy it
 * @param origins the sessions that brought it, the newest last: "id@node"
 * @param created when the first of them came
 * @param lastUsed of code that is in use, up to an hour ago
 * @param heldBytes bytes of its files that are on the node that was asked
 * @param size bytes of all its files; 0 if that node does not know them yet
 * @param names of its class roots
 */
public record ContinuousCode(
        String reference,
        List<String> identities,
        List<String> origins,
        Instant created,
        Instant lastUsed,
        long heldBytes,
        long size,
        List<String> names) {
    static ContinuousCode read(Fields fields) {
        return new ContinuousCode(
                fields.text(),
                fields.lines().toList(),
                fields.lines().toList(),
                fields.instant(),
                fields.instant(),
                fields.number(),
                fields.number(),
                fields.lines().toList());
    }
}
