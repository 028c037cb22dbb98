//! Tests encrypted connections: which servers and Sentinels the stores accept, and the conformance
//! and fault suites over TLS.
#![allow(
    clippy::unwrap_used,
    reason = "clippy does not recognise the helpers as test code"
)]

mod support;

use cloakroom::ErrorKind;
use cloakroom::store::Store;
use cloakroom_harness::servers::{self, KillableServer, Kind, Replicas};
use cloakroom_redis::{DjangoCache, RedisStore};
use cloakroom_testkit::conformance::OnlyBytes;
use support::{at, draft, open, two, unique_prefix, with_prefix, written};

cloakroom_harness::tls!(redis, Kind::RedisTls, Kind::Redis, async |url: &str| {
    RedisStore::connect(url).await
});

cloakroom_harness::tls!(
    a_scheme_with_tls,
    Kind::RedisTls,
    Kind::Redis,
    async |url: &str| {
        let url = match url.contains("sslmode=disable") {
            true => url.to_owned(),
            // `rediss` without `sslmode` means `verify-full`.
            false => url
                .replacen("redis:", "rediss:", 1)
                .replace("sslmode=verify-full&", ""),
        };
        RedisStore::connect(&url).await
    }
);

cloakroom_testkit::conformance!(
    over_tls,
    {
        let Some(server) = servers::redis_tls() else {
            return;
        };
        open(server).await
    },
    swept_by_backend
);

cloakroom_testkit::conformance_shared!(two_stores_over_tls, {
    let Some(server) = servers::redis_tls() else {
        return;
    };
    two(server).await
});

cloakroom_testkit::conformance!(
    djangos_cache_over_tls,
    {
        let Some(server) = servers::redis_tls() else {
            return;
        };
        let cache = DjangoCache::builder(server.url()).key_prefix(unique_prefix());
        OnlyBytes::new(cache.connect().await.unwrap())
    },
    swept_by_backend
);

cloakroom_testkit::faults!(
    faults_over_tls,
    KillableServer::new(Kind::RedisTls),
    async |url: &str, name: &str| { RedisStore::builder(url).prefix(name).connect().await }
);

#[tokio::test]
async fn sentinels_and_their_primary_are_accepted_in_every_mode_that_encrypts() {
    let Some((_servers, url)) = with_sentinels() else {
        return;
    };
    let prefix = unique_prefix();
    for (n, mode) in (0..).zip(["verify-full", "verify-ca", "require"]) {
        let store = with_prefix(&with_mode(&url, mode), &prefix).await;
        written(store.create(&at(n), &draft("")).await);
    }
    // `rediss`, and a URL with `sslrootcert` but without `sslmode`, mean `verify-full`.
    let without_mode = url.replace("sslmode=verify-full&", "");
    let with_scheme = without_mode.replacen("redis+", "rediss+", 1);
    for (n, url) in (0..).zip([without_mode, with_scheme]) {
        let store = with_prefix(&url, &prefix).await;
        assert!(store.load(&at(n)).await.unwrap().is_some());
    }
    assert!(
        RedisStore::connect(&with_mode(&url, "disable"))
            .await
            .is_err(),
        "the Sentinels accept unencrypted connections"
    );
}

#[tokio::test]
async fn sentinels_that_are_not_trusted_are_refused() {
    let Some((_servers, url)) = with_sentinels() else {
        return;
    };
    let untrusted = "no trusted authority has signed the server's certificate";
    for mode in ["verify-full", "verify-ca", "require"] {
        let url = with_mode(&url, mode);
        assert_refused(&url.replace("/ca.pem", "/other.pem"), untrusted).await;
    }
    let as_localhost = url.replace("127.0.0.1", "localhost");
    assert_refused(&as_localhost, "the server's certificate is for other names").await;
    let store = with_prefix(&with_mode(&as_localhost, "verify-ca"), &unique_prefix()).await;
    written(store.create(&at(1), &draft("")).await);
}

#[tokio::test]
async fn a_primary_that_is_not_trusted_is_refused_even_if_trusted_sentinels_name_it() {
    let (Some((servers, url)), Some(other)) = (with_sentinels(), Kind::RedisTls.start()) else {
        return;
    };
    let named = |name: &str| url.replace(&format!("/{}?", Replicas::NAME), &format!("/{name}?"));
    // The certificate of this server is for 127.0.0.1, but another authority has signed it.
    servers.watch_as("untrusted", "127.0.0.1", port(other.url()));
    // The certificate of the primary is not for this name.
    servers.watch_as("renamed", "localhost", port(&servers.primary()));

    for mode in ["verify-full", "verify-ca"] {
        let url = with_mode(&named("untrusted"), mode);
        let why = "no trusted authority has signed the server's certificate";
        assert_refused(&url, why).await;
    }
    let why = "the server's certificate is for other names";
    assert_refused(&named("renamed"), why).await;
    let store = with_prefix(&with_mode(&named("renamed"), "verify-ca"), &unique_prefix()).await;
    written(store.create(&at(1), &draft("")).await);
}

/// Starts servers and Sentinels with TLS. Returns them with the URL of the Sentinels.
fn with_sentinels() -> Option<(Replicas, String)> {
    let mut servers = Replicas::start(Kind::RedisTls)?;
    let url = servers.start_sentinels();
    Some((
        servers,
        url.expect("redis-server is installed without redis-sentinel"),
    ))
}

fn with_mode(url: &str, mode: &str) -> String {
    assert!(url.contains("sslmode=verify-full&sslrootcert="), "{url}");
    url.replace("verify-full", mode)
}

fn port(url: &str) -> u16 {
    let (_, port) = url.split_once("127.0.0.1:").unwrap();
    port.split_once('/').unwrap().0.parse().unwrap()
}

async fn assert_refused(url: &str, why: &str) {
    let error = RedisStore::connect(url).await.expect_err(why);

    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    assert!(error.to_string().contains(why), "{error:?}");
}
