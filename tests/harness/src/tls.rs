//! The promises of stores that can encrypt their connections, tested on every server with TLS.
//!
//! [`tls!`](crate::tls!) generates one test for each promise. A *mode* is a value of `sslmode` in
//! the URL. `disable` does not encrypt; `require`, `verify-ca` and `verify-full` do.

use cloakroom::store::Store;
use cloakroom::{Error, ErrorKind, Result};
use cloakroom_testkit::Log;

use crate::servers::Kind;

/// If a trusted authority has signed the server's certificate, the server is accepted in every mode
/// that encrypts.
pub async fn a_trusted_server_is_accepted<S: Store>(
    kind: Kind,
    open: impl AsyncFn(&str) -> Result<S>,
) {
    let Some(urls) = Urls::of(kind) else { return };
    for mode in ["verify-full", "verify-ca", "require"] {
        accepted(open(&urls.with_mode(mode)).await).await;
    }
    // A URL with `sslrootcert` but without `sslmode` means `verify-full`.
    accepted(open(&urls.trusted.replace("sslmode=verify-full&", "")).await).await;
}

/// The server refuses unencrypted connections. This shows that the tests that reach the server have
/// encrypted connections.
pub async fn the_server_accepts_encrypted_connections_only<S: Store>(
    kind: Kind,
    open: impl AsyncFn(&str) -> Result<S>,
) {
    let Some(urls) = Urls::of(kind) else { return };

    assert!(
        answer(open(&urls.with_mode("disable")).await)
            .await
            .is_err()
    );
}

/// If no trusted authority has signed the server's certificate, the server is refused in every mode
/// that encrypts.
pub async fn an_untrusted_server_is_refused<S: Store>(
    kind: Kind,
    open: impl AsyncFn(&str) -> Result<S>,
) {
    let Some(urls) = Urls::of(kind) else { return };
    let why = "no trusted authority has signed the server's certificate";
    for mode in ["verify-full", "verify-ca", "require"] {
        let url = urls.with_mode(mode);
        for other in ["/other.pem", "system"] {
            let at = url.rfind('=').expect("the URL names a file") + 1;
            let url = match other {
                "system" => format!("{}system", &url[..at]),
                _ => url.replace("/ca.pem", other),
            };
            refused(&open, &url, why).await;
        }
    }
}

/// A certificate that is not for the host name in the URL is refused, unless the mode is
/// `verify-ca`.
pub async fn only_verify_ca_accepts_a_certificate_for_another_name<S: Store>(
    kind: Kind,
    open: impl AsyncFn(&str) -> Result<S>,
) {
    let Some(urls) = Urls::of(kind) else { return };
    let as_localhost = |mode: &str| urls.with_mode(mode).replacen("127.0.0.1", "localhost", 1);

    for mode in ["verify-full", "require"] {
        let why = "the server's certificate is for other names";
        refused(&open, &as_localhost(mode), why).await;
    }
    accepted(open(&as_localhost("verify-ca")).await).await;
    let untrusted = as_localhost("verify-ca").replace("/ca.pem", "/other.pem");
    refused(&open, &untrusted, "no trusted authority").await;
}

/// An expired certificate is refused in the modes `verify-full` and `verify-ca`, whether or not the
/// certificate is for the host name in the URL.
pub async fn an_expired_certificate_is_refused<S: Store>(
    kind: Kind,
    open: impl AsyncFn(&str) -> Result<S>,
) {
    let Some(server) = kind.start_expired() else {
        return;
    };
    let urls = Urls::new(server.url());
    for mode in ["verify-full", "verify-ca"] {
        let url = urls.with_mode(mode);
        let why = "the server's certificate has expired";
        refused(&open, &url, why).await;
        let as_localhost = url.replacen("127.0.0.1", "localhost", 1);
        refused(&open, &as_localhost, why).await;
    }
}

/// If the URL requires TLS, a server without TLS is refused.
pub async fn a_server_without_tls_is_refused<S: Store>(
    kind: Kind,
    plain: Kind,
    open: impl AsyncFn(&str) -> Result<S>,
) {
    let (Some(urls), Some(server)) = (Urls::of(kind), plain.shared()) else {
        return;
    };
    let (_, parameters) = urls.trusted.split_once('?').expect("it has parameters");
    let place = server.url().split('?').next().unwrap_or_default();

    let result = answer(open(&format!("{place}?{parameters}")).await).await;

    assert!(result.is_err(), "the store connected without TLS");
}

/// Runs `parse`, and returns how many warnings about unencrypted connections it has logged.
///
/// # Examples
/// ```
/// use cloakroom_harness::tls::warnings;
///
/// assert_eq!(warnings(|| tracing::warn!("the connections are not encrypted")), 1);
/// ```
pub fn warnings(parse: impl FnOnce()) -> usize {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    tracing::subscriber::with_default(subscriber.finish(), parse);
    log.text().matches("not encrypted").count()
}

/// The URLs of one server with TLS.
struct Urls {
    /// The URL with which a store verifies the certificate and trusts the authority that signed it.
    trusted: String,
}

impl Urls {
    fn of(kind: Kind) -> Option<Self> {
        Some(Self::new(kind.shared()?.url()))
    }

    fn new(url: &str) -> Self {
        let trusted = url.to_owned();
        Self { trusted }
    }

    /// Returns the URL `trusted` with another `sslmode`.
    fn with_mode(&self, mode: &str) -> String {
        let url = &self.trusted;
        assert!(url.contains("sslmode=verify-full&sslrootcert="), "{url}");
        url.replace("verify-full", mode)
    }
}

/// Returns the result of opening the store and pinging the server. The ping is needed because a
/// store may connect only when it is first used.
async fn answer<S: Store>(opened: Result<S>) -> Result<()> {
    let store = opened?;
    store.ping().await
}

async fn accepted<S: Store>(opened: Result<S>) {
    let answer = answer(opened).await;
    answer.expect("the server is accepted");
}

/// Asserts that a store for this URL is refused with the reason `why`. Adds a password to the URL,
/// and asserts that the error does not show the password.
async fn refused<S: Store>(open: &impl AsyncFn(&str) -> Result<S>, url: &str, why: &str) {
    let (scheme, place) = url.split_once("://").expect("it is a URL");
    let (place, parameters) = place.split_once('?').expect("it has parameters");
    let (_, place) = place.rsplit_once('@').unwrap_or(("", place));
    let url = format!("{scheme}://ada:s3cret@{place}?{parameters}");

    let error: Error = answer(open(&url).await).await.expect_err(why);

    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    assert!(error.to_string().contains(why), "{error:?}");
    assert!(
        !format!("{error:?} {error:#}").contains("s3cret"),
        "{error:?}"
    );
}

/// Generates a module with one test for each promise of [`tls`](mod@crate::tls).
///
/// The arguments are the name of the module, the [`Kind`](crate::servers::Kind) of a server with
/// TLS, the kind of the same server without TLS, and an async function that opens a store from a
/// URL.
#[macro_export]
macro_rules! tls {
    ($name:ident, $kind:expr, $plain:expr, $open:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "the arguments may need them")]
            use super::*;

            $crate::__tls! { $kind, $open,
                a_trusted_server_is_accepted
                the_server_accepts_encrypted_connections_only
                an_untrusted_server_is_refused
                only_verify_ca_accepts_a_certificate_for_another_name
                an_expired_certificate_is_refused
            }

            #[test]
            fn a_server_without_tls_is_refused() {
                $crate::__run("a server without TLS is refused", || {
                    $crate::tls::a_server_without_tls_is_refused($kind, $plain, $open)
                });
            }
        }
    };
}

/// Generates one test for each name.
#[doc(hidden)]
#[macro_export]
macro_rules! __tls {
    ($kind:expr, $open:expr, $($promise:ident)*) => {
        $(
            #[test]
            fn $promise() {
                $crate::__run(stringify!($promise), || $crate::tls::$promise($kind, $open));
            }
        )*
    };
}
