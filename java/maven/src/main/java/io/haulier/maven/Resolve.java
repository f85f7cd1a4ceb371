package io.haulier.maven;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/**
 * The program: reads one JSON request from standard input, writes events as JSON lines to standard output.
 *
 * <p>The request: {@code {"coordinates": ["g:a:v", ...], "dependencies": true, "include": ["g:a", ...], "exclude":
 * ["g:*", ...], "repositories": ["https://...", "id::https://..."], "settings": null, "local_repository": null,
 * "offline": false}}; all but the coordinates may be left out.
 *
 * <p>The events: {@code downloading} (url, done, total), {@code warning} (message), and as the last one either {@code
 * resolved} (artifacts, version) or {@code error} (kind, message, hint). Everything else goes to standard error. The
 * exit status is 0 for resolved, 1 for an error.
 */
public final class Resolve {
    private static final int MAXIMUM_REQUEST = 1 << 20;

    private Resolve() {}

    /**
     * Runs the program.
     *
     * @param arguments none
     */
    public static void main(String[] arguments) {
        PrintStream out = System.out;
        System.setOut(System.err);
        int status = run(System.in, out);
        out.flush();
        System.exit(status);
    }

    /** Answers the one request of {@code in}; returns the exit status. */
    static int run(InputStream in, PrintStream out) {
        Events events = new Events(out);
        try {
            new Resolution(Request.parse(read(in)), events).run();
            return 0;
        } catch (Refusal refusal) {
            events.error(refusal);
        } catch (RuntimeException | StackOverflowError | OutOfMemoryError | LinkageError defect) {
            // Not its message, which may quote a settings file.
            StackTraceElement[] trace = defect.getStackTrace();
            String place = trace.length > 0 ? " at " + trace[0] : "";
            events.error(new Refusal(
                    Refusal.Kind.Internal, defect.getClass().getName() + place, "please report this as a defect"));
        }
        return 1;
    }

    private static String read(InputStream in) throws Refusal {
        try {
            byte[] bytes = in.readNBytes(MAXIMUM_REQUEST + 1);
            if (bytes.length > MAXIMUM_REQUEST) {
                throw Refusal.invalid("the request is longer than " + MAXIMUM_REQUEST + " bytes", "shorten it");
            }
            return new String(bytes, StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw Refusal.invalid("cannot read the request from standard input", "write one JSON object to it");
        }
    }
}
