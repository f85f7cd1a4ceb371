package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Lambdas that travel submit lambdas, from node to node and back, where each node has one slot. */
@Timeout(120)
class NestedTasksTest {
    private static final int DEPTH = 6;
    private static final long SECONDS = 90;
    private static final int SESSIONS = 8;

    @RegisterExtension
    @Order(1)
    static final TestNode FIRST = new TestNode("--name", "n1", "--slots", "1");

    @RegisterExtension
    @Order(2)
    static final TestNode SECOND = new TestNode("--name", "n2", "--slots", "1").joining(FIRST);

    private static Cluster cluster;

    @BeforeAll
    static void connect() {
        cluster = Haulier.connect(FIRST.address());
    }

    @AfterAll
    static void close() {
        if (cluster != null) {
            cluster.close();
        }
    }

    @Test
    void aLambdaOfATaskRunsOnTheOtherNode() throws Exception {
        for (TestNode node : List.of(FIRST, SECOND)) {
            String address = node.address();
            List<String> turns = List.of("n2", "n1");
            RemoteExecutor pool = cluster.executor(Placement.node("n1"));
            List<String> seen = pool.submit(() -> Hops.along(address, turns, DEPTH)).get(SECONDS, TimeUnit.SECONDS);
            assertEquals(List.of("n1", "n2", "n1", "n2", "n1", "n2", "n1"), seen);
        }
    }

    @Test
    void aTreeOfLambdasEnds() throws Exception {
        String address = SECOND.address();
        assertEquals(8, cluster.executor().submit(() -> Hops.leaves(address, 2, 3)).get(SECONDS, TimeUnit.SECONDS));
    }

    @Test
    void manyLoadersOfAWorkerHaveOneLibrary() throws Exception {
        String address = FIRST.address();
        List<String> turns = List.of("n2", "n1");
        for (int session = 0; session < SESSIONS; session++) {
            try (Cluster own = Haulier.connect(address)) {
                RemoteExecutor pool = own.executor(Placement.node("n1"));
                List<String> seen = pool.submit(() -> Hops.along(address, turns, 2)).get(SECONDS, TimeUnit.SECONDS);
                assertEquals(List.of("n1", "n2", "n1"), seen);
            }
        }
        long libraries =
                cluster.executor(Placement.node("n1")).submit(() -> Hops.libraries()).get(SECONDS, TimeUnit.SECONDS);
        assertTrue(libraries > 0 && libraries < SESSIONS / 2, libraries + " copies");
    }
}
