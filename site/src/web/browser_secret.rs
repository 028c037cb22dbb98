//! The CSRF secret of the browser that makes a request.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use axum::http::{HeaderMap, header};
use cloakroom_django::auth::csrf::{Csrf, Secret};

/// The CSRF secret of the browser that makes a request. Records whether the page contains a token
/// made from the secret. If it does, the response must set the cookie.
#[derive(Debug)]
pub(crate) struct BrowserSecret(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    secret: Option<Secret>,
    is_used: bool,
}

impl BrowserSecret {
    pub(super) fn of(csrf: &Csrf, headers: &HeaderMap) -> Self {
        Self(Mutex::new(Inner {
            secret: csrf.secret(headers),
            is_used: false,
        }))
    }

    /// Returns a token for a form of this page. The response sets the cookie.
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

    /// Replaces the secret. Tokens of the former secret are refused from now on.
    pub(crate) fn rotate(&self) -> cloakroom::Result<()> {
        *self.lock() = Inner {
            secret: Some(Secret::random()?),
            is_used: true,
        };
        Ok(())
    }

    /// Returns the secret, if the browser has one.
    pub(super) fn current(&self) -> Option<Secret> {
        self.lock().secret.clone()
    }

    /// Adds the cookie to a response whose page contains a token. Returns whether it did.
    pub(super) fn add_cookie(&self, csrf: &Csrf, headers: &mut HeaderMap) -> bool {
        match &*self.lock() {
            Inner {
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

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
