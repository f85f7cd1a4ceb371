package io.haulier.worker;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.CodeSigner;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.jar.JarEntry;
import java.util.jar.JarInputStream;
import java.util.zip.CRC32;

/**
 * The signature of one root. The JDK verifies it: it is given a jar that begins with the manifest and the signature files,
 * which it reads once, and goes on with each entry when that is used.
 */
final class SignedRoot {
    static final String MANIFEST = "META-INF/MANIFEST.MF";

    /** The size of the header in front of an entry, without its name. */
    private static final int HEADER = 30;

    private static final int HEADER_MARK = 0x04034b50;
    private static final short UTF_8 = 1 << 11;

    /** The manifest and the signature files, in this order. */
    private final Map<String, byte[]> signature = new LinkedHashMap<>();

    /** Who signed what was verified. */
    private final Map<String, CodeSigner[]> signers = new HashMap<>();

    private Feed feed;
    private JarInputStream jar;

    SignedRoot(byte[] manifest) {
        signature.put(MANIFEST, manifest);
    }

    /** Adds a signature file; before the first entry is verified. */
    void add(String path, byte[] bytes) {
        signature.put(path, bytes);
    }

    /** Who signed an entry; null: nobody. Throws {@link SecurityException} if it is not what was signed. */
    synchronized CodeSigner[] verify(String path, byte[] bytes) {
        if (signature.containsKey(path)) {
            return null;
        }
        boolean whole = false;
        try {
            if (jar == null) {
                begin();
            }
            feed.add(path, bytes);
            JarEntry entry = next(path);
            whole = true;
            // Of an entry that is read again the JDK verifies the bytes, and names no signers.
            CodeSigner[] found = entry.getCodeSigners();
            return found == null ? signers.get(path) : signers.merge(path, found, (before, now) -> before);
        } catch (IOException problem) {
            throw new SecurityException("the signature of '" + path + "' cannot be read", problem);
        } finally {
            if (!whole) {
                // What follows in this jar is not to be trusted; another one begins.
                jar = null;
            }
        }
    }

    private void begin() throws IOException {
        feed = new Feed();
        signature.forEach(feed::add);
        jar = new JarInputStream(feed, true);
        for (String path : signature.keySet()) {
            if (!path.equals(MANIFEST)) {
                next(path);
            }
        }
    }

    /** Reads the next entry to its end: only then it is verified. */
    private JarEntry next(String path) throws IOException {
        JarEntry entry = jar.getNextJarEntry();
        if (entry == null || !entry.getName().equals(path)) {
            throw new IOException("the entry after the last one is " + entry);
        }
        jar.transferTo(OutputStream.nullOutputStream());
        return entry;
    }

    /** A jar that grows: entries, stored. */
    private static final class Feed extends InputStream {
        private final Deque<ByteBuffer> parts = new ArrayDeque<>();

        void add(String path, byte[] bytes) {
            byte[] name = path.getBytes(StandardCharsets.UTF_8);
            CRC32 checksum = new CRC32();
            checksum.update(bytes);
            ByteBuffer header = ByteBuffer.allocate(HEADER + name.length).order(ByteOrder.LITTLE_ENDIAN);
            header.putInt(HEADER_MARK).putShort((short) 20).putShort(UTF_8).putShort((short) 0);
            header.putInt(0).putInt((int) checksum.getValue()).putInt(bytes.length).putInt(bytes.length);
            header.putShort((short) name.length).putShort((short) 0).put(name);
            parts.add(header.flip());
            parts.add(ByteBuffer.wrap(bytes));
        }

        @Override
        public int read() {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] into, int offset, int length) {
            while (!parts.isEmpty() && !parts.peek().hasRemaining()) {
                parts.remove();
            }
            if (parts.isEmpty()) {
                return length == 0 ? 0 : -1;
            }
            int count = Math.min(length, parts.peek().remaining());
            parts.peek().get(into, offset, count);
            return count;
        }
    }
}
