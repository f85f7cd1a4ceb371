package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.RemoteCallable;
import io.haulier.api.internal.SerialInput;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** An outer object that is not used stays at home; one that is used is named. This class is not serializable. */
class UnusedOutersTest {
    private final String name = String.valueOf("outer");

    /** An inner class that uses nothing of its outer object. */
    final class Alone implements RemoteCallable<String> {
        private static final long serialVersionUID = 1L;

        @Override
        public String call() {
            return "alone";
        }
    }

    /** An inner class of which only a class inside it uses the outer object. */
    class Around implements RemoteCallable<String> {
        private static final long serialVersionUID = 1L;

        @Override
        public String call() {
            return new Object() {
                @Override
                public String toString() {
                    return name;
                }
            }.toString();
        }
    }

    /** Holds another object, too. */
    static class Holder implements RemoteCallable<String> {
        private static final long serialVersionUID = 1L;
        final Object first;
        final Object second;

        Holder(Object first, Object second) {
            this.first = first;
            this.second = second;
        }

        @Override
        public String call() throws Exception {
            return ((RemoteCallable<?>) first).call() + " " + second;
        }
    }

    /** Decides by itself what travels. */
    static final class Secretive extends Holder {
        private static final long serialVersionUID = 1L;

        Secretive(Object first, Object second) {
            super(first, second);
        }

        private void writeObject(ObjectOutputStream out) throws java.io.IOException {
            out.defaultWriteObject();
        }
    }

    private static String travel(RemoteCallable<String> task) throws Exception {
        byte[] bytes = Payload.of(task).bytes();
        Object back = SerialInput.read(bytes, UnusedOutersTest.class.getClassLoader(), null);
        return (String) ((RemoteCallable<?>) back).call();
    }

    private static HaulierException refused(RemoteCallable<String> task) {
        HaulierException problem = assertThrows(HaulierException.class, () -> Payload.of(task));
        assertEquals(ErrorKind.INVALID_ARGUMENT, problem.kind());
        return problem;
    }

    private RemoteCallable<String> anonymous(int number) {
        return new RemoteCallable<>() {
            private static final long serialVersionUID = 1L;

            @Override
            public String call() {
                return "anonymous " + number + switchOver(number);
            }

            // Instructions whose length depends on where they are.
            private String switchOver(int value) {
                long wide = value;
                wide += 100_000;
                return switch (value) {
                    case 1, 2, 3 -> " few";
                    case 1000 -> " thousand " + wide;
                    default -> " many";
                };
            }
        };
    }

    @Test
    void anUnusedOuterObjectStaysAtHome() throws Exception {
        assertEquals("anonymous 2 few", travel(anonymous(2)));
        assertEquals("anonymous 1000 thousand 101000", travel(anonymous(1000)));
        assertEquals("alone", travel(new Alone()));
        class Local implements RemoteCallable<String> {
            private static final long serialVersionUID = 1L;

            @Override
            public String call() {
                return "local";
            }
        }
        assertEquals("local", travel(new Local()));
        RemoteCallable<String> inner = new Alone();
        assertEquals("alone!", travel(() -> inner.call() + "!"));
        assertEquals("alone [1]", travel(new Holder(inner, new ArrayList<>(List.of(1)))));
    }

    @Test
    void oneThatIsUsedIsNamedWithItsLine() {
        RemoteCallable<String> uses = new RemoteCallable<>() {
            private static final long serialVersionUID = 1L;

            @Override
            public String call() {
                return name;
            }
        };
        String text = refused(uses).getMessage();
        assertTrue(text.matches("(?s)send .*UnusedOutersTest\\$\\d+ at UnusedOutersTest.java:\\d+: .*"), text);
        assertTrue(text.contains(".this$0 cannot be serialized"), text);
        assertTrue(refused(new Around()).getMessage().contains("UnusedOutersTest$Around.this$0"));
    }

    @Test
    void aLambdaIsNamedByItsLine() {
        String text = refused(() -> name + this.hashCode()).getMessage();
        assertTrue(text.matches("(?s)send the lambda at UnusedOutersTest.java:\\d+: .*lambda.captured 1.*"), text);
    }

    @Test
    void aLambdaThatIsNotSerializableIsToldWhatToWrite() {
        Callable<Integer> plain = () -> 1;
        HaulierException alone = assertThrows(HaulierException.class, () -> Payload.of(plain));
        assertTrue(alone.getMessage().startsWith("send a lambda of " + getClass().getName() + ": "), alone.getMessage());
        assertTrue(alone.getMessage().contains("RemoteCallable"), alone.getMessage());
        RemoteCallable<String> around = () -> "around " + plain.call();
        assertTrue(refused(around).getMessage().contains("RemoteCallable"), refused(around).getMessage());
    }

    @Test
    void nothingIsLeftOutOnSuspicion() {
        refused(new Holder(new Alone(), this));
        refused(new Holder(new Alone(), new AtomicReference<>(this)));
        refused(new Secretive(new Alone(), "text"));
        refused(new Holder(new Alone(), new IllegalStateException("with a cause")));
        refused(new Holder(new Alone(), new ArrayList<>(List.of(this))));
        RemoteCallable<String> lambda = () -> name;
        refused(new Holder(new Alone(), (Serializable) lambda));
    }

    @Test
    void theLinesOfAClassAreRead() {
        ClassFile file = ClassFile.of(UnusedOutersTest.class).orElseThrow();
        assertTrue(file.line("theLinesOfAClassAreRead").orElseThrow().startsWith("UnusedOutersTest.java:"));
        assertTrue(file.line("absent").isEmpty());
        assertTrue(file.classes().contains(Secretive.class.getName()));
        assertThrows(IllegalArgumentException.class, () -> ClassFile.read(new byte[] {1, 2, 3}));
        assertThrows(IllegalArgumentException.class, () -> ClassFile.read(new byte[1000]));
    }
}
