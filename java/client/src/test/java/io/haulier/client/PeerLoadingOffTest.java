package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.RemoteCallable;
import io.haulier.client.RemoteTasks.Point;
import java.nio.file.Path;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A node that takes no code of clients runs what its units have, also for a client that says nothing of it. */
@Timeout(60)
class PeerLoadingOffTest {
    @RegisterExtension
    static final TestNode NODE = new TestNode("--no-peer-loading");

    @Test
    void objectsAndLambdasOfUnitsRun() throws Exception {
        Path classes = Path.of(getClass().getProtectionDomain().getCodeSource().getLocation().toURI());
        try (Cluster cluster = Haulier.connect(NODE.address())) {
            DeployedUnit unit = cluster.deploy("known", "1", classes).get(30, TimeUnit.SECONDS);
            assertEquals(
                    3, cluster.task(unit, "io.haulier.client.NamedTasks#sum", Integer.class).call(new Point(1, 2)));
            RemoteExecutor known = cluster.executor(TaskOptions.defaults().withUnits("known:1"));
            assertEquals("KNOWN", known.submit(Lambdas.shouting("known")).get(30, TimeUnit.SECONDS));
            assertEquals("known:1/test-classes", known.submit(new RemoteTasks.WhereFrom()).get(30, TimeUnit.SECONDS));
        }
    }

    /** Lambdas of a class that names nothing of the client. */
    private static final class Lambdas {
        static RemoteCallable<String> shouting(String text) {
            return () -> RemoteTasks.shout(text);
        }
    }

    @Test
    void whatIsUnknownIsRefused() {
        try (Cluster cluster = Haulier.connect(NODE.address())) {
            HaulierException refused = assertThrows(HaulierException.class, () -> failure(cluster));
            assertEquals(ErrorKind.PERMISSION_DENIED, refused.kind());
            assertTrue(refused.getMessage().contains("peer loading is off"), refused.getMessage());
        }
    }

    private static void failure(Cluster cluster) throws Exception {
        try {
            cluster.executor().submit(() -> 42).get(30, TimeUnit.SECONDS);
        } catch (ExecutionException problem) {
            throw assertInstanceOf(HaulierException.class, problem.getCause());
        }
    }
}
