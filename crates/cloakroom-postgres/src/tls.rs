use std::sync::Arc;

use cloakroom::{Error, ErrorKind, Result};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Returns a TLS connector that verifies the server's certificate and name against the
/// certificate authorities that this machine trusts.
pub(crate) fn verifying() -> Result<MakeRustlsConnect> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(Error::new(
            ErrorKind::Config,
            "encrypting connections to PostgreSQL: this machine trusts no certificate authority; \
             install ca-certificates, or name a file in SSL_CERT_FILE",
        ));
    }
    // Name the provider, because the process may have no default: the application may not have
    // installed one, or may have built rustls with two providers.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider was built with both versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
