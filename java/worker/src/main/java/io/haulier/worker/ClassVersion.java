package io.haulier.worker;

import java.nio.ByteBuffer;

/**
 * The version of a class file, and the release of Java that it is for.
 *
 * @param major 61 for Java 17
 * @param minor 65535 for what a release has as a preview
 */
record ClassVersion(int major, int minor) {
    private static final int BEFORE_FIRST = 44;
    private static final int PREVIEW = 0xFFFF;

    /** Reads the version of a class file that the JVM has recognized as one. */
    static ClassVersion of(byte[] classFile) {
        ByteBuffer bytes = ByteBuffer.wrap(classFile);
        return new ClassVersion(Short.toUnsignedInt(bytes.getShort(6)), Short.toUnsignedInt(bytes.getShort(4)));
    }

    /** What the JVM says, and what helps. */
    UnsupportedClassVersionError unsupported(String className, UnsupportedClassVersionError problem) {
        int release = major - BEFORE_FIRST;
        int own = Runtime.version().feature();
        String needed = minor == PREVIEW ? "Java " + release + " with previews" : "Java " + release;
        UnsupportedClassVersionError explained = new UnsupportedClassVersionError(className + " was compiled for " + needed
                + " (class file version " + major + "); this worker runs Java " + own + " (up to "
                + (own + BEFORE_FIRST) + "); start the node with a newer one: haulier node --java PATH,"
                + " or compile with --release " + own);
        explained.initCause(problem);
        return explained;
    }
}
