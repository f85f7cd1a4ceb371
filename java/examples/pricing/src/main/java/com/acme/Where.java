package com.acme;

import io.haulier.api.TaskContext;
import java.util.concurrent.Callable;

/** Where a deployed class comes from: {@code haulier run pricing com.acme.Where}. */
public final class Where implements Callable<String> {
    @Override
    public String call() {
        return TaskContext.current().sourceOf(Where.class).orElse("the platform");
    }
}
