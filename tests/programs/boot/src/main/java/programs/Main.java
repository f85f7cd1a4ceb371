package programs;

import io.haulier.api.TaskContext;
import io.haulier.client.Cluster;
import io.haulier.client.DeployedUnit;
import io.haulier.client.Haulier;
import io.haulier.client.RemoteExecutor;
import java.nio.file.Path;
import java.util.Objects;
import org.tomlj.Toml;

/** Runs its own classes and a library that is a jar inside its jar, first by peer loading, then as a unit. */
public final class Main {
    private Main() {}

    record Setting(String key, long value) implements java.io.Serializable {}

    /** A named task of the unit. */
    public static long parse(String text) {
        return read(text).value();
    }

    private static Setting read(String text) {
        return new Setting("port", Objects.requireNonNull(Toml.parse(text).getLong("port")));
    }

    private static void expect(Object expected, Object actual) {
        if (!Objects.equals(expected, actual)) {
            throw new AssertionError("expected " + expected + ", but was " + actual);
        }
    }

    /** Runs all. */
    public static void main(String[] arguments) throws Exception {
        try (Cluster cluster = Haulier.connect(System.getenv("HAULIER_ADDRESS"))) {
            RemoteExecutor pool = cluster.executor();
            expect(new Setting("port", 7440), pool.submit(() -> read("port = 7440")).get());
            String source = pool.submit(() -> TaskContext.current().sourceOf(Toml.class).orElse("nowhere")).get();
            expect("tomlj-1.1.1.jar", source.replaceFirst("session [0-9a-f]*/", ""));
            Path jar = Path.of(System.getProperty("java.class.path"));
            DeployedUnit unit = cluster.deploy("boot", "1", jar).join();
            expect(80, cluster.task(unit, "programs.Main#parse", Integer.class).call("port = 80"));
            cluster.undeploy("boot").join();
        }
        System.out.println("an executable jar of Spring Boot: ok");
    }
}
