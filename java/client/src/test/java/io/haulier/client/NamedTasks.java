package io.haulier.client;

import io.haulier.client.RemoteTasks.OwnException;
import io.haulier.client.RemoteTasks.Point;

/** Static methods that are called by name. */
final class NamedTasks {
    private NamedTasks() {}

    static int integer(int value) {
        return value;
    }

    static Point point(int x, int y) {
        return new Point(x, y);
    }

    static int sum(Point point) {
        return point.x() + point.y();
    }

    static byte[] bytes(byte[] value) {
        return value;
    }

    static Object any(Object value) {
        return value;
    }

    static void fail(String message) {
        throw new IllegalStateException(message);
    }

    static void failChecked(String message) throws OwnException {
        throw new OwnException(message, 1, null);
    }
}
