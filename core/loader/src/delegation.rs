//! Who is asked for a name: the policy, and the names that it does not govern.

use std::fmt;

use haulier_model::{Language, LoadingPolicy};

/// Who is asked for a name, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delegation {
    /// The parent alone: what it lacks is absent.
    ParentOnly,
    /// The parent, then the class path.
    ParentFirst,
    /// The class path, then the parent.
    ChildFirst,
    /// The class path, then the platform; never the rest of the parent.
    ChildOnly,
}

/// What decides who is asked for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Only the platform or Haulier may define names of this prefix.
    Reserved(&'static str),
    /// Packages of the platform.
    Platform(&'static str),
    /// A prefix that the user wants from the parent.
    ParentPrefix(String),
    /// A logging API.
    Logging(&'static str),
    /// A service whose interface the class path brings.
    OwnService(String),
    /// The policy of the class path.
    Policy(LoadingPolicy),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserved(prefix) => write!(f, "{prefix}.* is of the platform or of Haulier, and of nobody else"),
            Self::Platform(prefix) => write!(f, "packages of the platform come first: {prefix}"),
            Self::ParentPrefix(prefix) => write!(f, "the prefix {prefix} is asked at the parent first"),
            Self::Logging(prefix) => write!(f, "logging APIs of the parent are meant for all: {prefix}"),
            Self::OwnService(interface) => {
                write!(f, "the class path has the interface {interface}, so that its providers alone fit")
            }
            Self::Policy(LoadingPolicy::ParentFirst) => f.write_str("the policy parent-first"),
            Self::Policy(LoadingPolicy::ChildFirst) => f.write_str("the policy child-first"),
            Self::Policy(LoadingPolicy::SelfOnly) => f.write_str("the policy self-only"),
        }
    }
}

/// What only the virtual machine or Haulier may define: a jar that contains such classes breaks nobody.
const JAVA_RESERVED: [&str; 2] = ["java", "io.haulier.api"];

/// What only Haulier may define in Python.
const PYTHON_RESERVED: [&str; 2] = ["haulier", "haulier_worker"];

/// Packages of the platform. Not the whole of `javax` and `com.sun`: libraries live there too. The platform is asked
/// first, so that a runtime image without a module still takes a library's classes.
const JAVA_PLATFORM: [&str; 42] = [
    "javax.accessibility",
    "javax.annotation.processing",
    "javax.crypto",
    "javax.imageio",
    "javax.lang.model",
    "javax.management",
    "javax.naming",
    "javax.net",
    "javax.print",
    "javax.rmi.ssl",
    "javax.script",
    "javax.security.auth",
    "javax.security.cert",
    "javax.security.sasl",
    "javax.smartcardio",
    "javax.sound",
    "javax.sql",
    "javax.swing",
    "javax.tools",
    "javax.transaction.xa",
    "javax.xml.XMLConstants",
    "javax.xml.catalog",
    "javax.xml.crypto",
    "javax.xml.datatype",
    "javax.xml.namespace",
    "javax.xml.parsers",
    "javax.xml.stream",
    "javax.xml.transform",
    "javax.xml.validation",
    "javax.xml.xpath",
    "com.sun.jdi",
    "com.sun.management",
    "com.sun.net.httpserver",
    "com.sun.nio.sctp",
    "com.sun.security",
    "com.sun.source",
    "com.sun.tools",
    "jdk",
    "org.ietf.jgss",
    "org.w3c.dom",
    "org.xml.sax",
    "sun",
];

/// Logging APIs: one in the parent is meant for all.
const JAVA_LOGGING: [&str; 4] =
    ["org.slf4j", "org.apache.commons.logging", "org.apache.log4j", "org.apache.logging.log4j"];

/// The rules of one class path.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    language: Language,
    policy: LoadingPolicy,
    /// Prefixes that the user wants from the parent.
    parent_prefixes: Vec<String>,
}

impl Rules {
    pub(crate) fn new(language: Language, policy: LoadingPolicy, parent_prefixes: Vec<String>) -> Self {
        Self { language, policy, parent_prefixes }
    }

    /// `child_has` says whether the class path has a class of that name; asked for service files alone.
    pub(crate) fn decide(&self, name: &str, child_has: impl Fn(&str) -> bool) -> (Delegation, Rule) {
        if self.language == Language::Python {
            return self.of_module(name);
        }
        if let Some(service) = name.strip_prefix("META-INF/services/") {
            return self.of_service(service, child_has);
        }
        self.of_class(&name.replace('/', "."))
    }

    fn of_class(&self, name: &str) -> (Delegation, Rule) {
        let covering = |prefixes: &[&'static str]| prefixes.iter().copied().find(|prefix| covers(prefix, name));
        if let Some(prefix) = covering(&JAVA_RESERVED) {
            (Delegation::ParentOnly, Rule::Reserved(prefix))
        } else if let Some(prefix) = covering(&JAVA_PLATFORM) {
            (Delegation::ParentFirst, Rule::Platform(prefix))
        } else if let Some(prefix) = self.wanted_from_parent(name) {
            (Delegation::ParentFirst, Rule::ParentPrefix(prefix.to_owned()))
        } else if self.policy != LoadingPolicy::SelfOnly
            && let Some(prefix) = covering(&JAVA_LOGGING)
        {
            (Delegation::ParentFirst, Rule::Logging(prefix))
        } else {
            self.by_policy()
        }
    }

    /// A service whose interface the class path brings is served by the class path alone: providers of the parent
    /// implement another interface of that name.
    fn of_service(&self, service: &str, child_has: impl Fn(&str) -> bool) -> (Delegation, Rule) {
        match self.of_class(service) {
            (Delegation::ChildFirst, _) if child_has(service) => {
                (Delegation::ChildOnly, Rule::OwnService(service.to_owned()))
            }
            // The parent has the interface, and both may have providers.
            (Delegation::ParentOnly, rule) => (Delegation::ParentFirst, rule),
            other => other,
        }
    }

    fn of_module(&self, name: &str) -> (Delegation, Rule) {
        if let Some(prefix) = PYTHON_RESERVED.iter().find(|prefix| covers(prefix, name)) {
            (Delegation::ParentOnly, Rule::Reserved(prefix))
        } else if let Some(prefix) = self.wanted_from_parent(name) {
            (Delegation::ParentFirst, Rule::ParentPrefix(prefix.to_owned()))
        } else {
            self.by_policy()
        }
    }

    fn wanted_from_parent(&self, name: &str) -> Option<&str> {
        self.parent_prefixes.iter().map(String::as_str).find(|prefix| covers(prefix, name))
    }

    fn by_policy(&self) -> (Delegation, Rule) {
        let delegation = match self.policy {
            LoadingPolicy::ParentFirst => Delegation::ParentFirst,
            LoadingPolicy::ChildFirst => Delegation::ChildFirst,
            LoadingPolicy::SelfOnly => Delegation::ChildOnly,
        };
        (delegation, Rule::Policy(self.policy))
    }
}

/// Whether `prefix` names `name` or what is inside it: `org.foo.Bar` covers `org.foo.Bar` and `org.foo.Bar$Inner`, but
/// not `org.foo.BarBaz`.
fn covers(prefix: &str, name: &str) -> bool {
    let prefix = prefix.trim_end_matches(['.', '*']);
    match name.strip_prefix(prefix) {
        Some(rest) => !prefix.is_empty() && (rest.is_empty() || rest.starts_with(['.', '$'])),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(policy: LoadingPolicy) -> Rules {
        Rules::new(Language::Java, policy, vec!["org.foo.Bar".into(), "com.shared.".into(), "net.lib.*".into()])
    }

    #[test]
    fn names_and_policies() {
        use Delegation::{ChildFirst, ChildOnly, ParentFirst, ParentOnly};
        // name, under child-first, under self-only, under parent-first
        let cases = [
            ("java.lang.String", ParentOnly, ParentOnly, ParentOnly),
            ("java/lang/String.class", ParentOnly, ParentOnly, ParentOnly),
            ("javafx.scene.Node", ChildFirst, ChildOnly, ParentFirst),
            ("javax.sql.DataSource", ParentFirst, ParentFirst, ParentFirst),
            ("javax.servlet.Servlet", ChildFirst, ChildOnly, ParentFirst),
            ("javax.xml.bind.JAXB", ChildFirst, ChildOnly, ParentFirst),
            ("io.haulier.api.Task", ParentOnly, ParentOnly, ParentOnly),
            ("io/haulier/api/Task.class", ParentOnly, ParentOnly, ParentOnly),
            ("io.haulier.apix.Task", ChildFirst, ChildOnly, ParentFirst),
            ("org.slf4j.Logger", ParentFirst, ChildOnly, ParentFirst),
            ("org.slf4jx.Logger", ChildFirst, ChildOnly, ParentFirst),
            ("org.foo.Bar", ParentFirst, ParentFirst, ParentFirst),
            ("org.foo.Bar$Inner", ParentFirst, ParentFirst, ParentFirst),
            ("org.foo.BarBaz", ChildFirst, ChildOnly, ParentFirst),
            ("com.shared.Contract", ParentFirst, ParentFirst, ParentFirst),
            ("net.lib.deep.Thing", ParentFirst, ParentFirst, ParentFirst),
            ("com.acme.Price", ChildFirst, ChildOnly, ParentFirst),
            ("com/acme/price.txt", ChildFirst, ChildOnly, ParentFirst),
        ];
        for (name, child_first, self_only, parent_first) in cases {
            let of = |policy| rules(policy).decide(name, |_| false).0;
            assert_eq!(of(LoadingPolicy::ChildFirst), child_first, "{name}");
            assert_eq!(of(LoadingPolicy::SelfOnly), self_only, "{name}");
            assert_eq!(of(LoadingPolicy::ParentFirst), parent_first, "{name}");
        }
    }

    #[test]
    fn services_follow_their_interface() {
        let rules = rules(LoadingPolicy::ChildFirst);
        let has = |name: &str| name == "com.acme.Codec";
        assert_eq!(rules.decide("META-INF/services/com.acme.Codec", has).0, Delegation::ChildOnly);
        assert_eq!(rules.decide("META-INF/services/com.other.Codec", has).0, Delegation::ChildFirst);
        assert_eq!(rules.decide("META-INF/services/java.sql.Driver", has).0, Delegation::ParentFirst);
        assert_eq!(rules.decide("META-INF/services/javax.script.ScriptEngineFactory", has).0, Delegation::ParentFirst);
    }

    #[test]
    fn python_modules() {
        let rules = Rules::new(Language::Python, LoadingPolicy::ChildFirst, vec!["numpy".into()]);
        assert_eq!(rules.decide("haulier", |_| false).0, Delegation::ParentOnly);
        assert_eq!(rules.decide("haulier_extras.x", |_| false).0, Delegation::ChildFirst);
        assert_eq!(rules.decide("numpy.linalg", |_| false).0, Delegation::ParentFirst);
        assert_eq!(rules.decide("java.lang", |_| false).0, Delegation::ChildFirst);
    }
}
