package acme;

import io.haulier.client.Cluster;
import io.haulier.client.Haulier;
import io.haulier.client.Placement;
import io.haulier.client.RemoteFuture;
import java.util.ArrayList;
import java.util.List;

/** Tasks that submit tasks of their own and wait for them. */
public final class Nested {
    private Nested() {}

    /** Counts down to 0, each time as a task. */
    public static long count(String address, long depth) {
        if (depth == 0) {
            return 0;
        }
        try (Cluster cluster = Haulier.connect(address)) {
            return 1 + cluster.task("nested", "acme.Nested#count", Long.class).call(address, depth - 1);
        }
    }

    /** Counts down to 0, each time as a client of the first of two nodes: two nodes take turns. */
    public static long turn(List<String> addresses, long depth) {
        if (depth == 0) {
            return 0;
        }
        List<String> turned = List.of(addresses.get(1), addresses.get(0));
        try (Cluster cluster = Haulier.connect(addresses.get(0))) {
            return 1 + cluster.task("nested", "acme.Nested#turn", Long.class).call(turned, depth - 1);
        }
    }

    /** Counts down to 0, each time on the first of two nodes, by one of them. */
    public static long hop(String address, List<String> nodes, long depth) {
        if (depth == 0) {
            return 0;
        }
        List<String> turned = List.of(nodes.get(1), nodes.get(0));
        try (Cluster cluster = Haulier.connect(address)) {
            Placement next = Placement.node(nodes.get(0));
            return 1 + cluster.task("nested", "acme.Nested#hop", Long.class).placement(next).call(address, turned, depth - 1);
        }
    }

    /** Counts the leaves of a tree of tasks. */
    public static long spread(String address, long width, long depth) {
        if (depth == 0) {
            return 1;
        }
        try (Cluster cluster = Haulier.connect(address)) {
            List<RemoteFuture<Long>> nested = new ArrayList<>();
            for (long i = 0; i < width; i++) {
                nested.add(cluster.task("nested", "acme.Nested#spread", Long.class).submit(address, width, depth - 1));
            }
            return nested.stream().mapToLong(RemoteFuture::join).sum();
        }
    }
}
