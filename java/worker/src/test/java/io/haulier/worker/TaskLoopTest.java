package io.haulier.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.haulier.api.ErrorKind;
import io.haulier.api.RemoteCallable;
import io.haulier.api.internal.Codec;
import io.haulier.api.internal.ErrorMessage;
import io.haulier.api.internal.SerialInput;
import io.haulier.api.internal.SerialOutput;
import io.haulier.api.internal.Values;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A task loop without a node: from bytes to bytes. */
class TaskLoopTest {
    private static final int VALUES_ONLY = Codec.VALUES;
    private static final int VALUES_THEN_JAVA = Codec.VALUES | Codec.JAVA << 4;
    private static final byte[] LOADER = {1};
    private static final byte[] CLASS_PATH = {2};

    private static final String TASKS = """
            package acme;
            import io.haulier.api.*;
            import java.util.*;
            public class Tasks {
                private static int calls;
                public static int count() { return ++calls; }
                private static final ThreadLocal<Integer> VARIABLE = ThreadLocal.withInitial(() -> 0);
                public static int variable() { VARIABLE.set(VARIABLE.get() + 1); return VARIABLE.get(); }
                public static int ofInt(int value) { return value; }
                public static String over(int value) { return "int"; }
                public static String over(double value) { return "double"; }
                public static Object plain() { return new Object(); }
                public static Object own() { return new Own(); }
                public static void fail(String text) { throw new Broken(text); }
                public static void absent() { Gone.touch(); }
                public static boolean loaders() {
                    return Thread.currentThread().getContextClassLoader() == Tasks.class.getClassLoader();
                }
                public static List<String> context() {
                    TaskContext context = TaskContext.current();
                    return List.of(context.classPath().get(0), context.sourceOf(Tasks.class).get());
                }
                public static void sleep() throws InterruptedException {
                    Waiting.here.countDown();
                    new java.util.concurrent.CountDownLatch(1).await();
                }
                public static class Waiting {
                    public static java.util.concurrent.CountDownLatch here;
                }
                public static class Reads implements java.util.concurrent.Callable<Reads>, java.io.Serializable {
                    private String text = "";
                    public Reads() {}
                    public Reads call() { return this; }
                    public String toString() { return text; }
                    private void writeObject(java.io.ObjectOutputStream out) throws java.io.IOException {
                        out.writeObject(text.isEmpty() ? "" : text + ", written " + loaders());
                    }
                    private void readObject(java.io.ObjectInputStream in) throws Exception {
                        text = (String) in.readObject();
                        text = text.isEmpty() ? "read " + loaders() : text;
                    }
                }
                public static class Own implements java.io.Serializable {}
                public static class Broken extends RuntimeException { Broken(String text) { super(text); } }
            }
            class Gone { static void touch() {} }
            """;

    private static final Map<String, String> SOURCES = Map.of(
            "acme/Tasks.java",
            TASKS,
            "acme/AsTask.java",
            "package acme; public class AsTask implements io.haulier.api.Task<Integer, Integer> {"
                    + " public Integer run(Integer value) { return value * 2; } }",
            "acme/AsFunction.java",
            "package acme; public class AsFunction implements java.util.function.Function<Double, String> {"
                    + " public String apply(Double value) { return \"function \" + value; } }",
            "acme/AsCallable.java",
            "package acme; class AsCallable implements java.util.concurrent.Callable<String> {"
                    + " private AsCallable() {} public String call() { return \"callable\"; } }",
            "acme/AsRunnable.java",
            "package acme; public class AsRunnable implements Runnable { public void run() {} }",
            "acme/NoTask.java",
            "package acme; public class NoTask {}");

    private MemoryClassPath classPath;

    private final List<Lease> departed = new CopyOnWriteArrayList<>();
    private Loaders loaders;

    @BeforeEach
    void prepare() {
        classPath = new MemoryClassPath().root("tasks:1/tasks.jar", SOURCES);
        classPath.entries(0).remove("acme/Gone.class");
        departed.clear();
        loaders = new Loaders(digest -> classPath, 2, departed::add);
        TaskLoop.prepare(loaders, 2);
    }

    private static byte[] run(String entryPoint, int resultCodecs, Object... arguments) throws Exception {
        byte[] payload = Values.encodeArguments(arguments);
        return TaskLoop.run(0, 7, LOADER, CLASS_PATH, false, entryPoint, Codec.VALUES, payload, 0, resultCodecs);
    }

    private static Object call(String entryPoint, Object... arguments) throws Exception {
        byte[] answer = run(entryPoint, VALUES_ONLY, arguments);
        assertEquals(Codec.VALUES, answer[0], () -> error(answer).exception().toString());
        return Values.decode(Arrays.copyOfRange(answer, 1, answer.length));
    }

    private static ErrorMessage error(byte[] answer) {
        assertEquals(0, answer[0], "it did not fail");
        return ErrorMessage.decode(Arrays.copyOfRange(answer, 1, answer.length));
    }

    private static void refused(ErrorKind kind, String text, String entryPoint, Object... arguments) throws Exception {
        ErrorMessage error = error(run(entryPoint, VALUES_ONLY, arguments));
        assertEquals(kind, error.exception().kind(), error.exception().getMessage());
        assertTrue(error.exception().getMessage().contains(text), error.exception().getMessage());
    }

    @Test
    void everyFormOfANamedTaskRuns() throws Exception {
        assertEquals(42L, call("acme.AsTask", 21));
        assertEquals("function 2.0", call("acme.AsFunction", 2));
        assertEquals("callable", call("acme.AsCallable"));
        assertEquals(null, call("acme.AsRunnable"));
        assertEquals(5L, call("acme.Tasks#ofInt", 5));
        assertEquals("int", call("acme.Tasks#over", 5).toString());
        assertEquals("double", call("acme.Tasks#over", 0.5));
    }

    @Test
    void whatCannotBeCalledIsRefused() throws Exception {
        refused(ErrorKind.INVALID_ARGUMENT, "integer 2147483648 is no int", "acme.Tasks#ofInt", 1L << 31);
        refused(ErrorKind.INVALID_ARGUMENT, "ofInt takes (int), given: 2", "acme.Tasks#ofInt", 1, 2);
        refused(ErrorKind.INVALID_ARGUMENT, "no java.lang.Integer", "acme.AsTask", "text");
        refused(ErrorKind.INVALID_ARGUMENT, "one argument, given: 2", "acme.AsTask", 1, 2);
        refused(ErrorKind.INVALID_ARGUMENT, "NoTask is no task", "acme.NoTask");
        refused(ErrorKind.CODE_NOT_FOUND, "no static method 'counts'; it has: absent, context, count", "acme.Tasks#counts");
        refused(ErrorKind.CODE_NOT_FOUND, "acme.Prise is in none of [tasks:1/tasks.jar]", "acme.Prise");
        refused(ErrorKind.RESULT_UNREADABLE, "java.lang.Object", "acme.Tasks#plain");
    }

    @Test
    void aResultGoesInTheFirstCodecThatCarriesIt() throws Exception {
        assertEquals(Codec.JAVA, run("acme.Tasks#own", VALUES_THEN_JAVA)[0]);
        assertEquals(Codec.VALUES, run("acme.AsCallable", VALUES_THEN_JAVA)[0]);
        assertEquals(ErrorKind.RESULT_UNREADABLE, error(run("acme.Tasks#plain", VALUES_THEN_JAVA)).exception().kind());
    }

    @Test
    void loadersAreSharedIsolatedAndReleased() throws Exception {
        assertEquals(1L, call("acme.Tasks#count"));
        assertEquals(2L, call("acme.Tasks#count"));
        byte[] none = Values.encodeArguments();
        byte[] alone = TaskLoop.run(
                0, 1, LOADER, CLASS_PATH, true, "acme.Tasks#count", Codec.VALUES, none, 0, VALUES_ONLY);
        assertEquals(1L, Values.decode(Arrays.copyOfRange(alone, 1, alone.length)));
        assertEquals(1, departed.size(), "that of the isolated task");
        assertEquals(3L, call("acme.Tasks#count"));
        TaskLoop.release(new byte[][] {LOADER});
        assertEquals(2, departed.size());
        assertEquals(1L, call("acme.Tasks#count"));
    }

    @Test
    void aTaskFindsItsSurroundings() throws Exception {
        assertEquals(true, call("acme.Tasks#loaders"));
        assertEquals(List.of("tasks:1/tasks.jar", "tasks:1/tasks.jar"), call("acme.Tasks#context"));
        assertFalse(Thread.currentThread().getContextClassLoader() instanceof TaskClassLoader);
    }

    @Test
    void aFailureTravelsAsTextAndAsObject() throws Exception {
        ErrorMessage error = error(run("acme.Tasks#fail", VALUES_ONLY, "no such price"));
        assertEquals(ErrorKind.TASK_FAILED, error.exception().kind());
        assertEquals("acme.Tasks$Broken", error.exception().remote().orElseThrow().typeName());
        assertTrue(error.exception().remoteTrace().contains("at acme.Tasks.fail(Tasks.java"), error.exception().remoteTrace());
        assertEquals(Codec.JAVA, error.codec());
        Object object = SerialInput.read(error.object(), new TaskClassLoader(classPath), null);
        assertEquals("no such price", ((Throwable) object).getMessage());
        assertThrows(
                ClassNotFoundException.class,
                () -> SerialInput.read(error.object(), getClass().getClassLoader(), null),
                "only its own loader knows the class");
    }

    @Test
    void aClassMissingInsideATaskIsNamedWithTheCommand() throws Exception {
        ErrorMessage error = error(run("acme.Tasks#absent", VALUES_ONLY));
        assertEquals(ErrorKind.TASK_FAILED, error.exception().kind());
        assertEquals("java.lang.NoClassDefFoundError", error.exception().remote().orElseThrow().typeName());
        assertTrue(error.exception().getMessage().contains("acme/Gone"), error.exception().getMessage());
        assertTrue(error.exception().hint().contains("haulier deploy"), error.exception().hint());
    }

    @Test
    void aCallableThatTravelsNeedsItsClass() throws Exception {
        byte[] payload = SerialOutput.write((RemoteCallable<Integer>) () -> 42, null);
        byte[] answer = TaskLoop.run(0, 7, LOADER, CLASS_PATH, false, "", Codec.JAVA, payload, 0, Codec.JAVA);
        assertEquals(ErrorKind.CODE_NOT_FOUND, error(answer).exception().kind());
        assertTrue(error(answer).exception().getMessage().contains(TaskLoopTest.class.getName()));
        byte[] pickled = TaskLoop.run(0, 7, LOADER, CLASS_PATH, false, "", Codec.PICKLE, payload, 0, Codec.JAVA);
        assertEquals(ErrorKind.INCOMPATIBLE, error(pickled).exception().kind());
    }

    @Test
    void aCancelReachesOnlyItsTask() throws Exception {
        CountDownLatch here = new CountDownLatch(1);
        Lease lease = loaders.enter(LOADER, CLASS_PATH);
        lease.loader().loadClass("acme.Tasks$Waiting").getField("here").set(null, here);
        FutureTask<byte[]> task = new FutureTask<>(() -> {
            byte[] none = Values.encodeArguments();
            byte[] answer = TaskLoop.run(
                    1, 9, LOADER, CLASS_PATH, false, "acme.Tasks#sleep", Codec.VALUES, none, 0, VALUES_ONLY);
            assertFalse(Thread.currentThread().isInterrupted(), "the flag is cleared after the task");
            return answer;
        });
        new Thread(task).start();
        here.await();
        assertFalse(TaskLoop.cancel(9, 0), "another slot");
        assertFalse(TaskLoop.cancel(8, 1), "another task");
        assertTrue(TaskLoop.cancel(9, 1));
        assertEquals(ErrorKind.CANCELED, error(get(task)).exception().kind());
        assertFalse(TaskLoop.cancel(9, 1), "it has ended");
    }

    @Test
    void aLoaderGoesWithTheLastTaskThatUsesIt() throws Exception {
        CountDownLatch here = new CountDownLatch(1);
        Lease lease = loaders.enter(LOADER, CLASS_PATH);
        lease.loader().loadClass("acme.Tasks$Waiting").getField("here").set(null, here);
        loaders.leave(lease);
        byte[] none = Values.encodeArguments();
        FutureTask<byte[]> task = new FutureTask<>(() -> TaskLoop.run(
                1, 9, LOADER, CLASS_PATH, false, "acme.Tasks#sleep", Codec.VALUES, none, 0, VALUES_ONLY));
        new Thread(task).start();
        here.await();
        TaskLoop.release(new byte[][] {LOADER});
        assertEquals(List.of(), List.copyOf(departed), "a task still runs");
        assertEquals(1L, call("acme.Tasks#count"), "who comes later gets a new one");
        assertTrue(TaskLoop.cancel(9, 1));
        get(task);
        assertEquals(List.of(lease), List.copyOf(departed));
        TaskLoop.release(new byte[][] {LOADER, {3}});
        assertEquals(2, departed.size());
    }

    @Test
    void whatIsReadFindsItsOwnLoader() throws Exception {
        Lease lease = loaders.enter(LOADER, CLASS_PATH);
        Object reads = lease.loader().loadClass("acme.Tasks$Reads").getConstructor().newInstance();
        loaders.leave(lease);
        byte[] payload = SerialOutput.write(reads, null);
        byte[] answer = TaskLoop.run(0, 7, LOADER, CLASS_PATH, false, "", Codec.JAVA, payload, 0, Codec.JAVA);
        assertEquals(Codec.JAVA, answer[0], () -> error(answer).exception().toString());
        Object written = SerialInput.read(Arrays.copyOfRange(answer, 1, answer.length), lease.loader(), null);
        assertEquals("read true, written true", written.toString());
    }

    @Test
    void threadLocalsBelongToTheLoaderAndTheSlot() throws Exception {
        assertEquals(1L, call("acme.Tasks#variable"));
        assertEquals(2L, call("acme.Tasks#variable"));
        byte[] none = Values.encodeArguments();
        byte[] other = TaskLoop.run(
                0, 1, new byte[] {7}, CLASS_PATH, false, "acme.Tasks#variable", Codec.VALUES, none, 0, VALUES_ONLY);
        assertEquals(1L, Values.decode(Arrays.copyOfRange(other, 1, other.length)));
        assertEquals(3L, call("acme.Tasks#variable"));
        ThreadLocal<String> ofTheSlot = ThreadLocal.withInitial(() -> "fresh");
        ofTheSlot.set("kept");
        assertEquals(4L, call("acme.Tasks#variable"));
        assertEquals("kept", ofTheSlot.get());
    }

    private static byte[] get(FutureTask<byte[]> task) throws InterruptedException {
        try {
            return task.get();
        } catch (ExecutionException problem) {
            throw new AssertionError(problem.getCause());
        }
    }
}
