//! The items that the site keeps in a visitor's session: preferences, dismissed notices and
//! recently viewed books.

// Helpers of tests may panic.
#![allow(clippy::unwrap_used)]

mod common;

use common::{
    Site,
    visitor::{Visitor, main, target},
};

#[tokio::test]
async fn visitors_choose_the_number_of_results_per_page() {
    let site = Site::new().await;
    let stranger = site.stranger();
    let page = stranger
        .get("/catalog/preferences/?next=/catalog/books/")
        .await;
    let choices = page.text().split("name=\"per_page\"").nth(1).unwrap();
    let choices = common::text(&format!(
        "<select {}",
        choices.split("</select>").next().unwrap()
    ));
    assert_eq!(choices, "5 10 20 50 100");
    assert!(page.text().contains("<option value=\"10\" selected>"));
    assert!(
        page.text()
            .contains("name=\"next\" value=\"/catalog/books/\"")
    );
    for (value, message) in [
        (
            "7",
            "Select a valid choice. 7 is not one of the available choices.",
        ),
        (
            "x<b>",
            "Select a valid choice. x<b> is not one of the available choices.",
        ),
        (
            "",
            "Select a valid choice. is not one of the available choices.",
        ),
        (
            " ",
            "Select a valid choice. is not one of the available choices.",
        ),
    ] {
        let page = stranger
            .send("/catalog/preferences/", &[("per_page", value)])
            .await;
        assert_eq!(page.status, 200);
        assert!(main(&page).contains(message), "{}", main(&page));
    }
    let page = stranger.send("/catalog/preferences/", &[]).await;
    assert!(
        main(&page).contains("Select a valid choice."),
        "{}",
        main(&page)
    );
    assert_eq!(site.stored_sessions().await, 0);
    let save = async |next: &str| {
        stranger
            .send(
                "/catalog/preferences/",
                &[("per_page", "5"), ("next", next)],
            )
            .await
    };
    assert_eq!(target(&save("/catalog/books/").await), "/catalog/books/");
    assert_eq!(
        target(&save("//evil.example").await),
        "/catalog/preferences/"
    );
    for (path, pages) in [
        ("/catalog/books/", 19),
        ("/catalog/authors/", 8),
        ("/catalog/genres/", 5),
        ("/catalog/languages/", 3),
        ("/catalog/bookinstances/", 50),
        ("/catalog/language/1", 11),
        ("/catalog/search/?q=a", 19),
    ] {
        let words = stranger.words(path).await;
        let of = words
            .split("Page 1 of ")
            .nth(1)
            .unwrap_or_else(|| panic!("{path}: {words}"));
        let found: u32 = of.split('.').next().unwrap().parse().unwrap();
        // This test does not check how many books the search finds. For the search, it therefore
        // accepts any number of pages above 1.
        assert!(
            found == pages || path.contains("search") && found > 1,
            "{path}: {found}"
        );
    }
    assert_eq!(stranger.get("/catalog/books/?page=20").await.status, 404);
}

#[tokio::test]
async fn colours_follow_the_system_until_the_visitor_chooses() {
    let site = Site::new().await;
    let stranger = site.stranger();
    assert!(
        stranger
            .get("/catalog/books/")
            .await
            .text()
            .contains("<html lang=\"en\">")
    );
    stranger
        .send(
            "/catalog/preferences/",
            &[("per_page", "10"), ("colour_scheme", "dark")],
        )
        .await;
    let page = stranger.get("/catalog/books/").await;
    assert!(
        page.text().contains("data-scheme=\"dark\"")
            && page.text().contains("Your preferences were saved.")
    );
    stranger
        .send("/catalog/preferences/", &[("per_page", "20")])
        .await;
    assert!(
        stranger
            .get("/catalog/")
            .await
            .text()
            .contains("data-scheme=\"dark\""),
        "a form without the field keeps the chosen colours"
    );
    stranger
        .send(
            "/catalog/preferences/",
            &[("per_page", "20"), ("colour_scheme", "")],
        )
        .await;
    assert!(
        !stranger
            .get("/catalog/")
            .await
            .text()
            .contains("data-scheme")
    );
}

#[tokio::test]
async fn the_welcome_notice_can_be_dismissed() {
    let site = Site::new().await;
    let stranger = site.stranger();
    for path in [
        "/catalog/",
        "/catalog/books/?page=2",
        "/accounts/login/",
        "/nothing",
    ] {
        let page = stranger.get(path).await;
        assert!(
            page.text()
                .contains("action=\"/catalog/notices/welcome/dismiss/\""),
            "{path}"
        );
        assert!(
            page.text()
                .contains(&format!("name=\"next\" value=\"{path}\"")),
            "{path}"
        );
    }
    assert_eq!(
        stranger
            .get("/catalog/notices/welcome/dismiss/")
            .await
            .status,
        405
    );
    assert_eq!(
        stranger
            .send("/catalog/notices/other/dismiss/", &[])
            .await
            .status,
        404
    );
    let dismiss = async |next: &str| {
        stranger
            .send("/catalog/notices/welcome/dismiss/", &[("next", next)])
            .await
    };
    assert_eq!(
        target(&dismiss("/catalog/books/?page=2").await),
        "/catalog/books/?page=2"
    );
    assert_eq!(target(&dismiss("https://evil.example").await), "/catalog/");
    assert!(
        !stranger
            .get("/catalog/")
            .await
            .text()
            .contains("notices/welcome")
    );
    assert!(
        site.stranger()
            .get("/catalog/")
            .await
            .text()
            .contains("notices/welcome"),
        "another browser still shows the notice"
    );
}

#[tokio::test]
async fn a_dismissed_overdue_notice_returns_when_another_copy_becomes_overdue() {
    let site = Site::new().await;
    let member = site.visitor("member").await;
    let words = member.words("/catalog/").await;
    assert!(words.contains("You have 4 overdue books."), "{words}");
    assert_eq!(
        target(
            &member
                .send(
                    "/catalog/notices/overdue/dismiss/",
                    &[("next", "/catalog/books/")]
                )
                .await
        ),
        "/catalog/books/"
    );
    assert!(!member.words("/catalog/").await.contains("overdue book"));
    site.sql(
        "UPDATE catalog_bookinstance SET due_back = '2020-01-01' \
         WHERE id = (SELECT id FROM catalog_bookinstance \
         WHERE borrower_id = 1 AND status = 'o' AND due_back > date('now') LIMIT 1)",
    )
    .await;
    assert!(
        member
            .words("/catalog/")
            .await
            .contains("You have 5 overdue books.")
    );
    site.sql("DELETE FROM catalog_bookinstance WHERE borrower_id = 1 AND due_back <> '2020-01-01'")
        .await;
    assert!(
        member
            .words("/catalog/")
            .await
            .contains("You have 1 overdue book.")
    );
    assert!(
        !site
            .visitor("newcomer")
            .await
            .words("/catalog/")
            .await
            .contains("overdue")
    );
}

/// Returns the text of the list of recently viewed books, or an empty text if the page has no such
/// list.
async fn recent(visitor: &Visitor, path: &str) -> String {
    let page = visitor.get(path).await;
    match page.text().split("<aside class=\"recent\"").nth(1) {
        Some(aside) => common::text(&format!(
            "<aside {}",
            aside.split("</aside>").next().unwrap()
        )),
        None => String::new(),
    }
}

#[tokio::test]
async fn recently_viewed_books_are_listed_with_the_last_viewed_first() {
    let site = Site::new().await;
    let stranger = site.stranger();
    assert_eq!(recent(&stranger, "/catalog/").await, "");
    for book in ["1", "2", "3", "2", "4", "5", "6"] {
        stranger.get(&format!("/catalog/book/{book}")).await;
    }
    stranger.get("/catalog/book/999").await;
    stranger.get("/catalog/author/1").await;
    let titles = recent(&stranger, "/catalog/").await;
    let rest = titles.strip_prefix("Recently viewed ").unwrap();
    let expected = "Persuasion Northanger Abbey Emma Pride and Prejudice Mansfield Park";
    assert_eq!(
        rest.split(' ').count(),
        expected.split(' ').count(),
        "{rest}"
    );
    assert!(
        rest.starts_with("Persuasion") || rest.starts_with("Northanger"),
        "{rest}"
    );
    assert!(
        !recent(&stranger, "/catalog/book/6")
            .await
            .contains(rest.split(' ').next().unwrap()),
        "the page of a book does not list the book itself"
    );
    site.sql("DELETE FROM catalog_bookinstance").await;
    site.sql("DELETE FROM catalog_book_genre").await;
    site.sql("DELETE FROM catalog_book").await;
    assert_eq!(
        recent(&stranger, "/catalog/").await,
        "",
        "deleted books are left out"
    );
}

#[tokio::test]
async fn visitors_list_and_delete_their_session_items() {
    let site = Site::new().await;
    let stranger = site.stranger();
    assert!(
        main(&stranger.get("/catalog/remembered/").await).contains("remembers nothing about you")
    );
    assert!(stranger.browser.cookie("sessionid").is_none());

    stranger.get("/catalog/").await;
    stranger.get("/catalog/book/1").await;
    stranger
        .send("/catalog/preferences/", &[("per_page", "20")])
        .await;
    stranger
        .send("/catalog/notices/welcome/dismiss/", &[])
        .await;
    let page = stranger.get("/catalog/remembered/").await;
    let words = main(&page);
    for part in [
        "Visits to the home page 1",
        "Results per page 20",
        "welcome",
        "Sense and Sensibility",
        "Kept until",
    ] {
        assert!(words.contains(part), "{part} in {words}");
    }
    let key = stranger.browser.cookie("sessionid").unwrap().value;
    assert!(!page.text().contains(&key) && !page.text().contains("_auth_user"));

    let forget = async |item: &str| {
        stranger
            .send("/catalog/remembered/forget/", &[("item", item)])
            .await
    };
    for item in ["_auth_user_id", "_messages", "x", ""] {
        assert_eq!(forget(item).await.status, 400, "{item}");
    }
    assert_eq!(target(&forget("num_visits").await), "/catalog/remembered/");
    let words = main(&stranger.get("/catalog/remembered/").await);
    assert!(
        !words.contains("Visits") && words.contains("Results per page"),
        "{words}"
    );
    for item in ["per_page", "dismissed_notices", "recent_books"] {
        forget(item).await;
    }
    assert_eq!(
        site.stored_sessions().await,
        0,
        "deleting the last item ends the session"
    );
    assert!(stranger.browser.cookie("sessionid").is_none());

    stranger.get("/catalog/").await;
    assert_eq!(
        target(&stranger.send("/catalog/remembered/forget/", &[]).await),
        "/catalog/remembered/"
    );
    assert_eq!(site.stored_sessions().await, 0);
    assert_eq!(
        stranger.get("/catalog/remembered/forget/").await.status,
        405
    );
}

#[tokio::test]
async fn deleting_the_last_item_ends_the_session_despite_an_unread_message() {
    let site = Site::new().await;
    for item in ["per_page", "all"] {
        let stranger = site.stranger();
        let token = stranger.token().await;
        let token = ("csrfmiddlewaretoken", token.as_str());
        let post = async |path: &str, field: (&str, &str)| {
            let mut body = form_urlencoded::Serializer::new(String::new());
            body.extend_pairs([token, field]);
            stranger.browser.post(path, body.finish()).await
        };
        // No page is loaded between the two forms, so the message about the saved preferences is
        // still unread.
        post("/catalog/preferences/", ("per_page", "20")).await;
        assert!(stranger.browser.cookie("sessionid").is_some());
        post("/catalog/remembered/forget/", ("item", item)).await;
        assert!(stranger.browser.cookie("sessionid").is_none(), "{item}");
        assert_eq!(site.stored_sessions().await, 0);
    }
}

#[tokio::test]
async fn deleting_all_items_keeps_the_login_under_a_new_key() {
    let site = Site::new().await;
    let member = site.visitor("member").await;
    member.get("/catalog/").await;
    let before = member.browser.cookie("sessionid").unwrap().value;
    member
        .send("/catalog/remembered/forget/", &[("item", "all")])
        .await;
    assert_ne!(member.browser.cookie("sessionid").unwrap().value, before);
    let words = main(&member.get("/catalog/remembered/").await);
    assert!(
        words.contains("logged in as member") && words.contains("remembers nothing about you"),
        "{words}"
    );
    assert_eq!(site.stored_sessions().await, 1);
}

#[tokio::test]
async fn the_session_items_can_be_downloaded() {
    let site = Site::new().await;
    let member = site.visitor("member").await;
    member.get("/catalog/").await;
    member.get("/catalog/book/3").await;
    let page = member.get("/catalog/remembered/download/").await;
    assert_eq!(page.header("content-type"), Some("application/json"));
    let file: serde_json::Value = serde_json::from_str(page.text()).unwrap();
    assert_eq!(
        file,
        serde_json::json!({"username": "member", "num_visits": 1, "recent_books": [3]})
    );
}

#[tokio::test]
async fn recently_viewed_books_work_with_sessions_in_memory() {
    let site = Site::with(&["--sessions", "memory:"]).await;
    let stranger = site.stranger();
    stranger.get("/catalog/book/1").await;
    assert_eq!(stranger.get("/catalog/").await.status, 200);
}
