package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Deployments that are followed and stopped, sources that the node fetches, aliases, promotion, garbage, storages. */
@Timeout(60)
class DeploymentsTest {
    @RegisterExtension
    static final TestNode NODE = new TestNode();

    private static final String TASKS = "io.haulier.client.RemoteTasks";
    private static final Duration DEADLINE = Duration.ofSeconds(30);

    private static Cluster cluster;
    private static Path classes;

    @TempDir
    Path folder;

    private final CountDownLatch letGo = new CountDownLatch(1);
    private ExecutorService threads;
    private HttpServer server;

    @BeforeAll
    static void connect() throws Exception {
        cluster = Haulier.connect(NODE.address());
        classes = Path.of(DeploymentsTest.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    }

    @AfterAll
    static void close() {
        if (cluster != null) {
            cluster.close();
        }
    }

    @BeforeEach
    void serve() throws IOException {
        threads = Executors.newCachedThreadPool();
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(threads);
        server.start();
    }

    @AfterEach
    void stopServing() {
        letGo.countDown();
        server.stop(0);
        threads.shutdownNow();
    }

    @Test
    void aDeploymentSaysHowFarItIs() throws Exception {
        ConcurrentLinkedQueue<DeployProgress> steps = new ConcurrentLinkedQueue<>();
        Path module = module("handled", "once");
        DeployRequest request = DeployRequest.of("handle").version("1.0.0").paths(module).onProgress(steps::add).build();
        Deployment deployment = cluster.deploy(request);
        DeployedUnit unit = deployment.get(30, TimeUnit.SECONDS);
        assertEquals("handle:1.0.0", unit.reference());
        assertEquals(List.of(), unit.aliases());
        List<DeployProgress> heard = List.copyOf(steps);
        assertEquals(DeployProgress.Step.READING, heard.get(0).step());
        assertEquals(DeployProgress.Step.PUBLISHING, heard.get(heard.size() - 1).step());
        assertEquals(heard.get(heard.size() - 1), deployment.progress());
        assertTrue(heard.stream().anyMatch(step -> step.step() == DeployProgress.Step.SENDING && step.done() > 0));
        assertFalse(deployment.cancel(true));
        assertEquals(unit, cluster.inspect("handle:1.0.0").get(30, TimeUnit.SECONDS).unit());
        cluster.undeploy("handle").get(30, TimeUnit.SECONDS);
    }

    @Test
    void aDeploymentIsStopped() throws Exception {
        String url = heldFile();
        CompletableFuture<DeployProgress> fetching = new CompletableFuture<>();
        Deployment deployment = cluster.deploy(
                DeployRequest.of("stopped").version("1.0.0").sources(url).onProgress(fetching::complete).build());
        assertEquals(DeployProgress.Step.FETCHING, fetching.get(30, TimeUnit.SECONDS).step());
        assertFalse(deployment.isDone());
        assertTrue(deployment.cancel(true));
        assertThrows(CancellationException.class, deployment::join);
        await(() -> cluster.deployments().stream().noneMatch(unit -> unit.name().equals("stopped")));
    }

    @Test
    void whatAListenerThrowsStopsIt() throws Exception {
        Deployment deployment = cluster.deploy(DeployRequest.of("refused")
                .version("1.0.0")
                .sources(heldFile())
                .onProgress(progress -> {
                    throw new IllegalStateException("enough");
                })
                .build());
        ExecutionException problem =
                assertThrows(ExecutionException.class, () -> deployment.get(30, TimeUnit.SECONDS));
        assertEquals("enough", assertInstanceOf(IllegalStateException.class, problem.getCause()).getMessage());
        await(() -> cluster.deployments().stream().noneMatch(unit -> unit.name().equals("refused")));
    }

    @Test
    void theConnectionEndsIt() throws Exception {
        CompletableFuture<DeployProgress> fetching = new CompletableFuture<>();
        Deployment deployment;
        try (Cluster own = Haulier.connect(NODE.address())) {
            deployment = own.deploy(
                    DeployRequest.of("ended").version("1.0.0").sources(heldFile()).onProgress(fetching::complete).build());
            fetching.get(30, TimeUnit.SECONDS);
        }
        assertEquals(ErrorKind.CLOSED, failure(deployment).kind());
        await(() -> cluster.deployments().stream().noneMatch(unit -> unit.name().equals("ended")));
    }

    @Test
    void aUrlIsFetchedByTheNode() throws Exception {
        byte[] content = "def f(): return 'fetched'\n".getBytes(StandardCharsets.UTF_8);
        String url = file("/fetched_unit.py", content);
        String digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
        DeployRequest.Builder request = DeployRequest.of("fetched").version("1.0.0").sources(url);
        HaulierException other = failure(cluster.deploy(request.sha256("0".repeat(64)).build()));
        assertTrue(other.getMessage().contains(digest.substring(0, 12)), other.getMessage());
        DeployedUnit unit = cluster.deploy(request.sha256(digest).build()).get(30, TimeUnit.SECONDS);
        assertEquals("fetched", cluster.task(unit, "fetched_unit:f", String.class).call());
        UnitDetails details = cluster.inspect("fetched").get(30, TimeUnit.SECONDS);
        UnitDetails.Origin origin = details.origins().get(0);
        assertEquals(List.of(url, digest), List.of(origin.source(), origin.sha256()));
        UnitDetails.Entry entry = details.entries().get(0);
        assertEquals("fetched_unit.py", entry.path());
        assertEquals(content.length, entry.size());
        HaulierException mixed = failure(cluster.deploy(request.paths(classes).build()));
        assertEquals(ErrorKind.INVALID_ARGUMENT, mixed.kind());
        cluster.undeploy("fetched").get(30, TimeUnit.SECONDS);
    }

    @Test
    void requirementsBecomeALock() throws Exception {
        String pins = "Six==1.16.0 --hash=sha256:" + "ab".repeat(32) + "\n";
        Path file = Files.writeString(folder.resolve("requirements.txt"), pins);
        DeployRequest request = DeployRequest.of("required").version("1.0.0").withRequirements(file).build();
        DeployedUnit unit = cluster.deploy(request).get(30, TimeUnit.SECONDS);
        assertEquals(List.of("haulier-requirements.txt"), unit.sources());
        UnitDetails details = cluster.inspect("required").get(30, TimeUnit.SECONDS);
        assertEquals(List.of(new UnitDetails.PinnedRequirement("six", "1.16.0", "")), details.requirements());
        assertEquals(file.toString(), details.origins().get(0).source());
        cluster.undeploy("required").get(30, TimeUnit.SECONDS);
    }

    @Test
    void exactBytesComeBack() throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream out = new ZipOutputStream(bytes)) {
            out.putNextEntry(new ZipEntry("kept_unit.py"));
            out.write("def f(): return 'kept'\n".getBytes(StandardCharsets.UTF_8));
        }
        String url = file("/kept.zip", bytes.toByteArray());
        DeployRequest.Builder request = DeployRequest.of("kept").sources(url);
        DeployedUnit plain = cluster.deploy(request.version("1.0.0").build()).get(30, TimeUnit.SECONDS);
        assertEquals(List.of(), cluster.inspect(plain.reference()).get(30, TimeUnit.SECONDS).originals());
        DeployedUnit unit = cluster.deploy(request.version("2.0.0").opaque().build()).get(30, TimeUnit.SECONDS);
        UnitDetails details = cluster.inspect(unit.reference()).get(30, TimeUnit.SECONDS);
        UnitDetails.Original original = details.originals().get(0);
        assertEquals(0, original.source());
        assertEquals(bytes.size(), original.size());
        assertEquals("sha256:" + details.origins().get(0).sha256(), original.digest());
        List<Path> written = cluster.download(unit.reference(), folder).get(30, TimeUnit.SECONDS);
        assertEquals(List.of(folder.resolve("kept.zip")), written);
        assertArrayEquals(bytes.toByteArray(), Files.readAllBytes(written.get(0)));
        assertEquals(ErrorKind.CONFLICT, failure(cluster.download(unit.reference(), folder)).kind());
        assertEquals(written, cluster.download(unit.reference(), folder, true).get(30, TimeUnit.SECONDS));
        cluster.undeploy("kept").get(30, TimeUnit.SECONDS);
    }

    @Test
    void anAliasIsSetMovedAndRemoved() throws Exception {
        cluster.deploy("alias", "1.0.0", module("aliased", "one")).get(30, TimeUnit.SECONDS);
        cluster.deploy("alias", "2.0.0", module("aliased", "two")).get(30, TimeUnit.SECONDS);
        DeployedUnit unit = cluster.setAlias("alias", "stable", "1.0.0").get(30, TimeUnit.SECONDS);
        assertEquals("1.0.0", unit.version());
        assertEquals(List.of("stable"), unit.aliases());
        TaskRef<String> stable = cluster.task("alias:stable", "aliased:f", String.class);
        assertEquals("one", stable.call());
        cluster.setAlias("alias", "stable", "2.0.0").get(30, TimeUnit.SECONDS);
        assertEquals("two", stable.call());
        assertEquals(ErrorKind.CONFLICT, failure(cluster.undeploy("alias:2.0.0")).kind());
        assertEquals("2.0.0", cluster.removeAlias("alias", "stable").get(30, TimeUnit.SECONDS));
        assertEquals(ErrorKind.NOT_FOUND, failure(cluster.removeAlias("alias", "stable")).kind());
        assertEquals(ErrorKind.NOT_FOUND, failure(cluster.setAlias("alias", "stable", "3.0.0")).kind());
        assertEquals(ErrorKind.NOT_FOUND, assertThrows(HaulierException.class, stable::call).kind());
        cluster.undeploy("alias").get(30, TimeUnit.SECONDS);
    }

    @Test
    void nodesAreWaitedFor() throws Exception {
        assertEquals(
                ErrorKind.NOT_FOUND, failure(cluster.waitForUnit("waited", "one", Duration.ofSeconds(5))).kind());
        DeployedUnit unit = cluster.deploy("waited", "1.0.0", classes).get(30, TimeUnit.SECONDS);
        assertEquals(unit.digest(), cluster.waitForUnit("waited").get(30, TimeUnit.SECONDS).digest());
        DeployedUnit everywhere = cluster.waitForUnit("waited:1.0.0", "all", DEADLINE).get(30, TimeUnit.SECONDS);
        assertEquals(List.of(cluster.nodes().get(0).id()), everywhere.holders());
        cluster.undeploy("waited").get(30, TimeUnit.SECONDS);
    }

    @Test
    void theCodeOfASessionBecomesAUnit() throws Exception {
        try (Cluster own = Haulier.connect(NODE.address());
                RemoteExecutor pool = own.executor()) {
            assertEquals("SHOUT", pool.submit(() -> RemoteTasks.shout("shout")).get(30, TimeUnit.SECONDS));
            SessionInfo session = cluster.sessions().get(30, TimeUnit.SECONDS).stream()
                    .filter(listed -> listed.id().equals(own.sessionId()))
                    .findFirst()
                    .orElseThrow();
            assertEquals(Optional.of("java"), session.language());
            assertEquals(cluster.nodes().get(0).id(), session.node());
            assertTrue(session.age().compareTo(DEADLINE) < 0, session.toString());
            Promotion promotion = Promotion.of(session.id(), "promoted").withVersion("1.0.0").withNodes("all");
            DeployedUnit unit = cluster.promote(promotion).get(60, TimeUnit.SECONDS);
            assertEquals("promoted:1.0.0", unit.reference());
            assertTrue(session.snapshots().contains(unit.digest()), session.toString());
        }
        assertEquals("LATER", cluster.task("promoted:1.0.0", TASKS + "#shout").call("later"));
        assertEquals(ErrorKind.NOT_FOUND, failure(cluster.promote(Promotion.of("nobody", "promoted"))).kind());
        cluster.undeploy("promoted").get(30, TimeUnit.SECONDS);
    }

    @Test
    void garbageIsCollected() throws Exception {
        CollectedGarbage told = cluster.collectGarbage(true).get(30, TimeUnit.SECONDS);
        assertEquals(cluster.nodes().get(0).id(), told.node());
        assertTrue(told.packs() >= 0 && told.bytes() >= 0 && told.heldBytes() >= 0, told.toString());
    }

    @Test
    void aFolderIsWatched() throws Exception {
        String url = folder.toUri().toString();
        module("watched-1.0.0", "one");
        Duration often = Duration.ofMillis(100);
        StorageWatch watch = cluster.watchStorage(url, often, often).get(30, TimeUnit.SECONDS);
        assertEquals(List.of(often, often), List.of(watch.interval(), watch.settle()));
        await(() -> versions("watched").equals(Set.of("1.0.0")));
        assertEquals("one", cluster.task("watched:1.0.0", "watched:f", String.class).call());
        Files.writeString(folder.resolve("bad-1.0.0.jar"), "no archive");
        await(() -> !watched(watch.id()).problems().isEmpty());
        StorageWatch seen = watched(watch.id());
        assertEquals("watching", seen.state());
        assertEquals(Optional.of(cluster.nodes().get(0).id()), seen.node());
        assertTrue(seen.lastError().isEmpty() && seen.lastSuccess().isPresent(), seen.toString());
        assertEquals("quarantined", seen.problems().get(0).state());
        assertEquals("bad-1.0.0.jar", seen.problems().get(0).path());
        assertEquals(watch.id(), cluster.unwatchStorage(url, true).get(30, TimeUnit.SECONDS).id());
        assertEquals(Set.of(), versions("watched"));
        assertEquals(ErrorKind.NOT_FOUND, failure(cluster.unwatchStorage(watch.id(), false)).kind());
        assertEquals(ErrorKind.INVALID_ARGUMENT, failure(cluster.watchStorage("gopher://host/units")).kind());
    }

    /** A module whose f() returns the text. */
    private Path module(String name, String result) throws IOException {
        return Files.writeString(folder.resolve(name + ".py"), "def f(): return '" + result + "'\n");
    }

    private static StorageWatch watched(String id) {
        return cluster.watchedStorages().join().stream()
                .filter(watch -> watch.id().equals(id))
                .findFirst()
                .orElseThrow();
    }

    private static Set<String> versions(String name) {
        return cluster.deployments().stream()
                .filter(unit -> unit.name().equals(name))
                .map(DeployedUnit::version)
                .collect(Collectors.toSet());
    }

    private static HaulierException failure(CompletableFuture<?> future) {
        ExecutionException problem = assertThrows(ExecutionException.class, () -> future.get(30, TimeUnit.SECONDS));
        return assertInstanceOf(HaulierException.class, problem.getCause());
    }

    /** Asks again and again, because the node does it behind our back. */
    private static void await(Supplier<Boolean> condition) throws InterruptedException {
        long end = System.nanoTime() + DEADLINE.toNanos();
        while (!condition.get()) {
            assertTrue(System.nanoTime() < end, "it did not happen in time");
            TimeUnit.MILLISECONDS.sleep(50);
        }
    }

    /** The URL of a file whose bytes come when they are let go. */
    private String heldFile() {
        server.createContext("/held_unit.py", exchange -> {
            try (exchange) {
                letGo.await();
            } catch (InterruptedException stopped) {
                Thread.currentThread().interrupt();
            }
        });
        return url("/held_unit.py");
    }

    private String file(String path, byte[] content) {
        server.createContext(path, exchange -> {
            try (exchange) {
                exchange.sendResponseHeaders(200, content.length);
                exchange.getResponseBody().write(content);
            }
        });
        return url(path);
    }

    private String url(String path) {
        return "http://127.0.0.1:" + server.getAddress().getPort() + path;
    }
}
