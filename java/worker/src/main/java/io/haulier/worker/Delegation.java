package io.haulier.worker;

/** Who is asked for a class or a resource. The order of the constants is that of the core. */
enum Delegation {
    /** The parent alone: what it lacks is absent. */
    PARENT_ONLY,
    /** The parent, then the class path. */
    PARENT_FIRST,
    /** The class path, then the parent. */
    CHILD_FIRST,
    /** The class path, then the platform. */
    CHILD_ONLY;

    private static final Delegation[] ALL = values();

    static Delegation of(int ordinal) {
        return ALL[ordinal];
    }
}
