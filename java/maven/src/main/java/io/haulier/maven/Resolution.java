package io.haulier.maven;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.eclipse.aether.RepositoryException;
import org.eclipse.aether.artifact.Artifact;
import org.eclipse.aether.artifact.ArtifactProperties;
import org.eclipse.aether.artifact.ArtifactType;
import org.eclipse.aether.artifact.DefaultArtifact;
import org.eclipse.aether.collection.CollectRequest;
import org.eclipse.aether.graph.Dependency;
import org.eclipse.aether.graph.DependencyNode;
import org.eclipse.aether.resolution.ArtifactRequest;
import org.eclipse.aether.resolution.ArtifactResult;
import org.eclipse.aether.util.artifact.JavaScopes;
import org.eclipse.aether.util.graph.selector.AndDependencySelector;
import org.eclipse.aether.util.graph.visitor.PreorderNodeListGenerator;

/**
 * Finds the files of one request: what Maven would put on the class path of a project whose dependencies are the
 * coordinates, in Maven's order. So the nearest version wins, and tests, provided and optional dependencies are out.
 */
final class Resolution {
    private static final Set<String> SCOPES = Set.of(JavaScopes.COMPILE, JavaScopes.RUNTIME);
    private static final int DIGEST_BUFFER = 1 << 16;

    private final Request request;
    private final Events events;

    Resolution(Request request, Events events) {
        this.request = request;
        this.events = events;
    }

    /** Resolves, and writes the last event if that worked. */
    void run() throws Refusal {
        try (Environment environment = Environment.open(request, events)) {
            List<ArtifactResult> results;
            try {
                List<ArtifactRequest> wanted = request.dependencies() ? classPath(environment) : alone(environment);
                results = environment.system().resolveArtifacts(environment.session(), wanted);
            } catch (RepositoryException e) {
                throw new Diagnosis(environment, request).of(e);
            }
            List<ResolvedArtifact> artifacts = new ArrayList<>();
            for (ArtifactResult result : results) {
                artifacts.add(resolved(result));
            }
            events.resolved(artifacts, results.get(0).getArtifact().getBaseVersion());
        }
    }

    private List<ArtifactRequest> alone(Environment environment) {
        return request.coordinates().stream()
                .map(one -> new ArtifactRequest(artifact(environment, one), environment.repositories(), null))
                .toList();
    }

    private List<ArtifactRequest> classPath(Environment environment) throws RepositoryException {
        CollectRequest collect = new CollectRequest().setRepositories(environment.repositories());
        request.coordinates().forEach(
                one -> collect.addDependency(new Dependency(artifact(environment, one), JavaScopes.COMPILE)));
        var session = environment.session();
        session.setDependencySelector(
                new AndDependencySelector(session.getDependencySelector(), new Exclusions(request.exclude(), false)));
        DependencyNode root = environment.system().collectDependencies(session, collect).getRoot();
        PreorderNodeListGenerator order = new PreorderNodeListGenerator();
        root.accept(order);
        return order.getNodes().stream()
                .filter(node -> root.getChildren().contains(node) || wanted(node.getDependency()))
                .map(ArtifactRequest::new)
                .toList();
    }

    private boolean wanted(Dependency dependency) {
        Artifact artifact = dependency.getArtifact();
        boolean inClassPath = SCOPES.contains(dependency.getScope())
                && Boolean.parseBoolean(artifact.getProperty(ArtifactProperties.CONSTITUTES_BUILD_PATH, "false"));
        List<DependencyPattern> include = request.include();
        return inClassPath && (include.isEmpty() || include.stream().anyMatch(pattern -> pattern.matches(artifact)));
    }

    private static Artifact artifact(Environment environment, Coordinates one) {
        ArtifactType type = environment.session().getArtifactTypeRegistry().get(one.extension());
        Map<String, String> properties = type == null ? Map.of() : type.getProperties();
        return new DefaultArtifact(
                one.group(), one.name(), one.classifier(), one.extension(), one.version(), properties, (File) null);
    }

    private static ResolvedArtifact resolved(ArtifactResult result) throws Refusal {
        Artifact artifact = result.getArtifact();
        Path file = artifact.getFile().toPath().toAbsolutePath();
        String repository = result.getRepository() == null ? "local" : result.getRepository().getId();
        return new ResolvedArtifact(artifact.toString(), file.toString(), repository, sha256(file));
    }

    private static String sha256(Path file) throws Refusal {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            try (InputStream in = new DigestInputStream(Files.newInputStream(file), digest)) {
                byte[] buffer = new byte[DIGEST_BUFFER];
                while (in.read(buffer) >= 0) {
                    // The stream feeds the digest.
                }
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (IOException e) {
            throw new Refusal(Refusal.Kind.Unavailable, "cannot read " + file + " again", "check the local repository");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
