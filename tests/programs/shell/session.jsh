import io.haulier.api.*
import io.haulier.client.*

Cluster cluster = Haulier.connect(System.getenv("HAULIER_ADDRESS"))
RemoteExecutor pool = cluster.executor()

record Point(int x, int y) implements java.io.Serializable {}

int doubled(int number) {
    return 2 * number;
}

Point sum(Point one, Point other) {
    return new Point(one.x() + other.x(), one.y() + other.y());
}

// What a lambda needs of the shell's variables is copied first: they are static fields, which do not travel.
Point shifted(Point point) throws Exception {
    return pool.submit(() -> sum(point, new Point(1, doubled(1)))).get();
}

boolean first = pool.submit(() -> doubled(21)).get() == 42
boolean second = shifted(new Point(10, 20)).equals(new Point(11, 22))
boolean again = pool.submit(() -> doubled(new Point(4, 5).y())).get() == 10
cluster.close()
System.out.println("jshell: " + (first && second && again ? "ok" : "failed"))
/exit first && second && again ? 0 : 1
