//! Which wheels an interpreter installs, by [PEP 425](https://peps.python.org/pep-0425/) tags. Pure.

use std::fmt;

use super::Interpreter;

/// The machine that an interpreter runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Platform {
    /// "x86_64".
    pub(super) machine: String,
    pub(super) libc: Libc,
}

/// The C library with its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Libc {
    Glibc(u32, u32),
    Musl(u32, u32),
    Unknown,
}

impl Libc {
    /// "glibc 2.36", "musl 1.2".
    pub(super) fn parse(text: &str) -> Self {
        let version = |text: &str| {
            let mut numbers = text.split('.').map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        };
        match text.split_once(' ').map(|(name, rest)| (name, version(rest.trim()))) {
            Some(("glibc", Some((major, minor)))) => Self::Glibc(major, minor),
            Some(("musl", Some((major, minor)))) => Self::Musl(major, minor),
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.libc {
            Libc::Glibc(major, minor) => write!(f, "{}, glibc {major}.{minor}", self.machine),
            Libc::Musl(major, minor) => write!(f, "{}, musl {major}.{minor}", self.machine),
            Libc::Unknown => f.write_str(&self.machine),
        }
    }
}

impl Interpreter {
    /// Whether it installs wheels with one of the tags.
    pub(crate) fn fits_any<'a>(&self, tags: impl IntoIterator<Item = &'a str>) -> bool {
        tags.into_iter().any(|tag| self.fits(tag))
    }

    /// One tag, which may be a set: "py2.py3-none-any".
    fn fits(&self, tag: &str) -> bool {
        let mut parts = tag.trim().splitn(3, '-');
        let (Some(pythons), Some(abis), Some(platforms)) = (parts.next(), parts.next(), parts.next()) else {
            return false;
        };
        platforms.split('.').any(|platform| self.platform.runs(platform))
            && pythons.split('.').any(|python| abis.split('.').any(|abi| self.executes(python, abi)))
    }

    fn executes(&self, python: &str, abi: &str) -> bool {
        let Some(own) = self.minor_number() else { return false };
        let of = |prefix: &str| python.strip_prefix(prefix).and_then(|number| number.parse::<u32>().ok());
        if python == "py3" {
            return abi == "none";
        }
        if let Some(minor) = of("py3") {
            return abi == "none" && minor <= own;
        }
        let (Some(minor), "cpython") = (of("cp3"), self.implementation.as_str()) else { return false };
        match abi {
            "none" => minor == own,
            "abi3" => minor <= own && !self.is_free_threaded,
            abi => {
                let suffix = if self.is_free_threaded { "t" } else { "" };
                minor == own && abi == format!("{python}{suffix}")
            }
        }
    }
}

impl Platform {
    fn runs(&self, platform: &str) -> bool {
        if platform == "any" {
            return true;
        }
        let Some(system) = platform.strip_suffix(&self.machine).and_then(|rest| rest.strip_suffix('_')) else {
            return false;
        };
        let (libc, least) = match system {
            "linux" => return true,
            "manylinux1" => ("manylinux", Some((2, 5))),
            "manylinux2010" => ("manylinux", Some((2, 12))),
            "manylinux2014" => ("manylinux", Some((2, 17))),
            other => {
                let mut words = other.split('_');
                let libc = words.next().unwrap_or_default();
                let mut number = || words.next().and_then(|word| word.parse::<u32>().ok());
                (libc, number().zip(number()))
            }
        };
        match (libc, least, self.libc) {
            ("manylinux", Some(least), Libc::Glibc(major, minor))
            | ("musllinux", Some(least), Libc::Musl(major, minor)) => least.0 == major && least.1 <= minor,
            // What does not say its library may have it.
            ("manylinux" | "musllinux", Some(_), Libc::Unknown) => true,
            _ => false,
        }
    }
}

/// The tags in the `WHEEL` file of a distribution.
pub(crate) fn wheel_tags(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("Tag:")).map(str::trim).filter(|tag| !tag.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::interpreter::example, *};

    #[test]
    fn tags_that_an_interpreter_installs() {
        let interpreter = example("3.11.7");
        let fitting = [
            "py3-none-any",
            "py2.py3-none-any",
            "py39-none-any",
            "cp311-none-any",
            "cp311-cp311-manylinux_2_17_x86_64",
            "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
            "cp37-abi3-manylinux1_x86_64",
            "cp311-abi3-linux_x86_64",
            "py3-none-manylinux_2_36_x86_64",
        ];
        let others = [
            "py2-none-any",
            "py312-none-any",
            "cp312-cp312-manylinux_2_17_x86_64",
            "cp310-cp310-manylinux_2_17_x86_64",
            "cp312-abi3-manylinux_2_17_x86_64",
            "cp311-cp311t-manylinux_2_17_x86_64",
            "cp311-cp311-manylinux_2_37_x86_64",
            "cp311-cp311-musllinux_1_2_x86_64",
            "cp311-cp311-manylinux_2_17_aarch64",
            "cp311-cp311-macosx_11_0_arm64",
            "cp311-cp311-win_amd64",
            "pp310-pypy310_pp73-manylinux_2_17_x86_64",
            "nonsense",
        ];
        for tag in fitting {
            assert!(interpreter.fits(tag), "{tag}");
        }
        for tag in others {
            assert!(!interpreter.fits(tag), "{tag}");
        }
    }

    #[test]
    fn tags_in_a_wheel_file() {
        let text = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: false\nTag: cp311-cp311-linux_x86_64\nTag: py3-none-any\n";
        assert_eq!(wheel_tags(text), ["cp311-cp311-linux_x86_64", "py3-none-any"]);
    }
}
