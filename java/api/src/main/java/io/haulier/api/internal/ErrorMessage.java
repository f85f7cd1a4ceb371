package io.haulier.api.internal;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import io.haulier.api.RemoteFailure;
import io.haulier.api.Retry;

/**
 * The one error as a message of the protocol: how errors cross between Java and the core.
 *
 * @param exception everything but the exception object of the user's code
 * @param codec what {@code object} is; 0: there is none
 * @param object the exception object of the user's code
 */
public record ErrorMessage(HaulierException exception, int codec, byte[] object) {
    private static final byte[] NONE = {};

    /** An error without an exception object. */
    public static byte[] encode(HaulierException exception) {
        return new ErrorMessage(exception, 0, NONE).encode();
    }

    /** Encodes {@code haulier.v1.Error}. */
    public byte[] encode() {
        ProtoWriter writer = new ProtoWriter();
        writer.writeInteger(1, exception.kind().number());
        writer.writeInteger(2, exception.retry().number());
        writer.writeText(3, exception.operation());
        writer.writeText(4, exception.problem());
        exception.context().forEach((name, value) -> {
            ProtoWriter context = new ProtoWriter();
            context.writeText(1, name);
            context.writeText(2, value);
            writer.writeMessage(5, context);
        });
        writer.writeText(6, exception.hint());
        exception.remote().ifPresent(remote -> writer.writeMessage(7, remote(remote)));
        return writer.toByteArray();
    }

    /** Decodes {@code haulier.v1.Error}. */
    public static ErrorMessage decode(byte[] bytes) {
        return new Decoder().read(new ProtoReader(bytes));
    }

    private ProtoWriter remote(RemoteFailure remote) {
        ProtoWriter writer = new ProtoWriter();
        writer.writeInteger(1, languageNumber(remote.language()));
        writer.writeText(2, remote.typeName());
        writer.writeText(3, remote.message());
        writer.writeText(4, remote.trace());
        if (codec != 0) {
            writer.writeInteger(5, codec);
            writer.writeBytes(6, object);
        }
        return writer;
    }

    private static int languageNumber(String language) {
        return switch (language) {
            case "rust" -> 1;
            case "java" -> 2;
            case "python" -> 3;
            default -> 0;
        };
    }

    private static String languageName(int number) {
        return switch (number) {
            case 1 -> "rust";
            case 2 -> "java";
            case 3 -> "python";
            default -> "";
        };
    }

    /** Collects the fields as they come. */
    private static final class Decoder {
        private int kind;
        private int retry;
        private String operation = "";
        private String problem = "";
        private String hint = "";
        private RemoteFailure remote;
        private int codec;
        private byte[] object = NONE;
        private final java.util.Map<String, String> context = new java.util.LinkedHashMap<>();

        ErrorMessage read(ProtoReader reader) {
            for (int field = reader.nextField(); field != 0; field = reader.nextField()) {
                switch (field) {
                    case 1 -> kind = (int) reader.readInteger();
                    case 2 -> retry = (int) reader.readInteger();
                    case 3 -> operation = reader.readString();
                    case 4 -> problem = reader.readString();
                    case 5 -> readContext(reader.readMessage());
                    case 6 -> hint = reader.readString();
                    case 7 -> readRemote(reader.readMessage());
                    default -> reader.skip();
                }
            }
            HaulierException.Builder builder = HaulierException.of(ErrorKind.of(kind), operation, problem)
                    .retry(Retry.of(retry))
                    .hint(hint)
                    .remote(remote);
            context.forEach(builder::context);
            return new ErrorMessage(builder.build(), codec, object);
        }

        private void readContext(ProtoReader reader) {
            String name = "";
            String value = "";
            for (int field = reader.nextField(); field != 0; field = reader.nextField()) {
                switch (field) {
                    case 1 -> name = reader.readString();
                    case 2 -> value = reader.readString();
                    default -> reader.skip();
                }
            }
            context.put(name, value);
        }

        private void readRemote(ProtoReader reader) {
            int language = 0;
            String typeName = "";
            String message = "";
            String trace = "";
            for (int field = reader.nextField(); field != 0; field = reader.nextField()) {
                switch (field) {
                    case 1 -> language = (int) reader.readInteger();
                    case 2 -> typeName = reader.readString();
                    case 3 -> message = reader.readString();
                    case 4 -> trace = reader.readString();
                    case 5 -> codec = (int) reader.readInteger();
                    case 6 -> object = reader.readBytes();
                    default -> reader.skip();
                }
            }
            remote = new RemoteFailure(languageName(language), typeName, message, trace);
        }
    }
}
