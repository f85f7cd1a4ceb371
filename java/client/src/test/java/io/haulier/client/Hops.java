package io.haulier.client;

import io.haulier.api.TaskContext;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Tasks that submit lambdas as tasks of their own, and wait for them. */
final class Hops {
    private static final long SECONDS = 60;

    private Hops() {}

    /** The nodes that it ran on: those of the list in turn, beginning with that of the caller. */
    static List<String> along(String address, List<String> nodes, int depth) throws Exception {
        List<String> seen = new ArrayList<>(List.of(TaskContext.current().node().name()));
        if (depth > 0) {
            List<String> turned = List.of(nodes.get(1), nodes.get(0));
            try (Cluster cluster = Haulier.connect(address)) {
                RemoteExecutor next = cluster.executor(Placement.node(nodes.get(0)));
                seen.addAll(next.submit(() -> along(address, turned, depth - 1)).get(SECONDS, TimeUnit.SECONDS));
            }
        }
        return seen;
    }

    /** The leaves of a tree of tasks that run anywhere. */
    static int leaves(String address, int width, int depth) throws Exception {
        if (depth == 0) {
            return 1;
        }
        int sum = 0;
        try (Cluster cluster = Haulier.connect(address)) {
            RemoteExecutor pool = cluster.executor();
            List<Future<Integer>> branches = new ArrayList<>();
            for (int branch = 0; branch < width; branch++) {
                branches.add(pool.submit(() -> leaves(address, width, depth - 1)));
            }
            for (Future<Integer> branch : branches) {
                sum += branch.get(SECONDS, TimeUnit.SECONDS);
            }
        }
        return sum;
    }
}
