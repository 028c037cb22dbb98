//! Django's table of users, in SQLite, PostgreSQL or MySQL.

use std::borrow::Cow;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use cloakroom_django::auth::Account;
use mysql_async::prelude::Queryable;
use rusqlite::OptionalExtension;

use crate::failure::Failure;

/// The columns of `auth_user` that a login reads.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) is_active: bool,
}

impl Account for User {
    fn id(&self) -> Cow<'_, str> {
        self.id.to_string().into()
    }

    fn password(&self) -> &str {
        &self.password
    }

    fn is_active(&self) -> bool {
        self.is_active
    }
}

/// The connection to the database, or a pool of connections for MySQL.
pub(crate) enum Users {
    Sqlite(Arc<Mutex<rusqlite::Connection>>),
    Postgres(tokio_postgres::Client),
    Mysql(mysql_async::Pool),
}

type Fault = Box<dyn Error + Send + Sync>;

impl Users {
    pub(crate) async fn connect(url: &str) -> Result<Self, Fault> {
        let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
        match scheme {
            "sqlite" => {
                let connection = rusqlite::Connection::open(rest)?;
                connection.busy_timeout(BUSY)?;
                Ok(Self::Sqlite(Arc::new(Mutex::new(connection))))
            }
            "postgres" | "postgresql" => {
                let (client, connection) =
                    tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
                tokio::spawn(connection);
                Ok(Self::Postgres(client))
            }
            "mysql" => Ok(Self::Mysql(mysql_async::Pool::from_url(url)?)),
            _ => Err(
                "the URL of the users must start with sqlite://, postgres:// or mysql://".into(),
            ),
        }
    }

    pub(crate) async fn by_name(&self, name: &str) -> Result<Option<User>, Failure> {
        let name = name.to_owned();
        let found = match self {
            Self::Sqlite(_) => {
                let sql =
                    "SELECT id, username, password, is_active FROM auth_user WHERE username = ?1";
                self.sqlite(move |db| db.query_row(sql, [name], of_sqlite).optional())
                    .await
            }
            Self::Postgres(db) => {
                let sql = "SELECT id::bigint, username, password, is_active \
                           FROM auth_user WHERE username = $1";
                of_postgres(db.query_opt(sql, &[&name]).await)
            }
            Self::Mysql(pool) => {
                let sql =
                    "SELECT id, username, password, is_active FROM auth_user WHERE username = ?";
                of_mysql(pool, sql, (name,)).await
            }
        };
        found.map_err(failed)
    }

    pub(crate) async fn by_id(&self, id: i64) -> Result<Option<User>, Failure> {
        let found = match self {
            Self::Sqlite(_) => {
                let sql = "SELECT id, username, password, is_active FROM auth_user WHERE id = ?1";
                self.sqlite(move |db| db.query_row(sql, [id], of_sqlite).optional())
                    .await
            }
            Self::Postgres(db) => {
                let sql = "SELECT id::bigint, username, password, is_active \
                           FROM auth_user WHERE id::bigint = $1";
                of_postgres(db.query_opt(sql, &[&id]).await)
            }
            Self::Mysql(pool) => {
                let sql = "SELECT id, username, password, is_active FROM auth_user WHERE id = ?";
                of_mysql(pool, sql, (id,)).await
            }
        };
        found.map_err(failed)
    }

    pub(crate) async fn set_password(&self, id: i64, password: &str) -> Result<(), Failure> {
        let password = password.to_owned();
        let written = match self {
            Self::Sqlite(_) => {
                let sql = "UPDATE auth_user SET password = ?1 WHERE id = ?2";
                self.sqlite(move |db| db.execute(sql, (password, id)).map(drop))
                    .await
            }
            Self::Postgres(db) => {
                let sql = "UPDATE auth_user SET password = $1 WHERE id::bigint = $2";
                let written = db.execute(sql, &[&password, &id]).await;
                written.map(drop).map_err(Fault::from)
            }
            Self::Mysql(pool) => {
                let sql = "UPDATE auth_user SET password = ? WHERE id = ?";
                run_mysql(pool, sql, (password, id)).await
            }
        };
        written.map_err(failed)
    }

    /// Sets `last_login` to the current time in UTC, in the form that Django writes to each
    /// database.
    pub(crate) async fn set_last_login(&self, id: i64) -> Result<(), Failure> {
        let written = match self {
            Self::Sqlite(_) => {
                let sql = "UPDATE auth_user \
                           SET last_login = strftime('%Y-%m-%d %H:%M:%f000', 'now') WHERE id = ?1";
                self.sqlite(move |db| db.execute(sql, [id]).map(drop)).await
            }
            Self::Postgres(db) => {
                let sql = "UPDATE auth_user SET last_login = now() WHERE id::bigint = $1";
                db.execute(sql, &[&id]).await.map(drop).map_err(Fault::from)
            }
            Self::Mysql(pool) => {
                let sql = "UPDATE auth_user SET last_login = UTC_TIMESTAMP(6) WHERE id = ?";
                run_mysql(pool, sql, (id,)).await
            }
        };
        written.map_err(failed)
    }

    /// Runs `work` on a thread that may block.
    async fn sqlite<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let Self::Sqlite(db) = self else {
            unreachable!("called for SQLite only");
        };
        let db = Arc::clone(db);
        let work = move || work(&db.lock().expect("queries do not panic"));
        Ok(tokio::task::spawn_blocking(work).await??)
    }
}

fn of_sqlite(row: &rusqlite::Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: row.get(0)?,
        name: row.get(1)?,
        password: row.get(2)?,
        is_active: row.get(3)?,
    })
}

fn of_postgres(
    found: Result<Option<tokio_postgres::Row>, tokio_postgres::Error>,
) -> Result<Option<User>, Fault> {
    let Some(row) = found? else { return Ok(None) };
    Ok(Some(User {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        password: row.try_get(2)?,
        is_active: row.try_get(3)?,
    }))
}

async fn of_mysql(
    pool: &mysql_async::Pool,
    sql: &str,
    parameters: impl Into<mysql_async::Params> + Send,
) -> Result<Option<User>, Fault> {
    let mut db = pool.get_conn().await?;
    let row: Option<(i64, String, String, bool)> = db.exec_first(sql, parameters).await?;
    Ok(row.map(|(id, name, password, is_active)| User {
        id,
        name,
        password,
        is_active,
    }))
}

async fn run_mysql(
    pool: &mysql_async::Pool,
    sql: &str,
    parameters: impl Into<mysql_async::Params> + Send,
) -> Result<(), Fault> {
    let mut db = pool.get_conn().await?;
    Ok(db.exec_drop(sql, parameters).await?)
}

fn failed(fault: Fault) -> Failure {
    tracing::error!(
        error = &*fault as &(dyn Error + 'static),
        "using the table of users"
    );
    Failure::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "the table of users is unavailable",
    )
}

/// How long a write waits for another program that is writing.
const BUSY: Duration = Duration::from_secs(30);
