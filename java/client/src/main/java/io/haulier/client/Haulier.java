package io.haulier.client;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The way in. */
public final class Haulier {
    private Haulier() {}

    /** {@link #connect(String, SessionConfig)} with {@link SessionConfig#defaults()}. */
    public static Cluster connect(String address) {
        return connect(address, SessionConfig.defaults());
    }

    /**
     * Connects to a cluster: to the first of the nodes that answers. The connection learns the other nodes, and goes on
     * with one of them if its node is lost.
     *
     * @param address host:port of a node, or of several: "n1:7440,n2:7440"
     * @param config token, TLS, deployment mode
     * @throws HaulierException {@code Unavailable} if nothing answers there, {@code PermissionDenied} if the node
     *     refuses, {@code InvalidArgument} if the address is none
     */
    public static Cluster connect(String address, SessionConfig config) {
        long handle = Native.connect(
                NativeCallbacks.class,
                address,
                config.token().orElse(""),
                config.certificateAuthority().map(Haulier::read).orElse(""),
                config.mode().number(),
                config.connectTimeout().toMillis(),
                System.getProperty("java.version"),
                config.denied().toArray(String[]::new));
        return new Cluster(handle, address, config);
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException problem) {
            throw HaulierException.of(ErrorKind.INVALID_ARGUMENT, "read the certificate authority", problem.toString())
                    .context("file", file.toString())
                    .cause(problem)
                    .build();
        }
    }
}
