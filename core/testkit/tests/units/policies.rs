//! Who is asked first, as a submit says it; and what a deployment warns of.
use std::{fs, path::Path, process::Command};

use haulier::{ErrorKind, LoadingPolicy, Task};
use haulier_testkit::{Jar, TestNode, fixture};

use crate::node;

/// A class that the platform has, too, in a package that no rule names.
const TWIN: &str = "package com.sun.nio.file; public class ExtendedOpenOption {}";
const WHERE: &str = "package acme; public class Where { public static String of() throws Exception {
    Class<?> type = Class.forName(\"com.sun.nio.file.ExtendedOpenOption\");
    return type.getClassLoader() == null ? \"platform\" : \"unit\"; } }";

fn compile(folder: &Path) -> std::path::PathBuf {
    let classes = folder.join("classes");
    fs::write(folder.join("ExtendedOpenOption.java"), TWIN).expect("a source");
    fs::write(folder.join("Where.java"), WHERE).expect("a source");
    // Of Java 8, which knows no modules, so that the package may be there twice.
    let arguments = ["--release", "8", "-nowarn", "-d", "classes", "ExtendedOpenOption.java", "Where.java"];
    let status = Command::new("javac").args(arguments).current_dir(folder).status().expect("a JDK is on the PATH");
    assert!(status.success());
    classes
}

#[tokio::test]
async fn policies_and_prefixes_of_a_submit() {
    let (_node, cluster) = node().await;
    let folder = tempfile::tempdir().expect("a folder");
    cluster.deploy("twin", "1.0.0").folder(compile(folder.path())).send().await.expect("a unit");
    let of = async |task: Task| task.call::<String>(()).await.expect("an answer");
    let task = || cluster.task("twin", "acme.Where#of");
    assert_eq!(of(task()).await, "unit");
    assert_eq!(of(task().policy(LoadingPolicy::ParentFirst)).await, "platform");
    assert_eq!(of(task().policy(LoadingPolicy::SelfOnly)).await, "unit");
    assert_eq!(of(task().parent_first(["com.sun.nio"])).await, "platform");
    assert_eq!(of(task().parent_first(["com.sun.ni", "com.sun.nio.file.Extended"])).await, "unit");
    assert_eq!(of(task().parent_first(["com.sun.nio.file.ExtendedOpenOption"])).await, "platform");
    let self_only = task().policy(LoadingPolicy::SelfOnly).parent_first(["com.sun"]);
    assert_eq!(of(self_only).await, "platform");
    // Each class path has its own loader: the first one is as it was.
    assert_eq!(of(task()).await, "unit");
    let refused = task().parent_first([""]).call::<String>(()).await.expect_err("no prefix");
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn what_is_seldom_meant_is_said() {
    let (node, cluster) = node().await;
    let deploy = cluster.deploy("both", "1.0.0").jar(fixture("pricing-1.jar")).jar(fixture("pricing-2.jar"));
    let unit = deploy.send().await.expect("a unit");
    assert!(unit.warnings.iter().any(|warning| warning.starts_with("pricing-1.jar hides acme/")), "{unit:?}");
    let alone = cluster.deploy("one", "1.0.0").jar(fixture("pricing-1.jar")).send().await.expect("a unit");
    assert!(alone.warnings.is_empty(), "{alone:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let app = Jar::read(&fixture("pricing-1.jar"));
    app.with("META-INF/MANIFEST.MF", "Class-Path: lib/rates.jar lib/util.jar\n").write(&folder.path().join("app.jar"));
    Jar::default().with("util.txt", "x").write(&folder.path().join("util.jar"));
    let deploy = cluster.deploy("app", "1.0.0").jar(folder.path().join("app.jar")).jar(folder.path().join("util.jar"));
    let warnings = deploy.send().await.expect("a unit").warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("of app.jar names lib/rates.jar, which"), "{warnings:?}");
    let listed = cluster.list_units("both").await.expect("a list");
    assert!(listed[0].warnings.is_empty(), "only the deployment says it");

    let mut command = tokio::process::Command::new(TestNode::binary());
    command.args(["deploy", "again", "--version", "1"]).args([fixture("pricing-1.jar"), fixture("pricing-2.jar")]);
    let output = command.env("HAULIER_ADDRESS", node.address()).kill_on_drop(true).output().await.expect("the binary");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.contains("warning: pricing-1.jar hides"), "{errors}");
}
