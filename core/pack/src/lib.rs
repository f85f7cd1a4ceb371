//! Reads jars, class files, wheels and folders into manifests; pure functions over bytes and paths.
