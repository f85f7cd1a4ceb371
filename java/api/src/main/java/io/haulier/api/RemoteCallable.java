package io.haulier.api;

import java.io.Serializable;
import java.util.concurrent.Callable;

/**
 * A {@link Callable} that can travel: a lambda passed as this type needs no cast.
 *
 * @param <T> the result
 */
@FunctionalInterface
public interface RemoteCallable<T> extends Callable<T>, Serializable {}
