package acme;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.management.ManagementFactory;
import java.lang.ref.Cleaner;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Driver;
import java.sql.DriverManager;
import java.sql.DriverPropertyInfo;
import java.util.ArrayList;
import java.util.List;
import java.util.ListResourceBundle;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.ResourceBundle;
import java.util.Timer;
import java.util.TimerTask;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** One method for each way to keep a class loader in memory after its last task; and ways that do not. */
public class Rows {
    /** An object whose class keeps the loader. */
    static class Value implements Serializable {}

    private static final ThreadLocal<Object> LOCAL = new ThreadLocal<>();
    private static final InheritableThreadLocal<Object> INHERITED = new InheritableThreadLocal<>();
    private static final ThreadLocal<Object> DEEP = new ThreadLocal<>();

    // What leaks unless it is cleaned up.

    public static void threadLocal() {
        LOCAL.set(new Value());
    }

    public static void inheritableThreadLocal() {
        INHERITED.set(new Value());
    }

    public static void threadLocalList() {
        DEEP.set(new ArrayList<>(List.of(Map.of("value", new Value()))));
    }

    public static void runningThread() throws InterruptedException {
        start("row-sleeps", () -> {
            try {
                Thread.sleep(3_600_000);
            } catch (InterruptedException asked) {
                return;
            }
        });
    }

    public static void deafThread() throws InterruptedException {
        start("row-deaf", () -> {
            while (true) {
                try {
                    Thread.sleep(3_600_000);
                } catch (InterruptedException asked) {
                    continue;
                }
            }
        });
    }

    public static void deafPool() throws Exception {
        CountDownLatch runs = new CountDownLatch(1);
        Executors.newFixedThreadPool(1).execute(() -> {
            runs.countDown();
            while (true) {
                try {
                    Thread.sleep(3_600_000);
                } catch (InterruptedException asked) {
                    continue;
                }
            }
        });
        runs.await();
    }

    private static void start(String name, Runnable work) throws InterruptedException {
        CountDownLatch runs = new CountDownLatch(1);
        Thread thread = new Thread(() -> {
            runs.countDown();
            work.run();
        }, name);
        thread.start();
        runs.await();
    }

    public static void timer() {
        new Timer("row-timer").schedule(new TimerTask() {
            @Override
            public void run() {}
        }, 3_600_000);
    }

    public static void pool() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(2);
        pool.submit(() -> LOCAL.set(new Value())).get();
    }

    public static void scheduledPool() throws Exception {
        ScheduledExecutorService pool = Executors.newScheduledThreadPool(1);
        pool.scheduleAtFixedRate(() -> LOCAL.set(new Value()), 0, 5, TimeUnit.MILLISECONDS);
    }

    public static void forkJoinPool() throws Exception {
        ForkJoinPool pool = new ForkJoinPool(2);
        pool.submit(() -> LOCAL.set(new Value())).get();
    }

    public static void commonPool() throws InterruptedException {
        CountDownLatch done = new CountDownLatch(1);
        ForkJoinPool.commonPool().execute(() -> {
            LOCAL.set(new Value());
            DEEP.set(new Object[] {List.of(new Value())});
            done.countDown();
        });
        done.await();
    }

    public static void driver() throws Exception {
        DriverManager.registerDriver(new OwnDriver());
    }

    public static class OwnDriver implements Driver {
        @Override
        public Connection connect(String url, Properties info) {
            return null;
        }

        @Override
        public boolean acceptsURL(String url) {
            return false;
        }

        @Override
        public DriverPropertyInfo[] getPropertyInfo(String url, Properties info) {
            return new DriverPropertyInfo[0];
        }

        @Override
        public int getMajorVersion() {
            return 1;
        }

        @Override
        public int getMinorVersion() {
            return 0;
        }

        @Override
        public boolean jdbcCompliant() {
            return false;
        }

        @Override
        public Logger getParentLogger() {
            return Logger.getGlobal();
        }
    }

    public static void shutdownHook() {
        Runtime.getRuntime().addShutdownHook(new Thread(Value::new));
    }

    public interface CounterMBean {
        int getCount();
    }

    public static class Counter implements CounterMBean {
        @Override
        public int getCount() {
            return 1;
        }
    }

    public static void bean() throws Exception {
        var name = new javax.management.ObjectName("acme:type=Counter,id=" + System.identityHashCode(Rows.class));
        ManagementFactory.getPlatformMBeanServer().registerMBean(new Counter(), name);
    }

    public static void provider() {
        java.security.Security.addProvider(new OwnProvider());
    }

    public static class OwnProvider extends java.security.Provider {
        public OwnProvider() {
            super("Acme" + System.identityHashCode(Rows.class), "1", "none");
        }
    }

    public static void defaultHandler() {
        Thread.setDefaultUncaughtExceptionHandler((thread, problem) -> new Value());
    }

    public static void handlerOfTheThread() {
        Thread.currentThread().setUncaughtExceptionHandler((thread, problem) -> new Value());
    }

    public static void property() {
        System.getProperties().put("acme.value", new Value());
    }

    public static void beanInfo() throws Exception {
        java.beans.Introspector.getBeanInfo(Counter.class);
    }

    public static void delayed() {
        CompletableFuture.runAsync(Value::new, CompletableFuture.delayedExecutor(1, TimeUnit.HOURS));
    }

    public static void endedProcess() throws Exception {
        new ProcessBuilder("/bin/sleep", "0").start().onExit().thenRun(Value::new).get();
    }

    public static void runningProcess() throws Exception {
        new ProcessBuilder("/bin/sleep", "3600").start().onExit().thenRun(Value::new);
    }

    private static final ClassValue<Object> VALUES = new ClassValue<>() {
        @Override
        protected Object computeValue(Class<?> type) {
            return new Value();
        }
    };

    public static void classValue() {
        VALUES.get(String.class);
    }

    public static void rareClassValue() {
        VALUES.get(java.util.concurrent.Phaser.class);
    }

    public static void rootHandler() {
        Logger.getLogger("").addHandler(new OwnHandler());
    }

    // What is collected in any case.

    public static void lambdas() {
        Supplier<Object> supplier = Value::new;
        supplier.get();
    }

    public static void proxy() {
        Object proxy = Proxy.newProxyInstance(
                Rows.class.getClassLoader(), new Class<?>[] {CounterMBean.class}, (self, method, arguments) -> 1);
        ((CounterMBean) proxy).getCount();
    }

    public static void serialization() throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        new ObjectOutputStream(bytes).writeObject(new Value());
        ObjectInputStream input = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray())) {
            @Override
            protected Class<?> resolveClass(java.io.ObjectStreamClass described) throws ClassNotFoundException {
                return Class.forName(described.getName(), false, Rows.class.getClassLoader());
            }
        };
        input.readObject();
    }

    public static class Texts extends ListResourceBundle {
        @Override
        protected Object[][] getContents() {
            return new Object[][] {{"key", "text"}};
        }
    }

    public static String bundle() {
        ClassLoader own = Rows.class.getClassLoader();
        return ResourceBundle.getBundle(Texts.class.getName(), Locale.ROOT, own).getString("key");
    }

    @Retention(RetentionPolicy.RUNTIME)
    public @interface Marked {
        String value();
    }

    @Marked("text")
    static class WithAnnotation {}

    public static String annotation() {
        return WithAnnotation.class.getAnnotation(Marked.class).value();
    }

    public static void xml() throws Exception {
        var text = new ByteArrayInputStream("<a b='c'/>".getBytes());
        javax.xml.parsers.DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(text);
    }

    enum Colour { RED, GREEN }

    public static int enumSwitch() {
        return switch (Colour.valueOf("GREEN")) {
            case RED -> 1;
            case GREEN -> 2;
        };
    }

    public static void httpClient() {
        java.net.http.HttpClient.newHttpClient();
    }

    public static void cleaner() {
        Cleaner.create().register(new Value(), () -> {});
    }

    static class OwnLevel extends Level {
        OwnLevel() {
            super("ROW", 950);
        }
    }

    public static void level() {
        Logger.getLogger("acme.level").log(new OwnLevel(), "text");
    }

    static class OwnHandler extends Handler {
        @Override
        public void publish(LogRecord record) {}

        @Override
        public void flush() {}

        @Override
        public void close() {}
    }

    public static void handler() {
        Logger.getLogger("acme.handler").addHandler(new OwnHandler());
    }

    public static int resource() throws Exception {
        return Rows.class.getResource("Rows.class").openConnection().getInputStream().read();
    }

    public static void finishedAsync() throws Exception {
        CompletableFuture.runAsync(Value::new).get();
    }

    // Questions of the tests.

    public static long process() {
        return ProcessHandle.current().pid();
    }

    /** Runs until there is that file. */
    public static long hold(String path) throws InterruptedException {
        while (!Files.exists(Path.of(path))) {
            Thread.sleep(5);
        }
        return process();
    }

    /** Whether a task sees the private fields of the JDK that the worker sees. */
    public static boolean isJdkOpen() throws Exception {
        return Thread.class.getDeclaredField("threadLocals").trySetAccessible();
    }

    public static int loadedClasses() {
        return ManagementFactory.getClassLoadingMXBean().getLoadedClassCount();
    }
}
