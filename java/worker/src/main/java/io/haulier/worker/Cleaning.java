package io.haulier.worker;

import java.util.Collection;
import java.util.concurrent.TimeUnit;

/**
 * Takes away what holds loaders that are gone. It runs on a thread of its own: code of the tasks may be called (a
 * driver is told that it is deregistered) and may never return.
 */
final class Cleaning {
    private static final long PATIENCE = TimeUnit.SECONDS.toMillis(10);

    private Cleaning() {}

    /** Cleans once; returns what is found that may hold each loader. */
    static Gone run(Collection<TaskClassLoader> loaders) throws InterruptedException {
        Gone gone = new Gone(loaders);
        Thread thread = new Thread(null, new Work(gone), "haulier-clean", 0, false);
        thread.setDaemon(true);
        thread.start();
        thread.join(PATIENCE);
        if (thread.isAlive()) {
            // It may still write to what it has.
            Gone late = new Gone(loaders);
            late.suspectAll("its own code, called to clean up, does not return");
            return late;
        }
        return gone;
    }

    /**
     * Forgets what it works on when it begins: from JDK 19 on a thread holds its task to its very end, and that may be
     * after the collection that comes next, even when it was joined.
     */
    private static final class Work implements Runnable {
        private Gone gone;

        Work(Gone gone) {
            this.gone = gone;
        }

        @Override
        public void run() {
            Gone taken = gone;
            gone = null;
            clean(taken);
        }
    }

    private static void clean(Gone gone) {
        try {
            OwnThreads.end(Threads.live(), gone);
            Registrations.remove(gone);
            Threads.clean(Threads.live(), gone);
            Unreachable.suspect(gone);
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        } catch (Exception | LinkageError | StackOverflowError problem) {
            gone.suspectAll("unknown (" + problem.getClass().getName() + " while it was looked for)");
        }
    }
}
