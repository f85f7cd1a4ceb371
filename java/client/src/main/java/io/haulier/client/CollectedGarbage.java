package io.haulier.client;

import io.haulier.api.NodeId;

/**
 * What a collection freed, or would free.
 *
 * @param node on which
 * @param packs pack files
 * @param bytes of disk that they have
 * @param heldBytes that nothing names either, in packs that stay because of other content in them
 */
public record CollectedGarbage(NodeId node, long packs, long bytes, long heldBytes) {
    static CollectedGarbage read(Fields fields) {
        return new CollectedGarbage(new NodeId(fields.text()), fields.number(), fields.number(), fields.number());
    }
}
