package io.haulier.client;

import java.util.List;

/**
 * Where a class, a resource or a module comes from, and why; as text, several lines: verdict, rule, every place.
 *
 * @param name as it is written in its language
 * @param kind "class", "resource" or "module"
 * @param verdict what gives it, in one line
 * @param rule what decides who is asked
 * @param places the roots that have it, in the order in which they are searched; the first one counts
 * @param searched where none has it: the labels of all roots
 * @param nearest where none has it: names that look like it
 * @param text all of it, as {@link #toString} gives it
 */
public record Explanation(
        String name,
        String kind,
        String verdict,
        String rule,
        List<Place> places,
        List<String> searched,
        List<String> nearest,
        String text) {
    /**
     * A root that has the name.
     *
     * @param label of the root: "pricing:1.2.0/pricing.jar"
     * @param path of the entry; ends with "/" for the folder of a namespace package
     * @param digest of its bytes: "sha256:..."; empty for a folder
     * @param size in bytes
     * @param peer whether the root is of the session
     */
    public record Place(String label, String path, String digest, long size, boolean peer) {}

    static Explanation read(Fields fields) {
        return new Explanation(
                fields.text(),
                fields.text(),
                fields.text(),
                fields.text(),
                fields.records(place ->
                        new Place(place.text(), place.text(), place.text(), place.number(), place.flag())),
                fields.lines().toList(),
                fields.lines().toList(),
                fields.text());
    }

    @Override
    public String toString() {
        return text;
    }
}
