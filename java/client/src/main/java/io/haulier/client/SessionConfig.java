package io.haulier.client;

import io.haulier.api.DeploymentMode;
import java.io.ObjectInputFilter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * How to connect; immutable. By default classes travel by themselves in mode {@link DeploymentMode#PRIVATE}.
 *
 * <pre>{@code
 * SessionConfig.peerLoading(DeploymentMode.SHARED).withToken(token).withCertificateAuthority(Path.of("ca.pem"))
 * }</pre>
 */
public final class SessionConfig {
    private final DeploymentMode mode;
    private final boolean peerLoading;
    private final String token;
    private final Path certificateAuthority;
    private final Duration connectTimeout;
    private final ObjectInputFilter resultFilter;
    private final List<String> denied;

    private SessionConfig(
            DeploymentMode mode,
            boolean peerLoading,
            String token,
            Path certificateAuthority,
            Duration connectTimeout,
            ObjectInputFilter resultFilter,
            List<String> denied) {
        this.mode = Objects.requireNonNull(mode);
        this.peerLoading = peerLoading;
        this.token = token;
        this.certificateAuthority = certificateAuthority;
        this.connectTimeout = Objects.requireNonNull(connectTimeout);
        this.resultFilter = resultFilter;
        this.denied = denied;
    }

    /** Classes travel by themselves; the mode says who shares them. */
    public static SessionConfig peerLoading(DeploymentMode mode) {
        return new SessionConfig(mode, true, null, null, Duration.ofSeconds(5), null, List.of());
    }

    /** {@link #peerLoading(DeploymentMode)} in mode {@link DeploymentMode#PRIVATE}. */
    public static SessionConfig defaults() {
        return peerLoading(DeploymentMode.PRIVATE);
    }

    /** No class travels: only deployed units run. */
    public static SessionConfig withoutPeerLoading() {
        return new SessionConfig(DeploymentMode.PRIVATE, false, null, null, Duration.ofSeconds(5), null, List.of());
    }

    /** Shows the node who calls. */
    public SessionConfig withToken(String value) {
        return new SessionConfig(mode, peerLoading, value, certificateAuthority, connectTimeout, resultFilter, denied);
    }

    /** Connects with TLS, and trusts the authorities in this PEM file. */
    public SessionConfig withCertificateAuthority(Path file) {
        return new SessionConfig(mode, peerLoading, token, file, connectTimeout, resultFilter, denied);
    }

    /** How long to wait for the node when connecting; 5 seconds by default. */
    public SessionConfig withConnectTimeout(Duration value) {
        return new SessionConfig(mode, peerLoading, token, certificateAuthority, value, resultFilter, denied);
    }

    /** What serialized results may contain; by default only depth and array sizes are limited. */
    public SessionConfig withResultFilter(ObjectInputFilter value) {
        return new SessionConfig(mode, peerLoading, token, certificateAuthority, connectTimeout, value, denied);
    }

    /**
     * Names files that never travel by themselves, besides those that never do ({@code .env}, {@code *.pem}, {@code *.p12},
     * {@code *.jks}, {@code application*.yml}, {@code application*.properties}, {@code .git}): a task does not find them.
     * Without {@code /} a pattern is compared with each part of a path ({@code *.key}), else with the path from its root
     * ({@code com/acme/secret/**}). None by default; an empty pattern is refused by {@link Haulier#connect}.
     */
    public SessionConfig withDenied(String... patterns) {
        return new SessionConfig(mode, peerLoading, token, certificateAuthority, connectTimeout, resultFilter, List.of(patterns));
    }

    /** Who shares the loaders of this session's classes. */
    public DeploymentMode mode() {
        return mode;
    }

    /** Whether classes travel by themselves. */
    public boolean isPeerLoading() {
        return peerLoading;
    }

    Optional<String> token() {
        return Optional.ofNullable(token);
    }

    Optional<Path> certificateAuthority() {
        return Optional.ofNullable(certificateAuthority);
    }

    Duration connectTimeout() {
        return connectTimeout;
    }

    ObjectInputFilter resultFilter() {
        return resultFilter;
    }

    List<String> denied() {
        return denied;
    }
}
