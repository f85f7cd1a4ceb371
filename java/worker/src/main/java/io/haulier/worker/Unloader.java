package io.haulier.worker;

import java.lang.ref.Reference;
import java.lang.ref.ReferenceQueue;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Follows loaders that no task uses any more to their end: cleans up after them, waits for their collection, and says
 * which ones stay. It asks for a collection when no task has begun or ended for a second, else rarely, and these take
 * at most a fiftieth of the time. It must be a full one: one that runs beside the tasks (G1's concurrent cycle) takes
 * all loaders for live that are still in the young generation.
 */
final class Unloader implements Runnable {
    /** Who hears what becomes of loaders. */
    interface Listener {
        /**
         * Counts have changed, or a loader stays, or one that stayed was collected.
         *
         * @param leaked what stays; null: none
         * @param recovered what was collected after all; null: none
         */
        void loaders(long released, long collected, Departed leaked, Departed recovered);
    }

    /** A loader that has outlived so many collections stays. On a busy machine one may need three. */
    private static final int COLLECTIONS = 4;

    private static final long TICK = 250;
    /** Where all that is left stays, as far as we know. */
    private static final long SLOW_TICK = 10_000;
    private static final long IDLE = TimeUnit.SECONDS.toNanos(1);
    private static final long BETWEEN_COLLECTIONS = TimeUnit.SECONDS.toNanos(2);
    private static final int SHARE_OF_TIME = 50;
    /** Where all that is left stays, it may have been let go since. */
    private static final long FOR_LEAKED = TimeUnit.SECONDS.toNanos(30);

    private static final int MANY = 256;
    private static final long WHEN_BUSY_AND_MANY = TimeUnit.MINUTES.toNanos(1);
    private static final long WHEN_BUSY = TimeUnit.MINUTES.toNanos(5);
    private static final long ENQUEUED_WITHIN = 200;
    /**
     * The JVM frees what its compilers have used every 5 s (its ChunkPool cleaner), which is after the collection that
     * let the last loader go.
     */
    private static final long FREED_WITHIN = 6_000;

    private final LongSupplier activity;
    private final Runnable collecting;
    private final Listener listener;
    private final ReferenceQueue<TaskClassLoader> queue = new ReferenceQueue<>();
    private final Set<Departed> departed = new LinkedHashSet<>();
    private List<Lease> incoming = new ArrayList<>();
    private long released;
    private long collected;
    private long reported = -1;
    private long lastActivity;
    private long idleSince = System.nanoTime();
    private long lastCollection = System.nanoTime() - BETWEEN_COLLECTIONS;
    private long collectionTook;
    /** Whether memory that the JVM has freed since the last collection is still to be given back. */
    private boolean owesMemory;

    /** {@code activity} changes with each task that begins or ends; {@code collecting} is a full collection. */
    Unloader(LongSupplier activity, Runnable collecting, Listener listener) {
        this.activity = activity;
        this.collecting = collecting;
        this.listener = listener;
    }

    /** Takes a loader that no task will use again; never blocks. */
    synchronized void depart(Lease lease) {
        incoming.add(lease);
        notifyAll();
    }

    @Override
    public void run() {
        while (true) {
            try {
                follow();
            } catch (InterruptedException byATask) {
                // Any task may interrupt any thread; this one ends with the process.
                continue;
            } catch (RuntimeException | LinkageError problem) {
                // The next loaders are followed all the same. This ends in the worker's last output.
                problem.printStackTrace();
            }
        }
    }

    private void follow() throws InterruptedException {
        take(next());
        forgetCollected(0);
        boolean idle = isIdle();
        if (isTimeToCollect(idle)) {
            collect();
        } else if (idle && owesMemory && isPast(TimeUnit.MILLISECONDS.toNanos(FREED_WITHIN))) {
            collecting.run();
            owesMemory = false;
        }
        report();
    }

    /** Those that have come within a tick: looking for what holds them costs as much for many as for one. */
    private synchronized List<Lease> next() throws InterruptedException {
        boolean waiting = departed.stream().anyMatch(loader -> !loader.isLeaked());
        if (incoming.isEmpty()) {
            wait(waiting ? TICK : owesMemory ? FREED_WITHIN : departed.isEmpty() ? 0 : SLOW_TICK);
        }
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(TICK);
        for (long left = TICK; !incoming.isEmpty() && left > 0; ) {
            wait(left);
            left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
        }
        List<Lease> leases = incoming;
        incoming = new ArrayList<>();
        return leases;
    }

    private void take(List<Lease> leases) throws InterruptedException {
        if (leases.isEmpty()) {
            return;
        }
        List<TaskClassLoader> loaders = leases.stream().map(Lease::loader).toList();
        released += leases.size();
        Gone gone = Cleaning.run(loaders);
        for (Lease lease : leases) {
            Departed fresh = new Departed(lease, queue);
            fresh.suspects(gone.suspects(lease.loader()));
            departed.add(fresh);
        }
    }

    private void forgetCollected(long patience) throws InterruptedException {
        Reference<? extends TaskClassLoader> reference = patience == 0 ? queue.poll() : queue.remove(patience);
        while (reference != null) {
            Departed gone = (Departed) reference;
            departed.remove(gone);
            collected++;
            if (gone.isLeaked()) {
                listener.loaders(released, collected, null, gone);
            }
            reference = queue.poll();
        }
    }

    private boolean isIdle() {
        long now = System.nanoTime();
        long seen = activity.getAsLong();
        if (seen != lastActivity) {
            idleSince = now;
        }
        lastActivity = seen;
        return now - idleSince >= IDLE;
    }

    private boolean isTimeToCollect(boolean idle) {
        long waiting = departed.stream().filter(loader -> !loader.isLeaked()).count();
        long whenIdle = waiting > 0 ? BETWEEN_COLLECTIONS : FOR_LEAKED;
        long between = idle ? whenIdle : waiting > MANY ? WHEN_BUSY_AND_MANY : WHEN_BUSY;
        return !departed.isEmpty() && isPast(Math.max(between, SHARE_OF_TIME * collectionTook));
    }

    private boolean isPast(long nanoseconds) {
        return System.nanoTime() - lastCollection >= nanoseconds;
    }

    private void collect() throws InterruptedException {
        cleanAgain();
        long begun = System.nanoTime();
        collecting.run();
        lastCollection = System.nanoTime();
        collectionTook = lastCollection - begun;
        owesMemory = true;
        forgetCollected(ENQUEUED_WITHIN);
        for (Departed loader : List.copyOf(departed)) {
            if (!loader.isLeaked() && loader.outlived() >= COLLECTIONS) {
                loader.setLeaked();
                listener.loaders(released, collected, loader, null);
            }
        }
    }

    /** What tasks have left may have come back, or ended, since. */
    private void cleanAgain() throws InterruptedException {
        Map<Departed, TaskClassLoader> alive = new LinkedHashMap<>();
        for (Departed waiting : departed) {
            TaskClassLoader loader = waiting.loader();
            if (loader != null) {
                alive.put(waiting, loader);
            }
        }
        if (!alive.isEmpty()) {
            Gone gone = Cleaning.run(alive.values());
            alive.forEach((waiting, loader) -> waiting.suspects(gone.suspects(loader)));
        }
    }

    private void report() {
        if (reported != collected + released) {
            reported = collected + released;
            listener.loaders(released, collected, null, null);
        }
    }
}
