//! Logging in and out, and ending a user's other sessions.
//!
//! Run it with `cargo run -p cloakroom --example login`, then open <http://127.0.0.1:3000/> in two
//! browsers.
//!
//! There are no passwords: every name is accepted.

use axum::Router;
use axum::extract::{Form, FromRequestParts, State};
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use cloakroom::store::MemoryStore;
use cloakroom::{Cookie, Owner, Session, SessionTag, Sessions};

#[derive(serde::Deserialize)]
struct Login {
    name: String,
}

async fn log_in(
    session: Session,
    headers: HeaderMap,
    Form(login): Form<Login>,
) -> cloakroom::Result<Redirect> {
    // `log_in` also gives the session a new key. A key that an attacker planted in the browser
    // before the login does not open the logged-in session.
    session.log_in(login.name)?;
    let device = headers
        .get(USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    session.set_label(device.unwrap_or("an unknown device"))?;
    Ok(Redirect::to("/"))
}

async fn log_out(session: Session) -> cloakroom::Result<Redirect> {
    session.flush()?;
    Ok(Redirect::to("/"))
}

async fn index(
    user: Option<User>,
    State(sessions): State<Sessions>,
) -> cloakroom::Result<Html<String>> {
    let Some(User { owner, tag }) = user else {
        return Ok(Html(
            "<form method=post action=/login>Name: <input name=name required> \
             <button>Log in</button></form>"
                .into(),
        ));
    };
    let mut page = format!(
        "<p>Hello, {}. You are logged in here:</p><ul>",
        escaped(owner.as_str())
    );
    for other in sessions.owned_by(&owner).await? {
        let label = escaped(other.label.as_deref().unwrap_or_default());
        let this = if other.tag == tag { " (this one)" } else { "" };
        page += &format!("<li>{} {label}{this}</li>", other.tag);
    }
    page += "</ul>\
             <form method=post action=/logout><button>Log out</button></form>\
             <form method=post action=/logout-others>\
             <button>Log out everywhere else</button></form>";
    Ok(Html(page))
}

async fn log_out_others(
    user: User,
    State(sessions): State<Sessions>,
) -> cloakroom::Result<Redirect> {
    sessions.revoke_others(&user.owner, &user.tag).await?;
    Ok(Redirect::to("/"))
}

/// A logged-in user. A custom extractor on top of [`Session`].
struct User {
    owner: Owner,
    tag: SessionTag,
}

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let session = <Session as FromRequestParts<S>>::from_request_parts(parts, state).await;
        let session = session.map_err(IntoResponse::into_response)?;
        match (session.owner(), session.tag()) {
            (Some(owner), Some(tag)) => Ok(Self { owner, tag }),
            _ => Err(StatusCode::UNAUTHORIZED.into_response()),
        }
    }
}

impl<S: Sync> axum::extract::OptionalFromRequestParts<S> for User {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Response> {
        match <Self as FromRequestParts<S>>::from_request_parts(parts, state).await {
            Ok(user) => Ok(Some(user)),
            Err(refused) if refused.status() == StatusCode::UNAUTHORIZED => Ok(None),
            Err(failed) => Err(failed),
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = Sessions::builder(MemoryStore::new())
        .cookie(Cookie::default().plain_http()) // remove this line if the site uses https
        .build()?;
    let app = Router::new()
        .route("/", get(index))
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .route("/logout-others", post(log_out_others))
        .layer(sessions.layer())
        .with_state(sessions);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}/", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
