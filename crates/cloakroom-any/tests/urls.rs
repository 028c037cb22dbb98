//! From a URL to sessions that are kept there, and from a bad one to an error that says what to do.

use cloakroom::{ErrorKind, Sessions};
use cloakroom_any::StoreUrl;
use cloakroom_harness::servers;
use cloakroom_testkit::unique_name;

#[tokio::test]
async fn sessions_are_kept_in_every_place_that_a_url_names() {
    let folder = tempfile::tempdir().unwrap();
    let name = unique_name();
    let of = |server: Option<&servers::Server>, options: &str| {
        server.map(|server| format!("{}?{options}", server.url()))
    };
    let cache = folder.path().join("cache.sqlite");
    let cache = cache.display();
    let redis = of(servers::redis(), &format!("prefix={name}f:"));
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
        of(servers::postgres(), &format!("table={name}&connections=2")),
        of(servers::mariadb(), &format!("table={name}&connections=2")),
        of(servers::redis(), &format!("prefix={name}:&cache_secs=1")),
        of(
            servers::mariadb(),
            &format!("table={name}_b&cache_secs=30&cache=sqlite://{cache}?table=a%26"),
        ),
        of(
            servers::postgres(),
            &format!("table={name}_b&cache={redis}"),
        ),
        of(servers::redis_cluster(), &format!("prefix={name}:")),
        of(servers::memcached(), &format!("prefix={name}:")),
    ];
    for url in urls.into_iter().flatten() {
        let place: StoreUrl = url.parse().unwrap();
        let sessions = Sessions::new(place.open(Some(&[7; 32])).await.unwrap());
        let session = sessions.new_session();
        session.set("n", 1).unwrap();
        session.save().await.unwrap();

        let found = sessions
            .open(&session.key().unwrap())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.get("n").unwrap(), Some(1), "{place}");
    }
}

#[test]
fn a_url_that_is_no_place_is_refused_with_what_there_is() {
    for (url, why) in [
        (
            "",
            "`:` is no place for sessions; there are sqlite://PATH, ",
        ),
        ("mongodb://localhost", "`mongodb:` is no place for sessions"),
        ("sqlite", "`sqlite:` needs a path, as in sqlite://PATH"),
        ("file:", "`file:` needs a path, as in file:PATH"),
        (
            "sqlite:///tmp/x?colour=red",
            "`colour` is no option of `sqlite`; there are `table`, `cache_secs`, `cache`",
        ),
        (
            "memory:?cache_secs=1",
            "`cache_secs` is no option of `memory`; there are none",
        ),
        (
            "redis://localhost?cache_secs=soon",
            "`cache_secs` must be a whole number",
        ),
        (
            "redis://localhost?cache=mongodb://localhost",
            "`cache`: `mongodb:` is no place for sessions; there are sqlite://PATH, ",
        ),
        (
            "redis://localhost?cache=sqlite:///tmp/x?colour=red",
            "`cache`: `colour` is no option of `sqlite`; there are `table`, ",
        ),
        (
            "redis://localhost?cache=s3cret",
            "`cache` must be the URL of a place, as in cache=redis://…",
        ),
        (
            "redis://localhost?cache=%zz",
            "`cache` must be the URL of a place, as in cache=redis://…",
        ),
        (
            "redis://localhost?cache=cookie:",
            "`cache` must be a place on the server",
        ),
        (
            "redis://localhost?cache=file:/tmp/x?cache_secs=1",
            "`cache` has a cache itself; give `cache_secs` and one `cache` to the origin",
        ),
        (
            "redis://localhost?cache_secs=5&cache=redis://localhost",
            "`cache` is the same place as its origin; name another one",
        ),
        (
            "cookie:?cache=memory:",
            "`cache` is no option of `cookie`; there are none",
        ),
    ] {
        let error = url.parse::<StoreUrl>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(why), "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}

#[test]
fn an_option_by_its_old_name_is_refused_with_the_new_one() {
    for place in [
        "sqlite:///tmp/x",
        "postgres://localhost/x",
        "django+redis://localhost",
    ] {
        for (option, why) in [
            ("cached=5", "`cached` is called `cache_secs` now"),
            ("front=memory:", "`front` is called `cache` now"),
        ] {
            let url = format!("{place}?{option}");

            let error = url.parse::<StoreUrl>().unwrap_err();

            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().ends_with(why), "{error}");
        }
    }
}

#[tokio::test]
async fn servers_that_share_a_cache_see_at_once_what_another_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let tiers = format!(
        "file:{}?cache_secs=3600&cache=sqlite://{}",
        path("origin"),
        path("cache")
    );
    let open = async |url: &str| {
        let place: StoreUrl = url.parse().unwrap();
        Sessions::new(place.open(None).await.unwrap())
    };
    let [one, other] = [open(&tiers).await, open(&tiers).await];
    let session = one.new_session();
    session.set("n", 1).unwrap();
    session.save().await.unwrap();
    let key = session.key().unwrap();

    // The cache still has what its origin has lost, and answers.
    let origin = open(&format!("file:{}", path("origin"))).await;
    let elsewhere = origin.open(&key).await.unwrap().unwrap();
    elsewhere.flush().unwrap();
    elsewhere.save().await.unwrap();
    let remembered = other.open(&key).await.unwrap().unwrap();
    assert_eq!(remembered.get("n").unwrap(), Some(1));

    remembered.flush().unwrap();
    remembered.save().await.unwrap();
    assert!(one.open(&key).await.unwrap().is_none());
}

#[test]
fn two_tiers_are_shown_as_two() {
    let url =
        "memcached://b.example:1?cache=postgres://ada:s3cret@a.example/x?table=a%26sslmode=disable";
    let place: StoreUrl = url.parse().unwrap();

    assert_eq!(
        place.to_string(),
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
        "postgres://ada:s3c@s3cret@db.example/library",
        "file:/var/lib/library.example?cache_secs=1&cache=redis://:s3cret@cache.example/0",
        "file:/var/lib/library.example?cache=redis%3A%2F%2F%3As3cret%40cache.example",
    ] {
        let place: StoreUrl = url.parse().unwrap();
        let shown = format!("{place} {place:?}");
        assert!(!shown.contains("s3c"), "{shown}");
        assert!(shown.contains(".example"), "{shown}");
    }
}

#[tokio::test]
async fn an_error_on_the_way_to_a_server_shows_no_password_either() {
    for url in [
        "postgres://ada:s3cret@127.0.0.1:1/library",
        "mysql://ada:s3cret@127.0.0.1:1/library",
        "redis://:s3cret@127.0.0.1:1",
        "redis+cluster://ada:s3cret@127.0.0.1:1",
    ] {
        let place: StoreUrl = url.parse().unwrap();
        let error = match place.open(None).await {
            Ok(backend) => Sessions::new(backend).ping().await.unwrap_err(),
            Err(error) => error,
        };
        let shown = format!("{error} {error:#} {error:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}

#[tokio::test]
async fn the_cookie_needs_a_secret() {
    let place: StoreUrl = "cookie:".parse().unwrap();
    assert_eq!(
        place.open(None).await.unwrap_err().kind(),
        ErrorKind::Config
    );
    assert_eq!(
        place.open(Some(b"short")).await.unwrap_err().kind(),
        ErrorKind::Config
    );
}

/// Percent-encoded as a whole.
fn encoded(url: &str) -> String {
    url.bytes()
        .map(|byte| match byte.is_ascii_alphanumeric() {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}
