package io.haulier.api.internal;

/** What the bytes of an argument or a result are: the protocol's numbers. */
public final class Codec {
    /** A language-neutral value. */
    public static final int VALUES = 1;
    /** JDK serialization. */
    public static final int JAVA = 2;
    /** Python's pickle. */
    public static final int PICKLE = 3;

    private Codec() {}

    /** The name for messages: "pickle". */
    public static String name(int codec) {
        return switch (codec) {
            case VALUES -> "values";
            case JAVA -> "java";
            case PICKLE -> "pickle";
            default -> "codec " + codec;
        };
    }
}
