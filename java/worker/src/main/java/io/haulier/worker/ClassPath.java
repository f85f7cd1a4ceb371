package io.haulier.worker;

import io.haulier.api.HaulierException;

/**
 * What a task sees: ordered roots with labels. Implementations may block to fetch an entry, survive an interrupt, and
 * throw {@link HaulierException} where an entry exists but cannot be had for now.
 */
interface ClassPath {
    /** Who is asked for a class ("com.acme.Price") or a resource ("com/acme/price.txt"). */
    Delegation delegation(String name);

    /** The bytes of the first entry of that path, and in {@code root[0]} the index of its root; null: absent. */
    byte[] find(String path, int[] root);

    /** The bytes of the entry of that path in one root; null: absent. */
    byte[] findIn(int root, String path);

    /** The indexes of the roots that have that path, in order. */
    int[] roots(String path);

    /** The path of the entry that {@link #findIn} gives: of a versioned one "META-INF/versions/17/..."; null: absent. */
    String pathIn(int root, String path);

    /** The paths of the files that sign a root, beside its manifest; none if it is not signed. */
    String[] signatureFiles(int root);

    /** The label of each root: "pricing:1.2.0/pricing.jar". */
    String[] labels();

    /** The error for a class that is absent: what was searched, the nearest names, what would deploy it. */
    HaulierException notFound(String name);

    /** Where the names that a message speaks of come from, in lines; empty if none of them is of this class path. */
    String explain(String message);
}
