//! The CSRF secret of a browser, during one of its requests.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use axum::http::{HeaderMap, header};
use cloakroom_django::auth::csrf::{Csrf, Secret};

/// The CSRF secret of the browser that makes a request, and whether the response must set the
/// cookie with the secret.
#[derive(Debug)]
pub(crate) struct BrowserSecret(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    secret: Option<Secret>,
    /// Whether the page contains a token made from the secret, or the secret was replaced.
    needs_cookie: bool,
}

impl BrowserSecret {
    pub(super) fn of(csrf: &Csrf, headers: &HeaderMap) -> Self {
        Self(Mutex::new(Inner {
            secret: csrf.secret(headers),
            needs_cookie: false,
        }))
    }

    /// Returns a token for a form on the page. The response will set the cookie.
    pub(crate) fn token(&self) -> cloakroom::Result<String> {
        let mut inner = self.lock();
        inner.needs_cookie = true;
        match &inner.secret {
            Some(secret) => secret.mask(),
            None => {
                let secret = inner.secret.insert(Secret::random()?);
                secret.mask()
            }
        }
    }

    /// Replaces the secret. From then on, tokens made from the former secret are refused.
    pub(crate) fn rotate(&self) -> cloakroom::Result<()> {
        *self.lock() = Inner {
            secret: Some(Secret::random()?),
            needs_cookie: true,
        };
        Ok(())
    }

    /// Returns the secret, if the browser has one.
    pub(super) fn current(&self) -> Option<Secret> {
        self.lock().secret.clone()
    }

    /// Adds the cookie if the response must set it. Returns whether it was added.
    pub(super) fn add_cookie(&self, csrf: &Csrf, headers: &mut HeaderMap) -> bool {
        match &*self.lock() {
            Inner {
                secret: Some(secret),
                needs_cookie: true,
            } => {
                let cookie = csrf.set_cookie(secret, SystemTime::now());
                headers.append(header::SET_COOKIE, cookie);
                true
            }
            _ => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
