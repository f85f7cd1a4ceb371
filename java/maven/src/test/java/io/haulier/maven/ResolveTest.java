package io.haulier.maven;

import static io.haulier.maven.TestRepository.needs;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sonatype.plexus.components.cipher.DefaultPlexusCipher;

/** The whole program but its process, against real repositories over HTTP. No test asks Maven Central. */
class ResolveTest {
    @TempDir
    Path folder;

    private TestRepository server;
    private String output;

    @BeforeEach
    void start() throws Exception {
        server = new TestRepository();
        settings("");
        server.artifact(
                "central",
                "acme:app:1.0",
                needs("acme:near:1.0"),
                needs("acme:far:1.0", "<scope>runtime</scope>"),
                needs("acme:junit:1.0", "<scope>test</scope>"),
                needs("acme:servlet:1.0", "<scope>provided</scope>"),
                needs("acme:extra:1.0", "<optional>true</optional>"));
        server.artifact("central", "acme:near:1.0", needs("acme:leaf:1.0"));
        server.artifact("central", "acme:far:1.0", needs("acme:leaf:2.0"), needs("other:log:1.0"));
        server.artifact("central", "acme:leaf:1.0");
        server.artifact("central", "acme:leaf:2.0");
        server.artifact("central", "other:log:1.0", needs("other:deep:1.0"));
        server.artifact("central", "other:deep:1.0");
    }

    @AfterEach
    void stop() {
        server.close();
    }

    @Test
    void theClassPathIsMavens() throws Exception {
        JsonObject event = resolve("acme:app:1.0", request -> {});
        assertEquals(
                List.of(
                        "acme:app:jar:1.0",
                        "acme:near:jar:1.0",
                        "acme:leaf:jar:1.0",
                        "acme:far:jar:1.0",
                        "other:log:jar:1.0",
                        "other:deep:jar:1.0"),
                coordinates(event));
        assertEquals("1.0", event.get("version").getAsString());
        JsonObject first = event.getAsJsonArray("artifacts").get(0).getAsJsonObject();
        assertEquals("central", first.get("repository").getAsString());
        assertEquals("the jar of acme:app:1.0", Files.readString(Path.of(first.get("file").getAsString())));
        assertEquals(64, first.get("sha256").getAsString().length());
        assertTrue(output.contains("\"event\":\"downloading\""), output);
    }

    @Test
    void aNearerVersionWins() throws Exception {
        server.artifact("central", "acme:top:1.0", needs("acme:near:1.0"), needs("acme:leaf:2.0"));
        assertEquals(
                List.of("acme:top:jar:1.0", "acme:near:jar:1.0", "acme:leaf:jar:2.0"),
                coordinates(resolve("acme:top:1.0", request -> {})));
    }

    @Test
    void anExclusionTakesWhatOnlyItNeeds() throws Exception {
        JsonObject event = resolve("acme:app:1.0", request -> request.add("exclude", list("other:lo*", "acme:near")));
        assertEquals(List.of("acme:app:jar:1.0", "acme:far:jar:1.0", "acme:leaf:jar:2.0"), coordinates(event));
    }

    @Test
    void anInclusionKeepsOnlyWhatMatches() throws Exception {
        JsonObject event = resolve("acme:app:1.0", request -> request.add("include", list("other:*")));
        assertEquals(List.of("acme:app:jar:1.0", "other:log:jar:1.0", "other:deep:jar:1.0"), coordinates(event));
    }

    @Test
    void withoutDependenciesItIsOneFile() throws Exception {
        JsonObject event = resolve("acme:app:1.0", request -> request.addProperty("dependencies", false));
        assertEquals(List.of("acme:app:jar:1.0"), coordinates(event));
        assertTrue(server.requests().stream().noneMatch(path -> path.endsWith(".pom")), server.requests()::toString);
    }

    @Test
    void extensionAndClassifierNameAnotherFile() throws Exception {
        server.put("/central/acme/app/1.0/app-1.0-all.zip", "everything");
        JsonObject event =
                resolve("acme:app:zip:all:1.0", request -> request.addProperty("dependencies", false));
        assertEquals(List.of("acme:app:zip:all:1.0"), coordinates(event));
    }

    @Test
    void aMissingArtifactIsNotFoundAndSaysWhoWasAsked() throws Exception {
        JsonObject event = resolve("acme:absent:1.0", at(server.url("private")));
        failed(event, "NotFound", "acme:absent:jar:1.0");
        assertTrue(event.get("message").getAsString().contains(server.url("private")), event::toString);
        assertTrue(event.get("message").getAsString().contains(server.url("central")), event::toString);
    }

    @Test
    void aMissingDependencyIsNotFound() throws Exception {
        server.artifact("central", "acme:top:1.0", needs("acme:gone:1.0"));
        failed(resolve("acme:top:1.0", request -> {}), "NotFound", "acme:gone:jar:1.0");
        assertTrue(output.contains("\"event\":\"warning\""), output);
    }

    @Test
    void aMissingParentIsNotFound() throws Exception {
        server.put("/central/acme/child/1.0/child-1.0.pom", """
                <project><modelVersion>4.0.0</modelVersion><artifactId>child</artifactId>
                <parent><groupId>acme</groupId><artifactId>parent</artifactId><version>7</version></parent></project>
                """);
        server.put("/central/acme/child/1.0/child-1.0.jar", "child");
        failed(resolve("acme:child:1.0", request -> {}), "NotFound", "acme:parent:pom:7");
    }

    @Test
    void aWrongChecksumFails() throws Exception {
        server.tamper("/central/acme/leaf/1.0/leaf-1.0.jar");
        failed(resolve("acme:app:1.0", request -> {}), "Unavailable", "acme:leaf:jar:1.0");
    }

    @Test
    void aRepositoryThatIsAwayIsUnavailable() throws Exception {
        server.close();
        failed(resolve("acme:app:1.0", request -> {}), "Unavailable", "central");
    }

    @Test
    void theRepositoriesOfTheRequestAreAskedFirst() throws Exception {
        server.artifact("private", "acme:leaf:1.0");
        JsonObject event = resolve("acme:leaf:1.0", at(server.url("private")));
        assertEquals("127.0.0.1", repository(event));
        asked("/private/");
    }

    @Test
    void aMirrorTakesThePlaceOfARepository() throws Exception {
        server.artifact("inside", "acme:hidden:1.0");
        settings("<mirrors><mirror><id>inside</id><mirrorOf>*</mirrorOf><url>%s</url></mirror></mirrors>"
                .formatted(server.url("inside")));
        assertEquals("inside", repository(resolve("acme:hidden:1.0", request -> {})));
        asked("/inside/");
    }

    @Test
    void aProxyIsAskedForWhatItHides() throws Exception {
        server.artifact("central", "acme:far-away:1.0");
        // Nobody but the proxy can find this host. The mirror unblocks plain http, which an installed Maven may block.
        String far = "http://repo.invalid/central/";
        settings("""
                <proxies><proxy><protocol>http</protocol><host>127.0.0.1</host><port>%d</port></proxy></proxies>
                <mirrors><mirror><id>plain</id><mirrorOf>far</mirrorOf><url>%s</url></mirror></mirrors>
                """.formatted(server.port(), far));
        JsonObject event = resolve("acme:far-away:1.0", at("far::" + far));
        assertEquals("plain", repository(event));
    }

    @Test
    void aMirrorThatBlocksIsNoOutage() throws Exception {
        settings("<mirrors><mirror><id>no-http</id><mirrorOf>*</mirrorOf><url>%s</url><blocked>true</blocked></mirror>"
                .formatted(server.url("central")) + "</mirrors>");
        failed(resolve("acme:app:1.0", request -> {}), "PermissionDenied", "no-http");
    }

    @Test
    void aFolderIsARepository() throws Exception {
        Path home = Files.createDirectories(folder.resolve("files/acme/flat/1.0"));
        Files.writeString(home.resolve("flat-1.0.jar"), "flat");
        Files.writeString(home.resolve("flat-1.0.jar.sha1"), "0f2a2c5c3ad7b5e1f0d7c5a1e4f8c3f1a2b3c4d5");
        String url = folder.resolve("files").toUri().toString();
        failed(resolve("acme:flat:1.0", at(url)), "Unavailable", "flat");
        Files.writeString(home.resolve("flat-1.0.jar.sha1"), sha1("flat"));
        JsonObject event = resolve("acme:flat:1.0", at(url));
        assertEquals(List.of("acme:flat:jar:1.0"), coordinates(event));
        assertTrue(output.contains("\"event\":\"warning\""), output);
    }

    @Test
    void aProfilesRepositoryIsAsked() throws Exception {
        server.artifact("team", "acme:ours:1.0");
        settings("""
                <profiles><profile><id>team</id><activation><activeByDefault>true</activeByDefault></activation>
                <repositories><repository><id>team</id><url>%s</url></repository></repositories></profile></profiles>
                """.formatted(server.url("team")));
        assertEquals("team", repository(resolve("acme:ours:1.0", request -> {})));
    }

    @Test
    void aServersPasswordIsShown() throws Exception {
        guarded("secret-7");
        assertEquals("vault", repository(resolve("acme:vip:1.0", this::vault)));
    }

    @Test
    void anEncryptedPasswordIsShown() throws Exception {
        DefaultPlexusCipher cipher = new DefaultPlexusCipher();
        String master = cipher.encryptAndDecorate("the-master", "settings.security");
        Files.writeString(
                folder.resolve("settings-security.xml"),
                "<settingsSecurity><master>" + master + "</master></settingsSecurity>");
        guarded(cipher.encryptAndDecorate("secret-7", "the-master"));
        assertEquals("vault", repository(resolve("acme:vip:1.0", this::vault)));
    }

    @Test
    void aWrongPasswordNamesTheServerAndNeverThePassword() throws Exception {
        guarded("wrong-9");
        JsonObject event = resolve("acme:vip:1.0", this::vault);
        failed(event, "PermissionDenied", "vault");
        assertTrue(event.get("hint").getAsString().contains("<id>vault</id>"), event::toString);
        assertFalse(output.contains("wrong-9") || output.contains("secret-7"), output);
    }

    @Test
    void withoutAPasswordTheHintSaysWhereToPutIt() throws Exception {
        guarded("secret-7");
        settings("");
        JsonObject event = resolve("acme:vip:1.0", this::vault);
        failed(event, "PermissionDenied", "vault");
        assertTrue(event.get("hint").getAsString().startsWith("add a <server>"), event::toString);
    }

    @Test
    void credentialsInAUrlAreRefusedAndNotRepeated() throws Exception {
        JsonObject event = resolve("acme:vip:1.0", at("https://me:secret-7@acme.example/"));
        failed(event, "InvalidArgument", "acme.example");
        assertFalse(output.contains("secret-7"), output);
    }

    @Test
    void brokenSettingsAreNotQuoted() throws Exception {
        Files.writeString(
                folder.resolve("settings.xml"),
                "<settings><servers><server><id>a</id><passwort>secret-7</passwort></server></servers></setting>");
        failed(resolve("acme:app:1.0", request -> {}), "InvalidArgument", "settings.xml, line 1");
        assertFalse(output.contains("secret-7"), output);
    }

    @Test
    void offlineAWarmLocalRepositoryIsEnough() throws Exception {
        List<String> online = coordinates(resolve("acme:app:1.0", request -> {}));
        int asked = server.requests().size();
        assertEquals(online, coordinates(resolve("acme:app:1.0", request -> request.addProperty("offline", true))));
        assertEquals(asked, server.requests().size());
        JsonObject absent = resolve("acme:top:1.0", request -> request.addProperty("offline", true));
        failed(absent, "NotFound", "acme:top:jar:1.0");
    }

    @Test
    void aSnapshotIsItsNewestTimeStamp() throws Exception {
        for (String stamp : List.of("20260102.030405-6", "20260102.040506-7")) {
            server.snapshot("private", "acme:nightly:1.1-SNAPSHOT", stamp);
            JsonObject event = resolve("acme:nightly:1.1-SNAPSHOT", at(server.url("private")));
            assertEquals(List.of("acme:nightly:jar:1.1-" + stamp), coordinates(event));
            assertEquals("1.1-SNAPSHOT", event.get("version").getAsString());
            JsonObject artifact = event.getAsJsonArray("artifacts").get(0).getAsJsonObject();
            assertTrue(artifact.get("file").getAsString().endsWith("nightly-1.1-" + stamp + ".jar"), event::toString);
        }
    }

    @Test
    void whatIsNotExactIsRefused() throws Exception {
        for (String text : List.of(
                "acme:app", "acme:app:[1,2)", "acme:app:LATEST", "acme:app:RELEASE", "a:b:c:d:e:f", "../x:b:1")) {
            failed(resolve(text, request -> {}), "InvalidArgument", "'");
        }
        assertEquals(List.of(), server.requests());
    }

    private static String sha1(String text) throws Exception {
        byte[] digest = MessageDigest.getInstance("SHA-1").digest(text.getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().formatHex(digest);
    }

    private interface Change {
        void to(JsonObject request);
    }

    private static Change at(String repository) {
        return request -> request.add("repositories", list(repository));
    }

    private void asked(String prefix) {
        assertTrue(server.requests().stream().allMatch(path -> path.startsWith(prefix)), server.requests()::toString);
    }

    private void vault(JsonObject request) {
        request.add("repositories", list("vault::" + server.url("vault")));
    }

    private void guarded(String password) throws Exception {
        server.artifact("vault", "acme:vip:1.0");
        server.protect("vault", "me:secret-7");
        settings("<servers><server><id>vault</id><username>me</username><password>%s</password></server></servers>"
                .formatted(password));
    }

    /** Writes settings in which the test's own repository is called central. */
    private void settings(String more) throws IOException {
        String central = """
                <settings>%s<activeProfiles><activeProfile>test</activeProfile></activeProfiles>
                <profiles><profile><id>test</id><repositories><repository><id>central</id><url>%s</url></repository>
                </repositories></profile>
                """.formatted(more.replaceAll("(?s)<profiles>.*</profiles>", ""), server.url("central"));
        String profiles = more.contains("<profiles>") ? more.replaceAll("(?s).*<profiles>|</profiles>.*", "") : "";
        Files.writeString(folder.resolve("settings.xml"), central + profiles + "</profiles></settings>");
    }

    private JsonObject resolve(String coordinates, Change change) {
        JsonObject request = new JsonObject();
        request.add("coordinates", list(coordinates));
        request.addProperty("settings", folder.resolve("settings.xml").toString());
        request.addProperty("local_repository", folder.resolve("local").toString());
        change.to(request);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Resolve.run(
                new ByteArrayInputStream(new Gson().toJson(request).getBytes(StandardCharsets.UTF_8)),
                new PrintStream(out, true, StandardCharsets.UTF_8));
        output = out.toString(StandardCharsets.UTF_8);
        String[] lines = output.split("\n");
        return JsonParser.parseString(lines[lines.length - 1]).getAsJsonObject();
    }

    private static JsonArray list(String... texts) {
        JsonArray list = new JsonArray();
        List.of(texts).forEach(list::add);
        return list;
    }

    private static List<String> coordinates(JsonObject event) {
        assertEquals("resolved", event.get("event").getAsString(), event::toString);
        List<String> coordinates = new ArrayList<>();
        for (JsonElement artifact : event.getAsJsonArray("artifacts")) {
            coordinates.add(artifact.getAsJsonObject().get("coordinates").getAsString());
        }
        return coordinates;
    }

    private static String repository(JsonObject event) {
        assertEquals("resolved", event.get("event").getAsString(), event::toString);
        return event.getAsJsonArray("artifacts").get(0).getAsJsonObject().get("repository").getAsString();
    }

    private static void failed(JsonObject event, String kind, String part) {
        assertEquals("error", event.get("event").getAsString(), event::toString);
        assertEquals(kind, event.get("kind").getAsString(), event::toString);
        assertTrue(event.get("message").getAsString().contains(part), event::toString);
        assertFalse(event.get("hint").getAsString().isEmpty(), event::toString);
    }
}
