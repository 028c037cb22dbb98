//! Tests that a URL opens the store that it names, and that the error for a bad URL explains what
//! is wrong with the URL.

use cloakroom::{ErrorKind, Sessions};
use cloakroom_any::StoreUrl;
use cloakroom_harness::servers;
use cloakroom_testkit::unique_name;

#[tokio::test]
async fn every_url_opens_a_store_that_keeps_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let name = unique_name();
    let url_of = |server: Option<&servers::Server>, options: &str| {
        server.map(|server| format!("{}?{options}", server.url()))
    };
    // The URLs of servers with TLS already have parameters.
    let tls_url_of = |server: Option<&servers::Server>, options: &str| {
        server.map(|server| format!("{}&{options}", server.url()))
    };
    let cache = folder.path().join("cache.sqlite");
    let cache = cache.display();
    let redis = url_of(servers::redis(), &format!("prefix={name}f:"));
    let redis = encoded(redis.as_deref().unwrap_or("memory:"));
    let urls = [
        Some("memory:".to_owned()),
        Some("cookie:".to_owned()),
        Some(format!(
            "sqlite://{}",
            folder.path().join("s.sqlite").display()
        )),
        Some(format!(
            "sqlite://{}?table=two&cache_secs=5",
            folder.path().join("s.sqlite").display()
        )),
        Some(format!("file:{}", folder.path().join("files").display())),
        url_of(servers::postgres(), &format!("table={name}&connections=2")),
        url_of(servers::mariadb(), &format!("table={name}&connections=2")),
        url_of(servers::redis(), &format!("prefix={name}:&cache_secs=1")),
        url_of(
            servers::mariadb(),
            &format!("table={name}_b&cache_secs=30&cache=sqlite://{cache}?table=a%26"),
        ),
        url_of(
            servers::postgres(),
            &format!("table={name}_b&cache={redis}"),
        ),
        url_of(servers::redis_cluster(), &format!("prefix={name}:")),
        url_of(servers::redis_sentinel(), &format!("prefix={name}:")),
        url_of(servers::memcached(), &format!("prefix={name}:")),
        tls_url_of(servers::postgres_tls(), &format!("table={name}_c")),
        tls_url_of(servers::mariadb_tls(), &format!("table={name}_c")),
        tls_url_of(servers::redis_tls(), &format!("prefix={name}:")),
        servers::redis_tls().map(|server| server.url().replacen("redis:", "rediss:", 1)),
    ];
    for url in urls.into_iter().flatten() {
        let store_url: StoreUrl = url.parse().unwrap();
        let sessions = Sessions::new(store_url.open(Some(&[7; 32])).await.unwrap());
        let session = sessions.new_session();
        session.set("n", 1).unwrap();
        session.save().await.unwrap();

        let found = sessions
            .open(&session.key().unwrap())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.get("n").unwrap(), Some(1), "{store_url}");
    }
}

#[test]
fn a_bad_url_is_refused_with_an_error_that_explains_what_is_wrong() {
    for (url, why) in [
        (
            "",
            "`:` is not a supported scheme; use one of sqlite://PATH, ",
        ),
        (
            "mongodb://localhost",
            "`mongodb:` is not a supported scheme",
        ),
        ("sqlite", "`sqlite:` needs a path, as in sqlite://PATH"),
        ("file:", "`file:` needs a path, as in file:PATH"),
        (
            "sqlite:///tmp/x?colour=red",
            "`sqlite` has no parameter `colour`; its parameters are `table`, `cache_secs`, `cache`",
        ),
        (
            "memory:?cache_secs=1",
            "`memory` has no parameter `cache_secs`; it has no parameters at all",
        ),
        (
            "redis://localhost?cache_secs=soon",
            "`cache_secs` must be a whole number",
        ),
        (
            "redis://localhost?cache=mongodb://localhost",
            "`cache`: `mongodb:` is not a supported scheme; use one of sqlite://PATH, ",
        ),
        (
            "redis://localhost?cache=sqlite:///tmp/x?colour=red",
            "`cache`: `sqlite` has no parameter `colour`; its parameters are `table`, ",
        ),
        (
            "redis://localhost?cache=s3cret",
            "`cache` must be the URL of a store, as in cache=redis://…",
        ),
        (
            "redis://localhost?cache=%zz",
            "`cache` must be the URL of a store, as in cache=redis://…",
        ),
        (
            "redis://localhost?cache=cookie:",
            "`cache` must be a store on the server",
        ),
        (
            "redis://localhost?cache=file:/tmp/x?cache_secs=1",
            "the URL in `cache` has a `cache` or `cache_secs`; only the origin's URL can have ",
        ),
        (
            "redis://localhost?cache_secs=5&cache=redis://localhost",
            "`cache` is the same store as its origin; name another one",
        ),
        (
            "memcached://localhost?sslmode=verify-full",
            "there is no TLS for memcached, so keep it in a private network",
        ),
        (
            "django+memcached://localhost?sslrootcert=/ca.pem",
            "there is no TLS for memcached, so keep it in a private network",
        ),
        (
            "cookie:?cache=memory:",
            "`cookie` has no parameter `cache`; it has no parameters at all",
        ),
    ] {
        let error = url.parse::<StoreUrl>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(why), "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}

#[test]
fn the_old_name_of_a_parameter_is_refused_with_the_new_one() {
    for store_url in [
        "sqlite:///tmp/x",
        "postgres://localhost/x",
        "django+redis://localhost",
    ] {
        for (option, why) in [
            ("cached=5", "`cached` is called `cache_secs` now"),
            ("front=memory:", "`front` is called `cache` now"),
        ] {
            let url = format!("{store_url}?{option}");

            let error = url.parse::<StoreUrl>().unwrap_err();

            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().ends_with(why), "{error}");
        }
    }
}

#[tokio::test]
async fn a_session_that_was_ended_is_gone_for_another_server_with_the_same_cache() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let tiers = format!(
        "file:{}?cache_secs=3600&cache=sqlite://{}",
        path("origin"),
        path("cache")
    );
    let open = async |url: &str| {
        let store_url: StoreUrl = url.parse().unwrap();
        Sessions::new(store_url.open(None).await.unwrap())
    };
    let [one, other] = [open(&tiers).await, open(&tiers).await];
    let session = one.new_session();
    session.set("n", 1).unwrap();
    session.save().await.unwrap();
    let key = session.key().unwrap();

    // A server without the cache ends the session in the origin. The cache still returns it.
    let origin = open(&format!("file:{}", path("origin"))).await;
    let elsewhere = origin.open(&key).await.unwrap().unwrap();
    elsewhere.flush().unwrap();
    elsewhere.save().await.unwrap();
    let cached = other.open(&key).await.unwrap().unwrap();
    assert_eq!(cached.get("n").unwrap(), Some(1));

    cached.flush().unwrap();
    cached.save().await.unwrap();
    assert!(one.open(&key).await.unwrap().is_none());
}

#[test]
fn the_text_of_a_url_names_both_tiers() {
    let url =
        "memcached://b.example:1?cache=postgres://ada:s3cret@a.example/x?table=a%26sslmode=disable";
    let store_url: StoreUrl = url.parse().unwrap();

    assert_eq!(
        store_url.to_string(),
        "memcached://b.example:1 behind postgres://a.example/x"
    );
}

#[test]
fn passwords_are_never_shown() {
    for url in [
        "postgres://ada:s3cret@db.example:5432/library?sslmode=disable&password=s3cret",
        "mysql://ada:s3cret@db.example/library",
        "redis://:s3cret@cache.example/0",
        "redis+cluster://ada:s3cret@a.example:1,b.example:2",
        "redis+sentinel://ada:s3cret@a.example:1,b.example/main/3?sentinel_password=s3cret",
        "postgres://ada:s3c@s3cret@db.example/library",
        "file:/var/lib/library.example?cache_secs=1&cache=redis://:s3cret@cache.example/0",
        "file:/var/lib/library.example?cache=redis%3A%2F%2F%3As3cret%40cache.example",
    ] {
        let store_url: StoreUrl = url.parse().unwrap();
        let shown = format!("{store_url} {store_url:?}");
        assert!(!shown.contains("s3c"), "{shown}");
        assert!(shown.contains(".example"), "{shown}");
    }
}

#[tokio::test]
async fn a_connection_error_shows_no_password() {
    for url in [
        "postgres://ada:s3cret@127.0.0.1:1/library",
        "mysql://ada:s3cret@127.0.0.1:1/library",
        "redis://:s3cret@127.0.0.1:1",
        "redis+cluster://ada:s3cret@127.0.0.1:1",
        "redis+sentinel://ada:s3cret@127.0.0.1:1/main?sentinel_password=s3cret",
    ] {
        let store_url: StoreUrl = url.parse().unwrap();
        let error = match store_url.open(None).await {
            Ok(backend) => Sessions::new(backend).ping().await.unwrap_err(),
            Err(error) => error,
        };
        let shown = format!("{error} {error:#} {error:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}

#[tokio::test]
async fn the_cookie_needs_a_secret() {
    let store_url: StoreUrl = "cookie:".parse().unwrap();
    assert_eq!(
        store_url.open(None).await.unwrap_err().kind(),
        ErrorKind::Config
    );
    assert_eq!(
        store_url.open(Some(b"short")).await.unwrap_err().kind(),
        ErrorKind::Config
    );
}

/// Percent-encodes everything except letters and digits.
fn encoded(url: &str) -> String {
    url.bytes()
        .map(|byte| match byte.is_ascii_alphanumeric() {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}
