import io.haulier.api.NodeId;
import io.haulier.api.Outcome;
import io.haulier.client.Cluster;
import io.haulier.client.Haulier;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;

/** Prints how long a broadcast of an empty Java task takes, against the cluster of three nodes at HAULIER_ADDRESS. */
public final class ClusterBench {
    private static final int NODES = 3;

    private ClusterBench() {}

    /** Prints the figures after a warm-up. */
    public static void main(String[] arguments) throws Exception {
        try (Cluster cluster = Haulier.connect(System.getenv("HAULIER_ADDRESS"))) {
            broadcasts(cluster, 5_000);
            double[] durations = broadcasts(cluster, 5_000);
            String format = "Java, broadcast to 3 nodes, %s   %7.0f us%s%n";
            System.out.printf(Locale.ROOT, format, "p50", durations[2_500], "   (bar: 500)");
            System.out.printf(Locale.ROOT, format, "p99", durations[4_950], "");
        }
    }

    private static double[] broadcasts(Cluster cluster, int count) throws Exception {
        double[] durations = new double[count];
        for (int at = 0; at < count; at++) {
            long begun = System.nanoTime();
            Map<NodeId, Outcome<Object>> outcomes = cluster.broadcast(() -> null);
            durations[at] = (System.nanoTime() - begun) / 1e3;
            if (outcomes.size() != NODES || !outcomes.values().stream().allMatch(Outcome::isCompleted)) {
                throw new AssertionError(outcomes);
            }
        }
        Arrays.sort(durations);
        return durations;
    }
}
