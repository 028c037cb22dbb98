use sqlx::{SqliteConnection, SqlitePool};

use super::model::RecordKey;
use crate::{
    id_list::{IdList, execute_all},
    web::{
        error::PageError,
        fields::{Choices, Fields},
    },
};

const MAX_NAME: usize = 150;

pub(super) const EXISTS: &str = "Group with this Name already exists.";

const GROUPS: &str = "SELECT id, name FROM auth_group ORDER BY name, id";

const PERMISSIONS: &str = "\
    SELECT p.id, t.app_label || ' | ' || t.model || ' | ' || p.name FROM auth_permission p \
    JOIN django_content_type t ON t.id = p.content_type_id \
    ORDER BY t.app_label, t.model, p.codename";

const IS_TAKEN: &str = "SELECT EXISTS (SELECT 1 FROM auth_group WHERE name = ? AND id IS NOT ?)";

const INSERT: &str = "INSERT INTO auth_group (name) VALUES (?) RETURNING id";

const UPDATE: &str = "UPDATE auth_group SET name = ? WHERE id = ?";

const DROP_PERMISSIONS: &str = "\
    DELETE FROM auth_group_permissions WHERE group_id = ? \
    AND permission_id NOT IN (SELECT value FROM json_each(?))";

const ADD_PERMISSIONS: &str = "\
    INSERT OR IGNORE INTO auth_group_permissions (group_id, permission_id) \
    SELECT ?, value FROM json_each(?)";

const DELETE: [&str; 3] = [
    "DELETE FROM auth_user_groups WHERE group_id IN (SELECT value FROM json_each(?1))",
    "DELETE FROM auth_group_permissions WHERE group_id IN (SELECT value FROM json_each(?1))",
    "DELETE FROM auth_group WHERE id IN (SELECT value FROM json_each(?1))",
];

/// The values of the form of a group.
pub(super) struct Group {
    pub(super) name: String,
    permissions: Vec<String>,
}

/// Loads all groups, ordered by name, as choices for forms and filters.
pub(super) async fn load_all(db: &SqlitePool) -> Result<Choices, sqlx::Error> {
    load_choices(db, GROUPS).await
}

/// Loads all permissions, as choices for forms.
pub(super) async fn load_permissions(db: &SqlitePool) -> Result<Choices, sqlx::Error> {
    load_choices(db, PERMISSIONS).await
}

async fn load_choices(db: &SqlitePool, statement: &'static str) -> Result<Choices, sqlx::Error> {
    let all: Vec<(i64, String)> = sqlx::query_as(statement).fetch_all(db).await?;
    let choice = |(id, name): (i64, String)| (id.to_string(), name);
    Ok(all.into_iter().map(choice).collect())
}

pub(super) fn read(fields: &mut Fields<'_>, permissions: Choices) -> Option<Group> {
    let name = fields.line("name", "Name", MAX_NAME);
    let permissions = fields.optional_choices("permissions", "Permissions", permissions);
    fields.help("Hold Ctrl (or Command) to choose several.");
    let group = Group {
        name: name?,
        permissions: permissions?,
    };
    fields.are_valid().then_some(group)
}

impl Group {
    pub(super) async fn is_taken(
        &self,
        db: &mut SqliteConnection,
        own: Option<i64>,
    ) -> Result<bool, sqlx::Error> {
        let taken = sqlx::query_scalar(IS_TAKEN).bind(&self.name).bind(own);
        taken.fetch_one(db).await
    }

    /// Changes the group with the id `own`, or adds a group if `own` is `None`.
    pub(super) async fn save(
        &self,
        db: &mut SqliteConnection,
        own: Option<i64>,
    ) -> Result<RecordKey, PageError> {
        let id = match own {
            None => {
                let insert = sqlx::query_scalar(INSERT).bind(&self.name);
                insert.fetch_one(&mut *db).await?
            }
            Some(id) => {
                let update = sqlx::query(UPDATE).bind(&self.name).bind(id);
                if update.execute(&mut *db).await?.rows_affected() == 0 {
                    return Err(PageError::NotFound);
                }
                id
            }
        };
        set_links(
            db,
            [DROP_PERMISSIONS, ADD_PERMISSIONS],
            id,
            &self.permissions,
        )
        .await?;
        Ok(RecordKey::Number(id))
    }
}

/// Deletes these groups and what refers to them. Returns the number of deleted groups.
pub(super) async fn delete_records(
    db: &mut SqliteConnection,
    groups: &IdList,
) -> Result<u64, sqlx::Error> {
    execute_all(db, &DELETE, groups).await
}

/// Links the record `record` to exactly the records in `others`. Of `statements`, the first deletes
/// the links to records that are not in `others`, and the second adds the missing links. Links that
/// exist already keep their ids.
pub(super) async fn set_links(
    db: &mut SqliteConnection,
    statements: [&'static str; 2],
    record: i64,
    others: &[String],
) -> Result<(), sqlx::Error> {
    let others: Vec<i64> = others.iter().filter_map(|id| id.parse().ok()).collect();
    let others = format!("{others:?}");
    for statement in statements {
        let link = sqlx::query(statement).bind(record).bind(&others);
        link.execute(&mut *db).await?;
    }
    Ok(())
}
