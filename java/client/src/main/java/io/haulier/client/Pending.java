package io.haulier.client;

import io.haulier.api.HaulierException;

/** What waits for an answer of the core. Called on threads of the core: it must not block or run code of the user. */
interface Pending {
    /** One task's result, or its failure if {@code error} is not null. */
    void completed(int codec, byte[] payload, byte[] error);

    /** The outcomes of a broadcast; an error at each index where there is no payload. */
    void outcomes(String[] nodes, int[] codecs, byte[][] payloads, byte[][] errors);

    /** The fields of records, one after the other. */
    void records(String[] fields);

    /** How far it is; only a deployment says so, until its end. */
    default void progress(int step, long done, long total) {}

    /** There will be no answer. */
    void failed(HaulierException problem);

    /** Which cluster owes the answer. */
    long cluster();
}
