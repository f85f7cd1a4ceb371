package conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.toml.TomlMapper;
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

/** The cases as data: reads them, turns their values into Java's, compares values strictly. Knows no client. */
final class CaseData {
    private static final TomlMapper TOML = new TomlMapper();

    private CaseData() {}

    /** The cases of all files; the values become two cases of many steps. */
    static List<JsonNode> cases(Path folder) throws IOException {
        List<Path> files;
        try (Stream<Path> listed = Files.list(folder)) {
            files = listed.filter(path -> path.toString().endsWith(".toml")).sorted().toList();
        }
        List<JsonNode> cases = new ArrayList<>();
        for (Path path : files) {
            JsonNode file = TOML.readTree(path.toFile());
            file.path("case").forEach(cases::add);
            if (file.has("value")) {
                cases.add(valueCase(file, "java"));
                cases.add(valueCase(file, "python"));
            }
        }
        return cases;
    }

    private static JsonNode valueCase(JsonNode file, String language) {
        JsonNode side = file.get(language);
        String unit = file.get("unit").asText() + "-" + language;
        ObjectNode result = TOML.createObjectNode();
        result.put("name", file.get("value").size() + " values to " + language + " and back");
        result.putArray("needs").add(language);
        ArrayNode steps = result.putArray("steps");
        steps.addObject().put("deploy", unit).put("version", "1.0.0").set("sources", side.get("sources"));
        for (JsonNode entry : file.get("value")) {
            for (String[] call : new String[][] {{"echo", "value"}, {"describe", "text"}}) {
                ObjectNode step = steps.addObject().put("unit", unit);
                step.set("call", side.get(call[0]));
                step.putArray("args").add(entry.get("value"));
                step.set("value", entry.get(call[1]));
            }
        }
        return result;
    }

    /** The strings of an array. */
    static List<String> texts(JsonNode array) {
        List<String> texts = new ArrayList<>();
        array.forEach(part -> texts.add(part.asText()));
        return texts;
    }

    /** The value that a case means; {@code port} is what stands for the runner's port. */
    static Object decode(JsonNode value, long port) {
        if (value.isArray()) {
            List<Object> list = new ArrayList<>();
            value.forEach(part -> list.add(decode(part, port)));
            return list;
        }
        if (value.isObject()) {
            return decodeTable(value, port);
        }
        if (value.isBoolean()) {
            return value.booleanValue();
        }
        if (value.isTextual()) {
            return value.textValue();
        }
        return value.isIntegralNumber() ? (Object) value.longValue() : (Object) value.doubleValue();
    }

    private static Object decodeTable(JsonNode value, long port) {
        Map<Object, Object> map = new LinkedHashMap<>();
        switch (value.path("$").asText()) {
            case "" -> value.properties().forEach(part -> map.put(part.getKey(), decode(part.getValue(), port)));
            case "map" -> value.get("entries").forEach(pair -> map.put(decode(pair.get(0), port), decode(pair.get(1), port)));
            case "null" -> {
                return null;
            }
            case "bytes" -> {
                return HexFormat.of().parseHex(value.get("hex").asText());
            }
            case "repeat" -> {
                byte[] bytes = new byte[value.get("count").asInt()];
                Arrays.fill(bytes, (byte) Integer.parseInt(value.get("hex").asText(), 16));
                return bytes;
            }
            case "port" -> {
                return port;
            }
            default -> throw new IllegalArgumentException("no such value: " + value);
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
