package io.haulier.maven;

import java.util.regex.Pattern;

/**
 * The name of one file in a Maven repository, with an exact version: {@code g:a:v}, {@code g:a:ext:v} or
 * {@code g:a:ext:classifier:v}.
 *
 * @param group the group
 * @param name the artifact id
 * @param extension "jar" if the text does not say it
 * @param classifier empty if the text does not say it
 * @param version the version as written, {@code -SNAPSHOT} included
 */
record Coordinates(String group, String name, String extension, String classifier, String version) {
    private static final int MAXIMUM_LENGTH = 512;
    private static final Pattern PART = Pattern.compile("[A-Za-z0-9_+][A-Za-z0-9._+-]*");
    private static final Pattern DOTS = Pattern.compile(".*\\.\\..*");

    /** Reads coordinates; refuses ranges and words that mean another version tomorrow. */
    static Coordinates parse(String text) throws Refusal {
        if (text.length() > MAXIMUM_LENGTH) {
            throw Refusal.invalid("coordinates are longer than " + MAXIMUM_LENGTH + " characters", form());
        }
        String[] parts = text.split(":", -1);
        if (parts.length < 3 || parts.length > 5) {
            throw Refusal.invalid("'" + text + "' is not of the form group:artifact:version", form());
        }
        exact(text, parts[parts.length - 1]);
        for (String part : parts) {
            if (!PART.matcher(part).matches() || DOTS.matcher(part).matches()) {
                throw Refusal.invalid("'" + part + "' in '" + text + "' is not a part of Maven coordinates", form());
            }
        }
        String extension = parts.length > 3 ? parts[2] : "jar";
        String classifier = parts.length > 4 ? parts[3] : "";
        return new Coordinates(parts[0], parts[1], extension, classifier, parts[parts.length - 1]);
    }

    private static void exact(String text, String version) throws Refusal {
        boolean range = version.chars().anyMatch(letter -> "[](),".indexOf(letter) >= 0);
        if (range || version.equals("LATEST") || version.equals("RELEASE")) {
            throw Refusal.invalid(
                    "'" + version + "' in '" + text + "' is not one version",
                    "write the exact version, such as 1.12.0");
        }
    }

    private static String form() {
        return "write it like org.apache.commons:commons-text:1.12.0";
    }
}
