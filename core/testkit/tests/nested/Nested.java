package acme;

import io.haulier.client.Cluster;
import io.haulier.client.Haulier;
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
