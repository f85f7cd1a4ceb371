package io.haulier.maven;

/** Why a request is not answered with files: what the last line of the output says. */
final class Refusal extends Exception {
    private static final long serialVersionUID = 1L;

    /** What went wrong, by the names that errors of Haulier have everywhere. */
    enum Kind {
        /** An artifact, or something that it depends on, is in none of the repositories. */
        NotFound,
        /** A repository cannot be reached, or gives something other than its checksums say; later it may work. */
        Unavailable,
        /** A repository wants other credentials, or settings.xml blocks it. */
        PermissionDenied,
        /** The request or settings.xml is wrong. */
        InvalidArgument,
        /** A defect of this program. */
        Internal
    }

    private final Kind kind;
    private final String hint;

    /** A failure of {@code kind}; {@code hint} is what to do next. */
    Refusal(Kind kind, String message, String hint) {
        super(Redaction.of(message));
        this.kind = kind;
        this.hint = Redaction.of(hint);
    }

    /** A request that has to be changed. */
    static Refusal invalid(String message, String hint) {
        return new Refusal(Kind.InvalidArgument, message, hint);
    }

    Kind kind() {
        return kind;
    }

    String hint() {
        return hint;
    }
}
