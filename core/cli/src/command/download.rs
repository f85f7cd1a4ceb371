//! `haulier download`.

use haulier::{Cluster, Result};
use serde_json::{Value as Json, json};

use crate::{
    arguments::{Download, Format},
    output,
};

pub(super) async fn download(cluster: &Cluster, arguments: Download) -> Result<()> {
    let Download { reference, into, force, connection } = arguments;
    let written = cluster.download(&reference, &into, force).await?;
    match connection.output {
        Format::Json => {
            let files: Json = written.iter().map(|path| Json::from(path.display().to_string())).collect();
            output::say_json(&json!({ "reference": reference, "files": files }));
        }
        Format::Table => written.iter().for_each(|path| output::say(&path.display().to_string())),
    }
    Ok(())
}
