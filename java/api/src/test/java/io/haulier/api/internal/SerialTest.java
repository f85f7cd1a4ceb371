package io.haulier.api.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.RemoteCallable;
import java.io.InvalidClassException;
import java.io.NotSerializableException;
import java.io.ObjectInputFilter;
import java.io.Serializable;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;

/** Objects travel by JDK serialization, and what cannot travel is named. */
class SerialTest {
    private final Object connection = new Object();

    /** Serializable, but holds what is not. */
    private static final class Holder implements Serializable {
        private static final long serialVersionUID = 1L;
        private final Map<String, List<Object>> parts;
        private final transient Object ignored = new Object();

        Holder(Object part) {
            parts = Map.of("k", new ArrayList<>(List.of("fine", part)));
        }
    }

    private static final class Echo implements InvocationHandler, Serializable {
        private static final long serialVersionUID = 1L;

        @Override
        public Object invoke(Object proxy, java.lang.reflect.Method method, Object[] arguments) {
            return "echo";
        }
    }

    @Test
    void aLambdaTravelsAndNamesItsClass() throws Exception {
        int captured = 41;
        Set<Class<?>> classes = new HashSet<>();
        byte[] bytes = SerialOutput.write((RemoteCallable<Integer>) () -> captured + 1, classes);
        assertTrue(classes.contains(SerialTest.class), classes.toString());
        assertEquals(42, ((Callable<?>) SerialInput.read(bytes, getClass().getClassLoader(), null)).call());
    }

    @Test
    void aProxyTravelsAndNamesItsInterfaces() throws Exception {
        Object proxy = Proxy.newProxyInstance(
                getClass().getClassLoader(), new Class<?>[] {RemoteCallable.class}, new Echo());
        Set<Class<?>> classes = new HashSet<>();
        byte[] bytes = SerialOutput.write(proxy, classes);
        assertTrue(classes.contains(RemoteCallable.class), classes.toString());
        assertEquals("echo", ((Callable<?>) SerialInput.read(bytes, getClass().getClassLoader(), null)).call());
    }

    @Test
    void primitivesAndArraysAreResolved() throws Exception {
        Object[] objects = {int.class, void.class, new int[][] {{1}}, String[].class};
        Object[] back = (Object[]) SerialInput.read(SerialOutput.write(objects, null), getClass().getClassLoader(), null);
        assertEquals(int.class, back[0]);
        assertEquals(void.class, back[1]);
        assertEquals(1, ((int[][]) back[2])[0][0]);
        assertEquals(String[].class, back[3]);
    }

    @Test
    void whatCannotTravelIsNamedByItsPath() {
        RemoteCallable<String> anonymous = new RemoteCallable<>() {
            private static final long serialVersionUID = 1L;

            @Override
            public String call() {
                return connection.toString();
            }
        };
        RemoteCallable<String> lambda = () -> connection.toString();
        String name = SerialTest.class.getName();
        assertThrows(NotSerializableException.class, () -> SerialOutput.write(anonymous, null));
        assertEquals(name + "$1.this$0", CapturePath.find(anonymous).orElseThrow());
        assertEquals(name + " lambda.captured 1", CapturePath.find(lambda).orElseThrow());
        String deep = CapturePath.find(new Holder(new Object())).orElseThrow();
        assertTrue(deep.startsWith(name + "$Holder.parts -> "), deep);
        assertTrue(deep.endsWith("ArrayList[1]"), deep);
        assertTrue(CapturePath.find(new Holder("fine")).isEmpty());
    }

    @Test
    void aFilterIsAsked() throws Exception {
        byte[] bytes = SerialOutput.write(new Holder("fine"), null);
        ObjectInputFilter filter = ObjectInputFilter.Config.createFilter("!" + Holder.class.getName());
        assertThrows(InvalidClassException.class, () -> SerialInput.read(bytes, getClass().getClassLoader(), filter));
        assertThrows(
                InvalidClassException.class,
                () -> SerialInput.read(SerialOutput.write(nested(1100), null), getClass().getClassLoader(), null));
    }

    private static Object nested(int depth) {
        Object[] outer = new Object[1];
        Object[] array = outer;
        for (int level = 0; level < depth; level++) {
            Object[] inner = new Object[1];
            array[0] = inner;
            array = inner;
        }
        return outer;
    }
}
