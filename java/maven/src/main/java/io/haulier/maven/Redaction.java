package io.haulier.maven;

import java.util.regex.Pattern;

/** Takes the credentials out of the URLs in a text. */
final class Redaction {
    private static final Pattern USER_INFO = Pattern.compile("(?<=://)[^/?#\\s@]*(?:@[^/?#\\s@]*)*@");
    private static final Pattern QUERY = Pattern.compile("(?<=://)([^\\s?'\"]*)\\?[^\\s'\"),]*");

    private Redaction() {}

    /** The text without the part of each URL before its host, and without its query, where tokens travel. */
    static String of(String text) {
        return QUERY.matcher(USER_INFO.matcher(text).replaceAll("")).replaceAll("$1");
    }
}
