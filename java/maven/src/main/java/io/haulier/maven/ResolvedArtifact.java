package io.haulier.maven;

/**
 * One file of the answer.
 *
 * @param coordinates {@code g:a:ext[:classifier]:v}; of a snapshot with its time stamp
 * @param file the absolute path, in the local repository
 * @param repository the id of the repository, or mirror, that it came from; "local" if it was installed here
 * @param sha256 the digest of the file, in hexadecimal
 */
record ResolvedArtifact(String coordinates, String file, String repository, String sha256) {}
