//! Which files of a jar are its signature. Must never verify one: that is what a JVM does.

use std::collections::HashSet;

/// The endings of blocks, which hold a signature.
const BLOCKS: [&str; 3] = ["RSA", "DSA", "EC"];

/// The files that sign a jar, in the order of `paths`: each `META-INF/X.SF` for which there is a block `META-INF/X.RSA`,
/// `.DSA` or `.EC`, and these blocks. Nothing if the jar is not signed. Case does not count.
///
/// ```
/// let paths = ["META-INF/MANIFEST.MF", "META-INF/ACME.SF", "META-INF/acme.ec", "META-INF/other.SF", "a/A.class"];
/// assert_eq!(haulier_model::signature_files(paths), ["META-INF/ACME.SF", "META-INF/acme.ec"]);
/// ```
pub fn signature_files<'a>(paths: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let files: Vec<(&str, String, String)> = paths.into_iter().filter_map(part).collect();
    let names = |is_wanted: fn(&str) -> bool| {
        let wanted = files.iter().filter(move |(_, _, ending)| is_wanted(ending));
        wanted.map(|(_, name, _)| name.as_str()).collect::<HashSet<&str>>()
    };
    let (signed, blocks) = (names(|ending| ending == "SF"), names(|ending| BLOCKS.contains(&ending)));
    let is_whole = |name: &str| signed.contains(name) && blocks.contains(name);
    files.iter().filter(|(_, name, _)| is_whole(name)).map(|(path, ..)| *path).collect()
}

/// A file of a signature with its name and its ending, in capitals.
fn part(path: &str) -> Option<(&str, String, String)> {
    const FOLDER: &str = "META-INF/";
    let (folder, file) = path.split_at_checked(FOLDER.len())?;
    if !folder.eq_ignore_ascii_case(FOLDER) {
        return None;
    }
    let (name, ending) = file.rsplit_once('.')?;
    let is_ending = ending.eq_ignore_ascii_case("SF") || BLOCKS.iter().any(|block| ending.eq_ignore_ascii_case(block));
    let is_part = is_ending && !name.contains('/');
    is_part.then(|| (path, name.to_uppercase(), ending.to_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_a_file_and_its_block() {
        let cases: [(&[&str], &[&str]); 6] = [
            (&["META-INF/A.SF", "META-INF/A.RSA", "META-INF/B.DSA"], &["META-INF/A.SF", "META-INF/A.RSA"]),
            (&["META-INF/A.RSA", "meta-inf/a.sf"], &["META-INF/A.RSA", "meta-inf/a.sf"]),
            (&["META-INF/A.SF", "META-INF/B.RSA"], &[]),
            (&["META-INF/x/A.SF", "META-INF/x/A.RSA", "A.SF", "A.RSA"], &[]),
            (&["META-INF/versions", "META-INF/", "META-INF", "META-INF\u{e9}/A.SF", ""], &[]),
            (&["META-INF/.SF", "META-INF/.EC"], &["META-INF/.SF", "META-INF/.EC"]),
        ];
        for (paths, expected) in cases {
            assert_eq!(signature_files(paths.iter().copied()), expected, "{paths:?}");
        }
    }
}
