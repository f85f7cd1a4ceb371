package io.haulier.worker;

import io.haulier.api.ErrorKind;
import io.haulier.api.HaulierException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import javax.tools.FileObject;
import javax.tools.ForwardingJavaFileManager;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileManager;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

/** A class path whose roots are compiled from text, in memory. */
final class MemoryClassPath implements ClassPath {
    private final List<String> labels = new ArrayList<>();
    private final List<Map<String, byte[]>> roots = new ArrayList<>();
    private Delegation delegation = Delegation.CHILD_FIRST;
    private boolean unavailable;

    /** Adds a root: sources ("acme/Price.java") are compiled, everything else is taken as it is. */
    MemoryClassPath root(String label, Map<String, String> files) {
        Map<String, byte[]> entries = new LinkedHashMap<>();
        Map<String, String> sources = new LinkedHashMap<>();
        files.forEach((path, text) -> {
            if (path.endsWith(".java")) {
                sources.put(path, text);
            } else {
                entries.put(path, text.getBytes(StandardCharsets.UTF_8));
            }
        });
        entries.putAll(compile(sources));
        labels.add(label);
        roots.add(entries);
        return this;
    }

    MemoryClassPath delegating(Delegation value) {
        delegation = value;
        return this;
    }

    /** From now on nothing can be had. */
    void setUnavailable(boolean value) {
        unavailable = value;
    }

    Map<String, byte[]> entries(int root) {
        return roots.get(root);
    }

    @Override
    public Delegation delegation(String name) {
        return name.startsWith("io.haulier.api.") ? Delegation.PARENT_ONLY : delegation;
    }

    @Override
    public byte[] find(String path, int[] root) {
        for (int index = 0; index < roots.size(); index++) {
            byte[] bytes = findIn(index, path);
            if (bytes != null) {
                root[0] = index;
                return bytes;
            }
        }
        return null;
    }

    @Override
    public byte[] findIn(int root, String path) {
        byte[] bytes = roots.get(root).get(path);
        if (bytes != null && unavailable) {
            throw HaulierException.of(ErrorKind.UNAVAILABLE, "load " + path, "the client does not answer")
                    .build();
        }
        return bytes;
    }

    @Override
    public int[] roots(String path) {
        return IntStream.range(0, roots.size())
                .filter(root -> roots.get(root).containsKey(path))
                .toArray();
    }

    @Override
    public String pathIn(int root, String path) {
        return roots.get(root).containsKey(path) ? path : null;
    }

    @Override
    public String[] signatureFiles(int root) {
        return roots.get(root).keySet().stream()
                .filter(path -> path.matches("META-INF/[^/]+\\.(SF|RSA|DSA|EC)"))
                .toArray(String[]::new);
    }

    @Override
    public String[] labels() {
        return labels.toArray(String[]::new);
    }

    @Override
    public HaulierException notFound(String name) {
        return HaulierException.of(ErrorKind.CODE_NOT_FOUND, "load " + name, name + " is in none of " + labels)
                .hint("haulier deploy NAME PATH")
                .build();
    }

    private static Map<String, byte[]> compile(Map<String, String> sources) {
        Map<String, byte[]> classes = new LinkedHashMap<>();
        if (sources.isEmpty()) {
            return classes;
        }
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StandardJavaFileManager files = compiler.getStandardFileManager(null, Locale.ROOT, StandardCharsets.UTF_8);
        List<Source> units = sources.entrySet().stream()
                .map(entry -> new Source(entry.getKey(), entry.getValue()))
                .toList();
        List<String> options = List.of("-proc:none", "--limit-modules", "java.base");
        if (!compiler.getTask(null, new Output(files, classes), null, options, null, units).call()) {
            throw new IllegalArgumentException("the sources do not compile");
        }
        return classes;
    }

    private static final class Source extends SimpleJavaFileObject {
        private final String text;

        Source(String path, String text) {
            super(URI.create("memory:///" + path), Kind.SOURCE);
            this.text = text;
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return text;
        }
    }

    private static final class Output extends ForwardingJavaFileManager<JavaFileManager> {
        private final Map<String, byte[]> classes;

        Output(JavaFileManager files, Map<String, byte[]> classes) {
            super(files);
            this.classes = classes;
        }

        @Override
        public JavaFileObject getJavaFileForOutput(
                Location location, String name, JavaFileObject.Kind kind, FileObject sibling) {
            String path = name.replace('.', '/') + ".class";
            return new SimpleJavaFileObject(URI.create("memory:///" + path), kind) {
                @Override
                public ByteArrayOutputStream openOutputStream() {
                    return new ByteArrayOutputStream() {
                        @Override
                        public void close() throws IOException {
                            super.close();
                            classes.put(path, toByteArray());
                        }
                    };
                }
            };
        }
    }

    @Override
    public String explain(String message) {
        return message.contains("com.acme") ? "explained: " + message : "";
    }
}
