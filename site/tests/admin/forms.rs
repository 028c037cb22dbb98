use super::COPY;
use crate::common::{
    Site,
    visitor::{main, target},
};

const AUTHOR: [(&str, &str); 4] = [
    ("first_name", "Mary"),
    ("last_name", "Wroth"),
    ("date_of_birth", "1587-10-18"),
    ("date_of_death", ""),
];

#[tokio::test]
async fn each_save_button_redirects_to_its_page() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    for (button, name, leads_to) in [
        ("_save", "Farce", "/admin/catalog/genre/"),
        ("_continue", "Saga", "/admin/catalog/genre/26/change/"),
        ("_addanother", "Myth", "/admin/catalog/genre/add/"),
    ] {
        let fields = [("name", name), (button, "1")];
        let page = librarian.send("/admin/catalog/genre/add/", &fields).await;
        assert_eq!(target(&page), leads_to);
        let words = librarian.words(leads_to).await;
        assert!(
            words.contains(&format!("The genre “{name}” was added.")),
            "{words}"
        );
    }
    let fields = [("name", "Legend"), ("_save", "1")];
    let page = librarian
        .send("/admin/catalog/genre/26/change/", &fields)
        .await;
    assert_eq!(target(&page), "/admin/catalog/genre/");
    let name = site
        .text("SELECT name FROM catalog_genre WHERE id = 26")
        .await;
    assert_eq!(name.as_deref(), Some("Legend"));
}

#[tokio::test]
async fn an_author_is_added_and_an_invalid_change_is_refused() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    let page = librarian.send("/admin/catalog/author/add/", &AUTHOR).await;
    assert_eq!(target(&page), "/admin/catalog/author/");
    let born = "SELECT date_of_birth FROM catalog_author WHERE id = 41 AND date_of_death IS NULL";
    assert_eq!(site.text(born).await.as_deref(), Some("1587-10-18"));

    let mut fields = AUTHOR;
    fields[0].1 = " ";
    fields[3].1 = "1500-01-01";
    let page = librarian
        .send("/admin/catalog/author/41/change/", &fields)
        .await;
    assert_eq!(page.status, 200);
    let words = main(&page);
    assert!(words.contains("This field is required."));
    assert!(words.contains("Date of death cannot be before date of birth."));
    let html = page.text();
    assert!(html.contains("aria-invalid=\"true\" aria-describedby=\"error_first_name\""));
    assert!(
        html.contains("value=\"1500-01-01\""),
        "the typed value is shown again"
    );
    assert!(html.contains("<title>Error: "));
    let name = site
        .text("SELECT first_name FROM catalog_author WHERE id = 41")
        .await;
    assert_eq!(name.as_deref(), Some("Mary"));
}

#[tokio::test]
async fn a_book_has_genres_and_a_unique_isbn() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    let fields = |isbn| {
        [
            ("title", "Urania"),
            ("author", "1"),
            ("summary", "Shepherds."),
            ("isbn", isbn),
            ("genre", "1"),
            ("genre", "2"),
            ("language", "1"),
        ]
    };
    let page = librarian
        .send("/admin/catalog/book/add/", &fields("9786600010007"))
        .await;
    assert!(main(&page).contains("Book with this ISBN already exists."));
    let page = librarian
        .send("/admin/catalog/book/add/", &fields("978-0-306-40615-7"))
        .await;
    assert_eq!(target(&page), "/admin/catalog/book/");
    let isbn = site
        .text("SELECT isbn FROM catalog_book WHERE id = 93")
        .await;
    assert_eq!(isbn.as_deref(), Some("9780306406157"));
    let genres = "SELECT COUNT(*) FROM catalog_book_genre WHERE book_id = 93";
    assert_eq!(site.number(genres).await, 2);
    assert!(
        librarian
            .words("/catalog/search/?q=urania")
            .await
            .contains("1 result")
    );
}

#[tokio::test]
async fn names_of_genres_and_languages_are_unique_ignoring_case() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    for (path, name, error) in [
        (
            "genre",
            "ADVENTURE",
            "Genre already exists (case insensitive match)",
        ),
        (
            "language",
            "ENGLISH",
            "Language already exists (case insensitive match)",
        ),
    ] {
        let add = format!("/admin/catalog/{path}/add/");
        let page = librarian.send(&add, &[("name", name)]).await;
        assert!(main(&page).contains(error));
    }
    let id = site
        .number("SELECT id FROM catalog_genre WHERE name = 'Adventure'")
        .await;
    let change = format!("/admin/catalog/genre/{id}/change/");
    let page = librarian.send(&change, &[("name", "ADVENTURE")]).await;
    assert_eq!(page.status, 302);
}

#[tokio::test]
async fn a_copy_is_added_and_changed_but_keeps_its_id() {
    let site = Site::new().await;
    let librarian = site.visitor("librarian").await;
    let change = format!("/admin/catalog/bookinstance/{COPY}/change/");
    let page = librarian.get(&change).await;
    assert!(page.text().contains("<legend>Availability</legend>"));
    assert!(
        page.text()
            .contains(&format!("<output id=\"id_id\">{COPY}</output>"))
    );

    let fields = |book, status| {
        [
            ("book", book),
            ("imprint", "Kite, 2001"),
            ("due_back", ""),
            ("borrower", ""),
            ("status", status),
            ("id", "00000000-0000-4000-8000-000000000000"),
        ]
    };
    let page = librarian.send(&change, &fields("1", "o")).await;
    assert!(main(&page).contains("A copy on loan needs a borrower."));
    assert!(main(&page).contains(&format!("{COPY} (Sense and Sensibility)")));
    let page = librarian.send(&change, &fields("2", "a")).await;
    assert_eq!(target(&page), "/admin/catalog/bookinstance/");
    let moved = "SELECT COUNT(*) FROM catalog_bookinstance \
                 WHERE book_id = 2 AND imprint = 'Kite, 2001' AND status = 'a' \
                 AND borrower_id IS NULL AND id = 'a2f73175924d4524ac9ae0b94e759058'";
    assert_eq!(site.number(moved).await, 1);

    let page = librarian
        .send("/admin/catalog/bookinstance/add/", &fields("2", "d"))
        .await;
    assert_eq!(target(&page), "/admin/catalog/bookinstance/");
    assert_eq!(
        site.number("SELECT COUNT(*) FROM catalog_bookinstance")
            .await,
        251
    );
    let page = librarian.send(&change, &fields("999", "d")).await;
    assert!(main(&page).contains("That choice is not one of the available choices."));
}

#[tokio::test]
async fn every_field_has_a_label_and_every_id_is_unique() {
    let site = Site::new().await;
    let admin = site.visitor("admin").await;
    let copy = format!("/admin/catalog/bookinstance/{COPY}/change/");
    for path in [
        "/admin/catalog/author/1/change/",
        "/admin/catalog/book/1/change/",
        "/admin/catalog/genre/add/",
        "/admin/auth/user/1/change/",
        "/admin/auth/user/add/",
        "/admin/auth/group/1/change/",
        "/admin/auth/user/",
        "/admin/sessions/session/",
        &copy,
    ] {
        let page = admin.get(path).await;
        let html = page.text();
        assert_eq!(html.matches("<h1").count(), 1, "{path}");
        let mut ids: Vec<_> = html.split(" id=\"").skip(1).collect();
        ids.iter_mut()
            .for_each(|id| *id = id.split('"').next().unwrap());
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(ids.len(), unique.len(), "{path}");
        for start in ["<input ", "<select ", "<textarea "] {
            for control in html.split(start).skip(1) {
                let control = control.split('>').next().unwrap();
                if control.contains("type=\"hidden\"") || control.contains("aria-label=") {
                    continue;
                }
                let id = control
                    .split("id=\"")
                    .nth(1)
                    .unwrap_or_else(|| panic!("{control}"));
                let id = id.split('"').next().unwrap();
                assert!(
                    html.contains(&format!("<label for=\"{id}\"")),
                    "{path} {id}"
                );
            }
        }
    }
}
