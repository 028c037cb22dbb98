//! Lists and ends the live sessions of all users.

use askama::Template;
use axum::{
    extract::RawQuery,
    response::{Html, Response},
};
use cloakroom::{ErrorKind, SessionSummary, SessionTag};

use super::{
    guard,
    model::{ModelKind, RecordKey},
    models,
};
use crate::{
    accounts::sessions::{self, device_of, owner_of},
    date, visitor,
    web::{
        error::{PageError, redirect},
        form::Form,
        layout::Layout,
        paging::{Paging, RequestedPage},
        visit::Visit,
    },
};

/// The URL that Django's admin would use for a list of sessions.
pub(super) const PAGE: &str = "/admin/sessions/session/";

/// The permissions to list and to end sessions. Django's tables contain both permissions.
pub(super) const VIEW: &str = "sessions.view_session";
const DELETE: &str = "sessions.delete_session";

/// The number of users on a page. The session storage is called once for each user, so this number
/// bounds the cost of a page.
const PER_PAGE: u64 = 20;

// `COUNT` and `USERS` leave out users who have never logged in, because they have no sessions.
const COUNT: &str = "\
    SELECT COUNT(*) FROM auth_user \
    WHERE last_login IS NOT NULL AND INSTR(LOWER(username), LOWER(?)) > 0";

const USERS: &str = "\
    SELECT id, username FROM auth_user \
    WHERE last_login IS NOT NULL AND INSTR(LOWER(username), LOWER(?)) > 0 \
    ORDER BY last_login DESC, id LIMIT ? OFFSET ?";

const NOT_ENDED: &str = "No session was ended, because this session storage cannot find the \
                         sessions of a user. Set another password for the account instead.";

#[derive(Template)]
#[template(path = "admin/sessions.html", whitespace = "minimize")]
struct LiveSessions {
    layout: Layout,
    q: String,
    paging: Paging,
    /// `None` if the session storage can't list the sessions of a user.
    owners: Option<Vec<UserSessions>>,
    may_end: bool,
}

/// A user with their sessions.
struct UserSessions {
    id: i64,
    username: String,
    href: String,
    sessions: Vec<LiveSession>,
}

struct LiveSession {
    tag: String,
    label: String,
    created: String,
    seen: String,
    expires: String,
    is_this_one: bool,
}

/// The page with the live sessions, grouped by user. The user with the latest login comes first.
pub(crate) async fn list(
    visit: Visit,
    RawQuery(query): RawQuery,
    asked: RequestedPage,
) -> Result<Html<String>, PageError> {
    let user = visit.logged_in().await?;
    if !user.holds(VIEW) {
        return Err(PageError::Forbidden);
    }
    let q = search_text(query.as_deref().unwrap_or_default());
    let db = &visit.app().db;
    let total = sqlx::query_scalar(COUNT).bind(&q).fetch_one(db).await?;
    let paging = Paging::new(asked, total, PER_PAGE)?.with_query(query_string(&q));
    let users: Vec<(i64, String)> = sqlx::query_as(USERS)
        .bind(&q)
        .bind(paging.limit())
        .bind(paging.offset())
        .fetch_all(db)
        .await?;
    let page = LiveSessions {
        layout: Layout::of(&visit).await?,
        q,
        paging,
        owners: owned(&visit, users).await?,
        may_end: user.holds(DELETE),
    };
    Ok(Html(page.render()?))
}

fn search_text(query: &str) -> String {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let q = pairs.find(|(name, _)| name == "q");
    q.map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

/// Returns the URL of the page with the sessions of a user.
pub(super) fn url_of(username: &str) -> String {
    format!("{PAGE}?{}", query_string(username))
}

/// Returns the query string for a search.
fn query_string(q: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if !q.is_empty() {
        query.append_pair("q", q);
    }
    query.finish()
}

/// Loads the sessions of `users` and leaves out users who have none. Returns `None` if the session
/// storage can't list the sessions of a user.
async fn owned(
    visit: &Visit,
    users: Vec<(i64, String)>,
) -> Result<Option<Vec<UserSessions>>, PageError> {
    let this = visit.session().await?.tag();
    let model = models::of_kind(ModelKind::User);
    let mut owners = Vec::new();
    for (id, username) in users {
        let found = visit.app().sessions.owned_by(&owner_of(id)).await;
        let found = match found {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if found.is_empty() {
            continue;
        }
        let to_live = |summary: SessionSummary| LiveSession {
            is_this_one: Some(&summary.tag) == this.as_ref(),
            tag: summary.tag.to_string(),
            label: device_of(&summary),
            created: date::display_time(summary.created),
            seen: date::display_time(summary.touched),
            expires: date::display_time(summary.expires),
        };
        owners.push(UserSessions {
            id,
            username,
            href: model.url_of(&RecordKey::Number(id), "change"),
            sessions: found.into_iter().map(to_live).collect(),
        });
    }
    Ok(Some(owners))
}

/// Ends one session of a user, or all sessions of the user if the form names none.
pub(crate) async fn end(visit: Visit, form: Form) -> Result<Response, PageError> {
    let user = visit.logged_in().await?;
    if !user.holds(DELETE) {
        return Err(PageError::Forbidden);
    }
    let id: i64 = form
        .get("owner")
        .and_then(|id| id.parse().ok())
        .ok_or(PageError::BadForm)?;
    let tag = match form.get("tag") {
        None => None,
        Some(tag) => Some(tag.parse::<SessionTag>().map_err(|_| PageError::BadForm)?),
    };
    let session = visit.session().await?;
    let is_this_one = match &tag {
        Some(tag) => session.tag().as_ref() == Some(tag),
        None => id == user.id,
    };
    if is_this_one {
        if tag.is_none() {
            sessions::end_others(&visit).await?;
        }
        visit.app().auth.log_out(&session)?;
        return Ok(redirect(guard::LOGIN));
    }
    let live = &visit.app().sessions;
    let ended = match &tag {
        Some(tag) => live.revoke(&owner_of(id), tag).await.map(usize::from),
        None => live.revoke_all(&owner_of(id)).await,
    };
    let message = match ended {
        Ok(0) => "The session had already ended.".to_owned(),
        Ok(ended) => format!("Sessions ended: {ended}."),
        Err(error) if error.kind() == ErrorKind::Unsupported => NOT_ENDED.to_owned(),
        Err(error) => return Err(error.into()),
    };
    visitor::add_message(&session, message)?;
    Ok(redirect(PAGE))
}
