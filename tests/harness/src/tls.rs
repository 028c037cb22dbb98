//! What stores with TLS promise, in every database.
//!
//! [`tls!`](crate::tls!) writes one test for each promise.

use cloakroom::store::Store;
use cloakroom::{Error, ErrorKind, Result};
use cloakroom_testkit::Log;

use crate::servers::Kind;

/// Every mode that encrypts accepts a server whose authority is trusted.
pub async fn a_trusted_server_is_accepted<S: Store>(
    kind: Kind,
    open: impl AsyncFn(&str) -> Result<S>,
) {
    let Some(urls) = Urls::of(kind) else { return };
    for mode in ["verify-full", "verify-ca", "require"] {
        accepted(open(&urls.with_mode(mode)).await).await;
    }
    // An authority alone means `verify-full`.
    accepted(open(&urls.trusted.replace("sslmode=verify-full&", "")).await).await;
}

/// Without encryption the same server is out of reach, so the other tests prove that it was used.
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

/// A server whose certificate another authority has signed is refused in every mode.
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

/// A certificate for another name is refused, unless the mode is `verify-ca`.
pub async fn only_verify_ca_accepts_a_certificate_for_another_name<S: Store>(
    kind: Kind,
    open: impl AsyncFn(&str) -> Result<S>,
) {
    let Some(urls) = Urls::of(kind) else { return };
    let elsewhere = |mode: &str| urls.with_mode(mode).replacen("127.0.0.1", "localhost", 1);

    for mode in ["verify-full", "require"] {
        let why = "the server's certificate is for other names";
        refused(&open, &elsewhere(mode), why).await;
    }
    accepted(open(&elsewhere("verify-ca")).await).await;
    let untrusted = elsewhere("verify-ca").replace("/ca.pem", "/other.pem");
    refused(&open, &untrusted, "no trusted authority").await;
}

/// An expired certificate is refused in every mode, under any name.
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
        let elsewhere = url.replacen("127.0.0.1", "localhost", 1);
        refused(&open, &elsewhere, why).await;
    }
}

/// A server without TLS is refused if the URL asks for it.
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

    let error = answer(open(&format!("{place}?{parameters}")).await).await;

    assert!(error.is_err(), "a connection without TLS was used");
}

/// Returns how many warnings about a connection without encryption `parse` logs.
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

    fn with_mode(&self, mode: &str) -> String {
        let url = &self.trusted;
        assert!(url.contains("sslmode=verify-full&sslrootcert="), "{url}");
        url.replace("verify-full", mode)
    }
}

/// Asks the server, because a store may connect when it is first used.
async fn answer<S: Store>(opened: Result<S>) -> Result<()> {
    let store = opened?;
    store.ping().await
}

async fn accepted<S: Store>(opened: Result<S>) {
    let answer = answer(opened).await;
    answer.expect("the server is trusted");
}

/// Opens the URL with a password in it, which the error must not show.
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

/// Writes a test of each promise of [`tls`](mod@crate::tls): the name of the module, the kind with
/// TLS, the same kind without, and how to open a store from a URL.
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

/// One test for each name.
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
