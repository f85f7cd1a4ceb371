package io.haulier.worker;

import java.beans.Introspector;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Field;
import java.security.Provider;
import java.security.Security;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.ResourceBundle;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.logging.Handler;
import java.util.logging.LogManager;
import java.util.logging.Logger;
import javax.management.JMException;
import javax.management.MBeanServer;
import javax.management.MBeanServerFactory;
import javax.management.ObjectName;

/**
 * Where tasks register something for the whole process. What is of loaders that are gone is taken out; a shutdown hook
 * does not run. A place is looked at only if the loaders have used its class, so that most cost nothing.
 */
final class Registrations {
    private static final Field HOOKS = JdkFields.of("java.lang.ApplicationShutdownHooks", "hooks");
    private static final Field DELAYER = JdkFields.of("java.util.concurrent.CompletableFuture$Delayer", "delayer");

    private Registrations() {}

    /** Takes out what these loaders have registered. */
    static void remove(Gone gone) {
        attempt(gone, "JDBC driver", () -> removeDrivers(gone), "java.sql.DriverManager", "java.sql.Driver");
        attempt(gone, "MBean", () -> removeBeans(gone), "javax.management.MBeanServer",
                "java.lang.management.ManagementFactory", "javax.management.MBeanServerFactory");
        attempt(gone, "shutdown hook", () -> removeHooks(gone), "java.lang.Runtime");
        attempt(gone, "security provider", () -> removeProviders(gone), "java.security.Provider");
        attempt(gone, "system property", () -> removeProperties(gone), "java.lang.System");
        attempt(gone, "log handler", () -> removeHandlers(gone), "java.util.logging.Handler",
                "java.util.logging.Logger", "java.util.logging.LogManager");
        attempt(gone, "bean information", Introspector::flushCaches, "java.beans.Introspector",
                "java.beans.BeanInfo", "java.beans.PropertyDescriptor");
        attempt(gone, "resource bundle", () -> gone.loaders().forEach(ResourceBundle::clearCache),
                "java.util.ResourceBundle");
        attempt(gone, "class value", () -> ClassValues.remove(gone), "java.lang.ClassValue");
        attempt(gone, "delayed task", () -> removeDelayed(gone), "java.util.concurrent.CompletableFuture");
    }

    /** What is removed may be told so: its code finds its own loader, as in a task. */
    private static void enter(ClassLoader owner) {
        Thread.currentThread().setContextClassLoader(owner);
    }

    private interface Removal {
        void run() throws Exception;
    }

    /** Code of the tasks may run here and do anything: then the rest goes on. */
    private static void attempt(Gone gone, String what, Removal removal, String... classes) {
        if (!gone.use(classes)) {
            return;
        }
        try {
            removal.run();
        } catch (Exception | LinkageError | StackOverflowError | AssertionError problem) {
            gone.suspectAll(what + " (" + problem.getClass().getName() + " when it was removed)");
        }
    }

    private static void removeDrivers(Gone gone) {
        for (ClassLoader loader : gone.loaders()) {
            TaskClassLoader own = (TaskClassLoader) loader;
            if (own.uses("java.sql.DriverManager") || own.uses("java.sql.Driver")) {
                enter(own);
                own.deregisterDrivers();
            }
        }
    }

    private static void removeBeans(Gone gone) throws JMException {
        for (MBeanServer server : servers(gone)) {
            for (ObjectName name : server.queryNames(null, null)) {
                ClassLoader owner = gone.of(server.getClassLoaderFor(name));
                if (owner != null) {
                    enter(owner);
                    server.unregisterMBean(name);
                }
            }
        }
    }

    private static List<MBeanServer> servers(Gone gone) {
        List<MBeanServer> servers = new ArrayList<>(MBeanServerFactory.findMBeanServer(null));
        if (servers.isEmpty() && gone.use("java.lang.management.ManagementFactory")) {
            servers.add(ManagementFactory.getPlatformMBeanServer());
        }
        return servers;
    }

    private static void removeHooks(Gone gone) {
        if (JdkFields.getStatic(HOOKS) instanceof Map<?, ?> hooks) {
            synchronized (HOOKS.getDeclaringClass()) {
                hooks.keySet().removeIf(hook -> OwnThreads.owns((Thread) hook, gone));
            }
        }
    }

    private static void removeProviders(Gone gone) {
        for (Provider provider : Security.getProviders()) {
            if (gone.of(provider) != null) {
                Security.removeProvider(provider.getName());
            }
        }
    }

    private static void removeProperties(Gone gone) {
        Properties properties = System.getProperties();
        properties.keySet().removeIf(key -> gone.of(key) != null);
        properties.values().removeIf(value -> Reach.from(value, gone) != null);
    }

    private static void removeHandlers(Gone gone) {
        for (String name : Collections.list(LogManager.getLogManager().getLoggerNames())) {
            Logger logger = LogManager.getLogManager().getLogger(name);
            if (logger == null) {
                continue;
            }
            for (Handler handler : logger.getHandlers()) {
                if (gone.of(handler) != null) {
                    logger.removeHandler(handler);
                }
            }
            if (gone.of(logger.getFilter()) != null) {
                logger.setFilter(null);
            }
        }
    }

    /** Before JDK 25 one pool of the JDK holds what {@code CompletableFuture.delayedExecutor} is to do later. */
    private static void removeDelayed(Gone gone) {
        if (JdkFields.getStatic(DELAYER) instanceof ScheduledThreadPoolExecutor delayer) {
            delayer.getQueue().removeIf(task -> Reach.from(task, gone) != null);
        }
    }
}
