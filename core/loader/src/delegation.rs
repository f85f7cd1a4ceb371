//! Who is asked for a name: the policy, and the names that it does not govern.

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
    pub(crate) fn delegation(&self, name: &str, child_has: impl Fn(&str) -> bool) -> Delegation {
        if self.language == Language::Python {
            return self.of_module(name);
        }
        if let Some(service) = name.strip_prefix("META-INF/services/") {
            return self.of_service(service, child_has);
        }
        self.of_class(&name.replace('/', "."))
    }

    fn of_class(&self, name: &str) -> Delegation {
        let any = |prefixes: &[&str]| prefixes.iter().any(|prefix| covers(prefix, name));
        if any(&JAVA_RESERVED) {
            Delegation::ParentOnly
        } else if any(&JAVA_PLATFORM)
            || self.wanted_from_parent(name)
            || (self.policy != LoadingPolicy::SelfOnly && any(&JAVA_LOGGING))
        {
            Delegation::ParentFirst
        } else {
            self.by_policy()
        }
    }

    /// A service whose interface the class path brings is served by the class path alone: providers of the parent
    /// implement another interface of that name.
    fn of_service(&self, service: &str, child_has: impl Fn(&str) -> bool) -> Delegation {
        match self.of_class(service) {
            Delegation::ChildFirst if child_has(service) => Delegation::ChildOnly,
            // The parent has the interface, and both may have providers.
            Delegation::ParentOnly => Delegation::ParentFirst,
            other => other,
        }
    }

    fn of_module(&self, name: &str) -> Delegation {
        if PYTHON_RESERVED.iter().any(|prefix| covers(prefix, name)) {
            Delegation::ParentOnly
        } else if self.wanted_from_parent(name) {
            Delegation::ParentFirst
        } else {
            self.by_policy()
        }
    }

    fn wanted_from_parent(&self, name: &str) -> bool {
        self.parent_prefixes.iter().any(|prefix| covers(prefix, name))
    }

    fn by_policy(&self) -> Delegation {
        match self.policy {
            LoadingPolicy::ParentFirst => Delegation::ParentFirst,
            LoadingPolicy::ChildFirst => Delegation::ChildFirst,
            LoadingPolicy::SelfOnly => Delegation::ChildOnly,
        }
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
            let of = |policy| rules(policy).delegation(name, |_| false);
            assert_eq!(of(LoadingPolicy::ChildFirst), child_first, "{name}");
            assert_eq!(of(LoadingPolicy::SelfOnly), self_only, "{name}");
            assert_eq!(of(LoadingPolicy::ParentFirst), parent_first, "{name}");
        }
    }

    #[test]
    fn services_follow_their_interface() {
        let rules = rules(LoadingPolicy::ChildFirst);
        let has = |name: &str| name == "com.acme.Codec";
        assert_eq!(rules.delegation("META-INF/services/com.acme.Codec", has), Delegation::ChildOnly);
        assert_eq!(rules.delegation("META-INF/services/com.other.Codec", has), Delegation::ChildFirst);
        assert_eq!(rules.delegation("META-INF/services/java.sql.Driver", has), Delegation::ParentFirst);
        assert_eq!(
            rules.delegation("META-INF/services/javax.script.ScriptEngineFactory", has),
            Delegation::ParentFirst
        );
    }

    #[test]
    fn python_modules() {
        let rules = Rules::new(Language::Python, LoadingPolicy::ChildFirst, vec!["numpy".into()]);
        assert_eq!(rules.delegation("haulier", |_| false), Delegation::ParentOnly);
        assert_eq!(rules.delegation("haulier_extras.x", |_| false), Delegation::ChildFirst);
        assert_eq!(rules.delegation("numpy.linalg", |_| false), Delegation::ParentFirst);
        assert_eq!(rules.delegation("java.lang", |_| false), Delegation::ChildFirst);
    }
}
