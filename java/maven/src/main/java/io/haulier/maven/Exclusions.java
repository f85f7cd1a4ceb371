package io.haulier.maven;

import java.util.List;
import org.eclipse.aether.collection.DependencyCollectionContext;
import org.eclipse.aether.collection.DependencySelector;
import org.eclipse.aether.graph.Dependency;

/**
 * Leaves dependencies out before versions are chosen, so that what only they need is gone, too.
 *
 * @param patterns what is left out
 * @param nested false for the artifacts of the request themselves, which always stay
 */
record Exclusions(List<DependencyPattern> patterns, boolean nested) implements DependencySelector {
    @Override
    public boolean selectDependency(Dependency dependency) {
        return !nested || patterns.stream().noneMatch(pattern -> pattern.matches(dependency.getArtifact()));
    }

    @Override
    public DependencySelector deriveChildSelector(DependencyCollectionContext context) {
        return nested || context.getDependency() == null ? this : new Exclusions(patterns, true);
    }
}
