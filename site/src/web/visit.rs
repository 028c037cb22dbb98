//! A request and its visitor.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request},
    http::{
        HeaderMap, Method, Uri,
        header::{HOST, USER_AGENT},
        request::Parts,
    },
};
use cloakroom::{Session, SessionHandle};
use cloakroom_django::auth::Claim;
use tokio::sync::OnceCell;

use super::{browser_secret::BrowserSecret, error::PageError, next};
use crate::{state::AppState, users::User};

const OUTSIDE_LAYER: &str = "extracting the visit: the request did not pass \
                             `visit_layer::begin`; add the page to the router of `routes.rs`";

/// A request and its visitor. The session and the user are loaded on first use, and only once.
/// Clones share their state.
#[derive(Clone)]
pub(crate) struct Visit(Arc<Inner>);

struct Inner {
    app: AppState,
    handle: SessionHandle,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    address: Option<IpAddr>,
    secret: BrowserSecret,
    user: OnceCell<Option<User>>,
}

impl Visit {
    pub(super) fn new(app: AppState, handle: SessionHandle, request: &Request) -> Self {
        let connection = request.extensions().get::<ConnectInfo<SocketAddr>>();
        Self(Arc::new(Inner {
            secret: BrowserSecret::of(&app.csrf, request.headers()),
            app,
            handle,
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            address: connection.map(|ConnectInfo(address)| address.ip()),
            user: OnceCell::new(),
        }))
    }

    pub(crate) fn app(&self) -> &AppState {
        &self.0.app
    }

    /// Returns the CSRF secret of the browser.
    pub(crate) fn secret(&self) -> &BrowserSecret {
        &self.0.secret
    }

    pub(crate) fn method(&self) -> &Method {
        &self.0.method
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.0.uri
    }

    /// Returns the address of the client. `None` in tests that send requests without a connection.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.0.address
    }

    /// Returns the header `User-Agent`, or an empty text.
    pub(crate) fn user_agent(&self) -> &str {
        let name = self.0.headers.get(USER_AGENT);
        name.and_then(|name| name.to_str().ok()).unwrap_or_default()
    }

    /// Returns the host of the request. The host is allowed: `hosts::refuse_foreign` has refused
    /// requests for other hosts.
    pub(crate) fn host(&self) -> String {
        let host = self.0.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = self.0.uri.authority().map(|host| host.as_str()).or(host);
        let base_url = &self.0.app.base_url;
        host.unwrap_or_else(|| base_url.authority())
            .to_ascii_lowercase()
    }

    /// Returns the scheme and host of the site as this visitor reaches it.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.0.app.base_url.scheme(), self.host())
    }

    /// Returns `target` if it is a page of this site, and `otherwise` if it is not.
    pub(crate) fn safe_next(&self, target: Option<&str>, otherwise: &str) -> String {
        let origin = self.origin();
        let safe = target.and_then(|target| next::safe(target, &origin));
        safe.unwrap_or(otherwise).to_owned()
    }

    /// Returns the session of the browser, or a new session if the browser has none.
    pub(crate) async fn session(&self) -> Result<Session, PageError> {
        Ok(self.0.handle.open().await?)
    }

    /// Returns the session, if the browser has one.
    pub(crate) async fn session_if_any(&self) -> Result<Option<Session>, PageError> {
        Ok(self.0.handle.open_existing().await?)
    }

    /// Returns the user who is logged in, if any.
    pub(crate) async fn user(&self) -> Result<Option<&User>, PageError> {
        let user = self
            .0
            .user
            .get_or_try_init(async || match self.session_if_any().await? {
                Some(session) => self.user_of(&session).await,
                None => Ok(None),
            });
        Ok(user.await?.as_ref())
    }

    /// Returns the user, if an earlier call of `user` has loaded one.
    pub(super) fn known_user(&self) -> Option<&User> {
        self.0.user.get()?.as_ref()
    }

    async fn user_of(&self, session: &Session) -> Result<Option<User>, PageError> {
        let AppState { auth, db, .. } = self.app();
        let find = async |claim: Claim| match claim.id().parse() {
            Ok(id) => Ok(User::by_id(db, id).await?),
            Err(_) => Ok(None),
        };
        auth.user(session, find).await
    }

    /// Returns the user who is logged in.
    ///
    /// # Errors
    /// [`PageError::LogInFirst`] if the visitor is not logged in.
    pub(crate) async fn logged_in(&self) -> Result<&User, PageError> {
        let user = self.user().await?;
        user.ok_or_else(|| PageError::LogInFirst {
            next: next::path_and_query(self.uri()),
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        let visit = parts.extensions.get::<Self>().cloned();
        visit.ok_or_else(|| PageError::Internal(OUTSIDE_LAYER.into()))
    }
}
