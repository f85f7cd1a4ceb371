package io.haulier.maven;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.eclipse.aether.AbstractRepositoryListener;
import org.eclipse.aether.RepositoryEvent;
import org.eclipse.aether.transfer.AbstractTransferListener;
import org.eclipse.aether.transfer.TransferEvent;

/** Writes what happens as JSON, one event a line. Safe for several threads: files come in parallel. */
final class Events {
    private static final long PAUSE = TimeUnit.MILLISECONDS.toNanos(100);

    private final Gson gson = new GsonBuilder().disableHtmlEscaping().create();
    private final PrintStream out;
    private long last = System.nanoTime() - PAUSE;

    Events(PrintStream out) {
        this.out = out;
    }

    /** The last event of a resolution that worked. */
    void resolved(List<ResolvedArtifact> artifacts, String version) {
        JsonObject event = event("resolved");
        event.add("artifacts", gson.toJsonTree(artifacts));
        event.addProperty("version", version);
        write(event);
    }

    /** The last event of one that did not. */
    void error(Refusal refusal) {
        JsonObject event = event("error");
        event.addProperty("kind", refusal.kind().name());
        event.addProperty("message", refusal.getMessage());
        event.addProperty("hint", refusal.hint());
        write(event);
    }

    /** Says each file when it is there, and in between at most ten times a second how far one is. */
    AbstractTransferListener transfers() {
        return new AbstractTransferListener() {
            @Override
            public void transferInitiated(TransferEvent event) {
                downloading(event, false);
            }

            @Override
            public void transferProgressed(TransferEvent event) {
                downloading(event, false);
            }

            @Override
            public void transferSucceeded(TransferEvent event) {
                downloading(event, true);
            }
        };
    }

    /** Says where a class path may be incomplete: Maven goes on without a dependency's POM, and so does this. */
    AbstractRepositoryListener descriptors() {
        return new AbstractRepositoryListener() {
            @Override
            public void artifactDescriptorMissing(RepositoryEvent event) {
                warning("the POM of " + event.getArtifact() + " is missing: what it depends on is not known");
            }

            @Override
            public void artifactDescriptorInvalid(RepositoryEvent event) {
                warning("the POM of " + event.getArtifact() + " is invalid: what it depends on is not known");
            }
        };
    }

    private void warning(String message) {
        JsonObject event = event("warning");
        event.addProperty("message", Redaction.of(message));
        write(event);
    }

    private synchronized void downloading(TransferEvent transfer, boolean complete) {
        long now = System.nanoTime();
        if (!complete && now - last < PAUSE) {
            return;
        }
        last = now;
        var resource = transfer.getResource();
        JsonObject event = event("downloading");
        event.addProperty("url", Redaction.of(resource.getRepositoryUrl() + resource.getResourceName()));
        event.addProperty("done", transfer.getTransferredBytes());
        if (resource.getContentLength() >= 0) {
            event.addProperty("total", resource.getContentLength());
        }
        write(event);
    }

    private static JsonObject event(String name) {
        JsonObject event = new JsonObject();
        event.addProperty("event", name);
        return event;
    }

    private synchronized void write(JsonObject event) {
        byte[] line = (gson.toJson(event) + "\n").getBytes(StandardCharsets.UTF_8);
        out.write(line, 0, line.length);
        out.flush();
    }
}
