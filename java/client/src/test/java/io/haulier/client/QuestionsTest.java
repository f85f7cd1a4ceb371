package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.DeploymentMode;
import io.haulier.api.HaulierException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a client asks about its tasks: where the names of their class paths come from, and which code stays. */
@Timeout(60)
class QuestionsTest {
    @RegisterExtension
    static final TestNode NODE = new TestNode();

    @Test
    void theClassPathOfATaskIsExplained() throws Exception {
        Path classes = Path.of(QuestionsTest.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        try (Cluster cluster = Haulier.connect(NODE.address())) {
            cluster.deploy("question", "1.0.0", classes).get(30, TimeUnit.SECONDS);
            HaulierException failed = assertThrows(
                    HaulierException.class, () -> cluster.task("question", "io.haulier.client.RemoteTaks").call());
            String task = failed.context().get("task");
            assertTrue(task.startsWith(cluster.sessionId() + "/"), task);
            Explanation explained =
                    cluster.explainTask(task, "io.haulier.client.RemoteTasks").get(30, TimeUnit.SECONDS);
            assertEquals("question:1.0.0/test-classes", explained.places().get(0).label());
        }
    }

    @Test
    void codeThatStaysIsListed() throws Exception {
        try (Cluster cluster =
                Haulier.connect(NODE.address(), SessionConfig.peerLoading(DeploymentMode.CONTINUOUS))) {
            assertEquals("ok", cluster.executor().submit(() -> "ok").get(30, TimeUnit.SECONDS));
            List<ContinuousCode> staying = cluster.continuousCode().get(30, TimeUnit.SECONDS);
            assertEquals(1, staying.size());
            ContinuousCode code = staying.get(0);
            assertTrue(code.reference().startsWith("session:") && code.heldBytes() > 0, code.toString());
            assertTrue(code.origins().get(0).startsWith(cluster.sessionId() + "@"), code.toString());
            assertTrue(code.names().contains("test-classes"), code.toString());
        }
    }
}
