/**
 * What tasks, clients and workers share: the interfaces a task implements, what it finds around it, and the one
 * exception.
 *
 * <p>Pure Java. On a worker these classes always come from the worker, whatever a jar of the user brings.
 */
package io.haulier.api;
