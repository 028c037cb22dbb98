use std::borrow::Cow;

use cloakroom_django::auth::Account;
use sqlx::{FromRow, Row, SqlitePool, sqlite::SqliteRow};

use super::permission::Permission;

/// Builds the statement that selects a user: the columns of the user, and the codes of all
/// permissions that the user or one of the user's groups has.
macro_rules! select_user {
    ($where:literal) => {
        concat!(
            "SELECT u.id, u.username, u.first_name, u.last_name, u.email, u.password, \
             u.last_login, u.is_superuser, u.is_staff, u.is_active, \
             (SELECT GROUP_CONCAT(t.app_label || '.' || p.codename, ' ') FROM auth_permission p \
             JOIN django_content_type t ON t.id = p.content_type_id \
             WHERE p.id IN \
             (SELECT permission_id FROM auth_user_user_permissions WHERE user_id = u.id) \
             OR p.id IN (SELECT gp.permission_id FROM auth_group_permissions gp \
             JOIN auth_user_groups ug ON ug.group_id = gp.group_id WHERE ug.user_id = u.id)) \
             AS permissions \
             FROM auth_user u WHERE ",
            $where
        )
    };
}

// Changes nothing if another request has changed the password since this user was loaded.
const REPLACE_PASSWORD: &str = "\
    UPDATE auth_user SET password = ? WHERE id = ? AND password = ?";

const BY_ID: &str = select_user!("u.id = ?");

const BY_NAME: &str = select_user!("u.username = ?");

/// A row of Django's table `auth_user`, with the user's permissions.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) username: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) last_login: Option<String>,
    is_superuser: bool,
    is_staff: bool,
    is_active: bool,
    /// The codes of the permissions, separated by spaces.
    permissions: Option<String>,
}

impl User {
    pub(crate) async fn by_id(db: &SqlitePool, id: i64) -> Result<Option<Self>, sqlx::Error> {
        sqlx::query_as(BY_ID).bind(id).fetch_optional(db).await
    }

    pub(crate) async fn by_name(db: &SqlitePool, name: &str) -> Result<Option<Self>, sqlx::Error> {
        sqlx::query_as(BY_NAME).bind(name).fetch_optional(db).await
    }

    /// Stores `encoded` as the hash of the password. Returns `false` if another request has changed
    /// the password since this user was loaded.
    pub(crate) async fn replace_password(
        &self,
        db: &SqlitePool,
        encoded: &str,
    ) -> Result<bool, sqlx::Error> {
        let replace = sqlx::query(REPLACE_PASSWORD).bind(encoded).bind(self.id);
        let replaced = replace.bind(&self.password).execute(db).await?;
        Ok(replaced.rows_affected() == 1)
    }

    /// Returns whether the user holds `permission`. An active superuser holds all permissions. An
    /// inactive user holds no permission.
    pub(crate) fn may(&self, permission: Permission) -> bool {
        self.holds(permission.code())
    }

    /// Returns whether the user holds the permission with this code, such as `catalog.add_book`.
    pub(crate) fn holds(&self, permission: &str) -> bool {
        let mut granted = self.permissions.iter().flat_map(|codes| codes.split(' '));
        self.is_active && (self.is_superuser || granted.any(|code| code == permission))
    }

    /// Returns whether the user may enter the staff area.
    pub(crate) fn is_staff(&self) -> bool {
        self.is_active && self.is_staff
    }

    /// Returns whether the user is an active superuser, who holds all permissions.
    pub(crate) fn is_superuser(&self) -> bool {
        self.is_active && self.is_superuser
    }
}

impl FromRow<'_, SqliteRow> for User {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            username: row.try_get("username")?,
            first_name: row.try_get("first_name")?,
            last_name: row.try_get("last_name")?,
            email: row.try_get("email")?,
            password: row.try_get("password")?,
            // `try_get` would refuse the column: it contains text, but is declared as `datetime`.
            last_login: row.try_get_unchecked("last_login")?,
            is_superuser: row.try_get("is_superuser")?,
            is_staff: row.try_get("is_staff")?,
            is_active: row.try_get("is_active")?,
            permissions: row.try_get("permissions")?,
        })
    }
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
