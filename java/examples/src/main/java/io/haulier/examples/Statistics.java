package io.haulier.examples;

import java.io.Serializable;

/**
 * The result of {@link Summary}.
 *
 * @param count how many numbers there were
 * @param sum of all
 * @param largest of all
 */
public record Statistics(int count, long sum, int largest) implements Serializable {
    private static final long serialVersionUID = 1L;
}
