use std::time::SystemTime;

use askama::Template;
use axum::{
    extract::RawPathParams,
    http::header::CACHE_CONTROL,
    response::{Html, IntoResponse, Response},
};
use cloakroom_django::auth::{
    passwords,
    tokens::{self, Subject},
};
use tracing::Instrument;

use super::{new_password, sessions, throttle};
use crate::{
    mail::Mail,
    state::AppState,
    users::User,
    visitor,
    web::{
        error::{PageError, redirect},
        fields::{FieldKind, Fields},
        form::Form,
        form_page::FormPage,
        layout::Layout,
        visit::Visit,
    },
};

const MAX_EMAIL: usize = 254;
const INVALID_EMAIL: &str = "Enter a valid email address.";

const SENT: &str = "/accounts/password_reset/done/";

/// The text that replaces the token in the URL while the token itself is in the session.
const SET_PASSWORD: &str = "set-password";

/// The largest number of mails that one request sends. Several accounts may have the same address.
const MAX_MAILS: i64 = 10;

const ACCOUNTS: &str =
    "SELECT id, email FROM auth_user WHERE is_active AND LOWER(email) = LOWER(?) LIMIT ?";

#[derive(Template)]
#[template(path = "accounts/password_reset_done.html")]
struct Sent {
    layout: Layout,
}

#[derive(Template)]
#[template(path = "accounts/password_reset_invalid.html")]
struct Invalid {
    layout: Layout,
}

#[derive(Template)]
#[template(path = "accounts/password_reset_complete.html")]
struct Complete {
    layout: Layout,
}

#[derive(Template)]
#[template(path = "accounts/password_reset_mail.txt")]
struct ResetMail<'a> {
    host: &'a str,
    username: &'a str,
    link: String,
}

/// The page that asks for the email address.
pub(crate) async fn ask(layout: Layout) -> Result<Response, PageError> {
    let form = Form::default();
    let mut fields = Fields::initial(&form);
    read_email(&mut fields);
    ask_page(layout, fields)
}

/// Mails a link to every account with this address.
///
/// The response does not show whether an account with the address exists, or whether too many mails
/// were requested. A background task looks up the accounts, so that the response time does not show
/// whether an account exists. Requests for addresses without an account count towards the limit as
/// well.
pub(crate) async fn send(visit: Visit, form: Form) -> Result<Response, PageError> {
    let mut fields = Fields::submitted(&form);
    let email = read_email(&mut fields);
    let Some(email) = email.filter(|_| fields.are_valid()) else {
        return ask_page(Layout::of(&visit).await?, fields);
    };
    let subjects = throttle::mail_subjects(&email, visit.address());
    if !throttle::count_within_limit(&visit.app().db, &subjects).await? {
        tracing::info!("not mailing a link to reset a password: too many requests");
        return Ok(redirect(SENT));
    }
    let (app, origin, host) = (visit.app().clone(), visit.origin(), visit.host());
    let mailing = async move {
        if let Err(error) = mail_links(&app, &email, &origin, &host).await {
            tracing::error!("mailing a link to reset a password: {error:?}");
        }
    };
    tokio::spawn(mailing.in_current_span());
    Ok(redirect(SENT))
}

async fn mail_links(
    app: &AppState,
    email: &str,
    origin: &str,
    host: &str,
) -> Result<(), PageError> {
    let accounts = sqlx::query_as::<_, (i64, String)>(ACCOUNTS)
        .bind(email)
        .bind(MAX_MAILS);
    for (id, email) in accounts.fetch_all(&app.db).await? {
        let user = User::by_id(&app.db, id).await?;
        let user = user.filter(|user| passwords::is_usable(&user.password));
        let Some(user) = user else { continue };
        let id = id.to_string();
        let token = app
            .reset_tokens
            .make(&subject(&user, &id), SystemTime::now());
        let mail = ResetMail {
            host,
            username: &user.username,
            link: format!("{origin}/accounts/reset/{}/{token}/", tokens::uid(&id)),
        };
        // Send the mail to the stored address, because the typed address may differ in case.
        let subject = format!("Password reset on {host}");
        app.mailer
            .send(Mail::new(&email, &subject, mail.render()?))
            .await;
    }
    Ok(())
}

/// The page after the request for a link. It is the same whether or not a mail was sent.
pub(crate) async fn sent(layout: Layout) -> Result<Html<String>, PageError> {
    Ok(Html(Sent { layout }.render()?))
}

/// Handles the link in the mail. Stores the token in the session and redirects to a URL that has
/// [`SET_PASSWORD`] in place of the token, so that the token is no longer in the address bar. At
/// that URL, shows the form.
pub(crate) async fn confirm(visit: Visit, params: RawPathParams) -> Result<Response, PageError> {
    let (uid, token) = uid_and_token(&params);
    let found = find(&visit, uid, token).await?;
    let Some(user) = found else {
        return invalid(&visit).await;
    };
    if token != SET_PASSWORD {
        let session = visit.session().await?;
        visitor::set_reset_token(&session, token)?;
        return Ok(redirect(&format!("/accounts/reset/{uid}/{SET_PASSWORD}/")));
    }
    let form = Form::default();
    let mut fields = Fields::initial(&form);
    new_password::read(&mut fields, &user);
    confirm_page(Layout::of(&visit).await?, fields)
}

/// Sets the new password and ends all sessions of the user. Does not log the visitor in, because
/// the mail may have been read by another person.
pub(crate) async fn set(
    visit: Visit,
    params: RawPathParams,
    form: Form,
) -> Result<Response, PageError> {
    let (uid, token) = uid_and_token(&params);
    let found = match token {
        SET_PASSWORD => find(&visit, uid, token).await?,
        // The form is only on the page with the placeholder in its URL.
        _ => None,
    };
    let Some(user) = found else {
        return invalid(&visit).await;
    };
    let mut fields = Fields::submitted(&form);
    let Some(new) = new_password::read(&mut fields, &user) else {
        return confirm_page(Layout::of(&visit).await?, fields);
    };
    let app = visit.app();
    let encoded = app.hashing.encode(new).await?;
    if !user.replace_password(&app.db, &encoded).await? {
        return invalid(&visit).await;
    }
    visitor::discard_reset_token(&visit.session().await?)?;
    sessions::end_all(&visit, user.id).await?;
    Ok(redirect("/accounts/reset/done/"))
}

/// The page that confirms the new password.
pub(crate) async fn complete(layout: Layout) -> Result<Html<String>, PageError> {
    Ok(Html(Complete { layout }.render()?))
}

fn read_email(fields: &mut Fields<'_>) -> Option<String> {
    let kind = FieldKind::Line {
        input: "email",
        autocomplete: Some("email"),
    };
    let email = fields.text("email", "Email address", kind, MAX_EMAIL)?;
    if !is_address(&email) {
        fields.error("email", INVALID_EMAIL);
    }
    Some(email)
}

/// Returns whether `email` has the form `name@domain.example`. Does not check whether the mailbox
/// exists.
pub(crate) fn is_address(email: &str) -> bool {
    let Some((name, domain)) = email.rsplit_once('@') else {
        return false;
    };
    let is_name_char =
        |c: char| !c.is_whitespace() && !c.is_control() && !"@<>()[],;:\\\"".contains(c);
    let is_label = |label: &str| {
        let is_label_char = |c: char| c.is_alphanumeric() || c == '-';
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(is_label_char)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_name = name.chars().all(is_name_char) && !name.split('.').any(str::is_empty);
    let is_domain =
        domain == "localhost" || domain.contains('.') && domain.split('.').all(is_label);
    is_name && is_domain
}

fn uid_and_token(params: &RawPathParams) -> (&str, &str) {
    let param = |wanted| {
        let mut params = params.iter();
        let found = params.find(|(name, _)| *name == wanted);
        found.map_or("", |(_, value)| value)
    };
    (param("uid"), param("token"))
}

/// Returns the user of a link if the token of the link is valid. If `token` is [`SET_PASSWORD`],
/// checks the token in the session instead.
async fn find(visit: &Visit, uid: &str, token: &str) -> Result<Option<User>, PageError> {
    let app = visit.app();
    let token = match token {
        SET_PASSWORD => {
            let session = visit.session_if_any().await?;
            session.as_ref().and_then(visitor::reset_token)
        }
        token => Some(token.to_owned()),
    };
    let id = tokens::id_of(uid).and_then(|id| id.parse::<i64>().ok());
    let (Some(token), Some(id)) = (token, id) else {
        return Ok(None);
    };
    let user = User::by_id(&app.db, id).await?;
    let is_valid = |user: &User| {
        let id = user.id.to_string();
        app.reset_tokens
            .check(&token, &subject(user, &id), SystemTime::now())
    };
    Ok(user.filter(is_valid))
}

fn subject<'a>(user: &'a User, id: &'a str) -> Subject<'a> {
    Subject {
        id,
        password: &user.password,
        last_login: user.last_login.as_deref(),
        email: &user.email,
    }
}

fn ask_page(layout: Layout, fields: Fields<'_>) -> Result<Response, PageError> {
    let page = FormPage::new(layout, "Reset your password", fields, "Send the link");
    let page = page.lead(
        "Enter the email address of your account. We will send you a link to set a new password.",
    );
    Ok(page.back("/accounts/login/").html()?.into_response())
}

fn confirm_page(layout: Layout, fields: Fields<'_>) -> Result<Response, PageError> {
    let page = FormPage::new(layout, "Set a new password", fields, "Set password");
    Ok(([(CACHE_CONTROL, "no-store")], page.html()?).into_response())
}

async fn invalid(visit: &Visit) -> Result<Response, PageError> {
    let page = Invalid {
        layout: Layout::of(visit).await?,
    };
    Ok(([(CACHE_CONTROL, "no-store")], Html(page.render()?)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_name_and_a_domain() {
        for email in [
            "a@example.org",
            "a.b+c@x-y.example",
            "é@bücher.example",
            "a@localhost",
        ] {
            assert!(is_address(email), "{email}");
        }
        for email in [
            "",
            "a",
            "@",
            "a@",
            "@example.org",
            "a@b",
            "a@-b.example",
            "a b@example.org",
            "a..b@example.org",
            "a@example.org\n",
            "a@b@example.org",
            "<a@example.org>",
            "a@.example",
        ] {
            assert!(!is_address(email), "{email:?}");
        }
    }
}
