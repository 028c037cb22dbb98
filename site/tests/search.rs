//! Search, and the search index.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod common;

use clap::Parser;
use common::{
    Site,
    visitor::{Visitor, main},
};
use locallibrary::{Application, Config, cli, config::Command};

/// Returns the text of the page with the search results.
async fn found(visitor: &Visitor, query: &str) -> String {
    let page = visitor.get(&format!("/catalog/search/?{query}")).await;
    assert_eq!(page.status, 200, "{query}");
    main(&page)
}

#[tokio::test]
async fn every_word_must_match_ignoring_case_and_accents() {
    let site = Site::new().await;
    let stranger = site.stranger();
    for (query, results, title) in [
        ("q=emma", "results for “emma”", "Emma ("),
        (
            "q=miserables",
            "1 result for “miserables”",
            "Les Misérables (Hugo, Victor)",
        ),
        (
            "q=%D0%90%D0%9D%D0%9D%D0%90",
            "1 result for “АННА”",
            "Анна Каренина",
        ),
        (
            "q=jane+eyre+bront",
            "1 result for “jane eyre bront”",
            "Jane Eyre",
        ),
        (
            "q=9786600010007",
            "1 result for “9786600010007”",
            "Sense and Sensibility",
        ),
        ("q=voynich", "1 result for “voynich”", "(Unknown author)"),
        ("q=%E7%8C%AB", "1 result for “猫”", "吾輩は猫である"),
        ("q=nonsuch", "0 results for “nonsuch”", "Nothing was found."),
        ("q=%25", "0 results for “%”", ""),
        ("q=_", "0 results for “_”", ""),
        ("q=*", "0 results for “*”", ""),
        ("q=%5C", "0 results for “\\”", ""),
        (
            "q=alice%27s",
            "1 result for “alice's”",
            "Alice's Adventures",
        ),
        ("q=%00", "0 results for", ""),
    ] {
        let words = found(&stranger, query).await;
        assert!(
            words.contains(results) && words.contains(title),
            "{query}: {words}"
        );
    }
    assert!(!found(&stranger, "q=").await.contains("result"));
    assert!(!found(&stranger, "q=+++").await.contains("result"));
    assert!(stranger.browser.cookie("sessionid").is_none());
    assert_eq!(stranger.send("/catalog/search/", &[]).await.status, 405);
}

#[tokio::test]
async fn matches_are_marked_and_the_box_shows_the_search_text() {
    let site = Site::new().await;
    let page = site.stranger().get("/catalog/search/?q=%22MISER").await;
    assert!(page.text().contains("name=\"q\" value=\"&#34;MISER\""));
    let page = site.stranger().get("/catalog/search/?q=MISER").await;
    assert!(
        page.text().contains(">Les <mark>Misér</mark>ables</a>"),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn special_letters_match_the_letters_that_people_type() {
    let site = Site::new().await;
    let stranger = site.stranger();
    for (title, query, marked) in [
        ("Ærø", "aero", "<mark>Ærø</mark>"),
        ("Straße", "strasse", "<mark>Straße</mark>"),
        ("STRAẞE", "strasse", "<mark>STRAẞE</mark>"),
        ("L'Œuvre", "oeuvre", "L&#39;<mark>Œuvre</mark>"),
        ("Edda Þórs", "thor", "Edda <mark>Þór</mark>s"),
        ("La oeuvre", "%C5%93uvre", "La <mark>oeuvre</mark>"),
        ("Łódź", "lodz", "<mark>Łódź</mark>"),
    ] {
        let change = sqlx::query("UPDATE catalog_book SET title = ? WHERE id = 1").bind(title);
        change.execute(site.application.db()).await.unwrap();
        let page = stranger.get(&format!("/catalog/search/?q={query}")).await;
        assert!(page.text().contains(&format!(">{marked}</a>")), "{title}");
    }
}

/// The index contains texts that are folded, which means in lower case and without accents. The
/// database also contains the version of the rules with which the texts were folded.
#[tokio::test]
async fn an_index_of_another_folding_version_is_rebuilt() {
    let site = Site::new().await;
    let database = format!("sqlite://{}", site.application.database().display());
    let flags = ["--bind", "127.0.0.1:0", "--database-url", &database];
    let config = Config::parse_from(["locallibrary"].iter().chain(&flags));
    site.sql("UPDATE catalog_book SET title = 'Ærø' WHERE id = 1")
        .await;
    assert!(
        found(&site.stranger(), "q=aero")
            .await
            .contains("1 result ")
    );

    let texts = "SELECT COUNT(*) FROM locallibrary_search WHERE folded LIKE 'aero%'";
    for make_outdated in [
        // Databases of an earlier release do not have this table.
        "DROP TABLE locallibrary_search_folding",
        "UPDATE locallibrary_search_folding SET version = version + 1",
        "UPDATE locallibrary_search_folding SET version = version - 1",
    ] {
        for is_start in [true, false] {
            site.sql("UPDATE locallibrary_search SET folded = 'ærø' WHERE book_id = 1")
                .await;
            site.sql(make_outdated).await;
            assert!(
                found(&site.stranger(), "q=aero")
                    .await
                    .contains("0 results")
            );
            if is_start {
                Application::build(config.clone()).await.unwrap();
            } else {
                cli::run(&config, &Command::Migrate).await.unwrap();
            }
            assert_eq!(site.number(texts).await, 1);
        }
    }
    // If the database has the current folding version, texts are not folded again.
    site.sql("UPDATE locallibrary_search SET folded = 'anything' WHERE book_id = 1")
        .await;
    cli::run(&config, &Command::Migrate).await.unwrap();
    assert_eq!(site.number(texts).await, 0);
}

#[tokio::test]
async fn links_to_other_pages_of_results_keep_the_search() {
    let site = Site::new().await;
    let stranger = site.stranger();
    let page = stranger.get("/catalog/search/?q=a&available=1").await;
    assert!(
        page.text()
            .contains("href=\"?q=a&#38;available=1&#38;page=2\""),
        "{}",
        page.text()
    );
    assert_eq!(
        stranger.get("/catalog/search/?q=a&page=99").await.status,
        404
    );
}

#[tokio::test]
async fn filters_narrow_the_search() {
    let site = Site::new().await;
    let stranger = site.stranger();
    let count = async |query: &str| -> u32 {
        let words = found(&stranger, query).await;
        let before = words.split(" result").next().unwrap();
        before.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let all = count("q=a").await;
    let (russian, english) = (count("q=a&language=4").await, count("q=a&language=1").await);
    let genre = count("q=a&genre=1").await;
    let available = count("q=a&available=1").await;
    assert!(
        english < all
            && russian < english
            && (1..all).contains(&genre)
            && (1..all).contains(&available)
    );
    assert_eq!(
        count("q=a&genre=x&language=").await,
        all,
        "invalid filters are ignored"
    );
}

#[tokio::test]
async fn a_change_by_another_program_is_found_at_once() {
    let site = Site::new().await;
    let stranger = site.stranger();
    assert!(found(&stranger, "q=zebra").await.contains("0 results"));
    site.sql("UPDATE catalog_book SET title = 'Zébra' WHERE id = 1")
        .await;
    site.sql("UPDATE catalog_author SET last_name = 'Zebrastein' WHERE id = 2")
        .await;
    site.sql("INSERT INTO catalog_book (title, summary, isbn) VALUES ('A zebra', '', 'z')")
        .await;
    let words = found(&stranger, "q=zebra").await;
    assert!(
        words.contains("A zebra") && words.contains("Zébra") && words.contains("Zebrastein"),
        "{words}"
    );
    site.sql("DELETE FROM catalog_book WHERE title = 'A zebra'")
        .await;
    assert!(!found(&stranger, "q=zebra").await.contains("A zebra"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_book_is_found_while_it_is_being_changed() {
    const CHANGES: usize = 200;
    let site = Site::new().await;
    site.sql("UPDATE catalog_book SET title = 'Zebra' WHERE id = 1")
        .await;
    let stranger = site.stranger();
    let db = site.application.db().clone();
    let changes = tokio::spawn(async move {
        for _ in 0..CHANGES {
            let change = sqlx::query("UPDATE catalog_book SET title = 'Zebra' WHERE id = 1");
            change.execute(&db).await.unwrap();
        }
    });
    while !changes.is_finished() {
        let words = found(&stranger, "q=zebra").await;
        assert!(words.contains("1 result"), "{words}");
    }
    changes.await.unwrap();
}

#[tokio::test]
async fn an_import_is_indexed_in_batches() {
    let site = Site::new().await;
    let stranger = site.stranger();
    site.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) \
         INSERT INTO catalog_book (title, summary, isbn) \
         SELECT 'Übernahme ' || i, '', 'n' || i FROM n",
    )
    .await;
    // A batch has 1,000 books. The batch with the last book fails, so the last 500 are not indexed.
    // The earlier batches are committed.
    site.sql(
        "CREATE TRIGGER stop BEFORE UPDATE ON locallibrary_search \
         WHEN NEW.book_id = (SELECT MAX(id) FROM catalog_book) \
         BEGIN SELECT RAISE(ABORT, 'stopped'); END",
    )
    .await;
    assert_eq!(
        stranger.get("/catalog/search/?q=ubernahme").await.status,
        500
    );
    let left = "SELECT COUNT(*) FROM locallibrary_search WHERE folded IS NULL";
    assert_eq!(site.number(left).await, 500);
    site.sql("DROP TRIGGER stop").await;
    let words = found(&stranger, "q=ubernahme").await;
    assert!(words.contains("2500 results"), "{words}");
    assert_eq!(site.number(left).await, 0);
}

#[tokio::test]
async fn changes_by_other_programs_are_indexed_before_the_first_search() {
    let site = Site::new().await;
    site.sql("UPDATE catalog_book SET title = title || '!'")
        .await;
    let db = site.application.db().clone();
    let serving = tokio::spawn(site.application.serve(std::future::pending()));
    let all_are_folded = async {
        let left = "SELECT COUNT(*) FROM locallibrary_search WHERE folded IS NULL";
        while sqlx::query_scalar::<_, i64>(left)
            .fetch_one(&db)
            .await
            .unwrap()
            > 0
        {
            tokio::task::yield_now().await;
        }
    };
    let deadline = std::time::Duration::from_secs(30);
    tokio::time::timeout(deadline, all_are_folded)
        .await
        .unwrap();
    serving.abort();
}
