package io.haulier.worker;

import io.haulier.api.HaulierException;
import java.util.concurrent.CountDownLatch;

/**
 * The process of a worker. A node starts it with its links as inherited descriptors: 3 is the control link, the slots'
 * links follow. It ends, without ceremony, when the node is gone.
 */
public final class Main {
    private static final int FIRST_SLOT_DESCRIPTOR = 4;
    private static final long STACK_SIZE = 8L * 1024 * 1024;
    private static final int UNUSABLE = 70;

    /** What the worker needs to see of the JDK to find what holds a loader: threads and their variables, timers, pools. */
    private static final String[] OPENED = {"java.lang", "java.util", "java.util.concurrent"};

    private Main() {}

    /** Runs until the node is gone. */
    public static void main(String[] arguments) {
        try {
            serve(variable("HAULIER_CONTROL_FD", 3), variable("HAULIER_SLOTS", 1));
        } catch (Throwable problem) {
            problem.printStackTrace();
            Runtime.getRuntime().halt(UNUSABLE);
        }
        Runtime.getRuntime().halt(0);
    }

    private static void serve(int control, int slots) throws InterruptedException {
        ForkJoinThreads.install();
        System.load(System.getProperty("haulier.native"));
        openJdk();
        String version = System.getProperty("java.version");
        long worker = Native.connect(control, version, new String[] {"java-" + Runtime.version().feature()});
        Unloader unloader = new Unloader(TaskLoop::activity, Main::collect, (released, collected, leaked, recovered) ->
                report(worker, released, collected, leaked, recovered));
        TaskLoop.prepare(new Loaders(digest -> new NativeClassPath(worker, digest), slots, unloader::depart), slots);
        startUnloader(unloader);
        CountDownLatch open = new CountDownLatch(slots);
        start("haulier-control", () -> {
            Native.serveControl(worker, TaskLoop.class);
            Runtime.getRuntime().halt(0);
        });
        for (int slot = 0; slot < slots; slot++) {
            int number = slot;
            start("haulier-slot-" + slot, () -> {
                Native.serveSlot(worker, number, FIRST_SLOT_DESCRIPTOR + number, TaskLoop.class);
                open.countDown();
            });
        }
        open.await();
    }

    /** Before anything looks at {@link JdkFields}: they are closed to tasks, and without this to the worker, too. */
    private static void openJdk() {
        try {
            Native.openPackages(Object.class.getModule(), OPENED, Main.class.getModule());
        } catch (NoSuchMethodError otherRelease) {
            System.err.println("haulier: this JVM does not show what holds class loaders: " + otherRelease.getMessage());
        }
    }

    /** Without it loaders are not cleaned up after; tasks run all the same. */
    private static void startUnloader(Unloader unloader) {
        Thread thread = new Thread(null, unloader, "haulier-unload");
        thread.setDaemon(true);
        thread.start();
    }

    /** What the heap gives back, and what the compilers of the JVM have freed and the allocator kept. */
    private static void collect() {
        System.gc();
        Native.trimMemory();
    }

    private static void report(long worker, long released, long collected, Departed leaked, Departed recovered) {
        try {
            Native.reportLoaders(
                    worker,
                    released,
                    collected,
                    leaked == null ? null : leaked.identity(),
                    leaked == null ? null : leaked.labels().toArray(String[]::new),
                    leaked == null ? null : leaked.suspects().toArray(String[]::new),
                    recovered == null ? null : recovered.identity());
        } catch (HaulierException nodeIsGone) {
            // The process is about to end.
            return;
        }
    }

    private static void start(String name, Runnable link) {
        Runnable guarded = () -> {
            try {
                link.run();
            } catch (Throwable problem) {
                problem.printStackTrace();
                Runtime.getRuntime().halt(UNUSABLE);
            }
        };
        new Thread(null, guarded, name, STACK_SIZE).start();
    }

    private static int variable(String name, int absent) {
        String value = System.getenv(name);
        return value == null ? absent : Integer.parseInt(value);
    }
}
