package io.haulier.api.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigInteger;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** A number becomes what is declared where nothing is lost, and is refused where something is. */
class ConversionTest {
    @Test
    void whatLosesNothingIsConverted() {
        Object[][] table = {
            {5L, int.class, 5},
            {5L, Integer.class, 5},
            {-128L, byte.class, (byte) -128},
            {5L, double.class, 5.0},
            {1L << 53, double.class, 0x1p53},
            {5L, float.class, 5f},
            {5L, Object.class, 5L},
            {5L, Number.class, 5L},
            {5L, BigInteger.class, BigInteger.valueOf(5)},
            {0.5, float.class, 0.5f},
            {Double.NaN, float.class, Float.NaN},
            {"a", char.class, 'a'},
            {"NEW", Thread.State.class, Thread.State.NEW},
            {List.of(1L, 2L), Set.class, Set.of(1L, 2L)},
        };
        for (Object[] row : table) {
            assertEquals(row[2], Conversion.convert(row[0], (Class<?>) row[1]));
        }
        assertArrayEquals(new int[] {1, 2}, (int[]) Conversion.convert(List.of(1L, 2L), int[].class));
    }

    @Test
    void whatLosesSomethingIsRefusedWithBoth() {
        Object[][] table = {
            {1L << 31, int.class, "integer 2147483648 is no int"},
            {300L, byte.class, "integer 300 is no byte"},
            {(1L << 53) + 1, double.class, "integer 9007199254740993 is no double"},
            {Long.MAX_VALUE, double.class, "integer 9223372036854775807 is no double"},
            {0.1, float.class, "float 0.1 is no float"},
            {1.0, long.class, "float 1.0 is no long"},
            {"x", long.class, "string 'x' is no long"},
            {true, int.class, "boolean true is no int"},
            {5L, String.class, "integer 5 is no java.lang.String"},
            {null, int.class, "null is no int"},
        };
        for (Object[] row : table) {
            Exception problem = assertThrows(
                    IllegalArgumentException.class, () -> Conversion.convert(row[0], (Class<?>) row[1]), "" + row[2]);
            assertTrue(problem.getMessage().contains((String) row[2]), problem.getMessage());
        }
    }
}
