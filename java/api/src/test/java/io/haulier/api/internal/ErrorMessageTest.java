package io.haulier.api.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.RemoteFailure;
import io.haulier.api.Retry;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Errors survive the way between Java and the core. */
class ErrorMessageTest {
    @ParameterizedTest
    @EnumSource
    void everyKindSurvives(ErrorKind kind) {
        HaulierException error = HaulierException.of(kind, "deploy a:1", "ü went wrong")
                .context("node", "n1")
                .context("digest", "ab")
                .hint("haulier nodes")
                .retry(Retry.NOW)
                .build();
        HaulierException back = ErrorMessage.decode(ErrorMessage.encode(error)).exception();
        assertEquals(kind, back.kind());
        assertEquals(Retry.NOW, back.retry());
        assertEquals("deploy a:1: ü went wrong [node=n1, digest=ab]; try: haulier nodes", back.getMessage());
    }

    @Test
    void theFailureOfTheUsersCodeSurvives() {
        RemoteFailure remote = new RemoteFailure("java", "acme.Broken", "no", "acme.Broken: no\n\tat ...");
        HaulierException error =
                HaulierException.of(ErrorKind.TASK_FAILED, "run", "no").remote(remote).build();
        ErrorMessage back = ErrorMessage.decode(new ErrorMessage(error, Codec.JAVA, new byte[] {1, 2}).encode());
        assertEquals(remote, back.exception().remote().orElseThrow());
        assertEquals(Codec.JAVA, back.codec());
        assertArrayEquals(new byte[] {1, 2}, back.object());
    }

    @Test
    void anUnknownKindIsADefect() {
        assertEquals(ErrorKind.INTERNAL, ErrorMessage.decode(new byte[] {8, 99}).exception().kind());
    }
}
