package io.haulier.worker;

import io.haulier.api.HaulierException;
import io.haulier.api.internal.ErrorMessage;
import java.lang.ref.Cleaner;

/** A class path of the core; it is given back when nothing uses it any more. */
final class NativeClassPath implements ClassPath {
    private static final Cleaner CLEANER = Cleaner.create();

    private final long handle;
    private final String[] labels;

    NativeClassPath(long worker, byte[] digest) {
        long opened = Native.openClassPath(worker, digest);
        this.handle = opened;
        CLEANER.register(this, () -> Native.closeClassPath(opened));
        this.labels = Native.labels(opened);
    }

    @Override
    public Delegation delegation(String name) {
        return Delegation.of(Native.delegation(handle, name));
    }

    @Override
    public byte[] find(String path, int[] root) {
        return Native.find(handle, path, root);
    }

    @Override
    public byte[] findIn(int root, String path) {
        return Native.findIn(handle, root, path);
    }

    @Override
    public int[] roots(String path) {
        return Native.roots(handle, path);
    }

    @Override
    public String pathIn(int root, String path) {
        return Native.pathIn(handle, root, path);
    }

    @Override
    public String[] signatureFiles(int root) {
        return Native.signatureFiles(handle, root);
    }

    @Override
    public String[] labels() {
        return labels;
    }

    @Override
    public HaulierException notFound(String name) {
        return ErrorMessage.decode(Native.notFound(handle, name)).exception();
    }

    @Override
    public String explain(String message) {
        return Native.explain(handle, message);
    }
}
