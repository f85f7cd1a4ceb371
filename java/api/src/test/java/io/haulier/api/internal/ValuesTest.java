package io.haulier.api.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigInteger;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Values survive the way there and back, and their bytes are those of the protocol. */
class ValuesTest {
    @Test
    void everyKindSurvives() throws Exception {
        Map<Object, Object> map = new LinkedHashMap<>();
        map.put("z", 1L);
        map.put(-7L, null);
        map.put(true, List.of());
        Object[] values = {
            null, true, false, 0L, -1L, Long.MIN_VALUE, Long.MAX_VALUE, -0.0, Double.NaN, Double.NEGATIVE_INFINITY, "",
            "ünï\0 😀", Arrays.asList(null, List.of(1L, "a")), map,
        };
        assertArrayEquals(values, Values.decodeArguments(Values.encodeArguments(values)));
        for (Object value : values) {
            assertEquals(value, Values.decode(Values.encode(value)));
        }
        assertArrayEquals(new byte[] {0, -1}, (byte[]) Values.decode(Values.encode(new byte[] {0, -1})));
        assertEquals(
                List.copyOf(map.keySet()),
                List.copyOf(((Map<?, ?>) Values.decode(Values.encode(map))).keySet()),
                "the order of a map is kept");
    }

    @Test
    void narrowerTypesAreWidened() throws Exception {
        assertEquals(5L, Values.decode(Values.encode((short) 5)));
        assertEquals(0.5, Values.decode(Values.encode(0.5f)));
        assertEquals("c", Values.decode(Values.encode('c')));
        assertEquals(7L, Values.decode(Values.encode(BigInteger.valueOf(7))));
        assertEquals(List.of(1L, 2L), Values.decode(Values.encode(new int[] {1, 2})));
    }

    /** What the protocol's generated code in another language writes. */
    @ParameterizedTest
    @CsvSource({"null,0801", "true,1001", "-2,1803", "a,2a0161"})
    void bytesAreThoseOfTheProtocol(String text, String bytes) throws Exception {
        Object value =
                switch (text) {
                    case "null" -> null;
                    case "true" -> true;
                    case "-2" -> -2;
                    default -> text;
                };
        assertEquals(bytes, HexFormat.of().formatHex(Values.encode(value)));
    }

    @Test
    void whatIsNoValueIsRefused() {
        Object[] cycle = new Object[1];
        cycle[0] = cycle;
        Map<Object, Object> badKey = Map.of(List.of(), 1);
        for (Object value : new Object[] {new Object(), cycle, badKey, BigInteger.TWO.pow(64), "\ud800", Thread.State.NEW}) {
            assertThrows(Values.NotAValue.class, () -> Values.encode(value));
        }
    }

    @Test
    void brokenBytesAreRefused() {
        for (String bytes : List.of("ff", "2a05", "2aff", "0a", "21")) {
            Exception problem = assertThrows(
                    IllegalArgumentException.class, () -> Values.decode(HexFormat.of().parseHex(bytes)), bytes);
            assertTrue(problem.getMessage().contains("no message"), problem.getMessage());
        }
    }
}
