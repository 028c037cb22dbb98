//! The table of stores in the README matches the guarantees that the stores report.

use cloakroom_any::StoreUrl;
use cloakroom_harness::servers;

const README: &str = include_str!("../../../README.md");

#[tokio::test]
async fn the_table_in_the_readme_matches_the_guarantees_of_the_stores() {
    let folder = tempfile::tempdir().unwrap();
    let url_of = |server: Option<&servers::Server>| server.map(|server| server.url().to_owned());
    let stores = [
        ("MemoryStore", Some("memory:".to_owned())),
        (
            "FileStore",
            Some(format!("file:{}", folder.path().join("files").display())),
        ),
        (
            "SqliteStore",
            Some(format!(
                "sqlite://{}",
                folder.path().join("s.sqlite").display()
            )),
        ),
        ("PostgresStore", url_of(servers::postgres())),
        ("MysqlStore", url_of(servers::mariadb())),
        ("RedisStore", url_of(servers::redis())),
        ("MemcachedStore", url_of(servers::memcached())),
        ("CookieBackend", Some("cookie:".to_owned())),
    ];
    let rows: Vec<Vec<&str>> = README
        .lines()
        .skip_while(|line| !line.starts_with("| store | crate | compares |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let named: Vec<&str> = rows
        .iter()
        .map(|row| row[0].split('`').nth(1).unwrap())
        .collect();
    assert_eq!(
        named,
        stores.each_ref().map(|(name, _)| *name),
        "the table names every store"
    );

    for (row, (name, url)) in rows.iter().zip(stores) {
        let Some(url) = url else { continue };
        let store_url: StoreUrl = url.parse().unwrap();
        let backend = store_url.open(Some(&[7; 32])).await.unwrap();
        let reported = backend.guarantees();
        let reported = [
            reported.compares,
            reported.revokes,
            reported.durable,
            reported.shared,
            reported.owners,
            reported.evicts,
        ];
        // A cell such as "one machine" means "yes, with a restriction".
        let table: Vec<bool> = row[2..].iter().map(|cell| *cell != "no").collect();
        assert_eq!(table, reported, "{name}: {row:?}");
    }
}
