package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.client.RemoteTasks.Point;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A node refuses serialized objects by the names of their classes. */
@Timeout(60)
class SerialFilterTest {
    @RegisterExtension
    static final TestNode NODE = new TestNode("--serial-filter", "!io.haulier.client.RemoteTasks$Point;*");

    @Test
    void whatTheFilterOfTheNodeRefusesIsNamed() throws Exception {
        try (Cluster cluster = Haulier.connect(NODE.address())) {
            Point point = new Point(1, 2);
            RemoteExecutor pool = cluster.executor();
            ExecutionException refused =
                    assertThrows(ExecutionException.class, () -> pool.submit(() -> point.x()).get());
            HaulierException problem = assertInstanceOf(HaulierException.class, refused.getCause());
            assertEquals(ErrorKind.INVALID_ARGUMENT, problem.kind());
            String text = problem.getMessage();
            assertTrue(text.contains("refuses io.haulier.client.RemoteTasks$Point"), text);
            assertTrue(text.contains("haulier node --serial-filter"), text);
            assertEquals(1, pool.submit(() -> new Point(1, 2).x()).get());
        }
    }
}
