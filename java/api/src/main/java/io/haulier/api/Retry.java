package io.haulier.api;

/** Whether the same request may succeed when it is made again. */
public enum Retry {
    /** No: something must change first. */
    NEVER,
    /** Yes, after a while. */
    LATER,
    /** Yes, at once. */
    NOW;

    /** The value with the protocol's number; {@link #NEVER} for a number that is not known. */
    public static Retry of(int number) {
        return number == 2 ? LATER : number == 3 ? NOW : NEVER;
    }

    /** The number in the protocol. */
    public int number() {
        return ordinal() + 1;
    }
}
