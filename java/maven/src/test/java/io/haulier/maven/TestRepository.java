package io.haulier.maven;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

/** Maven repositories on loopback, each a folder of one HTTP server: {@code /central/}, {@code /private/}. */
final class TestRepository implements AutoCloseable {
    private final Map<String, byte[]> files = new ConcurrentHashMap<>();
    private final Map<String, String> passwords = new ConcurrentHashMap<>();
    private final List<String> requests = new CopyOnWriteArrayList<>();
    private final HttpServer server;

    TestRepository() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", this::answer);
        server.start();
    }

    String url(String name) {
        return "http://127.0.0.1:" + port() + "/" + name + "/";
    }

    /** The port, where a proxy's requests are answered, too. */
    int port() {
        return server.getAddress().getPort();
    }

    /** The paths that were asked for, in order. */
    List<String> requests() {
        return requests;
    }

    /** From now on {@code name} answers only with these credentials, written {@code user:password}. */
    void protect(String name, String credentials) {
        passwords.put(name, Base64.getEncoder().encodeToString(credentials.getBytes(StandardCharsets.UTF_8)));
    }

    /** Adds a jar with a POM whose dependencies are the given elements. */
    void artifact(String name, String coordinates, String... dependencies) throws NoSuchAlgorithmException {
        String[] parts = coordinates.split(":");
        String stem = folder(name, parts) + parts[1] + "-" + parts[2];
        put(stem + ".pom", pom(parts[0], parts[1], parts[2], String.join("\n", dependencies)));
        put(stem + ".jar", "the jar of " + coordinates);
    }

    /** Adds a snapshot whose only build has this time stamp: {@code 20260102.030405-6}. */
    void snapshot(String name, String coordinates, String stamp) throws NoSuchAlgorithmException {
        String[] parts = coordinates.split(":");
        String unique = parts[2].replace("SNAPSHOT", stamp);
        String folder = folder(name, parts);
        String metadata = """
                <metadata modelVersion="1.1.0"><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version>
                <versioning><snapshot><timestamp>%s</timestamp><buildNumber>%s</buildNumber></snapshot>
                <lastUpdated>%s</lastUpdated><snapshotVersions>
                <snapshotVersion><extension>jar</extension><value>%s</value><updated>%s</updated></snapshotVersion>
                <snapshotVersion><extension>pom</extension><value>%s</value><updated>%s</updated></snapshotVersion>
                </snapshotVersions></versioning></metadata>
                """;
        String time = stamp.replaceAll("-.*", "");
        String updated = time.replace(".", "");
        String number = stamp.replaceAll(".*-", "");
        put(
                folder + "maven-metadata.xml",
                metadata.formatted(
                        parts[0], parts[1], parts[2], time, number, updated, unique, updated, unique, updated));
        put(folder + parts[1] + "-" + unique + ".pom", pom(parts[0], parts[1], parts[2], ""));
        put(folder + parts[1] + "-" + unique + ".jar", "the jar of " + unique);
    }

    /** Adds a file with its checksum. */
    void put(String path, String content) throws NoSuchAlgorithmException {
        byte[] bytes = content.getBytes(StandardCharsets.UTF_8);
        files.put(path, bytes);
        byte[] digest = MessageDigest.getInstance("SHA-1").digest(bytes);
        files.put(path + ".sha1", HexFormat.of().formatHex(digest).getBytes(StandardCharsets.UTF_8));
    }

    /** Changes a file and leaves its checksum as it was. */
    void tamper(String path) {
        files.put(path, "something else".getBytes(StandardCharsets.UTF_8));
    }

    /** A dependency element; {@code more} goes into it: a scope, a type, "optional". */
    static String needs(String coordinates, String... more) {
        String[] parts = coordinates.split(":");
        return "<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version>%s</dependency>"
                .formatted(parts[0], parts[1], parts[2], String.join("", more));
    }

    private static String folder(String name, String[] parts) {
        return "/" + name + "/" + parts[0].replace('.', '/') + "/" + parts[1] + "/" + parts[2] + "/";
    }

    private static String pom(String group, String name, String version, String dependencies) {
        return """
                <project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
                <groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version>
                <dependencies>%s</dependencies></project>
                """.formatted(group, name, version, dependencies);
    }

    private void answer(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        requests.add(path);
        String wanted = passwords.get(path.split("/")[1]);
        String shown = exchange.getRequestHeaders().getFirst("Authorization");
        byte[] body = files.get(path);
        try (exchange) {
            if (wanted != null && !("Basic " + wanted).equals(shown)) {
                exchange.getResponseHeaders().add("WWW-Authenticate", "Basic realm=\"test\"");
                exchange.sendResponseHeaders(401, -1);
            } else if (body == null) {
                exchange.sendResponseHeaders(404, -1);
            } else {
                exchange.sendResponseHeaders(200, body.length);
                exchange.getResponseBody().write(body);
            }
        }
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
