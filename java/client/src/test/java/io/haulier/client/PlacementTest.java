package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.NodeId;
import io.haulier.api.Outcome;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Where tasks run, as it is said; and what is known of nodes. */
@Timeout(60)
class PlacementTest {
    @RegisterExtension
    static final TestNode NODE = new TestNode();

    @Test
    void aPlacementIsChangedByCopies() {
        Placement key = Placement.key("customer-7");
        Placement more = key.label("zone", "a").label("disk", "ssd").label("zone", "b").failover();
        assertArrayEquals(new String[0], key.labels());
        assertArrayEquals(new String[] {"disk", "ssd", "zone", "b"}, more.labels());
        assertEquals(Placement.Target.KEY, more.target());
        assertEquals("customer-7", more.name());
        assertTrue(more.isFailover() && !key.isFailover());
        assertEquals("the node of key customer-7 with {disk=ssd, zone=b}, with failover", more.toString());
        Placement everywhere = more.everywhere();
        assertEquals(Placement.Target.ALL, everywhere.target());
        assertArrayEquals(more.labels(), everywhere.labels());
        assertThrows(NullPointerException.class, () -> Placement.node(null));
    }

    @Test
    void tasksRunWhereTheyAreSent() throws Exception {
        try (Cluster cluster = Haulier.connect(NODE.address())) {
            NodeId node = cluster.nodes().get(0).id();
            for (Placement here : List.of(Placement.any(), Placement.node(node.name()), Placement.key("customer-7"))) {
                try (RemoteExecutor pool = cluster.executor(here.failover())) {
                    assertEquals(42, pool.submit(() -> 42).get(), here.toString());
                }
            }
            try (RemoteExecutor pool = cluster.executor(Placement.node("nowhere"))) {
                ExecutionException nowhere = assertThrows(
                        ExecutionException.class, () -> pool.submit(() -> 42).get());
                HaulierException cause = (HaulierException) nowhere.getCause();
                assertEquals(ErrorKind.NOT_FOUND, cause.kind());
            }
            Map<NodeId, Outcome<Integer>> everywhere = cluster.broadcast(Map.of(), () -> 42);
            assertEquals(List.of(node), List.copyOf(everywhere.keySet()));
        }
    }

    @Test
    void aNodeSaysWhatItIs() {
        try (Cluster cluster = Haulier.connect("127.0.0.1:1," + NODE.address())) {
            NodeInfo node = cluster.nodes().get(0);
            assertEquals(NODE.address(), node.address());
            assertEquals(NodeInfo.State.ALIVE, node.state());
            assertEquals(NODE.processId(), node.processId());
            assertTrue(node.direct() && node.labels().isEmpty(), node.toString());
        }
    }

    @Test
    void recordsOfNodesAreRead() {
        String digest = "sha256:" + "0".repeat(64);
        String[] fields = {
            "n1", "h:1", "draining", "disk=\nzone=a=b", "0.1.0", "java=17", "4", "1", "2", digest + "\n" + digest, digest,
            "true", "false", "7", "60", "3"
        };
        NodeInfo node = NodeInfo.ofRecords(fields).get(0);
        assertEquals(NodeInfo.State.DRAINING, node.state());
        assertEquals(Map.of("disk", "", "zone", "a=b"), node.labels());
        assertEquals(List.of(digest, digest), node.heldUnits());
        assertEquals(Optional.of(digest), node.localCode());
        assertTrue(node.ownsCatalogue() && !node.direct());
        assertEquals(List.of(4, 1, 2), List.of(node.slots(), node.queued(), node.executing()));
        assertEquals(3, node.codeRoundTrips());
    }
}
