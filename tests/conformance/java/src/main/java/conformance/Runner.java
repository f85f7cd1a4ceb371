package conformance;

import conformance.CaseData.Table;
import io.haulier.api.HaulierException;
import io.haulier.api.NodeId;
import io.haulier.api.Outcome;
import io.haulier.client.Cluster;
import io.haulier.client.DeployedUnit;
import io.haulier.client.Haulier;
import io.haulier.client.RemoteFuture;
import io.haulier.client.TaskRef;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** Runs the conformance cases through the Java client against the node at HAULIER_ADDRESS. Knows no case by name. */
public final class Runner {
    private static final Path FIXTURES = Path.of(System.getenv("CARGO_TARGET_DIR"), "fixtures");
    private static final long DEADLINE_SECONDS = 60;
    private static final Set<String> FEATURES = Set.of("java", "python", "named-broadcast");

    private final Cluster cluster;
    private final Map<String, String> digests = new HashMap<>();

    private Runner(Cluster cluster) {
        this.cluster = cluster;
    }

    /** What was seen is not what a case expects. */
    private static final class Mismatch extends Exception {
        private static final long serialVersionUID = 1L;

        Mismatch(String message) {
            super(message.length() < 2000 ? message : message.substring(0, 2000) + "...");
        }
    }

    /** Runs every case of the folder given; prints what failed and what was skipped. */
    public static void main(String[] arguments) throws Exception {
        int passed = 0;
        int failed = 0;
        int skipped = 0;
        try (Cluster cluster = Haulier.connect(System.getenv("HAULIER_ADDRESS"))) {
            Set<String> capabilities = new HashSet<>(FEATURES);
            List.of(System.getenv().getOrDefault("HAULIER_WITHOUT", "").split(" ")).forEach(capabilities::remove);
            for (Table test : CaseData.cases(Path.of(arguments[0]))) {
                List<String> missing = test.texts("needs").stream().filter(need -> !capabilities.contains(need)).toList();
                if (!missing.isEmpty()) {
                    skipped++;
                    System.out.println("skipped, no " + missing + ": " + test.text("name"));
                    continue;
                }
                try {
                    new Runner(cluster).run(test);
                    passed++;
                } catch (Mismatch mismatch) {
                    failed++;
                    System.out.println("FAILED: " + test.text("name") + "\n  " + mismatch.getMessage());
                }
            }
        }
        System.out.println(passed + " passed, " + failed + " failed, " + skipped + " skipped");
        System.exit(failed == 0 ? 0 : 1);
    }

    private void run(Table test) throws Mismatch {
        for (Table step : test.tables("steps")) {
            try {
                step(step);
            } catch (Mismatch mismatch) {
                throw new Mismatch(step + "\n    " + mismatch.getMessage());
            }
        }
    }

    private void step(Table step) throws Mismatch {
        try {
            act(step);
        } catch (Mismatch mismatch) {
            throw mismatch;
        } catch (Throwable problem) {
            boolean wrapped = problem instanceof CompletionException || problem instanceof ExecutionException;
            checkError(step, wrapped && problem.getCause() != null ? problem.getCause() : problem);
            return;
        }
        require(!step.has("error"), "expected " + step.text("error") + ", but it succeeded");
    }

    private void alias(Table step) throws Exception {
        String[] reference = step.text("alias").split(":");
        String version = step.has("version")
                ? cluster.setAlias(reference[0], reference[1], step.text("version")).join().version()
                : cluster.removeAlias(reference[0], reference[1]).join();
        require(!step.has("gives") || version.equals(step.text("gives")), "the alias is or was " + version);
    }

    private void act(Table step) throws Exception {
        if (step.has("deploy")) {
            deploy(step);
        } else if (step.has("undeploy")) {
            String reference = step.text("undeploy");
            boolean force = step.flag("force");
            List<DeployedUnit> removed = (force ? cluster.undeployNow(reference) : cluster.undeploy(reference)).join();
            sameVersions(step, removed.stream());
        } else if (step.has("alias")) {
            alias(step);
        } else if (step.has("list")) {
            sameVersions(step, cluster.deployments().stream().filter(unit -> unit.name().equals(step.text("list"))));
        } else if (step.has("call")) {
            Object result = task(step, "call").call(values(step, 0));
            require(CaseData.same(result, CaseData.decode(step.get("value"), 0)), "got " + result);
        } else if (step.has("broadcast")) {
            Map<NodeId, Outcome<Object>> outcomes = task(step, "broadcast").broadcast(values(step, 0)).join();
            require(!outcomes.isEmpty(), "no node answered");
            for (Outcome<Object> outcome : outcomes.values()) {
                require(CaseData.same(outcome.get(), CaseData.decode(step.get("value"), 0)), "got " + outcome);
            }
        } else {
            cancel(step);
        }
    }

    private void deploy(Table step) throws Mismatch {
        Path[] sources = step.texts("sources").stream().map(FIXTURES::resolve).toArray(Path[]::new);
        String name = step.text("deploy");
        String version = step.text("version");
        boolean replace = step.flag("replace");
        DeployedUnit unit =
                (replace ? cluster.redeploy(name, version, sources) : cluster.deploy(name, version, sources)).join();
        require(!step.has("gives") || unit.version().equals(step.get("gives")), "deployed as " + unit.version());
        String digest = unit.digest().replaceFirst("^sha256:", "");
        if (step.has("digest")) {
            String known = digests.putIfAbsent(step.text("digest"), digest);
            require(known == null || known.equals(digest), "another digest: " + digest);
        }
        if (step.has("differs")) {
            require(!digest.equals(digests.get(step.text("differs"))), "the same digest: " + digest);
        }
    }

    private void cancel(Table step) throws Exception {
        try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            listener.setSoTimeout((int) TimeUnit.SECONDS.toMillis(DEADLINE_SECONDS));
            RemoteFuture<Object> future = task(step, "cancel").submit(values(step, listener.getLocalPort()));
            listener.accept().close();
            future.cancel(true);
            Object result = future.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
            throw new Mismatch("not cancelled: " + result);
        } catch (CancellationException expected) {
            require(step.has("cancel"), "cancelled");
        }
    }

    private TaskRef<Object> task(Table step, String word) {
        double seconds = step.has("timeout") ? (double) step.get("timeout") : DEADLINE_SECONDS;
        TaskRef<Object> task = cluster.task(filled(step.text("unit")), step.text(word));
        return task.timeout(Duration.ofMillis((long) (seconds * 1000)));
    }

    private void checkError(Table step, Throwable problem) throws Mismatch {
        HaulierException own = problem instanceof HaulierException exception ? exception : null;
        String kind = own == null ? "TaskFailed" : own.kind().label();
        require(kind.equals(step.text("error")), "expected " + step.text("error") + ", got " + kind + ": " + problem);
        if (own != null && step.has("retry")) {
            require(own.retry().name().toLowerCase(Locale.ROOT).equals(step.text("retry")), "retry " + own.retry());
        }
        String type = own != null && own.remote().isPresent() ? own.remote().get().typeName() : problem.getClass().getName();
        require(type.contains(step.text("remote")), "an exception " + type);
        for (String part : step.texts("message")) {
            require(problem.toString().contains(filled(part)), "no '" + filled(part) + "' in the message of " + problem);
        }
    }

    private static void sameVersions(Table step, Stream<DeployedUnit> units) throws Mismatch {
        List<String> versions = units.map(DeployedUnit::version).sorted().toList();
        require(!step.has("gives") || versions.equals(step.list("gives")), "versions " + versions);
    }

    private static Object[] values(Table step, long port) {
        return ((List<?>) CaseData.decode(step.list("args"), port)).toArray();
    }

    private String filled(String text) {
        String result = text;
        for (Map.Entry<String, String> digest : digests.entrySet()) {
            result = result.replace("{" + digest.getKey() + "}", digest.getValue());
        }
        return result;
    }

    private static void require(boolean condition, String problem) throws Mismatch {
        if (!condition) {
            throw new Mismatch(problem);
        }
    }
}
