package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.NodeId;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Records are read from their fields. */
class FieldsTest {
    private static final String[] WATCHES = {
        "w1", "file:///a", "5000", "2000", "n1", "watching", "", "1500", "2", "1", "2",
        "a.jar", "a:1", "conflict", "by hand", "1000",
        "b.jar", "", "quarantined", "no archive", "2000",
        "w2", "file:///b", "5000", "2000", "", "starting", "gone", "0", "0", "0", "0"
    };

    @Test
    void listsInsideOfRecords() {
        List<StorageWatch> watches = Fields.all(WATCHES, StorageWatch::read);
        StorageWatch first = watches.get(0);
        assertEquals(Optional.of(new NodeId("n1")), first.node());
        assertEquals(Duration.ofSeconds(5), first.interval());
        assertEquals(Optional.of(Instant.ofEpochMilli(1500)), first.lastSuccess());
        assertEquals(List.of(2, 1), List.of(first.units(), first.settling()));
        assertEquals(Optional.of("a:1"), first.problems().get(0).unit());
        assertEquals("no archive", first.problems().get(1).error());
        StorageWatch second = watches.get(1);
        assertEquals(List.of(), second.problems());
        assertEquals(Optional.of("gone"), second.lastError());
        assertTrue(second.node().isEmpty() && second.lastSuccess().isEmpty(), second.toString());
    }

    @Test
    void aRecordThatEndsTooEarly() {
        String[] cut = Arrays.copyOf(WATCHES, WATCHES.length - 1);
        assertThrows(NoSuchElementException.class, () -> Fields.all(cut, StorageWatch::read));
    }

    @Test
    void stepsOfANewerCore() {
        assertEquals(DeployProgress.Step.PUBLISHING, DeployProgress.Step.of(3));
        assertEquals(DeployProgress.Step.UNKNOWN, DeployProgress.Step.of(4));
        assertEquals(DeployProgress.Step.UNKNOWN, DeployProgress.Step.of(99));
    }
}
