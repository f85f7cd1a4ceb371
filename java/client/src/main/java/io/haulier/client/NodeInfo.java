package io.haulier.client;

import io.haulier.api.NodeId;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A node as its cluster sees it.
 *
 * @param id its name
 * @param address that clients and other nodes dial, host:port
 * @param state whether tasks are sent to it
 * @param labels that it was started with
 * @param version of Haulier, with the build id
 * @param runtimes languages that can run there: "java" to "17.0.15"
 * @param slots tasks that can run at the same time
 * @param queued tasks that wait
 * @param executing tasks that run
 * @param heldUnits digests of the deployed units that are whole on it: "sha256:..."
 * @param localCode digest of its own code, if it has some; nodes that differ here may answer differently
 * @param ownsCatalogue whether it owns the embedded catalogue: without it nothing can be deployed
 * @param direct whether this client has a connection to it; tasks for other nodes go through one that it has
 * @param processId for operators of one machine
 * @param uptime since the node started
 * @param codeRoundTrips round trips to clients for peer-loaded code since the start
 */
public record NodeInfo(
        NodeId id,
        String address,
        State state,
        Map<String, String> labels,
        String version,
        Map<String, String> runtimes,
        int slots,
        int queued,
        int executing,
        List<String> heldUnits,
        Optional<String> localCode,
        boolean ownsCatalogue,
        boolean direct,
        long processId,
        Duration uptime,
        long codeRoundTrips) {

    /** Whether tasks are sent to a node. */
    public enum State {
        /** It takes tasks. */
        ALIVE,
        /** It finishes what it has and takes nothing new. */
        DRAINING,
        /** It is registered, but the node that was asked does not hear it. */
        LOST,
        /** A state that this client does not know. */
        UNKNOWN
    }

    static List<NodeInfo> ofRecords(String[] fields) {
        List<NodeInfo> nodes = new ArrayList<>();
        Iterator<String> next = Arrays.asList(fields).iterator();
        while (next.hasNext()) {
            nodes.add(new NodeInfo(
                    new NodeId(next.next()),
                    next.next(),
                    State.valueOf(next.next().toUpperCase(Locale.ROOT)),
                    pairs(next.next()),
                    next.next(),
                    pairs(next.next()),
                    Integer.parseInt(next.next()),
                    Integer.parseInt(next.next()),
                    Integer.parseInt(next.next()),
                    next.next().lines().toList(),
                    Optional.of(next.next()).filter(digest -> !digest.isEmpty()),
                    Boolean.parseBoolean(next.next()),
                    Boolean.parseBoolean(next.next()),
                    Long.parseLong(next.next()),
                    Duration.ofSeconds(Long.parseLong(next.next())),
                    Long.parseLong(next.next())));
        }
        return nodes;
    }

    private static Map<String, String> pairs(String lines) {
        Map<String, String> pairs = new TreeMap<>();
        lines.lines().forEach(line -> {
            String[] pair = line.split("=", 2);
            pairs.put(pair[0], pair.length > 1 ? pair[1] : "");
        });
        return pairs;
    }
}
