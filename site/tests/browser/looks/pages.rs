//! The pages of the site, grouped by the users who may open them.

/// The name of a page in screenshots and problems, and its path.
pub(super) type Page = (&'static str, &'static str);

/// Pages that are open to all visitors.
pub(super) const PUBLIC: &[Page] = &[
    ("home", "/catalog/"),
    ("books", "/catalog/books/"),
    ("books-2", "/catalog/books/?page=2"),
    ("book", "/catalog/book/2"),
    ("book-without-copies", "/catalog/book/76"),
    ("book-without-author", "/catalog/book/92"),
    ("authors", "/catalog/authors/"),
    ("author", "/catalog/author/1"),
    ("author-without-books", "/catalog/author/40"),
    ("genres", "/catalog/genres/"),
    ("genre", "/catalog/genre/1"),
    ("genre-unused", "/catalog/genre/24"),
    ("languages", "/catalog/languages/"),
    ("language", "/catalog/language/1"),
    ("language-unused", "/catalog/language/12"),
    ("copies", "/catalog/bookinstances/"),
    ("copies-last-page", "/catalog/bookinstances/?page=last"),
    (
        "copy-available",
        "/catalog/bookinstance/b78276e7-4dda-4d13-9e76-bf6cf68846ff",
    ),
    (
        "copy-overdue",
        "/catalog/bookinstance/e9ec54e8-8bb2-44d9-a8df-086e3c6c5de9",
    ),
    ("search", "/catalog/search/"),
    ("search-found", "/catalog/search/?q=the"),
    ("search-nothing", "/catalog/search/?q=zzz&available=1"),
    ("preferences", "/catalog/preferences/"),
    ("remembered", "/catalog/remembered/"),
    ("login", "/accounts/login/"),
    ("login-required", "/accounts/login/?next=/catalog/borrowed/"),
    ("reset", "/accounts/password_reset/"),
    ("reset-sent", "/accounts/password_reset/done/"),
    ("reset-bad-link", "/accounts/reset/Mg/none/"),
    ("reset-done", "/accounts/reset/done/"),
    ("staff-login", "/admin/login/"),
    ("not-found", "/catalog/book/9999"),
    ("method-not-allowed", "/accounts/logout/"),
];

/// Pages for logged-in users. The last page refuses users without a permission.
pub(super) const MEMBERS: &[Page] = &[
    ("loans", "/catalog/mybooks/"),
    ("password", "/accounts/password_change/"),
    ("password-changed", "/accounts/password_change/done/"),
    ("sessions", "/accounts/sessions/"),
    ("forbidden", "/catalog/borrowed/"),
];

/// Pages for librarians.
pub(super) const LIBRARIANS: &[Page] = &[
    ("borrowed", "/catalog/borrowed/"),
    (
        "renew",
        "/catalog/book/e9ec54e8-8bb2-44d9-a8df-086e3c6c5de9/renew/",
    ),
    ("author-create", "/catalog/author/create/"),
    ("author-update", "/catalog/author/1/update/"),
    ("author-delete", "/catalog/author/40/delete/"),
    ("author-delete-refused", "/catalog/author/1/delete/"),
    ("book-create", "/catalog/book/create/"),
    ("book-update", "/catalog/book/2/update/"),
    ("book-delete", "/catalog/book/76/delete/"),
    ("book-delete-refused", "/catalog/book/2/delete/"),
    ("genre-create", "/catalog/genre/create/"),
    ("genre-update", "/catalog/genre/1/update/"),
    ("genre-delete", "/catalog/genre/24/delete/"),
    ("genre-delete-refused", "/catalog/genre/1/delete/"),
    ("language-create", "/catalog/language/create/"),
    ("language-update", "/catalog/language/1/update/"),
    ("language-delete", "/catalog/language/12/delete/"),
    ("language-delete-refused", "/catalog/language/1/delete/"),
    ("copy-create", "/catalog/bookinstance/create/"),
    (
        "copy-update",
        "/catalog/bookinstance/e9ec54e8-8bb2-44d9-a8df-086e3c6c5de9/update/",
    ),
    (
        "copy-delete",
        "/catalog/bookinstance/e9ec54e8-8bb2-44d9-a8df-086e3c6c5de9/delete/",
    ),
];

/// Pages of the staff area.
pub(super) const STAFF: &[Page] = &[
    ("home", "/admin/"),
    ("catalog", "/admin/catalog/"),
    ("accounts", "/admin/auth/"),
    ("sessions", "/admin/sessions/session/"),
    ("authors", "/admin/catalog/author/"),
    ("books", "/admin/catalog/book/"),
    ("copies", "/admin/catalog/bookinstance/"),
    ("genres", "/admin/catalog/genre/"),
    ("languages", "/admin/catalog/language/"),
    ("users", "/admin/auth/user/"),
    ("groups", "/admin/auth/group/"),
    ("books-found", "/admin/catalog/book/?q=emma"),
    ("books-none", "/admin/catalog/book/?q=zzz"),
    ("author-add", "/admin/catalog/author/add/"),
    ("book-add", "/admin/catalog/book/add/"),
    ("copy-add", "/admin/catalog/bookinstance/add/"),
    ("genre-add", "/admin/catalog/genre/add/"),
    ("language-add", "/admin/catalog/language/add/"),
    ("user-add", "/admin/auth/user/add/"),
    ("group-add", "/admin/auth/group/add/"),
    ("author", "/admin/catalog/author/1/change/"),
    ("book", "/admin/catalog/book/2/change/"),
    (
        "copy",
        "/admin/catalog/bookinstance/e9ec54e8-8bb2-44d9-a8df-086e3c6c5de9/change/",
    ),
    ("genre", "/admin/catalog/genre/1/change/"),
    ("user", "/admin/auth/user/1/change/"),
    ("user-password", "/admin/auth/user/1/password/"),
    ("group", "/admin/auth/group/1/change/"),
    ("book-history", "/admin/catalog/book/2/history/"),
    ("genre-delete", "/admin/catalog/genre/24/delete/"),
    ("author-delete-refused", "/admin/catalog/author/1/delete/"),
    ("user-delete", "/admin/auth/user/3/delete/"),
];

/// Routes without a page: they accept a form or return a file.
const NOT_PAGES: &[&str] = &[
    "/catalog/bookinstance/{id}/return/",
    "/accounts/sessions/end/",
    "/accounts/sessions/end-others/",
    "/catalog/notices/{slug}/dismiss/",
    "/catalog/remembered/forget/",
    "/catalog/remembered/download/",
    "/admin/sessions/session/end/",
    "/static/{name}",
];

#[test]
fn every_page_of_the_router_is_checked() {
    let source = include_str!("../../../src/routes.rs");
    let routes = source.split('"').skip(1).step_by(2);
    let routes = routes.filter(|text| text.len() > 1 && text.starts_with('/'));
    let mut pages = [PUBLIC, MEMBERS, LIBRARIANS, STAFF].concat();
    // The path of a missing book matches the route of a book, but the page at this path does not
    // show a book.
    pages.retain(|page| !page.1.ends_with("9999"));
    let checked: Vec<&str> = pages.iter().map(|page| page.1).collect();
    let missed: Vec<&str> = routes
        .filter(|route| !NOT_PAGES.contains(route))
        .filter(|route| !checked.iter().any(|path| matches_route(path, route)))
        .collect();
    assert_eq!(missed, [""; 0], "routes without a checked page");
}

/// Returns whether `path` matches `route`. A part `{…}` of the route matches any part of the path.
fn matches_route(path: &str, route: &str) -> bool {
    let path = path.split('?').next().unwrap();
    let is_same = |(word, part): (&str, &str)| word == part || part.starts_with('{');
    path.split('/').count() == route.split('/').count()
        && path.split('/').zip(route.split('/')).all(is_same)
}
