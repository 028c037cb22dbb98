//! The routes of the site, and who may open them.

use axum::{
    Router,
    extract::RawQuery,
    http::{StatusCode, Uri, header::LOCATION},
    middleware,
    response::IntoResponse,
    routing::{MethodRouter, any},
};

use crate::{
    accounts::{login, logout, password_change, password_reset, sessions},
    admin::{self, require_staff},
    authors, books,
    copies::{self, CopyId},
    genres::GENRES,
    home,
    languages::LANGUAGES,
    loans,
    remembered::{self, preferences},
    search,
    state::AppState,
    users::Permission::{
        AddAuthor, AddBook, AddCopy, AddGenre, AddLanguage, ChangeAuthor, ChangeBook, ChangeCopy,
        ChangeGenre, ChangeLanguage, DeleteAuthor, DeleteBook, DeleteCopy, DeleteGenre,
        DeleteLanguage, MarkReturned,
    },
    web::{
        bounds,
        csrf::against_forgery,
        error, error_page,
        guard::{of_record, require_login, require_permission},
        headers, health, hosts,
        methods::{form, post, read},
        record_id::RecordNumber,
        request_log, static_files, visit_layer,
    },
};

/// Builds the router: all pages, wrapped in the layers that every request passes.
pub(crate) fn router(state: AppState) -> Router {
    let refuse_foreign = middleware::from_fn_with_state(state.clone(), hosts::refuse_foreign);
    Router::new()
        .route("/", any(async || moved_to("/catalog/".to_owned())))
        .merge(public_pages())
        .merge(librarian_pages())
        .merge(account_pages())
        .merge(remembered_pages())
        .merge(staff_pages())
        .route("/static/{name}", static_files::route())
        .fallback(error::not_found)
        .layer(middleware::from_fn_with_state(
            state.clone(),
            visit_layer::begin,
        ))
        // Each layer wraps the layers on the lines above. The layers on the lines below
        // `refuse_foreign` therefore add an error page and the security headers to its refusals.
        .layer(state.sessions.layer().on_error(error::session_failed))
        .layer(refuse_foreign.clone())
        .layer(middleware::from_fn_with_state(
            state.limits.request,
            bounds::keep,
        ))
        .layer(middleware::from_fn(error_page::in_the_layout))
        .merge(health::routes().layer(refuse_foreign))
        .layer(middleware::map_response_with_state(
            state.clone(),
            headers::add,
        ))
        .layer(middleware::from_fn(request_log::write))
        .with_state(state)
}

/// The pages that are open to all visitors.
fn public_pages() -> Router<AppState> {
    let pages = [
        ("/catalog/", read(home::index)),
        ("/catalog/books/", read(books::list)),
        ("/catalog/book/{id}", read(books::detail)),
        ("/catalog/authors/", read(authors::list)),
        ("/catalog/author/{id}", read(authors::detail)),
        ("/catalog/genres/", GENRES.list_route()),
        ("/catalog/genre/{id}", GENRES.detail_route()),
        ("/catalog/languages/", LANGUAGES.list_route()),
        ("/catalog/language/{id}", LANGUAGES.detail_route()),
        ("/catalog/bookinstances/", read(copies::list)),
        ("/catalog/bookinstance/{id}", read(copies::detail)),
        ("/catalog/search/", read(search::page)),
    ];
    all(pages)
}

/// Loans, and the pages that change the catalogue.
fn librarian_pages() -> Router<AppState> {
    let pages = [
        ("/catalog/mybooks/", require_login(read(loans::mine))),
        (
            "/catalog/borrowed/",
            require_permission(MarkReturned, read(loans::all)),
        ),
        (
            "/catalog/book/{id}/renew/",
            of_record::<CopyId>(require_permission(
                MarkReturned,
                form(loans::renew::show, loans::renew::renew),
            )),
        ),
        (
            "/catalog/bookinstance/{id}/return/",
            of_record::<CopyId>(require_permission(MarkReturned, post(loans::return_copy))),
        ),
        (
            "/catalog/author/create/",
            require_permission(AddAuthor, form(authors::form::new, authors::form::create)),
        ),
        (
            "/catalog/author/{id}/update/",
            of_record::<RecordNumber>(require_permission(
                ChangeAuthor,
                form(authors::form::edit, authors::form::update),
            )),
        ),
        (
            "/catalog/author/{id}/delete/",
            of_record::<RecordNumber>(require_permission(
                DeleteAuthor,
                form(authors::delete::confirm, authors::delete::delete),
            )),
        ),
        (
            "/catalog/book/create/",
            require_permission(AddBook, form(books::form::new, books::form::create)),
        ),
        (
            "/catalog/book/{id}/update/",
            of_record::<RecordNumber>(require_permission(
                ChangeBook,
                form(books::form::edit, books::form::update),
            )),
        ),
        (
            "/catalog/book/{id}/delete/",
            of_record::<RecordNumber>(require_permission(
                DeleteBook,
                form(books::delete::confirm, books::delete::delete),
            )),
        ),
        (
            "/catalog/genre/create/",
            require_permission(AddGenre, GENRES.create_route()),
        ),
        (
            "/catalog/genre/{id}/update/",
            of_record::<RecordNumber>(require_permission(ChangeGenre, GENRES.update_route())),
        ),
        (
            "/catalog/genre/{id}/delete/",
            of_record::<RecordNumber>(require_permission(DeleteGenre, GENRES.delete_route())),
        ),
        (
            "/catalog/language/create/",
            require_permission(AddLanguage, LANGUAGES.create_route()),
        ),
        (
            "/catalog/language/{id}/update/",
            of_record::<RecordNumber>(require_permission(ChangeLanguage, LANGUAGES.update_route())),
        ),
        (
            "/catalog/language/{id}/delete/",
            of_record::<RecordNumber>(require_permission(DeleteLanguage, LANGUAGES.delete_route())),
        ),
        (
            "/catalog/bookinstance/create/",
            require_permission(AddCopy, form(copies::form::new, copies::form::create)),
        ),
        (
            "/catalog/bookinstance/{id}/update/",
            of_record::<CopyId>(require_permission(
                ChangeCopy,
                form(copies::form::edit, copies::form::update),
            )),
        ),
        (
            "/catalog/bookinstance/{id}/delete/",
            of_record::<CopyId>(require_permission(
                DeleteCopy,
                form(copies::delete::confirm, copies::delete::delete),
            )),
        ),
    ];
    all(pages)
}

/// Login and logout, passwords, and the list of a user's sessions.
fn account_pages() -> Router<AppState> {
    let pages = [
        ("/accounts/login/", form(login::show, login::submit)),
        ("/accounts/logout/", post(logout::logout)),
        (
            "/accounts/password_change/",
            require_login(form(password_change::show, password_change::change)),
        ),
        (
            "/accounts/password_change/done/",
            require_login(read(password_change::done)),
        ),
        (
            "/accounts/password_reset/",
            form(password_reset::ask, password_reset::send),
        ),
        ("/accounts/password_reset/done/", read(password_reset::sent)),
        (
            "/accounts/reset/{uid}/{token}/",
            form(password_reset::confirm, password_reset::set),
        ),
        ("/accounts/reset/done/", read(password_reset::complete)),
        ("/accounts/sessions/", require_login(read(sessions::list))),
        (
            "/accounts/sessions/end/",
            require_login(post(sessions::end)),
        ),
        (
            "/accounts/sessions/end-others/",
            require_login(post(sessions::end_all_others)),
        ),
    ];
    all(pages)
}

/// The pages about the items in a visitor's session.
fn remembered_pages() -> Router<AppState> {
    let pages = [
        (
            "/catalog/preferences/",
            form(preferences::show, preferences::save),
        ),
        (
            "/catalog/notices/{slug}/dismiss/",
            post(remembered::dismiss),
        ),
        ("/catalog/remembered/", read(remembered::list)),
        ("/catalog/remembered/forget/", post(remembered::forget)),
        ("/catalog/remembered/download/", read(remembered::download)),
    ];
    all(pages)
}

/// The staff area. The permission that a page requires depends on the kind of record in the path,
/// so the page checks it.
fn staff_pages() -> Router<AppState> {
    let pages = [
        ("/admin/", require_staff(read(admin::index))),
        (
            "/admin/login/",
            form(admin::login::show, admin::login::submit),
        ),
        (
            "/admin/sessions/session/",
            require_staff(read(admin::sessions::list)),
        ),
        (
            "/admin/sessions/session/end/",
            require_staff(post(admin::sessions::end)),
        ),
        ("/admin/{app}/", require_staff(read(admin::app))),
        (
            "/admin/{app}/{model}/",
            require_staff(form(admin::list::list, admin::list::act)),
        ),
        (
            "/admin/{app}/{model}/add/",
            require_staff(form(admin::edit::add, admin::edit::create)),
        ),
        (
            "/admin/{app}/{model}/{id}/change/",
            require_staff(form(admin::edit::change, admin::edit::update)),
        ),
        (
            "/admin/{app}/{model}/{id}/delete/",
            require_staff(form(admin::delete::confirm, admin::delete::delete_one)),
        ),
        (
            "/admin/{app}/{model}/{id}/history/",
            require_staff(read(admin::history::history)),
        ),
        (
            "/admin/auth/user/{id}/password/",
            require_staff(form(admin::password::show, admin::password::set)),
        ),
    ];
    all(pages)
}

fn all<const N: usize>(pages: [(&'static str, MethodRouter<AppState>); N]) -> Router<AppState> {
    pages
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| {
            router.merge(page(path, methods))
        })
}

/// Routes `path`. If it ends in a slash, the path without the slash redirects to it.
fn page(path: &'static str, methods: MethodRouter<AppState>) -> Router<AppState> {
    let router = Router::new().route(path, against_forgery(methods));
    match path.strip_suffix('/') {
        // The target starts with a single slash, because the request path matched `bare`. A target
        // that starts with two slashes would lead to another host.
        Some(bare) => router.route(
            bare,
            any(async |uri: Uri, RawQuery(query)| {
                moved_to(with_query(&format!("{}/", uri.path()), query))
            }),
        ),
        None => router,
    }
}

fn with_query(path: &str, query: Option<String>) -> String {
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

fn moved_to(target: String) -> impl IntoResponse {
    (StatusCode::MOVED_PERMANENTLY, [(LOCATION, target)])
}
