package io.haulier.client;

import io.haulier.api.NodeId;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * A storage that is watched.
 *
 * @param id its name, for {@link Cluster#unwatchStorage}
 * @param url without credentials
 * @param interval how often it is looked at
 * @param settle how long a file must have been unchanged before it is taken
 * @param node that looks at it; empty: none at the moment
 * @param state "starting", "watching" or "outage"
 * @param lastError what is wrong with the storage as a whole; empty: nothing
 * @param lastSuccess when it was last looked at and all went well; empty: not yet
 * @param units that are deployed from it
 * @param settling files that wait until they have settled
 * @param problems files and units that could not be deployed
 */
public record StorageWatch(
        String id,
        String url,
        Duration interval,
        Duration settle,
        Optional<NodeId> node,
        String state,
        Optional<String> lastError,
        Optional<Instant> lastSuccess,
        int units,
        int settling,
        List<Problem> problems) {
    /**
     * A file or a unit that could not be deployed.
     *
     * @param path in the storage
     * @param unit that it would be: "name:version"; empty if it is none
     * @param state "quarantined", "conflict", "retrying" or "ignored"
     * @param error what is wrong
     * @param since when it began
     */
    public record Problem(String path, Optional<String> unit, String state, String error, Instant since) {
        static Problem read(Fields fields) {
            return new Problem(fields.text(), fields.optionalText(), fields.text(), fields.text(), fields.instant());
        }
    }

    static StorageWatch read(Fields fields) {
        return new StorageWatch(
                fields.text(),
                fields.text(),
                fields.duration(),
                fields.duration(),
                fields.optionalText().map(NodeId::new),
                fields.text(),
                fields.optionalText(),
                Optional.of(fields.instant()).filter(time -> time.toEpochMilli() > 0),
                fields.integer(),
                fields.integer(),
                fields.records(Problem::read));
    }
}
