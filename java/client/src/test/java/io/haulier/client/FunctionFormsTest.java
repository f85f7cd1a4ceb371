package io.haulier.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.RemoteCallable;
import io.haulier.client.RemoteForms.Chain;
import io.haulier.client.RemoteForms.Child;
import io.haulier.client.RemoteForms.Colour;
import io.haulier.client.RemoteForms.External;
import io.haulier.client.RemoteForms.Outer;
import io.haulier.client.RemoteForms.Range;
import io.haulier.client.RemoteForms.Shape;
import io.haulier.client.RemoteForms.Single;
import java.io.Serializable;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.Comparator;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Each form in which Java writes a function or an object arrives as what it was. */
@Timeout(120)
class FunctionFormsTest {
    @RegisterExtension
    static final TestNode NODE = new TestNode();

    private static Cluster cluster;
    private static RemoteExecutor pool;

    @BeforeAll
    static void connect() {
        cluster = Haulier.connect(NODE.address());
        pool = cluster.executor();
    }

    @AfterAll
    static void close() {
        if (cluster != null) {
            cluster.close();
        }
    }

    private static <T> T run(RemoteCallable<T> task) throws Exception {
        return pool.submit(task).get();
    }

    @Test
    void methodReferencesOfEachKind() throws Exception {
        Function<String, String> ofClass = (Function<String, String> & Serializable) RemoteTasks::shout;
        Function<String, Integer> unbound = (Function<String, Integer> & Serializable) String::length;
        IntFunction<int[]> array = (IntFunction<int[]> & Serializable) int[]::new;
        BiFunction<Integer, Integer, Object> constructor =
                (BiFunction<Integer, Integer, Object> & Serializable) RemoteTasks.Point::new;
        Function<Object[], String> variable = (Function<Object[], String> & Serializable) RemoteForms::join;
        assertEquals("A", run(() -> ofClass.apply("a")));
        assertEquals(3, run(() -> unbound.apply("abc")));
        assertEquals(7, run(() -> array.apply(7).length));
        assertEquals(new RemoteTasks.Point(1, 2), run(() -> constructor.apply(1, 2)));
        assertEquals("1-2", run(() -> variable.apply(new Object[] {1, 2})));
        assertEquals("parent of a child", run(new Child("a child").ofSuper()));
        assertEquals("a child", run(new Child("a child").ofThis()));
    }

    @Test
    void innerClassesAndWhatTheyCapture() throws Exception {
        Outer outer = new Outer("outer");
        assertEquals("outer inner", run(outer.new Inner("inner")));
        assertEquals("outer inner deep", run(outer.new Inner("inner").new Deeper()));
        assertEquals("outer anonymous 7", run(outer.anonymous(7)));
        assertEquals("outer local 8", run(outer.local(8)));
        assertEquals("private", run(() -> RemoteForms.hidden()));
    }

    @Test
    void lambdasOfEachPlace() throws Exception {
        RemoteCallable<Integer> one = () -> 1;
        RemoteCallable<Integer> two = () -> one.call() + 1;
        RemoteCallable<Integer> three = () -> two.call() + one.call();
        assertEquals(3, run(three));
        assertEquals("constant", run(RemoteForms.Constants.LAMBDA));
        assertEquals("default 5", run(((RemoteForms.Constants) () -> 5).ofDefault()));
        assertEquals("static", run(RemoteForms.Constants.ofStatic()));
        assertEquals("GREEN", run(Colour.GREEN.lambda()));
        assertEquals(5L, run(new Range(2, 7).length()));
        assertEquals("constructor", run(new RemoteForms.InConstructor().task));
    }

    @Test
    void castsAndProxies() throws Exception {
        RemoteCallable<String> marked = (RemoteCallable<String> & RemoteForms.Marked) () -> "marked";
        assertEquals("marked by its second type", run(() -> marked.call() + ((RemoteForms.Marked) marked).suffix()));
        InvocationHandler handler = (InvocationHandler & Serializable)
                (proxy, method, arguments) -> method.getName().equals("name") ? "proxy" : null;
        RemoteForms.Named proxy = (RemoteForms.Named) Proxy.newProxyInstance(
                getClass().getClassLoader(), new Class<?>[] {RemoteForms.Named.class, Serializable.class}, handler);
        assertEquals("proxy", run(proxy::name));
        RemoteForms.Named back = run(() -> proxy);
        assertEquals("proxy", back.name());
    }

    @Test
    void valuesOfEachKind() throws Exception {
        int[][] numbers = {{1, 2}, {}, null};
        Shape[] shapes = {new Shape.Square(2), Shape.Dot.DOT};
        assertArrayEquals(numbers, run(() -> numbers));
        assertArrayEquals(shapes, run(() -> shapes));
        assertEquals(4, run(() -> Shape.area(shapes[0])));
        assertSame(int.class, run(() -> int.class));
        assertSame(RemoteTasks.Point[][].class, run(() -> RemoteTasks.Point[][].class));
        assertEquals('c', run(() -> 'c').charValue());
        assertEquals((byte) -1, run(() -> (byte) -1).byteValue());
        assertSame(Colour.RED, run(() -> Colour.RED));
        assertEquals("warm", run(() -> RemoteForms.temperature(Colour.RED)));
        TreeMap<String, Integer> sorted = new TreeMap<>((Comparator<String> & Serializable) (a, b) -> b.compareTo(a));
        sorted.put("a", 1);
        sorted.put("b", 2);
        assertEquals("b", run(() -> sorted.firstKey()));
    }

    @Test
    void objectsThatWriteThemselves() throws Exception {
        External external = new External();
        external.value = 42;
        assertEquals(42, run(() -> external).value);
        assertSame(Single.INSTANCE, run(() -> Single.INSTANCE));
        assertTrue(run(() -> RemoteForms.isSingle(Single.INSTANCE)));
        Range range = new Range(1, 2);
        assertEquals(range, run(() -> range));
        Chain ring = Chain.of(3);
        ring.last().next = ring;
        assertEquals(3, run(ring::ringSize));
        Chain back = run(() -> ring);
        assertSame(back, back.next.next.next);
    }

    @Test
    void aLongChainIsRefusedClearly() throws Exception {
        Chain deep = Chain.of(10_000);
        HaulierException refused = onSmallStack(() -> pool.submit(() -> deep.value));
        assertEquals(ErrorKind.INVALID_ARGUMENT, refused.kind());
        assertTrue(refused.getMessage().contains("nested too deeply"), refused.getMessage());
        // With stack enough to send it, the worker refuses it: its stack is not the sender's to choose.
        HaulierException there = onLargeStack(() -> pool.submit(() -> deep.value));
        assertTrue(there.getMessage().contains("nested deeper than 1000"), there.getMessage());
        assertEquals(10_000, run(() -> List.copyOf(java.util.Collections.nCopies(10_000, "x")).size()));
        assertEquals(500, run(Chain.of(500)::length));
    }

    private static HaulierException onSmallStack(Supplier<RemoteFuture<?>> submit) throws Exception {
        return failure(submit, 256 << 10);
    }

    private static HaulierException onLargeStack(Supplier<RemoteFuture<?>> submit) throws Exception {
        return failure(submit, 256 << 20);
    }

    private static HaulierException failure(Supplier<RemoteFuture<?>> submit, long stack) throws Exception {
        Object[] seen = new Object[1];
        Thread thread = new Thread(null, () -> {
            try {
                seen[0] = submit.get().get();
            } catch (ExecutionException problem) {
                seen[0] = problem.getCause();
            } catch (HaulierException | InterruptedException problem) {
                seen[0] = problem;
            }
        }, "submitter", stack);
        thread.start();
        thread.join();
        return assertInstanceOf(HaulierException.class, seen[0]);
    }

    @Test
    void aFilterRefusesByName() throws Exception {
        SessionConfig config = SessionConfig.defaults()
                .withResultFilter(java.io.ObjectInputFilter.Config.createFilter("!" + RemoteTasks.Point.class.getName()));
        try (Cluster strict = Haulier.connect(NODE.address(), config)) {
            ExecutionException refused = assertThrows(
                    ExecutionException.class, () -> strict.executor().submit(() -> new RemoteTasks.Point(1, 2)).get());
            HaulierException problem = assertInstanceOf(HaulierException.class, refused.getCause());
            assertEquals(ErrorKind.RESULT_UNREADABLE, problem.kind());
            assertTrue(problem.getMessage().contains("refuses " + RemoteTasks.Point.class.getName()), problem.getMessage());
            assertEquals(3, strict.executor().submit(() -> 3).get());
        }
    }
}
