use sqlx::{SqliteConnection, SqlitePool};

use super::{groups, model::RecordKey};
use crate::{
    accounts::{self, UserAttributes, is_address},
    date,
    id_list::{IdList, execute_all},
    state::AppState,
    users::username,
    web::{
        error::PageError,
        fields::{Choices, FieldKind, Fields},
    },
};

const MAX_NAME: usize = 150;
const MAX_EMAIL: usize = 254;

pub(super) const EXISTS: &str = "A user with that username already exists.";
const INVALID_USERNAME: &str = "Enter a valid username. This value may contain only letters, \
                                numbers, and @/./+/-/_ characters.";
const INVALID_EMAIL: &str = "Enter a valid email address.";

const IS_TAKEN: &str = "SELECT EXISTS (SELECT 1 FROM auth_user WHERE username = ? AND id IS NOT ?)";

const INSERT: &str = "\
    INSERT INTO auth_user (password, last_login, is_superuser, username, last_name, email, \
    is_staff, is_active, date_joined, first_name) \
    VALUES (?, NULL, 0, ?, '', '', 0, 1, ?, '') RETURNING id";

const UPDATE: &str = "\
    UPDATE auth_user SET username = ?, first_name = ?, last_name = ?, email = ? WHERE id = ?";

const UPDATE_GRANTS: &str = "\
    UPDATE auth_user SET is_active = ?, is_staff = ?, is_superuser = ? WHERE id = ?";

const DROP_GROUPS: &str = "\
    DELETE FROM auth_user_groups WHERE user_id = ? \
    AND group_id NOT IN (SELECT value FROM json_each(?))";

const ADD_GROUPS: &str = "\
    INSERT OR IGNORE INTO auth_user_groups (user_id, group_id) SELECT ?, value FROM json_each(?)";

const DROP_PERMISSIONS: &str = "\
    DELETE FROM auth_user_user_permissions WHERE user_id = ? \
    AND permission_id NOT IN (SELECT value FROM json_each(?))";

const ADD_PERMISSIONS: &str = "\
    INSERT OR IGNORE INTO auth_user_user_permissions (user_id, permission_id) \
    SELECT ?, value FROM json_each(?)";

const DELETE: [&str; 5] = [
    "DELETE FROM auth_user_groups WHERE user_id IN (SELECT value FROM json_each(?1))",
    "DELETE FROM auth_user_user_permissions WHERE user_id IN (SELECT value FROM json_each(?1))",
    "DELETE FROM django_admin_log WHERE user_id IN (SELECT value FROM json_each(?1))",
    "UPDATE catalog_bookinstance SET borrower_id = NULL \
     WHERE borrower_id IN (SELECT value FROM json_each(?1))",
    "DELETE FROM auth_user WHERE id IN (SELECT value FROM json_each(?1))",
];

/// The values of the form of a new user. The form of an existing user has more fields.
pub(super) struct NewUserForm {
    pub(super) username: String,
    /// The password as typed, until `hash` replaces it with its hash.
    password: String,
}

/// The values of the form of a user.
pub(super) struct UserForm {
    pub(super) username: String,
    first_name: String,
    last_name: String,
    email: String,
    /// `None` if the editing user may not grant permissions.
    grants: Option<Grants>,
}

struct Grants {
    is_active: bool,
    is_staff: bool,
    is_superuser: bool,
    groups: Vec<String>,
    permissions: Vec<String>,
}

/// The choices of groups and permissions.
#[derive(Clone)]
pub(super) struct PermissionChoices {
    groups: Choices,
    permissions: Choices,
}

impl PermissionChoices {
    pub(super) async fn load(db: &SqlitePool) -> Result<Self, sqlx::Error> {
        Ok(Self {
            groups: groups::load_all(db).await?,
            permissions: groups::load_permissions(db).await?,
        })
    }
}

pub(super) fn read_new(fields: &mut Fields<'_>) -> Option<NewUserForm> {
    let username = read_username(fields);
    let known = UserAttributes {
        username: username.as_deref().unwrap_or_default(),
        ..UserAttributes::default()
    };
    let password = accounts::read_new_password(fields, ["password1", "password2"], &known);
    let user = NewUserForm {
        username: username?,
        password: password?,
    };
    fields.are_valid().then_some(user)
}

/// Reads the form of a user. `choices` is `None` if the editing user may not grant permissions.
pub(super) fn read(
    fields: &mut Fields<'_>,
    choices: Option<PermissionChoices>,
) -> Option<UserForm> {
    let username = read_username(fields);
    let password = fields.value("password").to_owned();
    fields.fixed("password", "Password", mask_hash(&password));
    let line = |input| FieldKind::Line {
        input,
        autocomplete: Some("off"),
    };
    let first_name = fields.optional_text("first_name", "First name", line("text"), MAX_NAME);
    let last_name = fields.optional_text("last_name", "Last name", line("text"), MAX_NAME);
    let email = fields.optional_text("email", "Email address", line("email"), MAX_EMAIL);
    if email
        .as_deref()
        .is_some_and(|email| !email.is_empty() && !is_address(email))
    {
        fields.error("email", INVALID_EMAIL);
    }
    let grants = match choices {
        None => Some(None),
        Some(choices) => read_grants(fields, choices).map(Some),
    };
    for (name, label) in [("last_login", "Last login"), ("date_joined", "Date joined")] {
        let moment = fields.value(name).to_owned();
        let moment = match moment.as_str() {
            "" => "Never".to_owned(),
            moment => date::display_timestamp(moment),
        };
        fields.fixed(name, label, moment);
    }
    let user = UserForm {
        username: username?,
        first_name: first_name?,
        last_name: last_name?,
        email: email?,
        grants: grants?,
    };
    fields.are_valid().then_some(user)
}

fn read_username(fields: &mut Fields<'_>) -> Option<String> {
    let kind = FieldKind::Line {
        input: "text",
        autocomplete: Some("off"),
    };
    let username = fields.text("username", "Username", kind, username::MAX_CHARS);
    fields.help("At most 150 characters: letters, digits and @ . + - _");
    let username = username?;
    if !username::has_allowed_chars(&username) {
        fields.error("username", INVALID_USERNAME);
    }
    Some(username)
}

fn read_grants(fields: &mut Fields<'_>, choices: PermissionChoices) -> Option<Grants> {
    let is_active = fields.checkbox("is_active", "Active");
    fields.help("May log in. Untick this instead of deleting the account.");
    let is_staff = fields.checkbox("is_staff", "Staff status");
    fields.help("May enter this staff area.");
    let is_superuser = fields.checkbox("is_superuser", "Superuser status");
    fields.help("May do everything.");
    let groups = fields.optional_choices("groups", "Groups", choices.groups);
    fields.help(
        "A user has the permissions of all these groups. Hold Ctrl (or Command) to choose several.",
    );
    let permissions =
        fields.optional_choices("user_permissions", "User permissions", choices.permissions);
    fields.help("Permissions of this user in addition to those of the groups.");
    Some(Grants {
        is_active,
        is_staff,
        is_superuser,
        groups: groups?,
        permissions: permissions?,
    })
}

/// Returns a text with the algorithm and the first characters of a hash. These characters suffice
/// to notice that the password was changed.
fn mask_hash(encoded: &str) -> String {
    const SHOWN: usize = 6;
    match (encoded.split_once('$'), encoded.rsplit_once('$')) {
        (Some((algorithm, _)), Some((_, hash))) if !encoded.starts_with('!') => {
            let start: String = hash.chars().take(SHOWN).collect();
            let hidden = hash.chars().count().saturating_sub(SHOWN).min(10);
            format!(
                "algorithm: {algorithm}, hash: {start}{}",
                "*".repeat(hidden)
            )
        }
        _ => "No password set.".to_owned(),
    }
}

impl NewUserForm {
    /// Replaces the password with its hash. Hashing is slow by design.
    pub(super) async fn hash(&mut self, app: &AppState) -> Result<(), PageError> {
        let password = std::mem::take(&mut self.password);
        self.password = app.hashing.encode(password).await?;
        Ok(())
    }

    pub(super) async fn insert(&self, db: &mut SqliteConnection) -> Result<RecordKey, PageError> {
        let insert = sqlx::query_scalar(INSERT)
            .bind(&self.password)
            .bind(&self.username)
            .bind(date::timestamp());
        Ok(RecordKey::Number(insert.fetch_one(db).await?))
    }
}

/// Returns whether a user other than the one with the id `own` has this name.
pub(super) async fn is_taken(
    db: &mut SqliteConnection,
    username: &str,
    own: Option<i64>,
) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query_scalar(IS_TAKEN).bind(username).bind(own);
    taken.fetch_one(db).await
}

impl UserForm {
    pub(super) async fn update(&self, db: &mut SqliteConnection, id: i64) -> Result<(), PageError> {
        let update = sqlx::query(UPDATE)
            .bind(&self.username)
            .bind(&self.first_name)
            .bind(&self.last_name)
            .bind(&self.email)
            .bind(id);
        if update.execute(&mut *db).await?.rows_affected() == 0 {
            return Err(PageError::NotFound);
        }
        let Some(grants) = &self.grants else {
            return Ok(());
        };
        let update = sqlx::query(UPDATE_GRANTS)
            .bind(grants.is_active)
            .bind(grants.is_staff)
            .bind(grants.is_superuser)
            .bind(id);
        update.execute(&mut *db).await?;
        groups::set_links(db, [DROP_GROUPS, ADD_GROUPS], id, &grants.groups).await?;
        let permissions = [DROP_PERMISSIONS, ADD_PERMISSIONS];
        Ok(groups::set_links(db, permissions, id, &grants.permissions).await?)
    }
}

/// Deletes these users and what refers to them. Returns the number of deleted users.
pub(super) async fn delete_records(
    db: &mut SqliteConnection,
    users: &IdList,
) -> Result<u64, sqlx::Error> {
    execute_all(db, &DELETE, users).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_shown_with_six_characters_and_an_unusable_one_as_no_password() {
        for (encoded, shown) in [
            (
                "pbkdf2_sha256$1000000$9hqMQ5salt$1y6jJWvTkBxYz0123456789",
                "algorithm: pbkdf2_sha256, hash: 1y6jJW**********",
            ),
            ("!unusable$", "No password set."),
            ("", "No password set."),
            ("nonsense", "No password set."),
        ] {
            assert_eq!(mask_hash(encoded), shown);
        }
    }
}
