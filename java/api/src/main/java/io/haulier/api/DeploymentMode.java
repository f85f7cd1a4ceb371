package io.haulier.api;

/** How widely the loaders of peer-loaded code are shared. */
public enum DeploymentMode {
    /** Nobody shares: each task has its own class loader. */
    ISOLATED(1),
    /** Tasks of the same session share. The default. */
    PRIVATE(2),
    /** All sessions whose class path has the same content share. */
    SHARED(3),
    /** As shared, and the loader stays after every session has left. */
    CONTINUOUS(4);

    private final int number;

    DeploymentMode(int number) {
        this.number = number;
    }

    /** The number of the mode in the protocol. */
    public int number() {
        return number;
    }
}
