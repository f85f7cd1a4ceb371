package io.haulier.maven;

import com.google.gson.Gson;
import com.google.gson.JsonParseException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.eclipse.aether.repository.RemoteRepository;

/**
 * What to resolve, checked.
 *
 * @param coordinates the artifacts; at least one
 * @param dependencies whether with what they need at run time; default true
 * @param include keeps only the dependencies that match one of these; empty keeps all
 * @param exclude leaves out the dependencies that match one of these, and what only they need
 * @param repositories are asked before those of settings.xml and before Maven Central
 * @param settings instead of {@code ~/.m2/settings.xml}; may be null
 * @param localRepository instead of the one in settings.xml, or {@code ~/.m2/repository}; may be null
 * @param offline whether only the local repository is asked; default false
 */
record Request(
        List<Coordinates> coordinates,
        boolean dependencies,
        List<DependencyPattern> include,
        List<DependencyPattern> exclude,
        List<RemoteRepository> repositories,
        Path settings,
        Path localRepository,
        boolean offline) {
    private static final int MAXIMUM_ENTRIES = 1000;
    private static final String LIKE_THIS = "write it like https://repo.acme.org/maven";
    private static final Pattern WITH_ID = Pattern.compile("([A-Za-z0-9._-]{1,128})::(.+)");

    /** The JSON as it comes. Gson fills it, so a field that is absent keeps its default. */
    private static final class Document {
        List<String> coordinates = List.of();
        boolean dependencies = true;
        List<String> include = List.of();
        List<String> exclude = List.of();
        List<String> repositories = List.of();
        String settings;
        String local_repository;
        boolean offline;
    }

    /** Reads a request from JSON. */
    static Request parse(String json) throws Refusal {
        Document document;
        try {
            document = new Gson().fromJson(json, Document.class);
        } catch (JsonParseException e) {
            document = null;
        }
        if (document == null) {
            throw Refusal.invalid("the request is not a JSON object with the known fields", "see Resolve");
        }
        List<Coordinates> coordinates = list(document.coordinates, Coordinates::parse);
        if (coordinates.isEmpty()) {
            throw Refusal.invalid("the request has no coordinates", "name an artifact, such as org.acme:prices:1.0");
        }
        return new Request(
                coordinates,
                document.dependencies,
                list(document.include, DependencyPattern::parse),
                list(document.exclude, DependencyPattern::parse),
                repositories(document.repositories),
                settings(document.settings),
                document.local_repository == null ? null : Path.of(document.local_repository).toAbsolutePath(),
                document.offline);
    }

    private interface Reader<T> {
        T read(String text) throws Refusal;
    }

    private static <T> List<T> list(List<String> texts, Reader<T> reader) throws Refusal {
        if (texts == null) {
            return List.of();
        }
        if (texts.size() > MAXIMUM_ENTRIES) {
            throw Refusal.invalid("a list of the request has more than " + MAXIMUM_ENTRIES + " entries", "shorten it");
        }
        List<T> read = new ArrayList<>();
        for (String text : texts) {
            read.add(reader.read(text == null ? "" : text));
        }
        return List.copyOf(read);
    }

    private static Path settings(String text) throws Refusal {
        if (text == null) {
            return null;
        }
        Path path = Path.of(text).toAbsolutePath();
        if (!Files.isReadable(path) || Files.isDirectory(path)) {
            throw Refusal.invalid("cannot read the settings file " + path, "name a Maven settings.xml");
        }
        return path;
    }

    /** Each is {@code URL} or {@code id::URL}; the id is that of a server in settings.xml, by default the host. */
    private static List<RemoteRepository> repositories(List<String> texts) throws Refusal {
        Set<String> taken = new HashSet<>();
        return list(texts, text -> {
            Matcher named = WITH_ID.matcher(text);
            URI url = url(named.matches() ? named.group(2) : text);
            String wanted = named.matches() ? named.group(1) : host(url);
            String id = wanted;
            for (int number = 2; !taken.add(id); number++) {
                id = wanted + "-" + number;
            }
            return new RemoteRepository.Builder(id, "default", url.toString()).build();
        });
    }

    private static URI url(String text) throws Refusal {
        URI url;
        try {
            url = new URI(text);
        } catch (URISyntaxException e) {
            throw Refusal.invalid("a repository of the request is not a URL", LIKE_THIS);
        }
        if (url.getRawUserInfo() != null || (url.getRawAuthority() != null && url.getRawAuthority().contains("@"))) {
            throw Refusal.invalid(
                    "the URL of the repository at " + url.getHost() + " has credentials",
                    "put them into a server of settings.xml, and write id::URL with its id");
        }
        boolean known = Set.of("http", "https", "file").contains(String.valueOf(url.getScheme()));
        if (!known || (url.getHost() == null && !"file".equals(url.getScheme()))) {
            throw Refusal.invalid(
                    "'" + text + "' is not a URL with https, http or file", LIKE_THIS);
        }
        return url;
    }

    private static String host(URI url) {
        return url.getHost() == null ? "file" : url.getHost().replaceAll("[^A-Za-z0-9._-]", "_");
    }
}
