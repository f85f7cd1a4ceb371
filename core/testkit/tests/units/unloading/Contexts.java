package acme;

import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Timer;
import java.util.TimerTask;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ForkJoinPool;
import java.util.stream.IntStream;

/** Where code of a task runs, and whether it finds its own loader as the context class loader there. */
public class Contexts implements Callable<List<String>> {
    private final List<String> seen = Collections.synchronizedList(new ArrayList<>());

    public Contexts() {
        look("constructor");
    }

    private void look(String place) {
        boolean own = Thread.currentThread().getContextClassLoader() == Contexts.class.getClassLoader();
        String line = place + " " + own;
        if (!seen.contains(line)) {
            seen.add(line);
        }
    }

    @Override
    public List<String> call() throws Exception {
        look("call");
        Thread thread = new Thread(() -> look("thread"));
        thread.start();
        thread.join();
        IntStream.range(0, 1000).parallel().forEach(number -> look("parallel stream"));
        CountDownLatch done = new CountDownLatch(2);
        ForkJoinPool.commonPool().execute(() -> {
            look("common pool");
            done.countDown();
        });
        Timer timer = new Timer("row-context-timer");
        timer.schedule(new TimerTask() {
            @Override
            public void run() {
                look("timer");
                done.countDown();
            }
        }, 0);
        done.await();
        timer.cancel();
        return new AbstractList<>() {
            @Override
            public String get(int index) {
                return seen.get(index);
            }

            @Override
            public int size() {
                look("result");
                return seen.size();
            }
        };
    }

    /** When its loader goes, the file says whether its code is called in its own loader. */
    public static void hook(String path) throws Exception {
        class Told extends Rows.Counter implements javax.management.MBeanRegistration {
            @Override
            public javax.management.ObjectName preRegister(
                    javax.management.MBeanServer server, javax.management.ObjectName name) {
                return name;
            }

            @Override
            public void postRegister(Boolean registered) {}

            @Override
            public void preDeregister() {}

            @Override
            public void postDeregister() {
                boolean own = Thread.currentThread().getContextClassLoader() == Contexts.class.getClassLoader();
                try {
                    Files.writeString(Path.of(path + ".new"), String.valueOf(own));
                    Files.move(Path.of(path + ".new"), Path.of(path));
                } catch (java.io.IOException problem) {
                    throw new java.io.UncheckedIOException(problem);
                }
            }
        }
        var name = new javax.management.ObjectName("acme:type=Told,id=" + System.identityHashCode(Contexts.class));
        ManagementFactory.getPlatformMBeanServer().registerMBean(new Told(), name);
    }
}
