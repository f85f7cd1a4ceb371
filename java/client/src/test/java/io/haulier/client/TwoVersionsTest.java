package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Two units with two versions of one library work in one job: each sees its own, and values cross as types of a third. */
@Timeout(120)
class TwoVersionsTest {
    @RegisterExtension
    static final TestNode NODE = new TestNode();

    private static final String LIBRARY = """
            package acme.library;
            import java.util.*;
            public class Library {
                private static final List<String> CALLERS = new ArrayList<>();
                public static synchronized String used(String by) { CALLERS.add(by); return "%s by " + CALLERS; }
                public static String digest() throws Exception {
                    byte[] bytes = Library.class.getResourceAsStream("Library.class").readAllBytes();
                    byte[] digest = java.security.MessageDigest.getInstance("SHA-256").digest(bytes);
                    return HexFormat.of().formatHex(digest);
                }
            }
            """;
    private static final String CONTRACT =
            "package acme.contract; public interface Priced extends java.io.Serializable { String seen(); long cents(); }";
    private static final String QUOTE = "package acme.contract;"
            + " public record Quote(String seen, String digest, long cents) implements Priced {}";
    private static final String ASKS = """
            package acme.asks;
            import acme.contract.*;
            import acme.library.Library;
            import io.haulier.client.*;
            import java.util.*;
            public class Asks {
                public static List<Object> run(String address) throws Exception {
                    Quote own = new Quote(Library.used("asks"), Library.digest(), 20);
                    try (Cluster cluster = Haulier.connect(address)) {
                        List<String> units = List.of("answers:1.0.0", "contract:1.0.0");
                        TaskRef<Quote> twice = cluster.task(units, "acme.answers.Answers#twice", Quote.class);
                        Priced first = twice.call(own);
                        Priced answer = twice.call(own);
                        Quote quote = (Quote) answer;
                        boolean same = quote.getClass().getClassLoader() == Asks.class.getClassLoader();
                        return List.of(first.seen(), own.digest(), quote.seen(), quote.digest(), answer.cents(), same);
                    }
                }
            }
            """;
    private static final String ANSWERS = """
            package acme.answers;
            import acme.contract.*;
            import acme.library.Library;
            public class Answers {
                public static Quote twice(Quote asked) throws Exception {
                    return new Quote(asked.seen() + ", " + Library.used("answers"), Library.digest(), asked.cents() * 2);
                }
            }
            """;

    @TempDir
    Path folder;

    private static String digest(Jars jar) throws Exception {
        byte[] bytes = jar.bytes("acme/library/Library.class");
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    }

    private Path jar(String name, String className, String text, Path... libraries) throws Exception {
        return Jars.in(folder).against(libraries).source(className, text).write(name);
    }

    @Test
    void eachUnitHasItsOwnLibraryInOneJob() throws Exception {
        Jars one = Jars.in(folder).source("acme.library.Library", LIBRARY.formatted("1.0"));
        Jars two = Jars.in(folder).source("acme.library.Library", LIBRARY.formatted("2.0"));
        Path first = one.write("library-1.0.jar");
        Path second = two.write("library-2.0.jar");
        Path type = jar("priced.jar", "acme.contract.Priced", CONTRACT);
        Path record = jar("quote.jar", "acme.contract.Quote", QUOTE, type);
        Path asks = jar("asks.jar", "acme.asks.Asks", ASKS, type, record, first);
        Path answers = jar("answers.jar", "acme.answers.Answers", ANSWERS, type, record, second);
        Path client = Path.of(Haulier.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        try (Cluster cluster = Haulier.connect(NODE.address())) {
            cluster.deploy("contract", "1.0.0", type, record).get(30, TimeUnit.SECONDS);
            cluster.deploy("asks", "1.0.0", asks, first, client).get(30, TimeUnit.SECONDS);
            cluster.deploy("answers", "1.0.0", answers, second).get(30, TimeUnit.SECONDS);
            @SuppressWarnings("rawtypes") // a class literal has no arguments
            TaskRef<List> task = cluster.task(List.of("asks:1.0.0", "contract:1.0.0"), "acme.asks.Asks#run", List.class);
            assertEquals(
                    List.of(
                            "1.0 by [asks], 2.0 by [answers]",
                            digest(one),
                            "1.0 by [asks], 2.0 by [answers, answers]",
                            digest(two),
                            40L,
                            true),
                    task.call(NODE.address()));
            List<?> again = task.call(NODE.address());
            assertTrue(again.get(0).toString().startsWith("1.0 by [asks, asks], 2.0 by [answers"), again.toString());
        }
    }
}
