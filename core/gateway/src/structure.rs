//! The files of a unit as a tree, with sizes: what `GET /node/units/structure/{id}/{version}` answers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::GatewayFile;

/// How deep the tree is at most; below, files keep the rest of their path as their name. Who reads the answer, and who
/// writes it here, does so by recursion.
const DEPTH: usize = 100;

/// A file or a folder.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Node {
    /// A folder; its size is that of all files below it.
    Folder { name: String, size: u64, children: Vec<Node> },
    /// A file.
    File { name: String, size: u64 },
}

impl Node {
    fn size(&self) -> u64 {
        match self {
            Self::Folder { size, .. } | Self::File { size, .. } => *size,
        }
    }
}

/// The tree of `files` below a folder called `name`, sorted by name.
pub(crate) fn tree(name: String, files: &[GatewayFile]) -> Node {
    folder(name, files.iter().map(|file| (file.path.as_str(), file.size)).collect(), DEPTH)
}

fn folder(name: String, files: Vec<(&str, u64)>, depth: usize) -> Node {
    let mut children = Vec::new();
    let mut folders: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    for (path, size) in files {
        match path.split_once('/') {
            Some((first, rest)) if depth > 0 => folders.entry(first).or_default().push((rest, size)),
            _ => children.push(Node::File { name: path.to_owned(), size }),
        }
    }
    children.sort_by(|a, b| file_name(a).cmp(file_name(b)));
    let folders = folders.into_iter().map(|(name, files)| folder(name.to_owned(), files, depth - 1));
    let children: Vec<Node> = folders.chain(children).collect();
    let size = children.iter().fold(0, |sum: u64, child| sum.saturating_add(child.size()));
    Node::Folder { name, size, children }
}

fn file_name(node: &Node) -> &str {
    match node {
        Node::Folder { name, .. } | Node::File { name, .. } => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_path_does_not_end_the_process() {
        let files = [GatewayFile { path: "a/".repeat(2000) + "x", size: 7 }];
        let mut node = &tree("unit-1".to_owned(), &files);
        let mut depth = 0;
        while let Node::Folder { children, size, .. } = node {
            assert_eq!(*size, 7);
            (node, depth) = (&children[0], depth + 1);
        }
        assert_eq!((depth, file_name(node).len()), (DEPTH + 1, 2 * (2000 - DEPTH) + 1));
    }
}
