import io.haulier.client.Cluster;
import io.haulier.client.Haulier;
import io.haulier.client.RemoteExecutor;
import java.io.IOException;
import java.io.Serializable;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.stream.Stream;

/**
 * Prints what a program's code costs when it has changed: again, in a new version, and how often an answer was of an old
 * version; against the node at HAULIER_ADDRESS. Each version overwrites the files of the one before, in the same size.
 */
public final class NewVersions {
    private static final int VERSIONS = 7;
    private static final int TRIES = 1_000;
    private static final int AGAIN = 5_000;

    /** Does nothing. */
    private record Empty() implements Callable<Object>, Serializable {
        @Override
        public Object call() {
            return null;
        }
    }

    private final Random random = new Random();
    private final RemoteExecutor pool;
    private final Path folder;
    private String word;

    private NewVersions(RemoteExecutor pool, Path folder, String word) {
        this.pool = pool;
        this.folder = folder;
        this.word = word;
    }

    /** The folder of the classes, and the word that every one of them has. */
    public static void main(String[] arguments) throws Exception {
        try (Cluster cluster = Haulier.connect(System.getenv("HAULIER_ADDRESS"))) {
            RemoteExecutor pool = cluster.executor();
            latency(pool, new Empty(), 20_000);
            NewVersions versions = new NewVersions(pool, Path.of(arguments[0]), arguments[1]);
            versions.everyClass();
            versions.stale();
        }
    }

    private void everyClass() throws Exception {
        double[] seconds = new double[VERSIONS];
        double again = 0;
        double empty = 0;
        for (int version = 0; version < VERSIONS; version++) {
            List<Path> files;
            try (Stream<Path> all = Files.list(folder.resolve("changing"))) {
                files = all.toList();
            }
            change(files);
            try (URLClassLoader loader = loader()) {
                Callable<Integer> task = task(loader, "changing.Depth");
                long begun = System.nanoTime();
                int depth = pool.submit(task).get();
                seconds[version] = (System.nanoTime() - begun) / 1e9;
                if (depth != 499) {
                    throw new AssertionError(depth);
                }
                if (version == VERSIONS - 1) {
                    latency(pool, task, AGAIN);
                    empty = latency(pool, new Empty(), AGAIN);
                    again = latency(pool, task, AGAIN);
                }
            }
        }
        print("the 500 classes, first version", seconds[0], "s");
        double[] later = Arrays.copyOfRange(seconds, 1, VERSIONS);
        Arrays.sort(later);
        print("every class changed, p50", later[later.length / 2], "s   (bar: the cold time, 0.12)");
        print("the same call again, p50", again, "us");
        print("... an empty task beside it, p50", empty, "us  (bar: equal)");
    }

    /** The class of the task stays as it is; the one that it asks changes. */
    private void stale() throws Exception {
        List<Path> file = List.of(folder.resolve("changing/Word.class"));
        int stale = 0;
        for (int number = 0; number < TRIES; number++) {
            change(file);
            try (URLClassLoader loader = loader()) {
                Callable<String> task = task(loader, "changing.Told");
                if (!pool.submit(task).get().equals(word)) {
                    stale++;
                }
            }
        }
        print("stale answers of " + TRIES + " new versions", stale, "    (bar: 0)");
    }

    /** Puts another word into class files, in place. */
    private void change(List<Path> files) throws IOException {
        String next = String.format(Locale.ROOT, "%016x", random.nextLong());
        byte[] before = word.getBytes(StandardCharsets.US_ASCII);
        byte[] after = next.getBytes(StandardCharsets.US_ASCII);
        for (Path file : files) {
            byte[] bytes = Files.readAllBytes(file);
            for (int at = 0; at + before.length <= bytes.length; at++) {
                if (Arrays.equals(bytes, at, at + before.length, before, 0, before.length)) {
                    System.arraycopy(after, 0, bytes, at, after.length);
                }
            }
            Files.write(file, bytes);
        }
        word = next;
    }

    private URLClassLoader loader() throws IOException {
        return new URLClassLoader(new URL[] {folder.toUri().toURL()}, NewVersions.class.getClassLoader());
    }

    @SuppressWarnings("unchecked")
    private static <T> Callable<T> task(ClassLoader loader, String name) throws ReflectiveOperationException {
        return (Callable<T>) loader.loadClass(name).getDeclaredConstructor().newInstance();
    }

    private static double latency(RemoteExecutor pool, Callable<?> task, int count) throws Exception {
        double[] durations = new double[count];
        for (int at = 0; at < count; at++) {
            long begun = System.nanoTime();
            pool.submit(task).get();
            durations[at] = (System.nanoTime() - begun) / 1e3;
        }
        Arrays.sort(durations);
        return durations[count / 2];
    }

    private static void print(String what, double value, String unit) {
        String format = value == Math.rint(value) || value >= 10 ? "%-32s %8.0f %s%n" : "%-32s %8.3f %s%n";
        System.out.printf(Locale.ROOT, format, what, value, unit);
    }
}
