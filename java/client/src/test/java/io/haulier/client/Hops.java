package io.haulier.client;

import io.haulier.api.TaskContext;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** Tasks that submit lambdas as tasks of their own, and wait for them. */
final class Hops {
    private static final long SECONDS = 60;
    /** Where a line of a memory map says which file it is. */
    private static final int INODE = 4;

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

    /** How many copies of the client's native library this process has loaded. */
    static long libraries() throws IOException {
        try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"))) {
            return maps.filter(line -> line.contains("-libjni.so"))
                    .map(line -> line.split(" +")[INODE])
                    .distinct()
                    .count();
        }
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
