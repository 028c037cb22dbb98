//! The state that all pages share.

use std::sync::Arc;

use cloakroom::Sessions;
use cloakroom_django::auth::{Auth, Csrf, tokens::ResetTokens};
use futures_util::future::BoxFuture;
use sqlx::SqlitePool;

use crate::{
    config::{AllowedHosts, BaseUrl, Limits},
    mail::Mailer,
    users::Hashing,
};

/// A function that loads the ids of the copies that a user has on loan past their due date.
///
/// The layout of the pages shows a notice about these copies. The layout is in `web/`, where no
/// file imports a page, so it calls `loans::load_overdue` through a pointer of this type.
pub(crate) type OverdueCopies =
    for<'db> fn(&'db SqlitePool, i64) -> BoxFuture<'db, Result<Vec<String>, sqlx::Error>>;

/// The state that all pages share. Created by [`Application::build`](crate::Application::build).
///
/// This file imports neither the pages nor `web/`, so that both can import it.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) db: SqlitePool,
    pub(crate) sessions: Sessions,
    pub(crate) allowed_hosts: Arc<AllowedHosts>,
    pub(crate) base_url: Arc<BaseUrl>,
    pub(crate) auth: Auth,
    pub(crate) csrf: Csrf,
    pub(crate) reset_tokens: ResetTokens,
    pub(crate) hashing: Hashing,
    pub(crate) mailer: Mailer,
    pub(crate) limits: Limits,
    pub(crate) overdue_copies: OverdueCopies,
}
