package io.haulier.client;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * What is deployed, and how; immutable.
 *
 * <pre>{@code
 * DeployRequest.of("pricing").version("1.2.0").paths(Path.of("pricing.jar")).build();
 * DeployRequest.of("lang").sources("org.apache.commons:commons-lang3:3.14.0").nodes("all").build();
 * }</pre>
 */
public final class DeployRequest {
    private final Builder parts;

    private DeployRequest(Builder parts) {
        this.parts = parts;
    }

    /** Begins a request for a unit of this name, with the artifact's own version, or the next revision. */
    public static Builder of(String name) {
        return new Builder(name);
    }

    /** Makes the request with the number of a callback; returns the number of the deployment. */
    long send(long cluster, long callback) {
        return Native.deploy(
                cluster,
                callback,
                parts.name,
                parts.version,
                array(parts.sources),
                parts.replace,
                parts.opaque,
                parts.nodes,
                parts.sha256,
                parts.dependencies,
                array(parts.include),
                array(parts.exclude),
                array(parts.repositories),
                array(parts.requirements));
    }

    /** Who hears how far it is. */
    Consumer<? super DeployProgress> listener() {
        return parts.listener;
    }

    @Override
    public String toString() {
        return "deploy " + parts.name + (parts.version.isEmpty() ? "" : ":" + parts.version) + " from " + parts.sources;
    }

    private static String[] array(List<String> texts) {
        return texts.toArray(String[]::new);
    }

    /** Collects the parts of a request; not safe for use by several threads. */
    public static final class Builder {
        private final String name;
        private String version = "";
        private final List<String> sources = new ArrayList<>();
        private boolean replace;
        private boolean opaque;
        private String nodes = "";
        private String sha256 = "";
        private boolean dependencies = true;
        private final List<String> include = new ArrayList<>();
        private final List<String> exclude = new ArrayList<>();
        private final List<String> repositories = new ArrayList<>();
        private final List<String> requirements = new ArrayList<>();
        private Consumer<? super DeployProgress> listener = Deployment.NOBODY;

        private Builder(String name) {
            this.name = Objects.requireNonNull(name, "name");
        }

        private Builder(Builder other) {
            this.name = other.name;
            this.version = other.version;
            this.sources.addAll(other.sources);
            this.replace = other.replace;
            this.opaque = other.opaque;
            this.nodes = other.nodes;
            this.sha256 = other.sha256;
            this.dependencies = other.dependencies;
            this.include.addAll(other.include);
            this.exclude.addAll(other.exclude);
            this.repositories.addAll(other.repositories);
            this.requirements.addAll(other.requirements);
            this.listener = other.listener;
        }

        /** The version, verbatim. By default that of the artifact, or, if it has none, the next revision ("0.0.1"). */
        public Builder version(String value) {
            this.version = Objects.requireNonNull(value, "version");
            return this;
        }

        /**
         * Adds sources in the order of their class path: jars, zips, wheels, folders, Python files; or what the node
         * fetches itself, which are URLs ({@code https:}, {@code http:}, {@code s3:}, {@code ftp:}), Maven coordinates
         * ("org.acme:pricing:1.2.0") and Python requirements ("pypi:requests"). All sources are of the one or of the
         * other kind.
         */
        public Builder sources(String... values) {
            this.sources.addAll(List.of(values));
            return this;
        }

        /** Adds files and folders in the order of their class path. */
        public Builder paths(Path... values) {
            Stream.of(values).map(path -> path.toAbsolutePath().toString()).forEach(sources::add);
            return this;
        }

        /** Puts the new bytes in the place of other bytes of the same version; by default that is a conflict. */
        public Builder replace() {
            this.replace = true;
            return this;
        }

        /**
         * Keeps the exact bytes of each archive besides its files, so that {@link Cluster#download} gives them back. By
         * default only of archives that are signed, or that have more in them than files (a script in front, comments).
         * Folders and Python files have no such bytes and are refused.
         */
        public Builder opaque() {
            this.opaque = true;
            return this;
        }

        /**
         * Which nodes must have the unit before the deployment ends: "one", "majority" (the default), "all", or names
         * with commas between them. Nodes that are lost are not waited for, and no node for more than 10 seconds: it
         * fetches the unit when a task needs it.
         */
        public Builder nodes(String value) {
            this.nodes = Objects.requireNonNull(value, "nodes");
            return this;
        }

        /** What the file behind the one URL must hash to, in hexadecimal; by default anything. */
        public Builder sha256(String value) {
            this.sha256 = Objects.requireNonNull(value, "sha256");
            return this;
        }

        /** Maven coordinates bring only the artifact itself; by default also what it needs at run time. */
        public Builder withoutDependencies() {
            this.dependencies = false;
            return this;
        }

        /** Only dependencies that match one of these, "group:artifact" with wildcards; by default all. */
        public Builder include(String... patterns) {
            this.include.addAll(List.of(patterns));
            return this;
        }

        /** No dependency that matches one of these, "group:artifact" with wildcards, nor what only it needs. */
        public Builder exclude(String... patterns) {
            this.exclude.addAll(List.of(patterns));
            return this;
        }

        /** URLs of Maven repositories that are asked besides those of the node and Central. */
        public Builder repositories(String... urls) {
            this.repositories.addAll(List.of(urls));
            return this;
        }

        /**
         * Adds Python requirements: {@code requirements.txt}, {@code pylock.toml}, {@code pyproject.toml} or {@code uv.lock}. They are resolved
         * here, by uv, to exact versions with hashes, of wheels only; a file that has both already is taken as it is.
         * Nodes make an environment of the result, which is part of the unit.
         */
        public Builder withRequirements(Path... files) {
            Stream.of(files).map(file -> file.toAbsolutePath().toString()).forEach(requirements::add);
            return this;
        }

        /**
         * Who hears how far it is: one call after the other, on a thread of the client. What it throws stops the
         * deployment.
         */
        public Builder onProgress(Consumer<? super DeployProgress> value) {
            this.listener = Objects.requireNonNull(value, "listener");
            return this;
        }

        /** The request; the builder can be used on. */
        public DeployRequest build() {
            return new DeployRequest(new Builder(this));
        }
    }
}
