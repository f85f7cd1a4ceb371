package io.haulier.worker;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.Task;
import io.haulier.api.internal.CapturePath;
import io.haulier.api.internal.Codec;
import io.haulier.api.internal.SerialInput;
import io.haulier.api.internal.SerialOutput;
import io.haulier.api.internal.Values;
import java.io.IOException;
import java.io.ObjectInputFilter;
import java.nio.ByteBuffer;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.function.Supplier;

/** One call: bytes to objects, the call itself, its result to bytes. Everything runs in the task's class loader. */
final class Invocation {
    private static final String FILTER_PROPERTY = "haulier.serialFilter";
    private static final ObjectInputFilter FILTER = System.getProperty(FILTER_PROPERTY) == null
            ? SerialInput.DEFAULT_FILTER
            : ObjectInputFilter.Config.createFilter(System.getProperty(FILTER_PROPERTY));

    private Invocation() {}

    /**
     * Runs a task.
     *
     * @param resultCodecs one in each four bits, the preferred one in the lowest
     * @return the codec in the first byte, then the result
     */
    static byte[] run(TaskClassLoader loader, String entryPoint, int codec, byte[] payload, int resultCodecs)
            throws Throwable {
        Object result;
        if (entryPoint.isEmpty()) {
            result = invoke(deserialize(loader, codec, payload), null);
        } else {
            result = loader.task(entryPoint).call(arguments(loader, entryPoint, codec, payload));
        }
        return encode(result, resultCodecs, entryPoint);
    }

    /** Calls whatever can be called. */
    static Object invoke(Object work, Object argument) throws Exception {
        if (work instanceof Callable<?> callable) {
            return callable.call();
        } else if (work instanceof Task<?, ?>) {
            @SuppressWarnings("unchecked") // the argument was converted to what the class declares
            Task<Object, ?> task = (Task<Object, ?>) work;
            return task.run(argument);
        } else if (work instanceof Function<?, ?>) {
            @SuppressWarnings("unchecked") // as above
            Function<Object, ?> function = (Function<Object, ?>) work;
            return function.apply(argument);
        } else if (work instanceof Supplier<?> supplier) {
            return supplier.get();
        } else if (work instanceof Runnable runnable) {
            runnable.run();
            return null;
        }
        String what = work == null ? "null" : work.getClass().getName();
        throw refusal(ErrorKind.INVALID_ARGUMENT, "run a task", what + " is no Callable, Runnable or Task", null);
    }

    private static Object[] arguments(TaskClassLoader loader, String entryPoint, int codec, byte[] payload) {
        if (codec == Codec.VALUES) {
            try {
                return Values.decodeArguments(payload);
            } catch (IllegalArgumentException problem) {
                throw refusal(ErrorKind.INVALID_ARGUMENT, "call " + entryPoint, problem.getMessage(), problem);
            }
        }
        if (deserialize(loader, codec, payload) instanceof Object[] arguments) {
            return arguments;
        }
        throw refusal(ErrorKind.INVALID_ARGUMENT, "call " + entryPoint, "the arguments are no array", null);
    }

    private static Object deserialize(TaskClassLoader loader, int codec, byte[] payload) {
        if (codec != Codec.JAVA) {
            throw refusal(
                    ErrorKind.INCOMPATIBLE, "read a task", "a Java worker cannot read " + Codec.name(codec), null);
        }
        try {
            return SerialInput.read(payload, loader, FILTER);
        } catch (ClassNotFoundException absent) {
            throw new Refusal(loader.classPath().notFound(absent.getMessage()));
        } catch (SerialInput.Refused problem) {
            throw new Refusal(HaulierException.of(ErrorKind.INVALID_ARGUMENT, "read a task", problem.getMessage())
                    .hint("haulier node --serial-filter PATTERN says what a node accepts")
                    .build());
        } catch (IOException problem) {
            throw refusal(
                    ErrorKind.INVALID_ARGUMENT, "read a task", "its bytes cannot be read here: " + problem, problem);
        }
    }

    private static byte[] encode(Object result, int resultCodecs, String entryPoint) {
        StringBuilder problems = new StringBuilder();
        for (int codecs = resultCodecs; codecs != 0; codecs >>>= 4) {
            int codec = codecs & 15;
            try {
                if (codec == Codec.VALUES) {
                    byte[] bytes = Values.encode(result);
                    return ByteBuffer.allocate(bytes.length + 1).put((byte) codec).put(bytes).array();
                } else if (codec == Codec.JAVA) {
                    return SerialOutput.write(codec, result, null);
                }
            } catch (Values.NotAValue problem) {
                problems.append(problems.isEmpty() ? "" : "; ").append(problem.getMessage());
            } catch (IOException problem) {
                String what = CapturePath.find(result).map(path -> path + " cannot be serialized: ").orElse("");
                problems.append(problems.isEmpty() ? "" : "; ").append(what).append(problem);
            }
        }
        String task = entryPoint.isEmpty() ? "a task" : entryPoint;
        throw new Refusal(HaulierException.of(
                        ErrorKind.RESULT_UNREADABLE,
                        "read the result of " + task,
                        result == null ? "the caller reads no Java object" : "the caller cannot read a "
                                + result.getClass().getName() + ": " + problems)
                .hint("return null, a boolean, number, string, byte[], list or map, or, to a Java caller, something"
                        + " Serializable")
                .build());
    }

    private static Refusal refusal(ErrorKind kind, String operation, String problem, Throwable cause) {
        return new Refusal(HaulierException.of(kind, operation, problem).cause(cause).build());
    }
}
