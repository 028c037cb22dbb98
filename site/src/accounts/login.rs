use askama::Template;
use axum::{
    extract::RawQuery,
    http::header::CACHE_CONTROL,
    response::{Html, IntoResponse, Response},
};
use cloakroom_django::auth::{Account, Verdict};

use super::{device, sessions::ignore_unsupported, throttle};
use crate::{
    date,
    state::AppState,
    users::{User, username},
    web::{
        error::{PageError, redirect},
        fields::{Field, FieldKind, Fields},
        form::Form,
        layout::Layout,
        visit::Visit,
    },
};

/// The error for every failed login. It is the same for all causes, so that it does not show which
/// accounts exist.
const MISMATCH: &str = "Your username and password didn't match. Please try again.";

/// The pages to which a login never leads: the login page would ask again, and the logout page only
/// accepts POST. Every page links to the login page with its own path as `next`, so `next` can be
/// the path of one of these two pages.
const LOGIN_AND_LOGOUT: [&str; 2] = ["/accounts/login/", "/accounts/logout/"];

const LOGGED_IN: &str = "UPDATE auth_user SET last_login = ? WHERE id = ?";

/// The properties in which the login pages of the site and of the staff area differ.
pub(crate) struct LoginPage {
    pub(crate) heading: &'static str,
    /// The URL to which the form is submitted.
    pub(crate) action: &'static str,
}

const LOGIN_PAGE: LoginPage = LoginPage {
    heading: "Log in",
    action: "/accounts/login/",
};

#[derive(Template)]
#[template(path = "accounts/login.html")]
struct Login<'a> {
    layout: Layout,
    page: &'a LoginPage,
    fields: Vec<Field>,
    problem: Option<&'static str>,
    next: String,
    /// Whether `next` names a page. The login page then says that this page requires a login.
    has_next: bool,
}

/// The login page.
pub(crate) async fn show(layout: Layout, RawQuery(query): RawQuery) -> Result<Response, PageError> {
    let next = next_in(query.as_deref()).unwrap_or_default();
    page(layout, &LOGIN_PAGE, &Form::default(), next, None)
}

/// Logs a user in.
pub(crate) async fn submit(
    visit: Visit,
    RawQuery(query): RawQuery,
    form: Form,
) -> Result<Response, PageError> {
    let next = next_of(&form, query.as_deref());
    let Some(user) = authenticate_form(&visit, &form).await? else {
        return page(
            Layout::of(&visit).await?,
            &LOGIN_PAGE,
            &form,
            next,
            Some(MISMATCH),
        );
    };
    log_in(&visit, &user).await?;
    Ok(redirect(&visit.safe_next(Some(&next), "/")))
}

/// Returns the user whose name and password are in the form of a login page, or `None` if the login
/// is refused. Counts a failed attempt.
pub(crate) async fn authenticate_form(
    visit: &Visit,
    form: &Form,
) -> Result<Option<User>, PageError> {
    let username = form.get("username").unwrap_or_default().trim();
    let password = form.get("password").unwrap_or_default();
    authenticate(visit, username, password).await
}

/// Renders a login page.
pub(crate) fn page(
    layout: Layout,
    page: &LoginPage,
    form: &Form,
    next: String,
    problem: Option<&'static str>,
) -> Result<Response, PageError> {
    let mut fields = Fields::initial(form);
    let kind = FieldKind::Line {
        input: "text",
        autocomplete: Some("username"),
    };
    fields.text("username", "Username", kind, username::MAX_CHARS);
    fields.password("password", "Password", "current-password");
    let login = Login {
        has_next: !next.is_empty(),
        layout,
        page,
        fields: fields.into_inner(),
        problem,
        next,
    };
    Ok(([(CACHE_CONTROL, "no-store")], Html(login.render()?)).into_response())
}

/// Returns the page to go to after the login: the parameter `next` of the form or, if the form has
/// none, of the query. Returns an empty text if there is no such page.
pub(crate) fn next_of(form: &Form, query: Option<&str>) -> String {
    match form.get("next") {
        Some(next) => unless_login_or_logout(next.to_owned()),
        None => next_in(query),
    }
    .unwrap_or_default()
}

/// Returns the parameter `next` of the query. Returns `None` if it is missing or if it is the path
/// of a page in [`LOGIN_AND_LOGOUT`].
pub(crate) fn next_in(query: Option<&str>) -> Option<String> {
    let mut parameters = form_urlencoded::parse(query?.as_bytes());
    let (_, next) = parameters.find(|(name, _)| name == "next")?;
    unless_login_or_logout(next.into_owned())
}

fn unless_login_or_logout(next: String) -> Option<String> {
    let is_login_or_logout = LOGIN_AND_LOGOUT.iter().any(|path| next.starts_with(path));
    (!is_login_or_logout).then_some(next)
}

/// Returns the user with this name and password, or `None` if the login is refused. After many
/// failures, waits before checking the password.
async fn authenticate(
    visit: &Visit,
    username: &str,
    password: &str,
) -> Result<Option<User>, PageError> {
    if username.is_empty() || username.chars().count() > username::MAX_CHARS || password.is_empty()
    {
        return Ok(None);
    }
    let AppState { db, hashing, .. } = visit.app();
    let subjects = throttle::login_subjects(username, visit.address());
    if !throttle::wait_for_turn(db, &subjects).await? {
        return Ok(None);
    }
    let user = User::by_name(db, username).await?;
    let encoded = user.as_ref().map(|user| user.password.clone());
    let verdict = hashing.verify(password.to_owned(), encoded.clone()).await?;
    let user = user.filter(|user| verdict.is_right() && user.is_active());
    let Some(mut user) = user else {
        throttle::count_failure(db, &subjects).await?;
        return Ok(None);
    };
    throttle::reset_account(db, &subjects).await?;
    if verdict == Verdict::Outdated {
        let encoded = hashing.encode(password.to_owned()).await?;
        if user.replace_password(db, &encoded).await? {
            user.password = encoded;
        }
    }
    Ok(Some(user))
}

/// Logs `user` in. The caller has checked the password.
pub(crate) async fn log_in(visit: &Visit, user: &User) -> Result<(), PageError> {
    let app = visit.app();
    let session = visit.session().await?;
    app.auth.log_in(&session, user)?;
    ignore_unsupported(session.set_label(device::name(visit.user_agent())))?;
    // A CSRF token that an attacker saw or planted before the login must not be valid after it.
    visit.secret().rotate()?;
    let update = sqlx::query(LOGGED_IN).bind(date::timestamp()).bind(user.id);
    update.execute(&app.db).await?;
    Ok(())
}
