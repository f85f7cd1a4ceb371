//! The distributions that a session's code imports, and what the node says if it has others. Pure.

use std::{
    collections::{HashMap, HashSet},
    str::FromStr as _,
};

use haulier_model::{Error, ErrorKind, Result};
use haulier_requirements::{Exact, is_name, normalized};
use pep440_rs::Version;

use crate::pythons::PythonRuntime;

/// Of requirements of one submit.
const MOST: usize = 1000;
/// Differences that an error names.
const SHOWN: usize = 20;

/// A requirement that is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) requirement: Exact,
    /// The version that is here.
    here: Option<String>,
}

/// Reads "name==version", in any order; the result is sorted and has each once.
pub(super) fn parse(asked: &[String]) -> Result<Vec<Exact>> {
    if asked.len() > MOST {
        let message = format!("{} requirements; a submit has at most {MOST}", asked.len());
        return Err(Error::new(ErrorKind::InvalidArgument, "read requirements", message)
            .hint("connect(environment=\"ignore\") names none"));
    }
    let mut requirements: Vec<Exact> = asked.iter().map(|text| text.parse()).collect::<Result<_>>()?;
    requirements.sort_unstable();
    requirements.dedup();
    Ok(requirements)
}

/// The name of a distribution as indexes compare it; `None` for what is no name.
pub(crate) fn normal(name: &str) -> Option<String> {
    is_name(name).then(|| normalized(name))
}

/// What is not `installed` in that version, nor `carried` by the class path.
pub(super) fn differences(
    requirements: &[Exact],
    installed: &HashMap<String, String>,
    carried: &HashSet<String>,
) -> Vec<Difference> {
    let lacking = requirements.iter().filter(|requirement| !carried.contains(&requirement.name));
    let differing = lacking.filter_map(|requirement| {
        let here = installed.get(&requirement.name);
        let same = here.is_some_and(|here| is_same(here, &requirement.version));
        (!same).then(|| Difference { requirement: requirement.clone(), here: here.cloned() })
    });
    differing.collect()
}

fn is_same(one: &str, other: &str) -> bool {
    one == other || matches!((Version::from_str(one), Version::from_str(other)), (Ok(one), Ok(other)) if one == other)
}

/// The error of a submit whose requirements are not met.
pub(super) fn refusal(node: &str, runtime: &PythonRuntime, differences: &[Difference]) -> Error {
    let lines = differences.iter().take(SHOWN).map(|difference| {
        let Exact { name, version } = &difference.requirement;
        match &difference.here {
            Some(here) => format!("{name} is {here} here and {version} at the client"),
            None => format!("{name} {version} of the client is missing here"),
        }
    });
    let mut message = lines.collect::<Vec<_>>().join("; ");
    if differences.len() > SHOWN {
        message.push_str(&format!("; and {} more", differences.len() - SHOWN));
    }
    let pins = differences.iter().take(SHOWN).map(|difference| difference.requirement.to_string());
    let pins = pins.collect::<Vec<_>>().join(" ");
    let hint = match &runtime.environment {
        None => format!("on the node: {} -m pip install {pins}; or let the node build it: ", runtime.program.display()),
        Some(_) => "let the node build it: ".to_owned(),
    };
    Error::new(ErrorKind::Incompatible, "run a task", format!("other distributions than at the client: {message}"))
        .context("node", node)
        .context("python", runtime.interpreter.version.clone())
        .hint(format!("{hint}connect(environment=\"build\"); or: haulier deploy NAME PATH --requirements FILE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_exact() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let read = parse(&texts(&["six==1.16.0", "NumPy==2.4.1", "six==1.16.0"])).unwrap();
        assert_eq!(read.iter().map(|read| read.name.as_str()).collect::<Vec<_>>(), ["numpy", "six"]);
        assert_eq!(parse(&texts(&["six>=1"])).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert!(parse(&vec!["six==1".to_owned(); MOST + 1]).is_err());
    }

    #[test]
    fn all_differences_are_named() {
        let asked: Vec<String> = ["a==1.0", "b==2.0", "c==1.0", "d==1.0.0"].map(str::to_owned).to_vec();
        let installed = [("b", "2.1"), ("d", "1.0")].map(|(name, version)| (name.to_owned(), version.to_owned()));
        let carried = HashSet::from(["c".to_owned()]);
        let found = differences(&parse(&asked).unwrap(), &installed.into(), &carried);
        let shown: Vec<_> =
            found.iter().map(|found| (found.requirement.name.as_str(), found.here.as_deref())).collect();
        assert_eq!(shown, [("a", None), ("b", Some("2.1"))]);
    }
}
