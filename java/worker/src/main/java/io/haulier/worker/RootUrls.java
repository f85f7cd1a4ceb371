package io.haulier.worker;

import io.haulier.api.HaulierException;
import java.io.ByteArrayInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.net.MalformedURLException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.URLConnection;
import java.net.URLStreamHandler;
import java.util.HashMap;
import java.util.Map;

/**
 * URLs of the entries of a class path: {@code haulier:/pricing:1.2.0/pricing.jar!/com/acme/price.txt}. They are read
 * through the class path that made them.
 */
final class RootUrls extends URLStreamHandler {
    private static final String SCHEME = "haulier";
    private static final String SEPARATOR = "!/";

    private final ClassPath classPath;
    private final SignedRoots signed;
    private final String[] names;
    private final Map<String, Integer> indexes = new HashMap<>();

    RootUrls(ClassPath classPath, SignedRoots signed) {
        this.classPath = classPath;
        this.signed = signed;
        this.names = classPath.labels().clone();
        for (int root = 0; root < names.length; root++) {
            String label = names[root];
            for (int number = 2; indexes.containsKey(names[root]); number++) {
                names[root] = label + "~" + number;
            }
            indexes.put(names[root], root);
        }
    }

    /** The URL of a root: what {@code getCodeSource().getLocation()} gives. */
    URL root(int root) {
        return url("/" + names[root]);
    }

    URL entry(int root, String path) {
        return url("/" + names[root] + SEPARATOR + path);
    }

    @SuppressWarnings("deprecation") // from JDK 20 on there is URL.of
    private URL url(String path) {
        try {
            return new URL(null, SCHEME + ":" + new URI(null, null, path, null).getRawPath(), this);
        } catch (MalformedURLException | URISyntaxException impossible) {
            throw new IllegalArgumentException(path, impossible);
        }
    }

    @Override
    protected URLConnection openConnection(URL url) throws IOException {
        String text = URI.create(url.toString()).getPath();
        int end = text.indexOf(SEPARATOR);
        Integer root = end < 0 ? null : indexes.get(text.substring(1, end));
        if (root == null) {
            throw new FileNotFoundException(url.toString());
        }
        return new EntryConnection(url, root, text.substring(end + SEPARATOR.length()));
    }

    /** Reads one entry. */
    private final class EntryConnection extends URLConnection {
        private final int root;
        private final String path;
        private byte[] bytes;

        EntryConnection(URL url, int root, String path) {
            super(url);
            this.root = root;
            this.path = path;
        }

        @Override
        public void connect() throws IOException {
            if (connected) {
                return;
            }
            try {
                bytes = classPath.findIn(root, path);
            } catch (HaulierException problem) {
                throw new IOException(problem.getMessage(), problem);
            }
            if (bytes == null) {
                throw new FileNotFoundException(url.toString());
            }
            signed.signers(root, path, bytes);
            connected = true;
        }

        @Override
        public InputStream getInputStream() throws IOException {
            connect();
            return new ByteArrayInputStream(bytes);
        }

        @Override
        public long getContentLengthLong() {
            try {
                connect();
                return bytes.length;
            } catch (IOException unknown) {
                return -1;
            }
        }

        @Override
        public int getContentLength() {
            return (int) getContentLengthLong();
        }

        @Override
        public String getContentType() {
            return guessContentTypeFromName(path);
        }
    }
}
