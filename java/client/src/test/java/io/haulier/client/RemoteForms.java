package io.haulier.client;

import io.haulier.api.RemoteCallable;
import java.io.Externalizable;
import java.io.ObjectInput;
import java.io.ObjectOutput;
import java.io.Serializable;
import java.util.Arrays;
import java.util.stream.Collectors;

/** Classes of each form that the language has, for {@link FunctionFormsTest}. */
final class RemoteForms {
    private RemoteForms() {}

    static String join(Object... parts) {
        return Arrays.stream(parts).map(String::valueOf).collect(Collectors.joining("-"));
    }

    static String hidden() {
        return new Hidden().name;
    }

    /** Compiles to a class of its own with a table of the constants. */
    static String temperature(Colour colour) {
        return switch (colour) {
            case RED -> "warm";
            case GREEN -> "cool";
        };
    }

    static boolean isSingle(Single single) {
        return single == Single.INSTANCE;
    }

    private static final class Hidden {
        private final String name = "private";

        private Hidden() {}
    }

    static class Parent implements Serializable {
        private static final long serialVersionUID = 1L;
        final String name;

        Parent(String name) {
            this.name = name;
        }

        String describe() {
            return "parent of " + name;
        }
    }

    static final class Child extends Parent {
        private static final long serialVersionUID = 1L;

        Child(String name) {
            super(name);
        }

        @Override
        String describe() {
            return name;
        }

        RemoteCallable<String> ofSuper() {
            return super::describe;
        }

        RemoteCallable<String> ofThis() {
            return this::describe;
        }
    }

    static final class Outer implements Serializable {
        private static final long serialVersionUID = 1L;
        private final String name;

        Outer(String name) {
            this.name = name;
        }

        RemoteCallable<String> anonymous(int number) {
            return new RemoteCallable<>() {
                private static final long serialVersionUID = 1L;

                @Override
                public String call() {
                    return name + " anonymous " + number;
                }
            };
        }

        RemoteCallable<String> local(int number) {
            class Local implements RemoteCallable<String> {
                private static final long serialVersionUID = 1L;

                @Override
                public String call() {
                    return name + " local " + number;
                }
            }
            return new Local();
        }

        final class Inner implements RemoteCallable<String> {
            private static final long serialVersionUID = 1L;
            private final String part;

            Inner(String part) {
                this.part = part;
            }

            @Override
            public String call() {
                return name + " " + part;
            }

            final class Deeper implements RemoteCallable<String> {
                private static final long serialVersionUID = 1L;

                @Override
                public String call() {
                    return Inner.this.call() + " deep";
                }
            }
        }
    }

    interface Constants extends Serializable {
        RemoteCallable<String> LAMBDA = () -> "constant";

        int number();

        default RemoteCallable<String> ofDefault() {
            return () -> "default " + number();
        }

        static RemoteCallable<String> ofStatic() {
            return () -> "static";
        }
    }

    interface Marked {
        default String suffix() {
            return " by its second type";
        }
    }

    /** Not public: a proxy of it is defined beside it. */
    interface Named {
        String name();
    }

    enum Colour {
        RED {
            @Override
            RemoteCallable<String> lambda() {
                return () -> "red " + this;
            }
        },
        GREEN {
            @Override
            RemoteCallable<String> lambda() {
                return this::name;
            }
        };

        abstract RemoteCallable<String> lambda();
    }

    record Range(long from, long to) implements Serializable {
        Range {
            if (from > to) {
                throw new IllegalArgumentException(from + " > " + to);
            }
        }

        RemoteCallable<Long> length() {
            return () -> to - from;
        }
    }

    static final class InConstructor {
        final RemoteCallable<String> task;

        InConstructor() {
            task = () -> "constructor";
        }
    }

    sealed interface Shape extends Serializable permits Shape.Square, Shape.Dot {
        record Square(int side) implements Shape {}

        enum Dot implements Shape {
            DOT
        }

        static int area(Shape shape) {
            return shape instanceof Square square ? square.side * square.side : 0;
        }
    }

    /** Reads and writes itself. */
    public static final class External implements Externalizable {
        int value;

        /** For deserialization. */
        public External() {}

        @Override
        public void writeExternal(ObjectOutput out) throws java.io.IOException {
            out.writeInt(value);
        }

        @Override
        public void readExternal(ObjectInput in) throws java.io.IOException {
            value = in.readInt();
        }
    }

    /** There is one in each virtual machine. */
    static final class Single implements Serializable {
        private static final long serialVersionUID = 1L;
        static final Single INSTANCE = new Single();

        private Single() {}

        private Object writeReplace() {
            return new Form();
        }

        private static final class Form implements Serializable {
            private static final long serialVersionUID = 1L;

            private Object readResolve() {
                return INSTANCE;
            }
        }
    }

    /** A list of links, each inside the one before. */
    static final class Chain implements Serializable {
        private static final long serialVersionUID = 1L;
        final int value;
        Chain next;

        private Chain(int value, Chain next) {
            this.value = value;
            this.next = next;
        }

        static Chain of(int length) {
            Chain first = null;
            for (int value = length; value > 0; value--) {
                first = new Chain(value, first);
            }
            return first;
        }

        Chain last() {
            Chain at = this;
            while (at.next != null) {
                at = at.next;
            }
            return at;
        }

        int length() {
            int length = 0;
            for (Chain at = this; at != null; at = at.next) {
                length++;
            }
            return length;
        }

        int ringSize() {
            int size = 1;
            for (Chain at = next; at != this; at = at.next) {
                size++;
            }
            return size;
        }
    }
}
