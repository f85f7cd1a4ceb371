package conformance;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.tomlj.Toml;
import org.tomlj.TomlArray;
import org.tomlj.TomlTable;

/** The cases as data: reads them, turns their values into Java's, compares values strictly. Knows no client. */
final class CaseData {
    private CaseData() {}

    /** A table of a case. */
    record Table(Map<String, Object> entries) {
        boolean has(String key) {
            return entries.containsKey(key);
        }

        Object get(String key) {
            return entries.get(key);
        }

        /** A string; empty if it is not there. */
        String text(String key) {
            return (String) entries.getOrDefault(key, "");
        }

        boolean flag(String key) {
            return (boolean) entries.getOrDefault(key, false);
        }

        List<?> list(String key) {
            return (List<?>) entries.getOrDefault(key, List.of());
        }

        List<String> texts(String key) {
            return list(key).stream().map(String.class::cast).toList();
        }

        List<Table> tables(String key) {
            return list(key).stream().map(Table.class::cast).toList();
        }

        @Override
        public String toString() {
            return entries.toString();
        }
    }

    /** The cases of all files; the values become two cases of many steps. */
    static List<Table> cases(Path folder) throws IOException {
        List<Path> files;
        try (Stream<Path> listed = Files.list(folder)) {
            files = listed.filter(path -> path.toString().endsWith(".toml")).sorted().toList();
        }
        List<Table> cases = new ArrayList<>();
        for (Path path : files) {
            Table file = (Table) plain(Toml.parse(path));
            cases.addAll(file.tables("case"));
            if (file.has("value")) {
                cases.add(valueCase(file, "java"));
                cases.add(valueCase(file, "python"));
            }
        }
        return cases;
    }

    private static Object plain(Object toml) {
        if (toml instanceof TomlArray array) {
            return array.toList().stream().map(CaseData::plain).toList();
        }
        if (toml instanceof TomlTable table) {
            Map<String, Object> entries = new LinkedHashMap<>();
            table.keySet().forEach(key -> entries.put(key, plain(table.get(List.of(key)))));
            return new Table(entries);
        }
        return toml;
    }

    private static Table valueCase(Table file, String language) {
        Table side = (Table) file.get(language);
        String unit = file.text("unit") + "-" + language;
        List<Table> values = file.tables("value");
        List<Table> steps = new ArrayList<>();
        steps.add(new Table(Map.of("deploy", unit, "version", "1.0.0", "sources", side.get("sources"))));
        for (Table entry : values) {
            List<Object> args = List.of(entry.get("value"));
            steps.add(new Table(Map.of("call", side.get("echo"), "unit", unit, "args", args, "value", entry.get("value"))));
            steps.add(new Table(Map.of("call", side.get("describe"), "unit", unit, "args", args, "value", entry.get("text"))));
        }
        String name = values.size() + " values to " + language + " and back";
        return new Table(Map.of("name", name, "needs", List.of(language), "steps", steps));
    }

    /** The value that a case means; {@code port} is what stands for the runner's port. */
    static Object decode(Object value, long port) {
        if (value instanceof List<?> list) {
            List<Object> decoded = new ArrayList<>();
            list.forEach(part -> decoded.add(decode(part, port)));
            return decoded;
        }
        return value instanceof Table table ? decodeTable(table, port) : value;
    }

    private static Object decodeTable(Table table, long port) {
        Map<Object, Object> map = new LinkedHashMap<>();
        switch (table.text("$")) {
            case "" -> table.entries().forEach((key, part) -> map.put(key, decode(part, port)));
            case "map" -> table.list("entries").forEach(entry -> {
                List<?> pair = (List<?>) entry;
                map.put(decode(pair.get(0), port), decode(pair.get(1), port));
            });
            case "null" -> {
                return null;
            }
            case "bytes" -> {
                return HexFormat.of().parseHex(table.text("hex"));
            }
            case "repeat" -> {
                byte[] bytes = new byte[Math.toIntExact((Long) table.get("count"))];
                Arrays.fill(bytes, HexFormat.of().parseHex(table.text("hex"))[0]);
                return bytes;
            }
            case "port" -> {
                return port;
            }
            default -> throw new IllegalArgumentException("no such value: " + table);
        }
        return map;
    }

    /** Whether two values are equal in kind and content; the order of a map counts. */
    static boolean same(Object left, Object right) {
        if (left instanceof byte[] bytes && right instanceof byte[] others) {
            return Arrays.equals(bytes, others);
        }
        if (left instanceof List<?> list && right instanceof List<?> other) {
            boolean same = list.size() == other.size();
            for (int at = 0; same && at < list.size(); at++) {
                same = same(list.get(at), other.get(at));
            }
            return same;
        }
        if (left instanceof Map<?, ?> map && right instanceof Map<?, ?> other) {
            return same(List.copyOf(map.keySet()), List.copyOf(other.keySet()))
                    && same(new ArrayList<>(map.values()), new ArrayList<>(other.values()));
        }
        return left == null ? right == null : left.equals(right);
    }
}
