package io.haulier.maven;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.http.client.HttpResponseException;
import org.eclipse.aether.RepositoryException;
import org.eclipse.aether.collection.DependencyCollectionException;
import org.eclipse.aether.repository.RemoteRepository;
import org.eclipse.aether.resolution.ArtifactDescriptorException;
import org.eclipse.aether.resolution.ArtifactResolutionException;
import org.eclipse.aether.transfer.ArtifactNotFoundException;
import org.eclipse.aether.transfer.ArtifactTransferException;
import org.eclipse.aether.transfer.ChecksumFailureException;
import org.eclipse.aether.transfer.NoRepositoryConnectorException;
import org.eclipse.aether.transfer.RepositoryOfflineException;

/** Finds out of the resolver's nested exceptions the one that the user can do something about. */
final class Diagnosis {
    private static final int MOST_NAMES = 5;
    private static final int UNAUTHORIZED = 401;
    private static final int FORBIDDEN = 403;
    private static final int PROXY = 407;

    private final Environment environment;
    private final Request request;

    Diagnosis(Environment environment, Request request) {
        this.environment = environment;
        this.request = request;
    }

    /** What a failure means. A refused password comes before an artifact that another repository just lacks. */
    Refusal of(RepositoryException failure) {
        List<Throwable> causes = flatten(failure);
        return Stream.<Optional<Refusal>>of(
                        credentials(causes), blocked(causes), checksum(causes), transfer(causes), missing(causes))
                .flatMap(Optional::stream)
                .findFirst()
                .orElseGet(() -> Refusal.invalid(failure.getMessage(), "mvn dependency:get says more about it"));
    }

    private Optional<Refusal> credentials(List<Throwable> causes) {
        return transfers(causes).filter(one -> refused(status(one))).findFirst().map(one -> {
            RemoteRepository repository = one.getRepository();
            int status = status(one);
            String message = "repository '" + repository.getId() + "' (" + repository.getUrl() + ") answers " + status;
            return new Refusal(Refusal.Kind.PermissionDenied, message, access(repository, status));
        });
    }

    private String access(RemoteRepository repository, int status) {
        if (status == PROXY) {
            return "check the username and password of the proxy in " + environment.settings();
        }
        String server = "the <server> with <id>" + repository.getId() + "</id> in " + environment.settings();
        return repository.getAuthentication() == null
                ? "add " + server.replaceFirst("the ", "a ") + ", with its username and password"
                : "check the username and password of " + server;
    }

    private Optional<Refusal> blocked(List<Throwable> causes) {
        return of(causes, NoRepositoryConnectorException.class)
                .findFirst()
                .map(one -> {
                    RemoteRepository repository = one.getRepository();
                    boolean blocked = repository != null && repository.isBlocked();
                    return blocked
                            ? new Refusal(
                                    Refusal.Kind.PermissionDenied,
                                    "the settings block repositories by the mirror '" + repository.getId() + "'",
                                    "name them by https, or give them a <mirror> of their own in "
                                            + environment.settings())
                            : Refusal.invalid(one.getMessage(), "name the repository by https");
                });
    }

    private Optional<Refusal> checksum(List<Throwable> causes) {
        return transfers(causes)
                .filter(one -> flatten(one).stream().anyMatch(ChecksumFailureException.class::isInstance))
                .findFirst()
                .map(one -> new Refusal(
                        Refusal.Kind.Unavailable,
                        one.getArtifact() + " of repository '" + id(one) + "' differs from its checksum, or has none",
                        "try again; if it stays, the owner of " + one.getRepository().getUrl() + " has to repair it"));
    }

    private Optional<Refusal> transfer(List<Throwable> causes) {
        return transfers(causes)
                .filter(one -> !(one instanceof ArtifactNotFoundException))
                .findFirst()
                .map(one -> new Refusal(
                        Refusal.Kind.Unavailable,
                        "repository '" + id(one) + "' cannot be read: " + root(one),
                        "check the network, the proxy in " + environment.settings() + ", and "
                                + (one.getRepository() == null ? "the repository" : one.getRepository().getUrl())));
    }

    private Optional<Refusal> missing(List<Throwable> causes) {
        String names = of(causes, ArtifactNotFoundException.class)
                .map(one -> String.valueOf(one.getArtifact()))
                .distinct()
                .limit(MOST_NAMES)
                .collect(Collectors.joining(", "));
        if (names.isEmpty()) {
            return Optional.empty();
        }
        boolean offline = request.offline() || of(causes, RepositoryOfflineException.class).findAny().isPresent();
        if (offline) {
            return Optional.of(new Refusal(
                    Refusal.Kind.NotFound,
                    "not in the local repository: " + names,
                    "resolve it once without offline"));
        }
        String asked = environment.repositories().stream()
                .map(repository -> repository.getId() + " (" + repository.getUrl() + ")")
                .collect(Collectors.joining(", "));
        return Optional.of(new Refusal(
                Refusal.Kind.NotFound,
                "not found: " + names + "; asked: " + asked,
                "check the coordinates, or name the repository that has it"));
    }

    private static Stream<ArtifactTransferException> transfers(List<Throwable> causes) {
        return of(causes, ArtifactTransferException.class);
    }

    private static <T> Stream<T> of(List<Throwable> causes, Class<T> type) {
        return causes.stream().filter(type::isInstance).map(type::cast);
    }

    private static String id(ArtifactTransferException failure) {
        return failure.getRepository() == null ? "local" : failure.getRepository().getId();
    }

    private static boolean refused(int status) {
        return status == UNAUTHORIZED || status == FORBIDDEN || status == PROXY;
    }

    private static int status(ArtifactTransferException failure) {
        return of(flatten(failure), HttpResponseException.class)
                .mapToInt(HttpResponseException::getStatusCode)
                .findFirst()
                .orElse(0);
    }

    private static String root(Throwable failure) {
        List<Throwable> all = flatten(failure);
        Throwable last = all.get(all.size() - 1);
        return last.getMessage() == null ? last.getClass().getSimpleName() : last.getMessage();
    }

    /** The failure and all that caused it, from the outside to the inside. */
    private static List<Throwable> flatten(Throwable failure) {
        Set<Throwable> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        List<Throwable> all = new ArrayList<>();
        Deque<Throwable> open = new ArrayDeque<>(List.of(failure));
        while (!open.isEmpty()) {
            Throwable one = open.poll();
            if (seen.add(one)) {
                all.add(one);
                causes(one).filter(Objects::nonNull).forEach(open::add);
            }
        }
        return all;
    }

    private static Stream<? extends Throwable> causes(Throwable failure) {
        Stream<? extends Throwable> collected = Stream.empty();
        if (failure instanceof ArtifactResolutionException resolution && resolution.getResults() != null) {
            collected = resolution.getResults().stream().flatMap(result -> result.getExceptions().stream());
        } else if (failure instanceof DependencyCollectionException collection && collection.getResult() != null) {
            collected = collection.getResult().getExceptions().stream();
        } else if (failure instanceof ArtifactDescriptorException descriptor && descriptor.getResult() != null) {
            collected = descriptor.getResult().getExceptions().stream();
        }
        return Stream.concat(collected, Stream.of(failure).map(Throwable::getCause));
    }
}
