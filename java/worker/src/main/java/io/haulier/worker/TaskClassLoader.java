package io.haulier.worker;

import io.haulier.api.CodeUnavailable;
import io.haulier.api.HaulierException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.security.CodeSource;
import java.security.ProtectionDomain;
import java.security.cert.Certificate;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Enumeration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.jar.Attributes;
import java.util.jar.Manifest;

/**
 * The class loader of a class path. Who is asked first is decided by the class path; no lock is held while an entry is
 * fetched, and what cannot be had for now is an error that the JVM does not remember.
 */
final class TaskClassLoader extends ClassLoader {
    private static final String MANIFEST = "META-INF/MANIFEST.MF";

    static {
        registerAsParallelCapable();
    }

    private static final SharedClassLoader SHARED = new SharedClassLoader();

    private final ClassPath classPath;
    private final RootUrls urls;
    private final SignedRoots signed;
    private final ProtectionDomain[] domains;
    private final Map<Integer, Optional<Manifest>> manifests = new ConcurrentHashMap<>();
    private final Map<String, NamedTask> tasks = new ConcurrentHashMap<>();

    TaskClassLoader(ClassPath classPath) {
        super(SHARED);
        this.classPath = classPath;
        this.signed = new SignedRoots(classPath);
        this.urls = new RootUrls(classPath, signed);
        this.domains = new ProtectionDomain[classPath.labels().length];
        for (int root = 0; root < domains.length; root++) {
            CodeSource source = new CodeSource(urls.root(root), (Certificate[]) null);
            domains[root] = new ProtectionDomain(source, null, this, null);
        }
    }

    ClassPath classPath() {
        return classPath;
    }

    /** The named task; it is looked up once. */
    NamedTask task(String entryPoint) {
        NamedTask known = tasks.get(entryPoint);
        if (known == null) {
            known = NamedTask.find(entryPoint, this);
            tasks.putIfAbsent(entryPoint, known);
        }
        return known;
    }

    /** The label of the root that a class came from; empty if it is not from this class path. */
    Optional<String> sourceOf(Class<?> type) {
        ProtectionDomain domain = type.getProtectionDomain();
        for (int root = 0; root < domains.length; root++) {
            if (domains[root] == domain) {
                return Optional.of(classPath.labels()[root]);
            }
        }
        return signed.rootOf(domain).map(root -> classPath.labels()[root]);
    }

    @Override
    protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
        Class<?> type = findLoadedClass(name);
        if (type == null) {
            type = find(name);
        }
        if (resolve) {
            resolveClass(type);
        }
        return type;
    }

    private Class<?> find(String name) throws ClassNotFoundException {
        if (name.startsWith("java.")) {
            return SHARED.loadClass(name);
        }
        switch (classPath.delegation(name)) {
            case PARENT_ONLY -> {
                return SHARED.loadClass(name);
            }
            case PARENT_FIRST -> {
                try {
                    return SHARED.loadClass(name);
                } catch (ClassNotFoundException absent) {
                    return findClass(name);
                }
            }
            default -> {
                Class<?> own = define(name);
                return own == null ? SHARED.loadClass(name) : own;
            }
        }
    }

    @Override
    protected Class<?> findClass(String name) throws ClassNotFoundException {
        Class<?> own = define(name);
        if (own == null) {
            throw new ClassNotFoundException(name);
        }
        return own;
    }

    /** Defines a class of this class path; null if it has none of that name. */
    private Class<?> define(String name) {
        int[] root = new int[1];
        byte[] bytes;
        ProtectionDomain domain = null;
        try {
            String path = name.replace('.', '/') + ".class";
            bytes = classPath.find(path, root);
            if (bytes != null) {
                domain = signed.domain(root[0], path, bytes, domains[root[0]]);
                definePackageOf(name, root[0]);
            }
        } catch (HaulierException problem) {
            throw new CodeUnavailable(name, problem);
        }
        if (bytes == null) {
            return null;
        }
        synchronized (getClassLoadingLock(name)) {
            Class<?> defined = findLoadedClass(name);
            return defined != null ? defined : define(name, bytes, root[0], domain);
        }
    }

    private Class<?> define(String name, byte[] bytes, int root, ProtectionDomain domain) {
        try {
            return defineClass(name, bytes, 0, bytes.length, domain);
        } catch (UnsupportedClassVersionError problem) {
            throw ClassVersion.of(bytes).unsupported(name, problem);
        } catch (ClassFormatError problem) {
            // The JVM's own message does not always say of which class it speaks.
            ClassFormatError named = new ClassFormatError(
                    name + " in " + classPath.labels()[root] + " is no sound class file: " + problem.getMessage());
            named.initCause(problem);
            throw named;
        }
    }

    private void definePackageOf(String className, int root) {
        int end = className.lastIndexOf('.');
        if (end < 0) {
            return;
        }
        String name = className.substring(0, end);
        Package known = getDefinedPackage(name);
        if (known == null) {
            Optional<Manifest> manifest = manifest(root);
            try {
                define(name, manifest, root);
            } catch (IllegalArgumentException anotherThreadWasFirst) {
                known = getDefinedPackage(name);
            }
        }
        if (known != null && known.isSealed() && !known.isSealed(urls.root(root))) {
            throw new SecurityException("package " + name + " is sealed; " + className + " comes from another root");
        }
    }

    private void define(String name, Optional<Manifest> manifest, int root) {
        Attributes all = manifest.map(Manifest::getMainAttributes).orElseGet(Attributes::new);
        Attributes own = manifest.map(file -> file.getAttributes(name.replace('.', '/') + "/")).orElse(null);
        definePackage(
                name,
                attribute(Attributes.Name.SPECIFICATION_TITLE, own, all),
                attribute(Attributes.Name.SPECIFICATION_VERSION, own, all),
                attribute(Attributes.Name.SPECIFICATION_VENDOR, own, all),
                attribute(Attributes.Name.IMPLEMENTATION_TITLE, own, all),
                attribute(Attributes.Name.IMPLEMENTATION_VERSION, own, all),
                attribute(Attributes.Name.IMPLEMENTATION_VENDOR, own, all),
                "true".equalsIgnoreCase(attribute(Attributes.Name.SEALED, own, all)) ? urls.root(root) : null);
    }

    private static String attribute(Attributes.Name name, Attributes own, Attributes all) {
        String value = own == null ? null : own.getValue(name);
        return value == null ? all.getValue(name) : value;
    }

    private Optional<Manifest> manifest(int root) {
        Optional<Manifest> known = manifests.get(root);
        if (known == null) {
            known = readManifest(root);
            manifests.put(root, known);
        }
        return known;
    }

    private Optional<Manifest> readManifest(int root) {
        byte[] bytes = classPath.findIn(root, MANIFEST);
        try {
            return bytes == null ? Optional.empty() : Optional.of(new Manifest(new ByteArrayInputStream(bytes)));
        } catch (IOException malformed) {
            return Optional.empty();
        }
    }

    @Override
    public URL getResource(String name) {
        switch (classPath.delegation(name)) {
            case PARENT_ONLY -> {
                return SHARED.getResource(name);
            }
            case PARENT_FIRST -> {
                URL shared = SHARED.getResource(name);
                return shared == null ? findResource(name) : shared;
            }
            default -> {
                URL own = findResource(name);
                return own == null ? SHARED.getResource(name) : own;
            }
        }
    }

    @Override
    public Enumeration<URL> getResources(String name) throws IOException {
        Delegation delegation = classPath.delegation(name);
        List<URL> own = delegation == Delegation.PARENT_ONLY ? List.of() : Collections.list(findResources(name));
        boolean ownAlone = delegation == Delegation.CHILD_ONLY && !own.isEmpty();
        List<URL> shared = ownAlone ? List.of() : Collections.list(SHARED.getResources(name));
        List<URL> inOrder = new ArrayList<>(delegation == Delegation.PARENT_FIRST ? shared : own);
        inOrder.addAll(delegation == Delegation.PARENT_FIRST ? own : shared);
        // A URL as a key would be looked up on the network: its text is enough.
        Map<String, URL> unique = new LinkedHashMap<>();
        inOrder.forEach(url -> unique.putIfAbsent(url.toString(), url));
        return Collections.enumeration(unique.values());
    }

    @Override
    protected URL findResource(String name) {
        int[] roots = classPath.roots(name);
        return roots.length == 0 ? null : urls.entry(roots[0], name);
    }

    @Override
    protected Enumeration<URL> findResources(String name) {
        List<URL> found = new ArrayList<>();
        for (int root : classPath.roots(name)) {
            found.add(urls.entry(root, name));
        }
        return Collections.enumeration(found);
    }

    /** Whether code of this loader has used the class of that name, wherever it came from. */
    boolean uses(String name) {
        return findLoadedClass(name) != null;
    }

    /** Deregisters the JDBC drivers of this loader; called when no task uses it any more. */
    void deregisterDrivers() {
        String name = DriverRemoval.class.getName();
        try (InputStream stream = DriverRemoval.class.getResourceAsStream("DriverRemoval.class")) {
            byte[] bytes = stream.readAllBytes();
            Class<?> known = findLoadedClass(name);
            Class<?> own = known == null ? defineClass(name, bytes, 0, bytes.length) : known;
            ((Runnable) own.getDeclaredConstructor().newInstance()).run();
        } catch (IOException | ReflectiveOperationException impossible) {
            throw new IllegalStateException("cannot deregister drivers", impossible);
        }
    }

    @Override
    public String toString() {
        return "class path " + List.of(classPath.labels());
    }
}
