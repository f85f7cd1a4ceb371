package elsewhere;

import io.haulier.client.Cluster;
import io.haulier.client.Haulier;
import io.haulier.client.RemoteExecutor;
import java.util.List;
import java.util.concurrent.Future;
import java.util.stream.IntStream;

/** A program of another project: its lambda and its class run on the node. */
public final class Main {
    private Main() {}

    /** A class that the node does not have. */
    static final class Squares {
        static int of(int value) {
            return value * value;
        }
    }

    /** Runs ten lambdas. */
    public static void main(String[] arguments) throws Exception {
        try (Cluster cluster = Haulier.connect(System.getenv("HAULIER_ADDRESS"))) {
            RemoteExecutor pool = cluster.executor();
            List<Future<Integer>> answers = IntStream.range(0, 10)
                    .<Future<Integer>>mapToObj(value -> pool.submit(() -> Squares.of(value)))
                    .toList();
            int sum = 0;
            for (Future<Integer> answer : answers) {
                sum += answer.get();
            }
            if (sum != 285) {
                throw new AssertionError(sum);
            }
            System.out.println("another Maven project: " + sum);
        }
    }
}
