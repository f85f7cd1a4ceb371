package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.RemoteCallable;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The executor keeps the contracts of ExecutorService and Future. */
@Timeout(60)
class ExecutorTest {
    @RegisterExtension
    static final TestNode NODE = new TestNode();

    private static Cluster cluster;

    @BeforeAll
    static void connect() {
        cluster = Haulier.connect(NODE.address());
    }

    @AfterAll
    static void close() {
        if (cluster != null) {
            cluster.close();
        }
    }

    private static RemoteCallable<Integer> never(int port) {
        return () -> RemoteTasks.announce(port, false);
    }

    private static ServerSocket listener() throws Exception {
        ServerSocket listener = new ServerSocket(0, 8, InetAddress.getLoopbackAddress());
        listener.setSoTimeout(30_000);
        return listener;
    }

    @Test
    void invokeAllGivesEveryAnswerInOrder() throws Exception {
        List<Callable<Integer>> calls = new ArrayList<>();
        for (int number = 0; number < 50; number++) {
            int own = number;
            calls.add((RemoteCallable<Integer>) () -> own == 25 ? own / 0 : own);
        }
        try (RemoteExecutor pool = cluster.executor()) {
            List<Future<Integer>> futures = pool.invokeAll(calls);
            for (int number = 0; number < 50; number++) {
                Future<Integer> future = futures.get(number);
                assertTrue(future.isDone());
                if (number == 25) {
                    ExecutionException problem = assertThrows(ExecutionException.class, future::get);
                    assertInstanceOf(ArithmeticException.class, problem.getCause());
                } else {
                    assertEquals(number, future.get());
                }
            }
        }
    }

    @Test
    void invokeAllInTimeCancelsTheRest() throws Exception {
        try (ServerSocket listener = listener(); RemoteExecutor pool = cluster.executor()) {
            int port = listener.getLocalPort();
            List<Future<Integer>> futures =
                    pool.invokeAll(List.of(never(port), (RemoteCallable<Integer>) () -> 1), 2, TimeUnit.SECONDS);
            assertTrue(futures.get(0).isCancelled());
            assertTrue(futures.get(1).isDone());
        }
    }

    @Test
    void invokeAnyTakesTheFirstSuccess() throws Exception {
        try (RemoteExecutor pool = cluster.executor()) {
            RemoteCallable<Integer> fails = () -> {
                throw new IllegalStateException("no");
            };
            assertEquals(7, pool.invokeAny(List.of(fails, (RemoteCallable<Integer>) () -> 7)));
            ExecutionException problem = assertThrows(ExecutionException.class, () -> pool.invokeAny(List.of(fails)));
            assertInstanceOf(IllegalStateException.class, problem.getCause());
            try (ServerSocket listener = listener()) {
                Callable<Integer> never = never(listener.getLocalPort());
                assertThrows(
                        TimeoutException.class, () -> pool.invokeAny(List.of(never), 300, TimeUnit.MILLISECONDS));
            }
        }
    }

    @Test
    void cancelEndsARunningTask() throws Exception {
        try (ServerSocket listener = listener(); RemoteExecutor pool = cluster.executor()) {
            RemoteFuture<Integer> future = pool.submit(never(listener.getLocalPort()));
            try (var running = listener.accept()) {
                assertThrows(TimeoutException.class, () -> future.get(50, TimeUnit.MILLISECONDS));
                assertTrue(future.cancel(true));
                assertTrue(future.isCancelled());
                assertThrows(CancellationException.class, future::get);
                running.setSoTimeout(30_000);
                assertEquals(1, running.getInputStream().read());
                assertEquals(-1, running.getInputStream().read(), "the task has ended");
            }
            assertEquals(1, pool.submit(() -> 1).get());
        }
    }

    @Test
    void aTaskThatIsDeafToCancelIsEndedWithItsWorker() throws Exception {
        try (ServerSocket listener = listener(); RemoteExecutor pool = cluster.executor()) {
            int port = listener.getLocalPort();
            RemoteFuture<Integer> future = pool.submit(() -> RemoteTasks.announce(port, true));
            try (var running = listener.accept()) {
                future.cancel(true);
                running.setSoTimeout(45_000);
                assertEquals(1, running.getInputStream().read());
                assertEquals(-1, running.getInputStream().read(), "the worker was killed");
            }
            assertEquals(1, pool.submit(() -> 1).get());
        }
    }

    @Test
    void aDeadlineEndsATask() throws Exception {
        try (ServerSocket listener = listener();
                RemoteExecutor pool = cluster.executor(TaskOptions.defaults().withTimeout(Duration.ofMillis(300)))) {
            RemoteFuture<Integer> future = pool.submit(never(listener.getLocalPort()));
            ExecutionException problem = assertThrows(ExecutionException.class, future::get);
            HaulierException late = assertInstanceOf(HaulierException.class, problem.getCause());
            assertEquals(ErrorKind.DEADLINE_EXCEEDED, late.kind());
        }
    }

    @Test
    void shutdownWaitsAndShutdownNowCancels() throws Exception {
        RemoteExecutor pool = cluster.executor();
        assertEquals(1, pool.submit(() -> 1).get());
        try (ServerSocket listener = listener()) {
            RemoteFuture<Integer> running = pool.submit(never(listener.getLocalPort()));
            listener.accept().close();
            pool.shutdown();
            assertTrue(pool.isShutdown());
            assertFalse(pool.isTerminated());
            assertFalse(pool.awaitTermination(50, TimeUnit.MILLISECONDS));
            assertThrows(RejectedExecutionException.class, () -> pool.submit(() -> 1));
            pool.shutdownNow();
            assertTrue(pool.awaitTermination(20, TimeUnit.SECONDS));
            assertTrue(pool.isTerminated());
            assertTrue(running.isCancelled());
        }
    }

    @Test
    void futuresCompose() throws Exception {
        try (RemoteExecutor pool = cluster.executor()) {
            CompletableFuture<Integer> sum = pool.submit(() -> 20)
                    .thenCompose(first -> pool.submit(() -> first + 1))
                    .thenCombine(pool.submit(() -> 21), Integer::sum);
            assertEquals(42, sum.get(20, TimeUnit.SECONDS));
            CompletableFuture<?> all =
                    CompletableFuture.allOf(pool.submit(() -> 1), pool.submit(() -> 2), pool.submit(() -> 3));
            all.get(20, TimeUnit.SECONDS);
            // A dependent that waits for another task holds up nobody.
            assertEquals(3, pool.submit(() -> 1)
                    .thenApply(one -> one + pool.submit(() -> 2).join())
                    .get(20, TimeUnit.SECONDS));
            Object given = new Object();
            assertSame(given, pool.submit((Runnable & java.io.Serializable) () -> {}, given).get());
        }
    }

    @Test
    void whatTheJdkWrapsIsRejectedWithAdvice() {
        RemoteExecutor pool = cluster.executor();
        for (Runnable attempt : List.<Runnable>of(
                () -> CompletableFuture.supplyAsync(() -> 1, pool), () -> pool.execute(new FutureTask<>(() -> 1)))) {
            RejectedExecutionException problem = assertThrows(RejectedExecutionException.class, attempt::run);
            assertTrue(problem.getMessage().contains("executor.submit(callable)"), problem.getMessage());
        }
        assertThrows(NullPointerException.class, () -> pool.submit((Callable<Object>) null));
    }

    @Test
    void aClosedConnectionIsSaidSo() throws Exception {
        Cluster own = Haulier.connect(NODE.address());
        RemoteExecutor pool = own.executor();
        try (ServerSocket listener = listener()) {
            RemoteFuture<Integer> running = pool.submit(never(listener.getLocalPort()));
            listener.accept().close();
            own.close();
            own.close();
            assertThrows(Exception.class, () -> running.get(20, TimeUnit.SECONDS));
            assertTrue(running.isDone());
        }
        HaulierException closed = assertThrows(HaulierException.class, () -> pool.submit(() -> 1));
        assertEquals(ErrorKind.CLOSED, closed.kind());
        assertEquals(ErrorKind.CLOSED, assertThrows(HaulierException.class, own::nodes).kind());
        assertTrue(own.isClosed());
    }

    @Test
    void aWrongAddressIsAnException() throws Exception {
        int free;
        try (ServerSocket listener = listener()) {
            free = listener.getLocalPort();
        }
        HaulierException nobody =
                assertThrows(HaulierException.class, () -> Haulier.connect("127.0.0.1:" + free));
        assertEquals(ErrorKind.UNAVAILABLE, nobody.kind());
        assertTrue(nobody.hint().contains("haulier node"), nobody.hint());
        HaulierException malformed = assertThrows(HaulierException.class, () -> Haulier.connect("http://x"));
        assertEquals(ErrorKind.INVALID_ARGUMENT, malformed.kind());
    }
}
