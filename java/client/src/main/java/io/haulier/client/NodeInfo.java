package io.haulier.client;

import io.haulier.api.NodeId;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A node as its cluster sees it.
 *
 * @param id its name
 * @param address that clients dial, host:port
 * @param version of Haulier, with the build id
 * @param runtimes languages that can run there: "java" to "17.0.15"
 * @param queued tasks that wait
 * @param executing tasks that run
 * @param processId for operators of one machine
 * @param uptime since the node started
 */
public record NodeInfo(
        NodeId id,
        String address,
        String version,
        Map<String, String> runtimes,
        int queued,
        int executing,
        long processId,
        Duration uptime) {
    private static final int FIELDS = 8;

    static List<NodeInfo> ofRecords(String[] fields) {
        List<NodeInfo> nodes = new ArrayList<>(fields.length / FIELDS);
        for (int at = 0; at < fields.length; at += FIELDS) {
            nodes.add(new NodeInfo(
                    new NodeId(fields[at]),
                    fields[at + 1],
                    fields[at + 2],
                    runtimes(fields[at + 3]),
                    Integer.parseInt(fields[at + 4]),
                    Integer.parseInt(fields[at + 5]),
                    Long.parseLong(fields[at + 6]),
                    Duration.ofSeconds(Long.parseLong(fields[at + 7]))));
        }
        return nodes;
    }

    private static Map<String, String> runtimes(String lines) {
        Map<String, String> runtimes = new TreeMap<>();
        lines.lines().forEach(line -> {
            String[] pair = line.split("=", 2);
            runtimes.put(pair[0], pair[1]);
        });
        return runtimes;
    }
}
