//! Providers of services: those of all roots, each once, and none that would be no subtype.
use std::{fs, path::Path, process::Command};

use haulier_testkit::{Jar, NodeOptions, TestNode};

/// The interface is in each jar, compiled apart: the loader has one of them.
const CODEC: &str = "package acme; public interface Codec { default String name() { return getClass().getName(); } }";
const ASKER: &str = "package acme;
import java.util.*;
public class Asker {
    public static List<String> own() { return names(ServiceLoader.load(Codec.class)); }
    public static List<String> platform() { return names(ServiceLoader.load(java.nio.file.spi.FileSystemProvider.class)); }
    private static List<String> names(ServiceLoader<?> loader) {
        List<String> names = new ArrayList<>();
        loader.forEach(provider -> names.add(provider.getClass().getName()));
        return names;
    }
}";
const FILES: &str = "package acme;
import java.net.URI;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.nio.file.spi.FileSystemProvider;
import java.util.*;
public class Files extends FileSystemProvider {
    public String getScheme() { return \"acme\"; }
    public FileSystem newFileSystem(URI uri, Map<String, ?> env) { return null; }
    public FileSystem getFileSystem(URI uri) { return null; }
    public Path getPath(URI uri) { return null; }
    public SeekableByteChannel newByteChannel(Path p, Set<? extends OpenOption> o, FileAttribute<?>... a) { return null; }
    public DirectoryStream<Path> newDirectoryStream(Path d, DirectoryStream.Filter<? super Path> f) { return null; }
    public void createDirectory(Path dir, FileAttribute<?>... attrs) {}
    public void delete(Path path) {}
    public void copy(Path source, Path target, CopyOption... options) {}
    public void move(Path source, Path target, CopyOption... options) {}
    public boolean isSameFile(Path path, Path path2) { return false; }
    public boolean isHidden(Path path) { return false; }
    public FileStore getFileStore(Path path) { return null; }
    public void checkAccess(Path path, AccessMode... modes) {}
    public <V extends FileAttributeView> V getFileAttributeView(Path p, Class<V> t, LinkOption... o) { return null; }
    public <A extends BasicFileAttributes> A readAttributes(Path p, Class<A> t, LinkOption... o) { return null; }
    public Map<String, Object> readAttributes(Path path, String attributes, LinkOption... options) { return null; }
    public void setAttribute(Path path, String attribute, Object value, LinkOption... options) {}
}";

/// A jar with the interface, these providers of it, more classes, and what its services file says.
fn jar(folder: &Path, providers: &[&str], more: &[(&str, &str)], services: &str) -> Jar {
    fs::create_dir_all(folder).expect("a folder");
    let provider =
        |name: &&str| ((*name).to_owned(), format!("package acme; public class {name} implements Codec {{}}"));
    let mut sources: Vec<(String, String)> = providers.iter().map(provider).collect();
    sources.push(("Codec".to_owned(), CODEC.to_owned()));
    sources.extend(more.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
    let mut javac = Command::new("javac");
    javac.args(["--release", "17", "-d"]).arg(folder);
    for (name, text) in &sources {
        let path = folder.join(format!("{name}.java"));
        fs::write(&path, text).expect("a source");
        javac.arg(path);
    }
    assert!(javac.status().expect("a JDK is on the PATH").success());
    let classes = fs::read_dir(folder.join("acme")).expect("classes").map(|entry| entry.expect("a class").path());
    let jar = classes.fold(Jar::default(), |jar, path| {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        jar.with(&format!("acme/{name}"), fs::read(&path).expect("a class"))
    });
    jar.with("META-INF/services/acme.Codec", services)
}

#[tokio::test]
async fn providers_of_all_roots_come_once_and_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let first =
        jar(&path("1"), &["First", "Second"], &[("Asker", ASKER), ("Files", FILES)], "acme.First\nacme.Second\n");
    let first = first.with("META-INF/services/java.nio.file.spi.FileSystemProvider", "acme.Files\n");
    first.write(&path("first.jar"));
    jar(&path("2"), &["Second", "Third"], &[], "acme.Second # again\nacme.Third\n").write(&path("second.jar"));
    jar(&path("3"), &["OfNode"], &[], "acme.OfNode\n").write(&path("node.jar"));
    let options = NodeOptions::default().arguments(["--local-code", &path("node.jar").display().to_string()]);
    let node = TestNode::start(options).expect("a node");
    let cluster = haulier::connect(node.address()).await.expect("a connection");
    let deploy = cluster.deploy("services", "1.0.0").jar(path("first.jar")).jar(path("second.jar"));
    deploy.send().await.expect("a unit");
    let ask = async |entry_point: &str| -> Vec<String> {
        cluster.task("services", entry_point).call(()).await.expect("a list of providers")
    };
    assert_eq!(ask("acme.Asker#own").await, ["First", "Second", "Third", "OfNode"].map(|name| format!("acme.{name}")));
    let platform = ask("acme.Asker#platform").await;
    assert_eq!(platform.iter().filter(|name| *name == "acme.Files").count(), 1, "{platform:?}");
    assert!(platform.iter().any(|name| name.contains("ZipFileSystemProvider")), "the platform's too: {platform:?}");
}
