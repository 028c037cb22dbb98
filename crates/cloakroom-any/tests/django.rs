//! Tests that a URL opens the store of a Django site.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cloakroom::{ErrorKind, Sessions};
use cloakroom_any::StoreUrl;
use cloakroom_django::Settings;
use cloakroom_harness::servers;
use cloakroom_testkit::unique_name;

#[tokio::test]
async fn every_url_of_a_django_site_opens_a_store_that_keeps_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let name = unique_name();
    let sqlite = folder.path().join("db.sqlite3");
    cloakroom_sqlite::DjangoTable::open(&sqlite)
        .unwrap()
        .migrate()
        .await
        .unwrap();
    if let Some(server) = servers::postgres() {
        let table = cloakroom_postgres::DjangoTable::builder(server.url()).table(&name);
        table.connect().await.unwrap().migrate().await.unwrap();
    }
    if let Some(server) = servers::mariadb() {
        let table = cloakroom_mysql::DjangoTable::builder(server.url()).table(&name);
        table.connect().await.unwrap().migrate().await.unwrap();
    }
    let url_of = |server: Option<&servers::Server>, options: &str| {
        server.map(|server| format!("django+{}?{options}", server.url()))
    };
    let sqlite = format!("django+sqlite://{}", sqlite.display());
    let caches = [
        url_of(servers::redis(), &format!("prefix={name}%26version=2")),
        url_of(servers::memcached(), &format!("prefix={name}%26version=2")),
    ];
    let with_cache = |table: Option<String>, cache: &Option<String>| {
        Some(format!("{}&cache={}", table?, cache.as_ref()?))
    };
    let urls = [
        Some(sqlite.clone()),
        Some(format!("{sqlite}?cache_secs=5")),
        url_of(servers::postgres(), &format!("table={name}&connections=2")),
        url_of(servers::mariadb(), &format!("table={name}&connections=2")),
        url_of(servers::redis(), &format!("prefix={name}&version=3")),
        url_of(
            servers::redis_sentinel(),
            &format!("prefix={name}&version=3"),
        ),
        url_of(
            servers::memcached(),
            &format!("prefix={name}&version=3&connections=2"),
        ),
        with_cache(Some(format!("{sqlite}?")), &caches[0]),
        with_cache(
            url_of(servers::postgres(), &format!("table={name}")),
            &caches[0],
        ),
        with_cache(
            url_of(servers::mariadb(), &format!("table={name}")),
            &caches[1],
        ),
        Some(format!("django+file:{}", folder.path().display())),
        Some("django+cookie:".to_owned()),
    ];
    for url in urls.into_iter().flatten() {
        let store_url: StoreUrl = url.parse().unwrap();
        assert!(store_url.is_django());
        let [one, other] = [sessions(&store_url).await, sessions(&store_url).await];
        let session = one.new_session();
        session.set("n", 1).unwrap();
        session.save().await.unwrap();

        let key = session.key().unwrap();
        if url != "django+cookie:" {
            assert_eq!(key.reveal().len(), 32, "{store_url}");
        }
        let found = other.open(&key).await.unwrap().unwrap();
        assert_eq!(found.get("n").unwrap(), Some(1), "{store_url}");
    }
}

/// Opens the store and builds sessions on it. Each call simulates a separate process.
async fn sessions(store_url: &StoreUrl) -> Sessions {
    let settings = Settings::new("the secret of both processes").unwrap();
    let engine = store_url.engine(&settings).await.unwrap();
    settings.sessions(engine).build().unwrap()
}

#[tokio::test]
async fn open_refuses_a_store_of_a_django_site_and_engine_refuses_any_other() {
    let store_url: StoreUrl = "django+cookie:".parse().unwrap();
    let error = store_url.open(Some(&[7; 32])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let why = "`django+cookie:` is a store of a Django site and needs its settings; \
               open it with `StoreUrl::engine`";
    assert!(error.to_string().contains(why), "{error}");

    let store_url: StoreUrl = "memory:".parse().unwrap();
    assert!(!store_url.is_django());
    let settings = Settings::new("a secret").unwrap();
    let error = store_url.engine(&settings).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let why = "`memory:` is not a store of a Django site, whose URLs begin with `django+`";
    assert!(error.to_string().contains(why), "{error}");
}

#[tokio::test]
async fn no_table_is_created_in_the_database_of_a_django_site() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db.sqlite3");
    let own: StoreUrl = format!("sqlite://{}", path.display()).parse().unwrap();
    own.open(None).await.unwrap();

    let store_url: StoreUrl = format!("django+sqlite://{}", path.display())
        .parse()
        .unwrap();
    let session = sessions(&store_url).await.new_session();
    session.set("n", 1).unwrap();

    let error = session.save().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(format!("{error:#}").contains("migrate"), "{error:#}");
}

#[test]
fn a_bad_url_of_a_django_site_is_refused_with_an_error_that_explains_what_is_wrong() {
    for (url, why) in [
        (
            "django+mongodb://localhost",
            "`django+mongodb:` is not a supported scheme; use one of sqlite://PATH, ",
        ),
        (
            "django+sqlite:",
            "`django+sqlite:` needs a path, as in django+sqlite://PATH",
        ),
        (
            "django+file:/tmp/x?prefix=a",
            "`django+file` has no parameter `prefix`; its parameters are `cache_secs`",
        ),
        (
            "django+memcached://localhost?version=two",
            "`version` must be a whole number",
        ),
        (
            "django+postgres://localhost?cache=redis://:s3cret@localhost",
            "`cache` must be a cache of the Django site, as in cache=django+redis://…",
        ),
        (
            "django+postgres://localhost?cache=django+sqlite:///tmp/x",
            "`cache` must be a cache of the Django site, as in cache=django+redis://…",
        ),
        (
            "django+postgres://localhost?cache_secs=5&cache=django+redis://localhost",
            "are read until the session ends; leave out `cache_secs`",
        ),
        (
            "postgres://localhost?cache=django+redis://localhost",
            "`cache` is a store of a Django site and the origin is not",
        ),
    ] {
        let error = url.parse::<StoreUrl>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(why), "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}

#[test]
fn passwords_are_never_shown() {
    let url = "django+mysql://ada:s3cret@db.example/site\
               ?cache=django+redis://:s3cret@cache.example/1?prefix=shop";
    let store_url: StoreUrl = url.parse().unwrap();

    assert_eq!(
        store_url.to_string(),
        "django+mysql://db.example/site behind django+redis://cache.example/1"
    );
    assert!(!format!("{store_url:?}").contains("s3cret"));
}
