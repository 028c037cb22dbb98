use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use cloakroom::{Error, ErrorKind, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use rustls::{ClientConfig, RootCertStore};

use crate::Verification;

/// Methods that need the feature `rustls`.
impl Verification {
    /// Returns the content of the file that `sslrootcert` names, or `None` if the authorities of
    /// the machine are trusted. For drivers that parse the file themselves.
    ///
    /// # Errors
    /// Those of [`authorities`](Self::authorities).
    ///
    /// # Examples
    /// ```
    /// use cloakroom_tls::Driver;
    ///
    /// let driver = Driver { doing: "testing", package: "cloakroom-redis", has_tls: true };
    /// assert!(driver.verify_full()?.root_cert_pem()?.is_none());
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn root_cert_pem(&self) -> Result<Option<Vec<u8>>> {
        match &self.root_cert {
            None => Ok(None),
            Some(path) => {
                let pem = self.read(path)?;
                self.parse(path, &pem)?;
                Ok(Some(pem))
            }
        }
    }

    /// Returns the certificates of the authorities to trust, at least one.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) if the file cannot be read, if it contains no certificates or
    /// one that is not valid, or if the machine trusts no authority.
    ///
    /// # Examples
    /// ```
    /// use cloakroom_tls::{Driver, Encryption};
    ///
    /// let driver = Driver { doing: "testing", package: "cloakroom-mysql", has_tls: true };
    /// let (_, encryption) = driver.split_off("mysql://db.example/shop?sslrootcert=/none.pem")?;
    /// let Encryption::On(verification) = encryption else { panic!("it is not encrypted") };
    /// let error = verification.authorities().unwrap_err();
    /// assert!(error.to_string().contains("the file of `sslrootcert`, /none.pem, cannot be read"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn authorities(&self) -> Result<Vec<CertificateDer<'static>>> {
        match &self.root_cert {
            Some(path) => self.parse(path, &self.read(path)?),
            None => self.of_machine(),
        }
    }

    /// Returns a configuration that verifies the server.
    ///
    /// The configuration uses ring, whatever the default crypto provider of the process is.
    ///
    /// # Errors
    /// Those of [`authorities`](Self::authorities).
    ///
    /// # Examples
    /// ```no_run
    /// use cloakroom_tls::Driver;
    ///
    /// let driver = Driver { doing: "testing", package: "cloakroom-postgres", has_tls: true };
    /// let config = driver.verify_full()?.client_config()?;
    /// assert!(config.enable_sni);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn client_config(&self) -> Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.authorities()?);
        let provider = Arc::new(ring::default_provider());
        let chain = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone())
            .build()
            .expect("there is an authority, and no revocation list");
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider was built with both versions of TLS");
        let config = match self.checks_name {
            true => config.with_webpki_verifier(chain),
            false => config
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyName { chain })),
        };
        Ok(config.with_no_client_auth())
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        fs::read(path).map_err(|cause| self.bad_file(path, "cannot be read").with_source(cause))
    }

    fn parse(&self, path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
        let not_valid = || self.bad_file(path, "has a certificate that is not valid");
        let mut roots = RootCertStore::empty();
        let mut certificates = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|cause| not_valid().with_source(cause))?;
            let added = roots.add(certificate.clone());
            added.map_err(|cause| not_valid().with_source(cause))?;
            certificates.push(certificate);
        }
        match certificates.is_empty() {
            true => Err(self.bad_file(path, "contains no certificate in PEM")),
            false => Ok(certificates),
        }
    }

    fn of_machine(&self) -> Result<Vec<CertificateDer<'static>>> {
        let mut certificates = rustls_native_certs::load_native_certs().certs;
        let mut roots = RootCertStore::empty();
        certificates.retain(|certificate| roots.add(certificate.clone()).is_ok());
        if certificates.is_empty() {
            return Err(self.error(
                "this machine trusts no certificate authority; install ca-certificates, or name a \
                 file with `sslrootcert=PATH`",
            ));
        }
        Ok(certificates)
    }

    fn bad_file(&self, path: &Path, why: &str) -> Error {
        let path = path.display();
        self.error(format!(
            "the file of `sslrootcert`, {path}, {why}; name a PEM file with the authorities to \
             trust"
        ))
    }

    fn error(&self, why: impl Display) -> Error {
        Error::new(ErrorKind::Config, format!("{}: {why}", self.driver.doing))
    }
}

/// Verifies a certificate in all respects but its names.
#[derive(Debug)]
struct AnyName {
    chain: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.chain.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // `chain` verifies the names last, so an error about the names means that everything
            // else is valid.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// Installs ring as the default crypto provider of rustls, unless the application has installed
/// one.
///
/// Drivers that use the default provider call this function, because rustls panics if the build
/// contains several providers and none is installed.
///
/// # Examples
/// ```
/// cloakroom_tls::install_ring();
///
/// assert!(rustls::crypto::CryptoProvider::get_default().is_some());
/// ```
pub fn install_ring() {
    if CryptoProvider::get_default().is_none() {
        // This call fails if another thread has installed a provider since the check. The error is
        // ignored: rustls then uses the provider of that thread.
        let _ = ring::default_provider().install_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Driver, Encryption};

    #[test]
    fn a_file_without_valid_authorities_is_refused_with_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content, why) in [
            ("missing.pem", None, "cannot be read"),
            ("empty.pem", Some(""), "contains no certificate"),
            (
                "text.pem",
                Some("no certificate"),
                "contains no certificate",
            ),
            ("bad.pem", Some(NOT_DER), "a certificate that is not valid"),
            (
                "cut.pem",
                Some(&NOT_DER[..30]),
                "a certificate that is not valid",
            ),
        ] {
            let path = folder.path().join(name);
            if let Some(content) = content {
                fs::write(&path, content).unwrap();
            }
            let verification = verification(&path);

            let error = verification.authorities().unwrap_err();

            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(why), "{error}");
            assert!(error.to_string().contains(name), "{error}");
            assert!(verification.client_config().is_err());
            assert!(verification.root_cert_pem().is_err());
        }
    }

    fn verification(path: &Path) -> Verification {
        let driver = Driver {
            doing: "testing",
            package: "cloakroom-redis",
            has_tls: true,
        };
        let url = format!("redis://h?sslrootcert={}", path.display());
        match driver.split_off(&url) {
            Ok((_, Encryption::On(verification))) => verification,
            other => panic!("{other:?}"),
        }
    }

    const NOT_DER: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
}
