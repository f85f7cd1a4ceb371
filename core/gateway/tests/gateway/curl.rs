//! `curl`, the program that users have.

use serde_json::Value;
use tokio::process::Command;

use crate::engine::TOKEN;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) authenticate: String,
    pub(crate) retry_after: String,
    pub(crate) allow: String,
    pub(crate) cors: String,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks that this is a problem document of `status`, and gives its detail.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!((self.status, self.content_type.as_str()), (status, "application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{self:?}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{self:?}");
        problem["detail"].as_str().unwrap().to_owned()
    }

    /// Checks that the call succeeded with `true`.
    pub(crate) fn done(&self) {
        assert_eq!((self.status, self.text.as_str(), self.content_type.as_str()), (200, "true", "application/json"));
    }
}

/// Runs curl with the token that is accepted.
pub(crate) async fn curl(arguments: &[&str]) -> Reply {
    let token = format!("Authorization: Bearer {TOKEN}");
    anonymous(&[&["-H", token.as_str()], arguments].concat()).await
}

/// Runs curl with nothing but `arguments`.
pub(crate) async fn anonymous(arguments: &[&str]) -> Reply {
    const REPORT: &str = "\n%{http_code}\t%{content_type}\t%header{www-authenticate}\t%header{retry-after}\t%header{allow}\t\
                          %header{access-control-allow-origin}%header{access-control-allow-methods}";
    let output = Command::new("curl")
        .args(["--silent", "--globoff", "--noproxy", "*", "--max-time", "60", "--write-out", REPORT])
        .args(arguments)
        .output()
        .await
        .expect("curl is needed for this test: apt-get install curl");
    let text = String::from_utf8(output.stdout).unwrap();
    let (text, report) = text.rsplit_once('\n').unwrap();
    let [status, content_type, authenticate, retry_after, allow, cors] =
        report.split('\t').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
    assert_ne!(status, "000", "curl {arguments:?}: {}", output.status);
    let status = status.parse().unwrap();
    Reply { status, content_type, authenticate, retry_after, allow, cors, text: text.to_owned() }
}
