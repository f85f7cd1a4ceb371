package io.haulier.client;

import java.util.List;

/**
 * A unit with its files.
 *
 * @param unit the unit
 * @param entries its files, in the order in which they are searched
 * @param origins where its sources came from, one for each; empty if that was not said
 * @param originals the archives that are kept as they were: {@link Cluster#download} gives back the bytes that they had
 * @param requirements the Python distributions that its locks name, sorted by name
 */
public record UnitDetails(
        DeployedUnit unit,
        List<Entry> entries,
        List<Origin> origins,
        List<Original> originals,
        List<PinnedRequirement> requirements) {
    /**
     * A file of a unit.
     *
     * @param path in its source
     * @param digest of its bytes: "sha256:..."
     * @param size in bytes
     * @param executable whether it may be executed
     * @param source the index of its source in {@link DeployedUnit#sources}
     */
    public record Entry(String path, String digest, long size, boolean executable, int source) {}

    /**
     * Where a source came from.
     *
     * @param source as it was named: a path, a URL, Maven coordinates
     * @param sha256 of the file as it was, in hexadecimal; empty for folders
     * @param coordinates what it was resolved to: "org.apache.commons:commons-lang3:jar:3.14.0"; empty for paths
     */
    public record Origin(String source, String sha256, String coordinates) {}

    /**
     * An archive that is kept as it was, besides its files: its source is opaque.
     *
     * @param source the index of its source in {@link DeployedUnit#sources}
     * @param digest of its bytes: "sha256:..."
     * @param size in bytes
     */
    public record Original(int source, String digest, long size) {}

    /**
     * A Python distribution that a unit requires, in the version that its lock says.
     *
     * @param name normalised: "requests"
     * @param version the exact version: "2.32.3"
     * @param marker where it counts, as an environment marker: "python_full_version &lt; '3.12'"; empty: everywhere
     */
    public record PinnedRequirement(String name, String version, String marker) {}

    static UnitDetails read(Fields fields) {
        return new UnitDetails(
                DeployedUnit.read(fields),
                fields.records(entry ->
                        new Entry(entry.text(), entry.text(), entry.number(), entry.flag(), entry.integer())),
                fields.records(origin -> new Origin(origin.text(), origin.text(), origin.text())),
                fields.records(original -> new Original(original.integer(), original.text(), original.number())),
                fields.records(pin -> new PinnedRequirement(pin.text(), pin.text(), pin.text())));
    }
}
