/**
 * Resolves Maven coordinates into files, exactly as Maven would for a project that names them as its dependencies: with
 * the user's and the global {@code settings.xml}, mirrors, credentials, proxies and the local repository.
 *
 * <p>It is a program: one JSON request on standard input, JSON lines on standard output. It knows nothing of units,
 * nodes and deployments, and never writes a password.
 */
package io.haulier.maven;
