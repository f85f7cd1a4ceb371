package io.haulier.maven;

import eu.maveniverse.maven.mima.context.Context;
import eu.maveniverse.maven.mima.context.ContextOverrides;
import eu.maveniverse.maven.mima.context.Runtimes;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.maven.settings.building.SettingsBuildingException;
import org.apache.maven.settings.building.SettingsProblem;
import org.eclipse.aether.ConfigurationProperties;
import org.eclipse.aether.DefaultRepositorySystemSession;
import org.eclipse.aether.RepositorySystem;
import org.eclipse.aether.repository.RemoteRepository;

/**
 * The user's Maven: settings, local repository, and the repositories with their mirrors, credentials and proxies.
 *
 * <p>Checksums that are wrong or missing fail, whatever the settings say. Snapshots are looked up anew each time.
 */
final class Environment implements AutoCloseable {
    private static final int CONNECT_MILLISECONDS = 10_000;
    private static final int SILENCE_MILLISECONDS = 60_000;

    private final Context context;
    private final Path settings;
    private final DefaultRepositorySystemSession session;
    private final List<RemoteRepository> repositories;

    private Environment(Context context, Path settings, Request request) {
        this.context = context;
        this.settings = settings;
        this.session = new DefaultRepositorySystemSession(context.repositorySystemSession());
        // Without the settings' own mirrors and credentials yet: the next call adds them, to all alike.
        List<RemoteRepository> bare = new ArrayList<>(request.repositories());
        bare.addAll(context.remoteRepositories());
        if (bare.stream().noneMatch(repository -> repository.getId().equals(ContextOverrides.CENTRAL.getId()))) {
            bare.add(ContextOverrides.CENTRAL);
        }
        this.repositories = context.repositorySystem().newResolutionRepositories(session, bare);
    }

    /** Reads the settings that {@code request} names, or the user's own. */
    static Environment open(Request request, Events events) throws Refusal {
        ContextOverrides.Builder overrides = ContextOverrides.create()
                .withUserSettings(true)
                .keepBareRepositories(true)
                .repositories(List.of())
                .offline(request.offline() ? Boolean.TRUE : null)
                .checksumPolicy(ContextOverrides.ChecksumPolicy.FAIL)
                .snapshotUpdatePolicy(ContextOverrides.SnapshotUpdatePolicy.ALWAYS)
                .configProperties(configuration())
                .withMavenSystemHomeOverride(installation())
                .withLocalRepositoryOverride(request.localRepository())
                .transferListener(events.transfers())
                .repositoryListener(events.descriptors());
        if (request.settings() != null) {
            overrides.withUserSettingsXmlOverride(request.settings());
            Path master = request.settings().resolveSibling("settings-security.xml");
            overrides.withUserSettingsSecurityXmlOverride(Files.isReadable(master) ? master : null);
        }
        try {
            Context context = Runtimes.INSTANCE.getRuntime().create(overrides.build());
            return new Environment(context, context.mavenUserHome().settingsXml(), request);
        } catch (IllegalStateException e) {
            if (e.getCause() instanceof SettingsBuildingException problem) {
                throw unreadable(problem);
            }
            throw e;
        }
    }

    RepositorySystem system() {
        return context.repositorySystem();
    }

    /** A session that the caller may change. */
    DefaultRepositorySystemSession session() {
        return session;
    }

    /** All repositories in the order in which they are asked; the same after mirrors took the place of some. */
    List<RemoteRepository> repositories() {
        return repositories;
    }

    /** The user's settings file, which need not exist. */
    Path settings() {
        return settings;
    }

    @Override
    public void close() {
        context.close();
    }

    private static Map<String, Object> configuration() {
        Map<String, Object> configuration = new HashMap<>();
        configuration.put(ConfigurationProperties.CONNECT_TIMEOUT, CONNECT_MILLISECONDS);
        configuration.put(ConfigurationProperties.REQUEST_TIMEOUT, SILENCE_MILLISECONDS);
        // A snapshot is the file with its time stamp, not a copy that the next one overwrites.
        configuration.put("aether.artifactResolver.snapshotNormalization", false);
        return configuration;
    }

    /**
     * Where Maven is installed, for its global settings: {@code MAVEN_HOME}, else by {@code mvn} on the path. They
     * block repositories by plain http since Maven 3.8.1, unless those are on this machine.
     */
    private static Path installation() {
        String home = System.getenv("MAVEN_HOME");
        if (home != null && !home.isEmpty()) {
            return Path.of(home).toAbsolutePath();
        }
        String path = System.getenv("PATH");
        for (String folder : (path == null ? "" : path).split(File.pathSeparator)) {
            Path command = Path.of(folder, "mvn");
            if (!folder.isEmpty() && Files.isExecutable(command)) {
                try {
                    Path found = command.toRealPath().getParent().getParent();
                    return found != null && Files.isDirectory(found.resolve("conf")) ? found : null;
                } catch (IOException e) {
                    return null;
                }
            }
        }
        return null;
    }

    /** Says where the settings are wrong, but quotes nothing: the text around a mistake may be a password. */
    private static Refusal unreadable(SettingsBuildingException cause) {
        for (SettingsProblem problem : cause.getProblems()) {
            String place = problem.getSource() + ", line " + problem.getLineNumber();
            return Refusal.invalid("the Maven settings are not valid: " + place, "mvn help:effective-settings");
        }
        return Refusal.invalid("the Maven settings are not valid", "mvn help:effective-settings");
    }
}
