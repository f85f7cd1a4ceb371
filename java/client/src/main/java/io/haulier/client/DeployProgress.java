package io.haulier.client;

/**
 * How far a deployment is.
 *
 * @param step what is being done
 * @param done bytes that were fetched or sent; 0 in other steps
 * @param total bytes of what is fetched or sent, as far as known; 0: not known
 */
public record DeployProgress(Step step, long done, long total) {
    static final DeployProgress BEGIN = new DeployProgress(Step.READING, 0, 0);

    /** What is being done; the ordinals are those of the core. */
    public enum Step {
        /** The sources are read. */
        READING,
        /** The node fetches the sources: URLs, Maven coordinates. */
        FETCHING,
        /** What the cluster lacks is sent. */
        SENDING,
        /** The node makes it durable and publishes it. */
        PUBLISHING,
        /** A step that this client does not know. */
        UNKNOWN;

        private static final Step[] STEPS = values();

        static Step of(int ordinal) {
            return ordinal >= 0 && ordinal < STEPS.length ? STEPS[ordinal] : UNKNOWN;
        }
    }
}
