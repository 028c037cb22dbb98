//! The endpoints. They use the session and `cloakroom_django::auth` where Django's views use
//! `request.session`, `request.user` and so on.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::{HOST, SET_COOKIE, VARY};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{get, post};
use cloakroom::{Expiry, Session};
use cloakroom_django::auth::csrf::{Csrf, Incoming, Secret};
use cloakroom_django::auth::messages::{self, Level, Message};
use cloakroom_django::auth::{Account, Auth, Claim, Passwords, Verdict};
use cloakroom_django::wire::date::parse_iso;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::body::{Answer, Body, bad, pairs};
use crate::failure::Failure;
use crate::users::{User, Users};

pub(crate) struct Site {
    pub(crate) auth: Auth,
    pub(crate) csrf: Csrf,
    pub(crate) passwords: Passwords,
    pub(crate) users: Users,
    /// `SESSION_COOKIE_AGE`.
    pub(crate) cookie_age: Duration,
}

pub(crate) fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/untouched", get(untouched))
        .route("/get", get(item))
        .route("/dump", get(dump))
        .route("/set", post(set))
        .route("/incr", post(incr))
        .route("/slow_incr", post(incr))
        .route("/del", post(del))
        .route("/clear", post(clear))
        .route("/flush", post(flush))
        .route("/cycle", post(cycle))
        .route("/expiry", post(expiry))
        .route("/fail", post(fail))
        .route("/whoami", get(whoami))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/change_password", post(change_password))
        .route("/message", post(message))
        .route("/messages", get(list_messages))
        .route("/csrf_token", get(csrf_token))
        .route("/csrf_protected", post(csrf_protected))
        .route("/test_cookie", post(test_cookie))
        .with_state(site)
}

type Answered<T = Answer> = Result<T, Failure>;

async fn health() -> Answered {
    let version = env!("CARGO_PKG_VERSION");
    Answer::ok()?.with("impl", format!("cloakroom {version}"))
}

async fn untouched() -> Answered {
    Answer::ok()
}

// ---- Items

#[derive(Deserialize)]
struct KeyQuery {
    key: String,
}

async fn item(session: Session, Query(query): Query<KeyQuery>) -> Answered {
    let value = session.value(&query.key);
    let answer = Answer::default().with("present", value.is_some())?;
    Ok(match value {
        Some(value) => answer.with_value("value", value),
        None => answer.with("value", ())?,
    })
}

async fn dump(State(site): State<Arc<Site>>, session: Session) -> Answered {
    let expiry_age = match session.expiry() {
        Expiry::Policy | Expiry::BrowserClose => json!(site.cookie_age.as_secs()),
        Expiry::Idle(age) if age.subsec_nanos() == 0 => json!(age.as_secs()),
        Expiry::Idle(age) => json!(age.as_secs_f64()),
        // Whole seconds, as in Django.
        _ => json!(session.expiry_age().as_secs()),
    };
    Answer::default()
        .with_value("items", pairs(session.iter())?)
        .with(
            "session_key",
            session.key().map(|key| key.reveal().to_owned()),
        )?
        .with("expiry_age", expiry_age)?
        .with(
            "expire_at_browser_close",
            session.expires_at_browser_close(),
        )
}

async fn set(session: Session, body: Body) -> Answered {
    session.set_value(body.key()?, body.value("value")?)?;
    Answer::ok()
}

/// Increments an item with `update`, not with `get` and `set`, so that no increment is lost to a
/// parallel request.
async fn incr(session: Session, body: Body) -> Answered {
    let key = body.key()?;
    if let Ok(ms) = body.get("ms") {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    let value = session.update(&*key, |n: &mut i64| *n = n.saturating_add(1))?;
    Answer::default().with("value", value)
}

async fn del(session: Session, body: Body) -> Answered {
    Answer::default().with("present", session.discard(body.key()?)?)
}

async fn clear(session: Session) -> Answered {
    session.clear()?;
    Answer::ok()
}

async fn flush(session: Session) -> Answered {
    session.flush()?;
    Answer::ok()
}

async fn cycle(session: Session) -> Answered {
    session.cycle_key()?;
    Answer::ok()
}

async fn expiry(session: Session, body: Body) -> Answered {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum ExpiryRequest {
        Nothing(()),
        Secs(f64),
        Duration { timedelta: f64 },
        Moment { datetime: String },
    }
    let secs = |secs: f64| Duration::try_from_secs_f64(secs.abs()).map_err(|_| bad("too long"));
    session.set_expiry(match body.get("value")? {
        ExpiryRequest::Nothing(()) => Expiry::Policy,
        ExpiryRequest::Secs(0.0) => Expiry::BrowserClose,
        ExpiryRequest::Secs(negative) if negative < 0.0 => Expiry::Idle(Duration::ZERO),
        ExpiryRequest::Secs(number) => Expiry::Idle(secs(number)?),
        ExpiryRequest::Duration { timedelta } if timedelta < 0.0 => {
            Expiry::At(SystemTime::now() - secs(timedelta)?)
        }
        ExpiryRequest::Duration { timedelta } => Expiry::At(SystemTime::now() + secs(timedelta)?),
        ExpiryRequest::Moment { datetime } => {
            Expiry::At(parse_iso(&datetime).ok_or_else(|| bad("not a date with an offset"))?)
        }
    })?;
    Answer::ok()
}

async fn fail(session: Session, body: Body) -> Answered<impl IntoResponse> {
    session.set_value(body.key()?, body.value("value")?)?;
    let status = StatusCode::from_u16(body.get("status")?).map_err(|_| bad("not a status"))?;
    Ok((status, Answer::default().with("ok", false)?))
}

// ---- Users

/// Returns the user who is logged in.
async fn user(site: &Site, session: &Session) -> Answered<Option<User>> {
    let find = async |claim: Claim| match claim.id().parse() {
        Ok(id) => site.users.by_id(id).await,
        Err(_) => Ok(None),
    };
    site.auth.user(session, find).await
}

fn user_answer(user: Option<&User>) -> Answered {
    Answer::default()
        .with("user", user.map(|user| &user.name))?
        .with("user_id", user.map(|user| user.id()))
}

async fn whoami(State(site): State<Arc<Site>>, session: Session) -> Answered {
    user_answer(user(&site, &session).await?.as_ref())
}

async fn login(
    State(site): State<Arc<Site>>,
    session: Session,
    body: Body,
) -> Answered<impl IntoResponse> {
    let name: String = body.get("username")?;
    let typed: String = body.get("password")?;
    let found = site.users.by_name(&name).await?;

    let passwords = site.passwords.clone();
    let verifying = blocking(move || verify(&passwords, found, &typed));
    let Some((user, verdict)) = verifying.await? else {
        return Err(unauthorized());
    };
    // Write the new hash before the login, because the session is tied to the hash.
    if verdict == Verdict::Outdated {
        site.users.set_password(user.id, &user.password).await?;
    }
    if !user.is_active {
        return Err(unauthorized());
    }
    site.auth.log_in(&session, &user)?;
    site.users.set_last_login(user.id).await?;
    // A new secret makes tokens from before the login invalid.
    let cookie = site.csrf.set_cookie(&Secret::random()?, SystemTime::now());
    Ok((
        AppendHeaders([(SET_COOKIE, cookie)]),
        user_answer(Some(&user))?,
    ))
}

/// Returns the user and the verdict if the password is right. If the stored hash is outdated, the
/// returned user has a new one.
fn verify(
    passwords: &Passwords,
    found: Option<User>,
    typed: &str,
) -> cloakroom::Result<Option<(User, Verdict)>> {
    let Some(mut user) = found else {
        passwords.spend_time(typed);
        return Ok(None);
    };
    let verdict = passwords.verify(typed, &user.password);
    if verdict == Verdict::Outdated {
        user.password = passwords.encode(typed)?;
    }
    Ok(verdict.is_right().then_some((user, verdict)))
}

async fn logout(State(site): State<Arc<Site>>, session: Session) -> Answered {
    site.auth.log_out(&session)?;
    Answer::ok()
}

async fn change_password(State(site): State<Arc<Site>>, session: Session, body: Body) -> Answered {
    let Some(user) = user(&site, &session).await? else {
        return Err(unauthorized());
    };
    let typed: String = body.get("password")?;
    let passwords = site.passwords.clone();
    let password = blocking(move || passwords.encode(&typed)).await?;
    site.users.set_password(user.id, &password).await?;
    site.auth.password_changed(&session, &password)?;
    Answer::ok()
}

/// Computes a hash on a thread that may block, because hashing takes a good part of a second.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let hashing = tokio::task::spawn_blocking(work).await;
    hashing.expect("hashing does not panic")
}

fn unauthorized() -> Failure {
    Failure::new(
        StatusCode::UNAUTHORIZED,
        "wrong name or password, or not logged in",
    )
}

// ---- Messages, CSRF, the test cookie

async fn message(session: Session, body: Body) -> Answered {
    messages::add(
        &session,
        Message {
            level: Level(body.get("level")?),
            text: body.get("text")?,
            safe: false,
            extra_tags: Some(body.get("extra_tags").unwrap_or_default()),
        },
    )?;
    Answer::ok()
}

async fn list_messages(session: Session) -> Answered {
    #[derive(Serialize)]
    struct MessageBody {
        level: i64,
        text: String,
        extra_tags: Option<String>,
    }
    let messages = messages::take(&session)?.into_iter();
    let shown: Vec<MessageBody> = messages
        .map(|message| MessageBody {
            level: message.level.0,
            text: message.text,
            extra_tags: message.extra_tags,
        })
        .collect();
    Answer::default().with("messages", shown)
}

async fn csrf_token(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
) -> Answered<impl IntoResponse> {
    let secret = match site.csrf.secret(&headers) {
        Some(secret) => secret,
        None => Secret::random()?,
    };
    let cookie = site.csrf.set_cookie(&secret, SystemTime::now());
    let headers = AppendHeaders([
        (SET_COOKIE, cookie),
        (VARY, "Cookie".parse().expect("a valid header value")),
    ]);
    Ok((headers, Answer::default().with("token", secret.mask()?)?))
}

async fn csrf_protected(
    State(site): State<Arc<Site>>,
    method: Method,
    headers: HeaderMap,
) -> Answered {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let request = Incoming {
        method: &method,
        headers: &headers,
        https: false,
        host: host.unwrap_or_default(),
        form_token: None,
    };
    let checked = site
        .csrf
        .check(&request, site.csrf.secret(&headers).as_ref());
    checked.map_err(|refusal| Failure::new(StatusCode::FORBIDDEN, &refusal.to_string()))?;
    Answer::ok()
}

async fn test_cookie(session: Session, body: Body) -> Answered {
    if body.get("set").unwrap_or(false) {
        session.set_test_cookie()?;
        return Answer::ok();
    }
    let worked = session.test_cookie_worked();
    if worked {
        session.delete_test_cookie()?;
    }
    Answer::default().with("worked", worked)
}
