/**
 * The JVM worker: takes tasks from the native core, builds or finds the class loader of each, runs it, and gives its
 * result or failure back.
 *
 * <p>Tasks see {@code io.haulier.api} and the platform, never this package. What belongs to whom, what is searched and
 * in which order, is decided by the native core.
 */
package io.haulier.worker;
