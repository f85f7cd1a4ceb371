//! TLS with rustls and ring, for both sides.

use haulier_model::{Error, ErrorKind};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

/// Installs ring as the process's provider of cryptography; later calls do nothing. Call it once in every binary and
/// every native module before the first connection: with two providers linked, rustls would panic at the first use.
pub fn install_provider() {
    // An error says that a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What a node shows to its clients, from PEM.
pub fn server(certificate: &[u8], key: &[u8]) -> ServerTlsConfig {
    install_provider();
    ServerTlsConfig::new().identity(Identity::from_pem(certificate, key))
}

/// As [`server`], for servers that are not gRPC. `InvalidArgument` if the two do not belong together.
pub fn server_config(certificate: &[u8], key: &[u8]) -> Result<rustls::ServerConfig, Error> {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
    install_provider();
    let unusable = |problem: String| {
        Error::new(ErrorKind::InvalidArgument, "read the certificate", problem)
            .hint("give PEM files that belong together: --tls-cert CERT --tls-key KEY")
    };
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| unusable(format!("the certificate cannot be read: {error}")))?;
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|error| unusable(format!("the key cannot be read: {error}")))?;
    rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| unusable(format!("certificate or key cannot be used: {error}")))
}

/// What a client trusts: the certificates in `ca` (PEM). `InvalidArgument` if there is none.
pub fn client(ca: &[u8]) -> Result<ClientTlsConfig, Error> {
    install_provider();
    if !ca.windows(27).any(|window| window == b"-----BEGIN CERTIFICATE-----") {
        return Err(Error::new(ErrorKind::InvalidArgument, "read the CA file", "it has no PEM certificate")
            .hint("give the certificate that signed the node's: --tls-ca ca.pem"));
    }
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)))
}
