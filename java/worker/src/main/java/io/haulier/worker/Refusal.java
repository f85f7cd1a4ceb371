package io.haulier.worker;

import io.haulier.api.HaulierException;
import java.io.Serial;

/** An error that Haulier found, in contrast to what the code of a task throws. Has no trace: its message says all. */
final class Refusal extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    private final transient HaulierException error;

    Refusal(HaulierException error) {
        super(error.getMessage(), error, false, false);
        this.error = error;
    }

    HaulierException error() {
        return error;
    }
}
