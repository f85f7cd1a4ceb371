package io.haulier.client;

import io.haulier.api.HaulierException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.Consumer;

/**
 * A deployment that is under way: the future of its unit. Cancelling it stops it; cancelling what was derived from it
 * ({@code thenApply}) does not. The end of the connection ends it, too.
 *
 * <pre>{@code
 * Deployment deployment = cluster.deploy(DeployRequest.of("pricing").version("1.2.0").paths(jar).build());
 * System.out.println(deployment.progress());
 * DeployedUnit unit = deployment.get(60, TimeUnit.SECONDS);
 * }</pre>
 */
public final class Deployment extends RecordsFuture<DeployedUnit> {
    /** Stands for no listener. */
    static final Consumer<DeployProgress> NOBODY = progress -> {};

    private final Consumer<? super DeployProgress> listener;
    /** Steps that the listener has not heard of yet: of each only the last. It also guards what follows. */
    private final Deque<DeployProgress> unheard = new ArrayDeque<>();

    private boolean telling;
    private Runnable end;
    private volatile DeployProgress progress = DeployProgress.BEGIN;
    private volatile long number;

    Deployment(long cluster, Consumer<? super DeployProgress> listener) {
        super(cluster, fields -> DeployedUnit.read(new Fields(fields)));
        this.listener = listener;
    }

    void started(long deployment) {
        number = deployment;
        if (isDone()) {
            Native.stopDeployment(deployment);
        }
    }

    /** How far it is; after the end: how far it came. */
    public DeployProgress progress() {
        return progress;
    }

    /** Stops it, so that nothing is deployed unless the node has everything already. */
    @Override
    public boolean cancel(boolean mayInterruptIfRunning) {
        if (super.cancel(mayInterruptIfRunning)) {
            Native.stopDeployment(number);
        }
        return isCancelled();
    }

    @Override
    public void progress(int step, long done, long total) {
        DeployProgress now = new DeployProgress(DeployProgress.Step.of(step), done, total);
        progress = now;
        if (listener == NOBODY) {
            return;
        }
        synchronized (unheard) {
            if (!unheard.isEmpty() && unheard.peekLast().step() == now.step()) {
                unheard.removeLast();
            }
            unheard.addLast(now);
            if (telling) {
                return;
            }
            telling = true;
        }
        CallbackThreads.DEPENDENTS.execute(this::tell);
    }

    @Override
    public void records(String[] fields) {
        endWith(() -> super.records(fields));
    }

    @Override
    public void failed(HaulierException problem) {
        endWith(() -> super.failed(problem));
    }

    /** Ends the future when the listener has heard everything. */
    private void endWith(Runnable last) {
        synchronized (unheard) {
            if (telling) {
                end = last;
                return;
            }
        }
        last.run();
    }

    private void tell() {
        for (DeployProgress next = nextUnheard(); next != null; next = nextUnheard()) {
            try {
                if (!isDone()) {
                    listener.accept(next);
                }
            } catch (RuntimeException | Error problem) {
                completeExceptionally(problem);
                Native.stopDeployment(number);
            }
        }
    }

    private DeployProgress nextUnheard() {
        Runnable last;
        synchronized (unheard) {
            DeployProgress next = unheard.pollFirst();
            if (next != null) {
                return next;
            }
            telling = false;
            last = end;
        }
        if (last != null) {
            last.run();
        }
        return null;
    }
}
