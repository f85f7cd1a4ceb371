package io.haulier.examples;

import io.haulier.api.NodeId;
import io.haulier.api.Outcome;
import io.haulier.api.RemoteCallable;
import io.haulier.client.Cluster;
import io.haulier.client.Haulier;
import io.haulier.client.RemoteExecutor;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.Future;
import java.util.stream.Collectors;

/**
 * Peer class loading: a node runs classes that it never had.
 *
 * <pre>
 * haulier node
 * mvn compile exec:java -Dhaulier.address=localhost:7440
 * </pre>
 */
public final class PeerLoading {
    private PeerLoading() {}

    /** Connects to the address in {@code haulier.address} or HAULIER_ADDRESS, else to localhost:7440. */
    public static void main(String[] arguments) throws Exception {
        String address = System.getProperty(
                "haulier.address", Objects.requireNonNullElse(System.getenv("HAULIER_ADDRESS"), "localhost:7440"));
        try (Cluster cluster = Haulier.connect(address); RemoteExecutor pool = cluster.executor()) {
            System.out.println("peer loading on " + cluster);
            broadcastRunnable(cluster);
            callableWithResult(pool);
            distributedCalculation(pool);
            customTask(pool);
            lambdaAndAnonymousClass(pool);
            proof(cluster, pool);
        }
    }

    private static void broadcastRunnable(Cluster cluster) {
        Map<NodeId, Outcome<Void>> outcomes =
                cluster.broadcast(() -> System.out.println("hello from a runnable; look for it in the node's log"));
        System.out.println("broadcast runnable: " + outcomes);
        Map<NodeId, Outcome<String>> versions = cluster.broadcast(() -> System.getProperty("java.version"));
        System.out.println("broadcast callable: " + versions);
        String nodes = versions.keySet().stream().map(NodeId::name).sorted().collect(Collectors.joining(", "));
        System.out.println("answers from all " + versions.size() + " nodes: " + nodes);
    }

    private static void callableWithResult(RemoteExecutor pool) throws Exception {
        String text = "count the characters of this text";
        Future<Integer> length = pool.submit(() -> text.length());
        System.out.println("callable with a result: " + length.get() + " characters");
    }

    /** One callable for each word, all at once; the results are added here. */
    private static void distributedCalculation(RemoteExecutor pool) throws Exception {
        List<Callable<Integer>> calls = new ArrayList<>();
        for (String word : "count the characters of this text in parallel".split(" ")) {
            calls.add(new CountCharacters(word));
        }
        int sum = 0;
        for (Future<Integer> part : pool.invokeAll(calls)) {
            sum += part.get();
        }
        System.out.println("distributed calculation: " + sum + " characters without spaces, from " + calls.size() + " tasks");
    }

    private static void customTask(RemoteExecutor pool) throws Exception {
        Statistics statistics = pool.submit(new Summary(), List.of(3, 1, 4, 1, 5, 9, 2, 6)).get();
        System.out.println("custom task with classes of its own: " + statistics);
    }

    private static void lambdaAndAnonymousClass(RemoteExecutor pool) throws Exception {
        int base = 40;
        System.out.println("lambda: " + pool.submit(() -> base + 2).get());
        RemoteCallable<String> anonymous = new RemoteCallable<>() {
            private static final long serialVersionUID = 1L;

            @Override
            public String call() {
                return "called in " + getClass().getName();
            }
        };
        System.out.println("anonymous class: " + pool.submit(anonymous).get());
    }

    /** The class comes from this session, and the worker has nothing of it on its own class path. */
    private static void proof(Cluster cluster, RemoteExecutor pool) throws Exception {
        Origin origin = pool.submit(new WhereFrom()).get();
        System.out.println("where the node has this class from: " + origin.source());
        System.out.println("class path of the node's JVM: " + origin.classPath());
        System.out.println("is this program on it: " + origin.ownClassPathHasIt());
        if (origin.ownClassPathHasIt() || !origin.source().startsWith("haulier:")) {
            throw new IllegalStateException("the class did not travel to " + cluster.nodes());
        }
    }

    /** Counts the characters of a word. */
    private record CountCharacters(String word) implements Callable<Integer>, Serializable {
        private static final long serialVersionUID = 1L;

        @Override
        public Integer call() {
            return word.length();
        }
    }

    /** What a task finds out about its own class. */
    private record Origin(String source, String classPath, boolean ownClassPathHasIt) implements Serializable {
        private static final long serialVersionUID = 1L;
    }

    /** Tells where its class came from. */
    private static final class WhereFrom implements Callable<Origin>, Serializable {
        private static final long serialVersionUID = 1L;

        @Override
        public Origin call() {
            String source = WhereFrom.class.getProtectionDomain().getCodeSource().getLocation().toString();
            boolean there = ClassLoader.getSystemResource(WhereFrom.class.getName().replace('.', '/') + ".class") != null;
            return new Origin(source, System.getProperty("java.class.path"), there);
        }
    }
}
