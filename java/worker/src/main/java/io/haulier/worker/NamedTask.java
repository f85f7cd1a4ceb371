package io.haulier.worker;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.Task;
import io.haulier.api.internal.Conversion;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A task that is called by name: a class that implements {@link Task}, {@link Callable}, {@link Function},
 * {@link Supplier} or {@link Runnable}, or {@code Class#staticMethod}. Each call of a class makes an instance.
 */
abstract class NamedTask {
    private final String name;

    private NamedTask(String name) {
        this.name = name;
    }

    /** Finds the task in the class path of that loader. */
    static NamedTask find(String entryPoint, TaskClassLoader loader) {
        int end = entryPoint.indexOf('#');
        Class<?> type = load(end < 0 ? entryPoint : entryPoint.substring(0, end), loader);
        return end < 0 ? ofClass(entryPoint, type) : ofMethods(entryPoint, type, entryPoint.substring(end + 1));
    }

    /** Calls the task; what it throws is thrown as it is. */
    abstract Object call(Object[] arguments) throws Throwable;

    private static Class<?> load(String name, TaskClassLoader loader) {
        try {
            return Class.forName(name, false, loader);
        } catch (ClassNotFoundException absent) {
            throw new Refusal(loader.classPath().notFound(name));
        }
    }

    private static NamedTask ofMethods(String name, Class<?> type, String methodName) {
        List<Method> methods = Stream.of(type.getDeclaredMethods())
                .filter(method -> method.getName().equals(methodName) && Modifier.isStatic(method.getModifiers()))
                .filter(method -> !method.isSynthetic())
                .sorted(Comparator.comparing(Method::toString))
                .toList();
        if (methods.isEmpty()) {
            String others = Stream.of(type.getDeclaredMethods())
                    .filter(method -> Modifier.isStatic(method.getModifiers()) && !method.isSynthetic())
                    .map(Method::getName)
                    .distinct()
                    .sorted()
                    .collect(Collectors.joining(", "));
            throw refusal(
                    ErrorKind.CODE_NOT_FOUND,
                    name,
                    type.getName() + " has no static method '" + methodName + "'; it has: "
                            + (others.isEmpty() ? "none" : others));
        }
        methods.forEach(Method::trySetAccessible);
        return new OfMethods(name, methods);
    }

    private static NamedTask ofClass(String name, Class<?> type) {
        String method = Task.class.isAssignableFrom(type)
                ? "run"
                : Function.class.isAssignableFrom(type) ? "apply" : null;
        boolean withoutArgument = Callable.class.isAssignableFrom(type)
                || Supplier.class.isAssignableFrom(type)
                || Runnable.class.isAssignableFrom(type);
        if (method == null && !withoutArgument) {
            throw refusal(
                    ErrorKind.INVALID_ARGUMENT,
                    name,
                    type.getName() + " is no task: it implements neither Task, Function, Callable, Supplier nor Runnable;"
                            + " for a static method write " + type.getName() + "#method");
        }
        try {
            Constructor<?> constructor = type.getDeclaredConstructor();
            constructor.trySetAccessible();
            return new OfClass(name, constructor, method == null ? null : parameter(type, method));
        } catch (NoSuchMethodException absent) {
            throw refusal(
                    ErrorKind.INVALID_ARGUMENT, name, type.getName() + " has no constructor without parameters");
        }
    }

    /** What a class declares as the type of its argument; Object where it declares none or several. */
    private static Class<?> parameter(Class<?> type, String method) {
        for (Class<?> at = type; at != null; at = at.getSuperclass()) {
            List<Method> own = Stream.of(at.getDeclaredMethods())
                    .filter(candidate -> candidate.getName().equals(method) && candidate.getParameterCount() == 1)
                    .filter(candidate -> !candidate.isBridge() && !Modifier.isStatic(candidate.getModifiers()))
                    .toList();
            if (!own.isEmpty()) {
                return own.size() == 1 ? own.get(0).getParameterTypes()[0] : Object.class;
            }
        }
        return Object.class;
    }

    /** The arguments as the declared types; an {@link IllegalArgumentException} says which one does not fit. */
    private static Object[] convert(Object[] arguments, Class<?>[] types) {
        Object[] converted = new Object[types.length];
        for (int index = 0; index < types.length; index++) {
            try {
                converted[index] = Conversion.convert(arguments[index], types[index]);
            } catch (IllegalArgumentException problem) {
                throw new IllegalArgumentException("argument " + (index + 1) + ": " + problem.getMessage(), problem);
            }
        }
        return converted;
    }

    private static Refusal refusal(ErrorKind kind, String name, String problem) {
        return new Refusal(HaulierException.of(kind, "call " + name, problem).build());
    }

    Refusal wrongArguments(String problem) {
        return refusal(ErrorKind.INVALID_ARGUMENT, name, problem);
    }

    /** Static methods of one name. */
    private static final class OfMethods extends NamedTask {
        private final List<Method> methods;

        OfMethods(String name, List<Method> methods) {
            super(name);
            this.methods = methods;
        }

        @Override
        Object call(Object[] arguments) throws Throwable {
            List<String> problems = new ArrayList<>();
            Method best = null;
            Object[] bestArguments = null;
            long bestChanges = Long.MAX_VALUE;
            for (Method method : methods) {
                if (method.getParameterCount() != arguments.length) {
                    problems.add(method.getName() + " takes " + types(method) + ", given: " + arguments.length);
                    continue;
                }
                try {
                    Object[] converted = convert(arguments, method.getParameterTypes());
                    long changes = changes(arguments, converted);
                    if (changes < bestChanges) {
                        best = method;
                        bestArguments = converted;
                        bestChanges = changes;
                    }
                } catch (IllegalArgumentException problem) {
                    problems.add(problem.getMessage());
                }
            }
            if (best == null) {
                throw wrongArguments(String.join("; ", problems));
            }
            try {
                return best.invoke(null, bestArguments);
            } catch (InvocationTargetException thrown) {
                throw thrown.getCause();
            }
        }

        /** How far the declared types are from what was given: an int is nearer to an integer than a double. */
        private static long changes(Object[] before, Object[] after) {
            long changes = 0;
            for (int index = 0; index < before.length; index++) {
                boolean becameFloat = before[index] instanceof Long && (after[index] instanceof Double || after[index] instanceof Float);
                changes += before[index] == after[index] ? 0 : becameFloat ? 2 : 1;
            }
            return changes;
        }

        private static String types(Method method) {
            return Arrays.stream(method.getParameterTypes()).map(Class::getTypeName).collect(Collectors.joining(", ", "(", ")"));
        }
    }

    /** A class that is instantiated for each call. */
    private static final class OfClass extends NamedTask {
        private final Constructor<?> constructor;
        private final Class<?> parameter;

        OfClass(String name, Constructor<?> constructor, Class<?> parameter) {
            super(name);
            this.constructor = constructor;
            this.parameter = parameter;
        }

        @Override
        Object call(Object[] arguments) throws Throwable {
            int most = parameter == null ? 0 : 1;
            if (arguments.length > most) {
                throw wrongArguments("it takes " + (most == 0 ? "no argument" : "one argument") + ", given: "
                        + arguments.length);
            }
            Object argument = arguments.length == 0 ? null : converted(arguments[0]);
            Object instance;
            try {
                instance = constructor.newInstance();
            } catch (InvocationTargetException thrown) {
                throw thrown.getCause();
            } catch (InstantiationException isAbstract) {
                throw wrongArguments(constructor.getDeclaringClass().getName() + " is abstract");
            }
            return Invocation.invoke(instance, argument);
        }

        private Object converted(Object argument) {
            try {
                return Conversion.convert(argument, parameter);
            } catch (IllegalArgumentException problem) {
                throw wrongArguments(problem.getMessage());
            }
        }
    }
}
