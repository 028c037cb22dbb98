//! The secret that ties the forms of a page to the browser that asked for it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use axum::http::{HeaderMap, header};
use cloakroom_django::auth::csrf::{Csrf, Secret};

/// The secret of the browser that makes a request, and whether the page has a token of it.
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

    /// Replaces the secret. Tokens of the old one are refused from then on.
    pub(crate) fn rotate(&self) -> cloakroom::Result<()> {
        *self.lock() = Inner {
            secret: Some(Secret::random()?),
            is_used: true,
        };
        Ok(())
    }

    /// The secret, if the browser has one.
    pub(super) fn current(&self) -> Option<Secret> {
        self.lock().secret.clone()
    }

    /// Adds the cookie to the answer if the browser needs it. Returns whether it did.
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
