use std::error::Error;

/// Explains a failed TLS handshake: returns why it failed and what to do, for example that the
/// server's certificate has expired. Returns `None` if `error` has another cause. Without the
/// feature `rustls`, always returns `None`.
///
/// # Examples
/// ```
/// use std::io;
///
/// let broken = io::Error::from(io::ErrorKind::BrokenPipe);
/// assert_eq!(cloakroom_tls::explain(&broken), None);
/// ```
#[cfg(not(feature = "rustls"))]
pub fn explain(_: &(dyn Error + 'static)) -> Option<&'static str> {
    None
}

/// Explains a failed TLS handshake: returns why it failed and what to do, for example that the
/// server's certificate has expired. Returns `None` if `error` has another cause. Without the
/// feature `rustls`, always returns `None`.
///
/// # Examples
/// ```
/// use std::io;
///
/// let expired = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
/// let expired = io::Error::new(io::ErrorKind::InvalidData, expired);
/// let why = cloakroom_tls::explain(&expired).unwrap();
/// assert!(why.starts_with("the server's certificate has expired"));
///
/// let broken = io::Error::from(io::ErrorKind::BrokenPipe);
/// assert_eq!(cloakroom_tls::explain(&broken), None);
/// ```
#[cfg(feature = "rustls")]
pub fn explain(error: &(dyn Error + 'static)) -> Option<&'static str> {
    use rustls::CertificateError::*;

    let rustls::Error::InvalidCertificate(why) = rustls_error(error)? else {
        return Some(
            "the TLS handshake failed; see the cause, and check that the server is set up for TLS",
        );
    };
    Some(match why {
        NotValidForName | NotValidForNameContext { .. } => {
            "the server's certificate is for other names; write one of them in the URL, or use \
             `sslmode=verify-ca` with a private authority"
        }
        Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
            "the server's certificate has expired or is not valid yet; renew it, and check the \
             clocks"
        }
        UnknownIssuer => {
            "no trusted authority has signed the server's certificate; name its authority with \
             `sslrootcert=PATH`"
        }
        _ => "the server's certificate is not valid; see the cause",
    })
}

/// Finds the error of rustls among the causes of an error.
#[cfg(feature = "rustls")]
fn rustls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    use std::io;
    use std::sync::Arc;

    type Shared = Arc<dyn Error + Send + Sync>;

    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // `source` of an I/O error or of an `Arc` skips the error inside, so look at the inner
        // error first.
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let shared = error.downcast_ref::<Shared>().map(|shared| &**shared);
        next = match inner.or(shared) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
