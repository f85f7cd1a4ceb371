package io.haulier.worker;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.CodeSource;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.jar.JarFile;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;
import jdk.security.jarsigner.JarSigner;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Classes of signed jars have the certificates that a plain class path gives them, or are refused as there. */
@Timeout(120)
class SignedRootsTest {
    private static final char[] PASSWORD = "secret-of-test".toCharArray();

    @TempDir
    static Path folder;

    private static KeyStore.PrivateKeyEntry key;

    @BeforeAll
    static void makesAKey() throws Exception {
        Path store = folder.resolve("keys.p12");
        String keytool = Path.of(System.getProperty("java.home"), "bin", "keytool").toString();
        String options = "-genkeypair -alias acme -keyalg EC -dname CN=Acme -validity 2 -storepass secret-of-test";
        List<String> command = new ArrayList<>(List.of(keytool, "-keystore", store.toString()));
        command.addAll(List.of(options.split(" ")));
        Path said = folder.resolve("keytool.txt");
        Process process = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(said.toFile()).start();
        assertEquals(0, process.waitFor(), Files.readString(said));
        KeyStore keys = KeyStore.getInstance(store.toFile(), PASSWORD);
        key = (KeyStore.PrivateKeyEntry) keys.getEntry("acme", new KeyStore.PasswordProtection(PASSWORD));
    }

    private static String returning(String name, int value) {
        String text = "package acme; public class %s implements java.util.concurrent.Callable<Integer> {"
                + " public Integer call() { return %d; } }";
        return text.formatted(name, value);
    }

    /** A class path of one signed root; what is put into its entries later is not signed. */
    private static MemoryClassPath signed(Map<String, String> files) throws Exception {
        MemoryClassPath classPath = new MemoryClassPath().root("signed.jar", files);
        Path jar = Files.createTempFile(folder, "plain", ".jar");
        try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(jar))) {
            for (Map.Entry<String, byte[]> entry : classPath.entries(0).entrySet()) {
                out.putNextEntry(new ZipEntry(entry.getKey()));
                out.write(entry.getValue());
            }
        }
        Path signed = Files.createTempFile(folder, "signed", ".jar");
        try (ZipFile plain = new ZipFile(jar.toFile());
                OutputStream out = Files.newOutputStream(signed)) {
            new JarSigner.Builder(key).build().sign(plain, out);
        }
        classPath.entries(0).putAll(entries(signed));
        return classPath;
    }

    private static Map<String, byte[]> entries(Path jar) throws Exception {
        Map<String, byte[]> entries = new LinkedHashMap<>();
        try (ZipInputStream in = new ZipInputStream(Files.newInputStream(jar))) {
            for (ZipEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
                entries.put(entry.getName(), in.readAllBytes());
            }
        }
        return entries;
    }

    private static Certificate[] certificates(Class<?> type) {
        return type.getProtectionDomain().getCodeSource().getCertificates();
    }

    @Test
    void classesHaveTheCertificatesOfTheirSigners() throws Exception {
        Map<String, String> files = Map.of(
                "acme/A.java", returning("A", 1),
                "acme/B.java", returning("B", 2),
                "acme/price.txt", "42",
                "acme/empty.txt", "");
        TaskClassLoader loader = new TaskClassLoader(signed(files));
        Class<?> one = loader.loadClass("acme.A");
        Class<?> two = loader.loadClass("acme.B");
        assertArrayEquals(new Certificate[] {key.getCertificate()}, certificates(one));
        assertSame(one.getProtectionDomain(), two.getProtectionDomain());
        CodeSource source = one.getProtectionDomain().getCodeSource();
        assertEquals("haulier:/signed.jar", source.getLocation().toString());
        assertNotNull(source.getCodeSigners());
        assertEquals("signed.jar", loader.sourceOf(two).orElseThrow());
        SignedRoots roots = new SignedRoots(loader.classPath());
        byte[] bytes = loader.classPath().findIn(0, "acme/A.class");
        assertNotNull(roots.signers(0, "acme/A.class", bytes));
        assertNotNull(roots.signers(0, "acme/A.class", bytes), "two threads may ask");
        bytes[bytes.length - 1]++;
        assertThrows(SecurityException.class, () -> roots.signers(0, "acme/A.class", bytes));
        assertEquals(1, ((Callable<?>) one.getConstructor().newInstance()).call());
        for (String resource : List.of("acme/price.txt", "acme/empty.txt", JarFile.MANIFEST_NAME)) {
            try (InputStream in = loader.getResourceAsStream(resource)) {
                assertNotNull(in.readAllBytes(), resource);
            }
        }
    }

    @Test
    void whatWasTamperedWithIsRefusedAndNothingElse() throws Exception {
        Map<String, String> files =
                Map.of("acme/A.java", returning("A", 1), "acme/B.java", returning("B", 2), "acme/price.txt", "42");
        MemoryClassPath classPath = signed(files);
        MemoryClassPath other = new MemoryClassPath().root("x", Map.of("acme/A.java", returning("A", 100)));
        classPath.entries(0).put("acme/A.class", other.entries(0).get("acme/A.class"));
        classPath.entries(0).put("acme/price.txt", "43".getBytes());
        TaskClassLoader loader = new TaskClassLoader(classPath);
        for (int attempt = 0; attempt < 2; attempt++) {
            SecurityException refused = assertThrows(SecurityException.class, () -> loader.loadClass("acme.A"));
            assertTrue(refused.getMessage().contains("acme/A.class"), refused.getMessage());
        }
        assertThrows(SecurityException.class, () -> loader.getResourceAsStream("acme/price.txt"));
        assertArrayEquals(new Certificate[] {key.getCertificate()}, certificates(loader.loadClass("acme.B")));
    }

    @Test
    void aManifestThatWasTamperedWithRefusesAll() throws Exception {
        MemoryClassPath classPath = signed(Map.of("acme/A.java", returning("A", 1)));
        String manifest = new String(classPath.entries(0).get(JarFile.MANIFEST_NAME));
        assertTrue(manifest.contains("SHA-256-Digest: "), manifest);
        String changed = manifest.replace("SHA-256-Digest: ", "SHA-256-Digest: AAAA");
        classPath.entries(0).put(JarFile.MANIFEST_NAME, changed.getBytes());
        TaskClassLoader loader = new TaskClassLoader(classPath);
        assertThrows(SecurityException.class, () -> loader.loadClass("acme.A"));
    }

    @Test
    void anUnsignedClassInASignedPackageIsRefused() throws Exception {
        MemoryClassPath classPath = signed(Map.of("acme/A.java", returning("A", 1)));
        MemoryClassPath other = new MemoryClassPath()
                .root("x", Map.of("acme/C.java", returning("C", 3), "other/D.java", "package other; public class D {}"));
        classPath.entries(0).putAll(other.entries(0));
        TaskClassLoader loader = new TaskClassLoader(classPath);
        loader.loadClass("acme.A");
        assertThrows(SecurityException.class, () -> loader.loadClass("acme.C"));
        assertNull(certificates(loader.loadClass("other.D")), "nobody signed it, and its package neither");
    }

    @Test
    void aDamagedSignatureIsNone() throws Exception {
        MemoryClassPath classPath = signed(Map.of("acme/A.java", returning("A", 1)));
        classPath.entries(0).replaceAll((path, bytes) -> path.endsWith(".EC") ? new byte[] {1, 2, 3} : bytes);
        assertNull(certificates(new TaskClassLoader(classPath).loadClass("acme.A")), "as in a plain class path");
    }

    @Test
    void manyThreadsLoadFromOneSignedRoot() throws Exception {
        Map<String, String> files = new LinkedHashMap<>();
        for (int number = 0; number < 40; number++) {
            files.put("acme/C" + number + ".java", returning("C" + number, number));
        }
        TaskClassLoader loader = new TaskClassLoader(signed(files));
        int threads = 8;
        CyclicBarrier start = new CyclicBarrier(threads);
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        try {
            List<Future<Integer>> sums = new ArrayList<>();
            for (int thread = 0; thread < threads; thread++) {
                sums.add(pool.submit(() -> {
                    start.await();
                    int signed = 0;
                    for (int number = 0; number < 40; number++) {
                        Certificate[] found = certificates(loader.loadClass("acme.C" + number));
                        signed += found == null ? 0 : found.length;
                    }
                    return signed;
                }));
            }
            for (Future<Integer> sum : sums) {
                assertEquals(40, sum.get());
            }
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void ofAnUnsignedRootNothingIsAskedTwice() {
        int[] asked = new int[1];
        ClassPath plain = new MemoryClassPath().root("a.jar", Map.of("a.txt", "1"));
        ClassPath counting = (ClassPath) Proxy.newProxyInstance(
                getClass().getClassLoader(), new Class<?>[] {ClassPath.class}, (proxy, method, arguments) -> {
                    asked[0] += method.getName().equals("labels") ? 0 : 1;
                    return method.invoke(plain, arguments);
                });
        SignedRoots roots = new SignedRoots(counting);
        for (int number = 0; number < 1000; number++) {
            assertNull(roots.signers(0, "a.txt", new byte[] {1}));
        }
        assertEquals(1, asked[0], "whether it is signed");
    }
}
