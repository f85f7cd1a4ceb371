import io.haulier.client.Cluster;
import io.haulier.client.Haulier;
import io.haulier.client.RemoteExecutor;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.Future;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Prints latency, throughput and cold code of Java tasks, against the node at HAULIER_ADDRESS. */
public final class Bench {
    private static final int WINDOW = 4096;

    private Bench() {}

    /** Prints the figures after a warm-up. */
    public static void main(String[] arguments) throws Exception {
        try (Cluster cluster = Haulier.connect(System.getenv("HAULIER_ADDRESS"))) {
            RemoteExecutor pool = cluster.executor();
            long begun = System.nanoTime();
            pool.submit(() -> 0).get();
            print("Java, first task", (System.nanoTime() - begun) / 1e6, "ms");
            latency(pool, 20_000);
            double[] durations = latency(pool, 10_000);
            print("Java, empty task, p50", durations[5_000], "us   (bar: 100)");
            print("Java, empty task, p99", durations[9_900], "us");
            throughput(pool, 300_000);
            double best = 0;
            for (int round = 0; round < 3; round++) {
                best = Math.max(best, throughput(pool, 300_000));
            }
            print("Java, submit in a window", best, "tasks/s   (bar: 50000)");
            cold(pool);
        }
    }

    private static double[] latency(RemoteExecutor pool, int count) throws Exception {
        double[] durations = new double[count];
        for (int at = 0; at < count; at++) {
            long begun = System.nanoTime();
            pool.submit(() -> null).get();
            durations[at] = (System.nanoTime() - begun) / 1e3;
        }
        Arrays.sort(durations);
        return durations;
    }

    private static double throughput(RemoteExecutor pool, int count) throws Exception {
        ArrayDeque<Future<?>> window = new ArrayDeque<>(WINDOW);
        long begun = System.nanoTime();
        for (int at = 0; at < count; at++) {
            if (window.size() == WINDOW) {
                window.remove().get();
            }
            window.add(pool.submit(() -> null));
        }
        for (Future<?> future : window) {
            future.get();
        }
        return count / ((System.nanoTime() - begun) / 1e9);
    }

    /** Each set's task is loaded by name, so that nothing that was sent before refers to its classes. */
    private static void cold(RemoteExecutor pool) throws Exception {
        List<Callable<Integer>> sets = new ArrayList<>();
        for (int number = 0; number < 5; number++) {
            sets.add(unseen("set" + number + ".Depth"));
        }
        double[] seconds = new double[sets.size()];
        long tripsBefore = codeRoundTrips();
        for (int at = 0; at < seconds.length; at++) {
            long begun = System.nanoTime();
            int depth = pool.submit(sets.get(at)).get();
            seconds[at] = (System.nanoTime() - begun) / 1e9;
            if (depth != 499) {
                throw new AssertionError(depth);
            }
        }
        Arrays.sort(seconds);
        print("500 unseen classes of 5 KB, p50", seconds[seconds.length / 2], "s   (bar: 0.12)");
        double trips = (codeRoundTrips() - tripsBefore) / (double) sets.size();
        print("... round trips of code", trips, "    (bar: 2)");
    }

    @SuppressWarnings("unchecked")
    private static Callable<Integer> unseen(String name) throws ReflectiveOperationException {
        return (Callable<Integer>) Class.forName(name).getDeclaredConstructor().newInstance();
    }

    /** What the node has counted since its start. */
    private static long codeRoundTrips() throws Exception {
        String haulier = System.getenv("HAULIER_DIST") + "/bin/haulier";
        Process nodes = new ProcessBuilder(haulier, "nodes", "--output", "json").start();
        String json = new String(nodes.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        Matcher counted = Pattern.compile("\"code_round_trips\":\\s*(\\d+)").matcher(json);
        if (nodes.waitFor() != 0 || !counted.find()) {
            throw new IllegalStateException("haulier nodes: " + json);
        }
        return Long.parseLong(counted.group(1));
    }

    private static void print(String what, double value, String unit) {
        String format = value < 10 ? "%-32s %8.3f %s%n" : "%-32s %8.0f %s%n";
        System.out.printf(Locale.ROOT, format, what, value, unit);
    }
}
