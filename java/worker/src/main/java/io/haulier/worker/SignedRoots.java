package io.haulier.worker;

import java.security.CodeSigner;
import java.security.CodeSource;
import java.security.ProtectionDomain;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Who signed what is loaded from the roots of a class path. Which files are a signature is said by the class path; of a
 * root that has none, nothing is asked twice.
 */
final class SignedRoots {
    private final ClassPath classPath;
    private final AtomicReferenceArray<Optional<SignedRoot>> roots;
    private final Map<Signed, ProtectionDomain> domains = new ConcurrentHashMap<>();

    /** What classes share a domain: those of one root that the same signers have signed. */
    private record Signed(int root, List<CodeSigner> signers) {}

    SignedRoots(ClassPath classPath) {
        this.classPath = classPath;
        this.roots = new AtomicReferenceArray<>(classPath.labels().length);
    }

    /**
     * Who signed the entry that the class path gives for a path; null: nobody.
     *
     * @throws SecurityException for bytes that are not those that were signed, or a signature that is damaged
     */
    CodeSigner[] signers(int root, String path, byte[] bytes) {
        Optional<SignedRoot> known = roots.get(root);
        if (known == null) {
            known = read(root);
            roots.compareAndSet(root, null, known);
            known = roots.get(root);
        }
        return known.isEmpty() ? null : known.get().verify(classPath.pathIn(root, path), bytes);
    }

    /** The domain of a class: {@code unsigned}, or one with the certificates of its signers. */
    ProtectionDomain domain(int root, String path, byte[] bytes, ProtectionDomain unsigned) {
        CodeSigner[] signers = signers(root, path, bytes);
        if (signers == null) {
            return unsigned;
        }
        return domains.computeIfAbsent(new Signed(root, List.of(signers)), key -> {
            CodeSource source = new CodeSource(unsigned.getCodeSource().getLocation(), signers);
            return new ProtectionDomain(source, null, unsigned.getClassLoader(), null);
        });
    }

    /** The root of a domain that {@link #domain} has made. */
    Optional<Integer> rootOf(ProtectionDomain domain) {
        return domains.entrySet().stream()
                .filter(entry -> entry.getValue() == domain)
                .map(entry -> entry.getKey().root())
                .findFirst();
    }

    private Optional<SignedRoot> read(int root) {
        String[] files = classPath.signatureFiles(root);
        byte[] manifest = files.length == 0 ? null : classPath.findIn(root, SignedRoot.MANIFEST);
        if (manifest == null) {
            return Optional.empty();
        }
        SignedRoot signed = new SignedRoot(manifest);
        for (String file : files) {
            signed.add(file, classPath.findIn(root, file));
        }
        return Optional.of(signed);
    }
}
