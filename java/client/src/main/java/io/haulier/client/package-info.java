/**
 * The client: connect to a node, run code there, deploy units.
 *
 * <pre>{@code
 * try (Cluster cluster = Haulier.connect("localhost:7440")) {
 *     Future<Integer> answer = cluster.executor().submit(() -> 42);
 * }
 * }</pre>
 *
 * <p>Converts and calls: what is decided, is decided by the native core.
 */
package io.haulier.client;
