package io.haulier.maven;

import java.util.Arrays;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.eclipse.aether.artifact.Artifact;

/**
 * A pattern for dependencies, {@code group:artifact}, in which {@code *} stands for any characters:
 * {@code org.slf4j:*}.
 *
 * @param text the pattern as written
 * @param group what the group must match
 * @param name what the artifact id must match
 */
record DependencyPattern(String text, Pattern group, Pattern name) {
    private static final Pattern FORM = Pattern.compile("[A-Za-z0-9._*+-]{1,256}:[A-Za-z0-9._*+-]{1,256}");

    /** Reads a pattern. */
    static DependencyPattern parse(String text) throws Refusal {
        if (!FORM.matcher(text).matches()) {
            throw Refusal.invalid("'" + text + "' is not a pattern for dependencies", "write it like org.slf4j:*");
        }
        int colon = text.indexOf(':');
        return new DependencyPattern(text, glob(text.substring(0, colon)), glob(text.substring(colon + 1)));
    }

    /** Whether group and artifact id of {@code artifact} match. */
    boolean matches(Artifact artifact) {
        return group.matcher(artifact.getGroupId()).matches()
                && name.matcher(artifact.getArtifactId()).matches();
    }

    private static Pattern glob(String text) {
        // One star for several: else a row of them would take exponential time.
        return Pattern.compile(Arrays.stream(text.replaceAll("\\*+", "*").split("\\*", -1))
                .map(Pattern::quote)
                .collect(Collectors.joining(".*")));
    }
}
