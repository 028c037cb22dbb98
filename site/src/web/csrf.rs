//! Forms of this site told from forged ones: the secret of a browser, and the check of what it sends.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, header},
};
use cloakroom_django::auth::csrf::{Csrf, FIELD, Incoming, Secret};

use super::{error::PageError, form::Form, visit::Visit};

/// The secret of the browser that makes a request, and whether the page has a token of it.
#[derive(Debug)]
pub(crate) struct BrowserSecret(Mutex<State>);

#[derive(Debug)]
struct State {
    secret: Option<Secret>,
    is_used: bool,
}

impl BrowserSecret {
    pub(super) fn of(csrf: &Csrf, headers: &HeaderMap) -> Self {
        Self(Mutex::new(State {
            secret: csrf.secret(headers),
            is_used: false,
        }))
    }

    /// A token for a form of this page. The browser gets its cookie with the page.
    pub(crate) fn token(&self) -> cloakroom::Result<String> {
        let mut state = self.lock();
        state.is_used = true;
        match &state.secret {
            Some(secret) => secret.mask(),
            None => {
                let secret = state.secret.insert(Secret::random()?);
                secret.mask()
            }
        }
    }

    /// Takes a new secret: what was made with the old one is worthless.
    pub(crate) fn rotate(&self) -> cloakroom::Result<()> {
        *self.lock() = State {
            secret: Some(Secret::random()?),
            is_used: true,
        };
        Ok(())
    }

    /// Adds the cookie to the answer if the browser needs it; says whether.
    pub(super) fn tell(&self, csrf: &Csrf, headers: &mut HeaderMap) -> bool {
        match &*self.lock() {
            State {
                secret: Some(secret),
                is_used: true,
            } => {
                let cookie = csrf.set_cookie(secret, SystemTime::now());
                headers.append(header::SET_COOKIE, cookie);
                true
            }
            _ => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the form of a request that may change something, and refuses it if it is not from a page of this site.
///
/// # Errors
/// [`PageError::BadForm`] if the form cannot be read, [`PageError::Forged`] if it is refused.
pub(super) async fn check(visit: &Visit, request: Request) -> Result<Request, PageError> {
    if request.method().is_safe() && *request.method() != http::Method::TRACE {
        return Ok(request);
    }
    let (mut parts, body) = request.into_parts();
    let form = Form::read(&parts.headers, body).await?;
    let app = visit.app();
    let incoming = Incoming {
        method: &parts.method,
        headers: &parts.headers,
        https: app.base_url.is_https(),
        host: &visit.host(),
        form_token: form.get(FIELD),
    };
    let secret = visit.secret().lock().secret.clone();
    if let Err(refusal) = app.csrf.check(&incoming, secret.as_ref()) {
        tracing::info!("refusing a form: {refusal}");
        return Err(PageError::Forged);
    }
    parts.extensions.insert(form);
    Ok(Request::from_parts(parts, Body::empty()))
}
