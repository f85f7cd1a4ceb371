package io.haulier.api;

import java.io.Serializable;

/** A {@link Runnable} that can travel: a lambda passed as this type needs no cast. */
@FunctionalInterface
public interface RemoteRunnable extends Runnable, Serializable {}
