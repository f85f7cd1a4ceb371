package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.DeploymentMode;
import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.NodeId;
import io.haulier.api.Outcome;
import io.haulier.api.RemoteCallable;
import io.haulier.api.RemoteRunnable;
import io.haulier.api.RemoteTrace;
import io.haulier.client.RemoteTasks.Operation;
import io.haulier.client.RemoteTasks.OwnException;
import io.haulier.client.RemoteTasks.Point;
import io.haulier.client.RemoteTasks.StuckException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Whatever a Java program submits runs on a node that never had it. */
@Timeout(60)
class PeerLoadingTest {
    @RegisterExtension
    static final TestNode NODE = new TestNode();

    private static Cluster cluster;
    private static RemoteExecutor pool;

    private final Object connection = new Object();

    @BeforeAll
    static void connect() {
        cluster = Haulier.connect(NODE.address());
        pool = cluster.executor();
    }

    @AfterAll
    static void close() {
        if (cluster != null) {
            cluster.close();
        }
    }

    @Test
    void everyFormOfAFunctionRuns() throws Exception {
        int captured = 40;
        String text = "method reference";
        RemoteCallable<Integer> inner = () -> captured + 1;
        class Local implements RemoteCallable<String> {
            private static final long serialVersionUID = 1L;

            @Override
            public String call() {
                return "local " + captured;
            }
        }
        assertEquals(42, pool.submit(() -> 42).get());
        assertEquals(42, pool.submit(() -> captured + 2).get());
        assertEquals(42, pool.submit(() -> inner.call() + 1).get());
        assertEquals(text.length(), pool.submit(text::length).get());
        assertEquals("SHOUT", pool.submit((RemoteCallable<String>) () -> RemoteTasks.shout("shout")).get());
        assertTrue(pool.submit((RemoteCallable<List<String>>) ArrayList::new).get().isEmpty());
        assertEquals("anonymous", pool.submit(anonymous()).get());
        assertEquals(new Point(6, 3), pool.submit(new RemoteTasks.Sum(), new int[] {1, 2, 3}).get());
        assertEquals(14, pool.submit((RemoteTasks.Doubling) () -> 7).get());
        Operation operation = Operation.SQUARE;
        assertEquals(49, pool.submit(() -> operation.apply(7)).get());
        assertEquals(Operation.DOUBLE, pool.submit(() -> Operation.valueOf("DOUBLE")).get());
        assertNull(pool.submit((RemoteRunnable) () -> RemoteTasks.shout("x")).get());
        assertEquals("own", pool.submit((Runnable & java.io.Serializable) () -> {}, "own").get());
        assertEquals("local 40", pool.submit(new Local()).get());
    }

    private static RemoteCallable<String> anonymous() {
        return new RemoteCallable<>() {
            private static final long serialVersionUID = 1L;

            @Override
            public String call() {
                return "anonymous";
            }
        };
    }

    @Test
    void theClassComesFromTheSession() throws Exception {
        String source = pool.submit(new RemoteTasks.WhereFrom()).get();
        assertTrue(source.startsWith("session "), source);
        assertTrue(source.endsWith("/test-classes"), source);
        assertEquals("a resource that travels, ünïcode", pool.submit(() -> RemoteTasks.resource("resource.txt")).get());
        assertNull(pool.submit(() -> RemoteTasks.resource("absent.txt")).get());
        assertFalse(pool.submit(() -> ProcessHandle.current().pid() == 0).get());
    }

    @Test
    void aClassThatIsNamedOnlyAtRunTimeIsFetched() throws Exception {
        String name = "io.haulier.client.RemoteTasks$Late";
        assertEquals("late", pool.submit(() -> {
            Supplier<?> late = (Supplier<?>) Class.forName(name).getDeclaredConstructor().newInstance();
            return late.get();
        }).get());
        ExecutionException absent = assertThrows(
                ExecutionException.class, () -> pool.submit(() -> Class.forName("acme.Absent")).get());
        assertInstanceOf(ClassNotFoundException.class, absent.getCause());
    }

    @Test
    void anInterruptedTaskFetchesAClassAndStaysInterrupted() throws Exception {
        String name = "io.haulier.client.RemoteTasks$Later";
        RemoteCallable<String> interrupted = () -> {
            Thread.currentThread().interrupt();
            Object later = Class.forName(name).getDeclaredConstructor().newInstance();
            return ((Supplier<?>) later).get() + " " + Thread.interrupted();
        };
        assertEquals("later true", pool.submit(interrupted).get());
        assertEquals("later", pool.submit(() -> {
            Object later = Class.forName(name).getDeclaredConstructor().newInstance();
            return ((Supplier<?>) later).get();
        }).get());
    }

    @Test
    void twoLambdasOfOneSiteKeepTheirOwnValues() throws Exception {
        List<Future<Integer>> futures = new ArrayList<>();
        for (int number = 0; number < 200; number++) {
            int own = number;
            futures.add(pool.submit(() -> own * own));
        }
        for (int number = 0; number < 200; number++) {
            assertEquals(number * number, futures.get(number).get());
        }
    }

    @Test
    void exceptionsArriveAsThemselves() {
        ExecutionException known = assertThrows(ExecutionException.class, () -> pool.submit(() -> {
            throw new IllegalStateException("known");
        }).get());
        assertInstanceOf(IllegalStateException.class, known.getCause());
        assertInstanceOf(RemoteTrace.class, known.getCause().getSuppressed()[0]);
        assertTrue(known.getCause().getSuppressed()[0].getMessage().contains("PeerLoadingTest"));
        ExecutionException own = assertThrows(ExecutionException.class, () -> pool.submit(() -> {
            throw new OwnException("own", 7, new IllegalArgumentException("why"));
        }).get());
        assertEquals(7, assertInstanceOf(OwnException.class, own.getCause()).code);
        assertEquals("why", own.getCause().getCause().getMessage());
        ExecutionException stuck = assertThrows(ExecutionException.class, () -> pool.submit(() -> {
            throw new StuckException("no way");
        }).get());
        HaulierException text = assertInstanceOf(HaulierException.class, stuck.getCause());
        assertEquals(ErrorKind.TASK_FAILED, text.kind());
        assertTrue(text.getMessage().contains("no way"), text.getMessage());
        assertTrue(text.remoteTrace().contains("PeerLoadingTest"), text.remoteTrace());
    }

    @Test
    void whatCannotTravelIsRefusedWithItsPath() {
        HaulierException refused =
                assertThrows(HaulierException.class, () -> pool.submit(() -> connection.toString()));
        assertEquals(ErrorKind.INVALID_ARGUMENT, refused.kind());
        assertTrue(refused.getMessage().contains("PeerLoadingTest lambda.captured 1"), refused.getMessage());
        ExecutionException unreadable = assertThrows(ExecutionException.class, () -> pool.submit(Object::new).get());
        HaulierException result = assertInstanceOf(HaulierException.class, unreadable.getCause());
        assertEquals(ErrorKind.RESULT_UNREADABLE, result.kind());
    }

    @Test
    void theModeSaysWhoSharesStatics() throws Exception {
        try (Cluster other = Haulier.connect(NODE.address())) {
            assertEquals(1, cluster.executor().submit(RemoteTasks::calls).get());
            assertEquals(2, cluster.executor().submit(RemoteTasks::calls).get());
            assertEquals(1, other.executor().submit(RemoteTasks::calls).get());
        }
        SessionConfig isolated = SessionConfig.peerLoading(DeploymentMode.ISOLATED);
        try (Cluster alone = Haulier.connect(NODE.address(), isolated)) {
            assertEquals(1, alone.executor().submit(RemoteTasks::calls).get());
            assertEquals(1, alone.executor().submit(RemoteTasks::calls).get());
        }
        SessionConfig shared = SessionConfig.peerLoading(DeploymentMode.SHARED);
        try (Cluster one = Haulier.connect(NODE.address(), shared);
                Cluster two = Haulier.connect(NODE.address(), shared)) {
            assertEquals(1, one.executor().submit(RemoteTasks::calls).get());
            assertEquals(2, two.executor().submit(RemoteTasks::calls).get());
            RemoteExecutor alone = one.executor(TaskOptions.defaults().withMode(DeploymentMode.ISOLATED));
            assertEquals(1, alone.submit(RemoteTasks::calls).get());
            RemoteExecutor own = one.executor(TaskOptions.defaults().withMode(DeploymentMode.PRIVATE));
            assertEquals(1, own.submit(RemoteTasks::calls).get());
            RemoteExecutor kept = two.executor(TaskOptions.defaults().withMode(DeploymentMode.CONTINUOUS));
            assertEquals(3, kept.submit(RemoteTasks::calls).get());
        }
        SessionConfig continuous = SessionConfig.peerLoading(DeploymentMode.CONTINUOUS);
        try (Cluster next = Haulier.connect(NODE.address(), continuous)) {
            assertEquals(4, next.executor().submit(RemoteTasks::calls).get());
        }
    }

    @Test
    void aBroadcastAnswersForEachNode() {
        Map<NodeId, Outcome<String>> outcomes = cluster.broadcast(() -> RemoteTasks.shout("all"));
        assertEquals(cluster.nodes().stream().map(NodeInfo::id).toList(), List.copyOf(outcomes.keySet()));
        outcomes.values().forEach(outcome -> assertEquals("ALL", outcome.get()));
        Map<NodeId, Outcome<String>> failures = cluster.broadcast(() -> {
            throw new IllegalStateException("everywhere");
        });
        failures.values().forEach(outcome -> assertInstanceOf(IllegalStateException.class, outcome.exception()));
    }

    @Test
    void threadsOfTheCommonPoolSeeTheClassesOfTheTask() throws Exception {
        String name = RemoteTasks.class.getName();
        long seen = pool.submit(() -> IntStream.range(0, 1000)
                        .parallel()
                        .filter(number -> RemoteTasks.contextLoaderHas(name))
                        .count())
                .get();
        assertEquals(1000, seen);
    }

    @Test
    void largePayloadsTravelBothWays() throws Exception {
        byte[] large = new byte[8 << 20];
        large[large.length - 1] = 7;
        assertEquals(7, pool.submit(() -> large[large.length - 1]).get().intValue());
        assertEquals(large.length, pool.submit(() -> new byte[8 << 20]).get().length);
    }

    @Test
    void functionsOfFunctionsTravel() throws Exception {
        Function<Integer, Integer> twice = (Function<Integer, Integer> & java.io.Serializable) value -> value * 2;
        assertEquals(84, pool.submit(() -> twice.apply(42)).get());
    }
}
