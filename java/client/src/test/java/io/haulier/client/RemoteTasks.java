package io.haulier.client;

import io.haulier.api.Task;
import io.haulier.api.TaskContext;
import java.io.IOException;
import java.io.InputStream;
import java.io.Serializable;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;

/** What the tests run on a node. */
final class RemoteTasks {
    private static final AtomicInteger CALLS = new AtomicInteger();

    private RemoteTasks() {}

    static int calls() {
        return CALLS.incrementAndGet();
    }

    static String shout(String text) {
        return text.toUpperCase(java.util.Locale.ROOT);
    }

    static boolean contextLoaderHas(String name) {
        try {
            Class.forName(name, false, Thread.currentThread().getContextClassLoader());
            return true;
        } catch (ClassNotFoundException absent) {
            return false;
        }
    }

    /** Tells a listener that it runs, then never ends by itself. */
    static Integer announce(int port, boolean deaf) throws IOException, InterruptedException {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            socket.getOutputStream().write(1);
            while (deaf) {
                Thread.onSpinWait();
            }
            new CountDownLatch(1).await();
            return 0;
        }
    }

    static String resource(String name) throws IOException {
        try (InputStream stream = RemoteTasks.class.getResourceAsStream(name)) {
            return stream == null ? null : new String(stream.readAllBytes(), StandardCharsets.UTF_8).strip();
        }
    }

    /** An exception that the worker does not know. */
    static final class OwnException extends Exception {
        private static final long serialVersionUID = 1L;
        final int code;

        OwnException(String message, int code, Throwable cause) {
            super(message, cause);
            this.code = code;
        }
    }

    /** An exception that cannot be serialized. */
    static final class StuckException extends RuntimeException {
        private static final long serialVersionUID = 1L;
        private final Object lock = new Object();

        StuckException(String message) {
            super(message);
        }

        @Override
        public String toString() {
            return super.toString() + (lock == null ? "" : " (stuck)");
        }
    }

    /** Named by nothing but a text. */
    static final class Late implements java.util.function.Supplier<String> {
        @Override
        public String get() {
            return "late";
        }
    }

    /** Named by nothing but a text, too. */
    static final class Later implements java.util.function.Supplier<String> {
        @Override
        public String get() {
            return "later";
        }
    }

    /** A record. */
    record Point(int x, int y) implements Serializable {}

    /** An enum whose constants have bodies. */
    enum Operation implements UnaryOperator<Integer> {
        DOUBLE {
            @Override
            public Integer apply(Integer value) {
                return value * 2;
            }
        },
        SQUARE {
            @Override
            public Integer apply(Integer value) {
                return value * value;
            }
        }
    }

    /** A default method with a lambda. */
    interface Doubling extends Callable<Integer>, Serializable {
        int value();

        @Override
        default Integer call() {
            UnaryOperator<Integer> twice = number -> number * 2;
            return twice.apply(value());
        }
    }

    /** A task with a private constructor in a private class behind it. */
    static final class Sum implements Task<int[], Point> {
        private static final long serialVersionUID = 1L;

        @Override
        public Point run(int[] numbers) {
            Total total = new Total();
            for (int number : numbers) {
                total.value += number;
            }
            return new Point(total.value, numbers.length);
        }

        private static final class Total {
            private int value;

            private Total() {}
        }
    }

    /** Where its class came from. */
    static final class WhereFrom implements Callable<String>, Serializable {
        private static final long serialVersionUID = 1L;

        @Override
        public String call() {
            return TaskContext.current().sourceOf(WhereFrom.class).orElse("nowhere");
        }
    }
}
