//! Each call with its answers.

use std::{collections::HashSet, fs};

use haulier_gateway::{BASE_PATH, Content, GatewayUnit, UnitState};
use haulier_model::ErrorKind;
use serde_json::{Value, json};

use crate::{
    curl::{Reply, curl},
    running::Running,
};

/// Deploys one small file.
async fn deploy(gateway: &Running, path: &str) -> Reply {
    curl(&["-F", "unitContent=hello;filename=a.txt", &gateway.url(path)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_from_deploy_to_undeploy() {
    let gateway = Running::start().await;
    let nested = gateway.folder.path().join("nested.txt");
    fs::write(&nested, b"n".repeat(50)).unwrap();
    let nested = format!("unitContent=@{};filename=subfolder/ü #%2e (1).txt", nested.display());
    let url = gateway.url("/units/test.unit/1.0.0?deployMode=ALL");
    curl(&["-F", &nested, "-F", "unitContent=;filename=empty", &url]).await.done();
    {
        let deployed = gateway.engine.deployed.lock();
        let request = &deployed[0].request;
        assert_eq!((request.name.as_str(), request.version.as_str()), ("test.unit", "1.0.0"));
        assert_eq!((request.nodes.as_str(), request.deployed_by.as_str()), ("all", "ann"));
        assert!(matches!(&request.content, Content::Folder(folder) if !folder.exists()), "the files are gone");
        assert_eq!(deployed[0].files["subfolder/ü #%2e (1).txt"], (50, b"n".repeat(50)));
        assert_eq!(deployed[0].files["empty"], (0, Vec::new()));
    }
    let tree = curl(&[&gateway.url("/node/units/structure/test.unit/1.0.0")]).await;
    let file = json!({"type": "file", "name": "ü #%2e (1).txt", "size": 50});
    let folder = json!({"type": "folder", "name": "subfolder", "size": 50, "children": [file]});
    let empty = json!({"type": "file", "name": "empty", "size": 0});
    let expected = json!({"type": "folder", "name": "test.unit-1.0.0", "size": 50, "children": [folder, empty]});
    assert_eq!(tree.json(), expected);

    let again = deploy(&gateway, "/units/test.unit/1.0.0").await;
    assert!(again.problem(409).contains("test.unit:1.0.0 exists"));
    assert_eq!(again.json()["code"], "Conflict");
    curl(&["-X", "DELETE", &gateway.url("/units/test.unit/1.0.0")]).await.done();
    assert_eq!(*gateway.engine.undeployed_by.lock(), ["ann"]);
    let gone = curl(&["-X", "DELETE", &gateway.url("/units/test.unit/1.0.0")]).await.problem(404);
    assert_eq!(gone, "there is no unit test.unit:1.0.0; try: haulier list-deployments");
    curl(&[&gateway.url("/node/units/structure/unknown/1.0.0")]).await.problem(404);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zip_and_named_nodes() {
    let gateway = Running::start().await;
    let zip = "unitContent=PK-and-more;filename=any name.zip";
    curl(&["-F", zip, &gateway.url("/units/zip/packed/2.0.0+b.5~x?initialNodes=n1&initialNodes=n2,n3")]).await.done();
    {
        let deployed = gateway.engine.deployed.lock();
        let request = &deployed[0].request;
        assert_eq!((request.version.as_str(), request.nodes.as_str()), ("2.0.0+b.5~x", "n1,n2,n3"));
        assert!(matches!(&request.content, Content::Zip(path) if !path.exists()));
        assert_eq!(deployed[0].files["zip"], (11, b"PK-and-more".to_vec()));
    }
    let url = gateway.url("/units/zip/other/1");
    for first in [zip, "unitContent=;filename=empty.zip"] {
        let two = curl(&["-F", first, "-F", "unitContent=x;filename=b.zip", &url]).await;
        assert!(two.problem(400).contains("more than one archive"));
    }
    assert!(curl(&["-F", "unitContent=;filename=b.zip", &url]).await.problem(400).contains("no content"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_their_filters() {
    let gateway = Running::start().await;
    let versions = ["1.10.0", "1.9.0", "1.9.0-rc.1", "2"];
    for (version, state) in versions.into_iter().zip([1, 2, 3, 0].map(|index| UnitState::ALL[index])) {
        let unit = GatewayUnit { name: "b".parse().unwrap(), version: version.parse().unwrap(), state };
        gateway.engine.units.lock().push(unit);
    }
    deploy(&gateway, "/units/a/1").await.done();
    let list = async |path: &str| {
        let reply = curl(&[&gateway.url(path)]).await;
        assert_eq!((reply.status, reply.content_type.as_str()), (200, "application/json"), "{path}: {reply:?}");
        reply.json()
    };
    let status = |version: &str, status: &str| json!({"version": version, "status": status});
    let b = [status("1.9.0-rc.1", "REMOVING"), status("1.9.0", "OBSOLETE"), status("1.10.0", "DEPLOYED")];
    let uploading = status("2", "UPLOADING");
    let unit = |id: &str, versions: &[Value]| json!({"id": id, "versionToStatus": versions});
    let a = unit("a", &[status("1", "DEPLOYED")]);
    let all = [b.as_slice(), &[uploading]].concat();
    assert_eq!(list("/cluster/units").await, json!([a, unit("b", &all)]));
    assert_eq!(list("/node/units").await, json!([a, unit("b", &b)]));
    assert_eq!(list("/cluster/units/b").await, json!([unit("b", &all)]));
    assert_eq!(list("/node/units/b?version=1.9").await, json!([unit("b", &b[1..2])]));
    let expected = json!([a, unit("b", &b[1..])]);
    assert_eq!(list("/cluster/units?statuses=deployed,OBSOLETE").await, expected);
    assert_eq!(list("/node/units?statuses=DEPLOYED&statuses=OBSOLETE").await, expected);
    assert_eq!(list("/cluster/units/b?version=1.9.0&statuses=DEPLOYED").await, json!([]));
    for unknown in ["/cluster/units/none", "/node/units/none?version=1", "/cluster/units/b?version=7"] {
        assert_eq!(list(unknown).await, json!([]), "{unknown}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_says_becomes_a_status() {
    let gateway = Running::start().await;
    let expected = [400, 404, 409, 503, 504, 409, 507, 403, 404, 500, 500, 500, 500, 400, 503, 500];
    for (kind, status) in ErrorKind::ALL.into_iter().zip(expected) {
        let reply = deploy(&gateway, &format!("/units/fails-{}/1", kind.name())).await;
        assert_eq!(reply.problem(status), "it went wrong [node=n1]; try: haulier fix", "{kind:?}");
        assert_eq!(reply.json()["code"], kind.name());
        assert_eq!(reply.retry_after, if status == 503 { "5" } else { "" });
    }
    deploy(&gateway, "/units/panics/1").await.problem(500);
    curl(&[&gateway.url("/node/units/structure/panics/1")]).await.problem(500);
    deploy(&gateway, "/units/lives/1").await.done();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_well_formed_is_refused() {
    let gateway = Running::start().await;
    for (path, reason) in [
        ("/units/..x/1", "is no name"),
        ("/units/a%2fb/1", "is no name"),
        ("/units/a/1%2f..", "is no version"),
        ("/units/a/%ff", "UTF-8"),
        ("/units/a/1?deployMode=SOME", "which nodes"),
        ("/units/a/1?nodes=n1", "'nodes' is not known"),
    ] {
        assert!(deploy(&gateway, path).await.problem(400).contains(reason), "{path}");
    }
    for path in ["/cluster/units?statuses=GONE", "/node/units/a?status=DEPLOYED", "/node/units/a?version=1&version=2"] {
        curl(&[&gateway.url(path)]).await.problem(400);
    }
    curl(&["-X", "DELETE", &gateway.url("/units/a/1?nodes=n1")]).await.problem(400);
    let url = gateway.url("/units/a/1");
    assert!(curl(&["-F", "other=x;filename=a", &url]).await.problem(400).contains("'other'"));
    assert!(curl(&["-F", "unitContent=x", &url]).await.problem(400).contains("no file name"));
    curl(&["-d", "x", &url]).await.problem(415);
    curl(&["-H", "Content-Type: multipart/form-data", "-d", "x", &url]).await.problem(415);
    let boundary = "Content-Type: multipart/form-data; boundary=edge";
    assert!(curl(&["-H", boundary, "-d", "--edge--", &url]).await.problem(400).contains("no content"));
    assert!(curl(&["-H", boundary, "-d", "x", &url]).await.problem(400).contains("damaged"));
    curl(&[&gateway.url("/nothing")]).await.problem(404);
    curl(&[&format!("http://{}/", gateway.address)]).await.problem(404);
    let method = curl(&["-X", "PUT", &url]).await;
    method.problem(405);
    assert!(method.allow.contains("POST") && method.allow.contains("DELETE"), "{method:?}");
    assert!(gateway.engine.deployed.lock().is_empty());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_every_call() {
    let gateway = Running::start().await;
    let document = curl(&[&gateway.url("/openapi.json")]).await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    for (path, methods) in [
        ("/units/{id}/{version}", ["post", "delete"].as_slice()),
        ("/units/zip/{id}/{version}", &["post"]),
        ("/cluster/units", &["get"]),
        ("/cluster/units/{id}", &["get"]),
        ("/node/units", &["get"]),
        ("/node/units/{id}", &["get"]),
        ("/node/units/structure/{id}/{version}", &["get"]),
        ("/openapi.json", &["get"]),
    ] {
        let described: Vec<_> = paths[&format!("{BASE_PATH}{path}")].as_object().unwrap().keys().collect();
        assert_eq!(described, methods, "{path}");
    }
    assert!(paths.contains_key("/health") && paths.len() == 9);
    let mut references = HashSet::new();
    collect_references(&document, &mut references);
    for reference in references {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
    gateway.stop().await;
}

fn collect_references(value: &Value, found: &mut HashSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(|reference| reference.as_str()).map(str::to_owned));
            fields.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_references(value, found)),
        _ => (),
    }
}
