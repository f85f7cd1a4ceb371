//! Certificates for the TLS of one test node. Nothing here outlives the test.
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

/// An authority and a certificate for 127.0.0.1 and localhost, as files in a folder of their own.
pub struct TlsMaterial {
    folder: TempDir,
}

impl TlsMaterial {
    /// Makes a new authority and a certificate signed by it.
    ///
    /// # Panics
    /// If the files cannot be written.
    pub fn generate() -> Self {
        let folder = tempfile::tempdir().expect("a folder for certificates");
        let mut authority = CertificateParams::new(Vec::<String>::new()).expect("no names are valid names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key for the authority");
        let issuer = CertifiedIssuer::self_signed(authority, key).expect("an authority");
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let key = KeyPair::generate().expect("a key for the node");
        let parameters = CertificateParams::new(names).expect("names of the node");
        let certificate = parameters.signed_by(&key, &issuer).expect("a certificate for the node");
        let material = Self { folder };
        let write = |path: PathBuf, text: String| std::fs::write(path, text).expect("a written certificate");
        write(material.authority(), issuer.pem());
        write(material.certificate(), certificate.pem());
        write(material.key(), key.serialize_pem());
        material
    }

    /// The authority's certificate, which clients trust.
    pub fn authority(&self) -> PathBuf {
        self.folder().join("authority.pem")
    }

    /// The node's certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder().join("node.pem")
    }

    /// The node's key.
    pub fn key(&self) -> PathBuf {
        self.folder().join("node.key")
    }

    /// The folder, for further files such as a token.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
