use sqlx::{SqliteConnection, SqlitePool};

use super::{
    groups::{self, Group},
    model::{ModelKind, RecordKey},
    users::{self, NewUserForm, PermissionChoices, UserForm},
};
use crate::{
    authors::form::{self as authors, Author},
    books::form::{self as books, Book, BookChoices},
    copies::{
        CopyId,
        form::{self as copies, Copy},
    },
    genres::GENRES,
    languages::LANGUAGES,
    named::NamedRecord,
    state::AppState,
    web::{
        error::PageError,
        fields::{Choices, Field, FieldKind, Fields},
        form::Form,
    },
};

/// The valid values of a form. They can be stored unless another record has the same value in a
/// field that must be unique.
pub(super) enum RecordDraft {
    Author(Author),
    Book(Book),
    Copy { copy: Copy, book: Option<i64> },
    Name(&'static NamedRecord, String),
    Group(Group),
    NewUser(NewUserForm),
    User(UserForm),
}

/// The choices that the select fields of a record's form offer.
#[derive(Clone)]
pub(super) enum FieldChoices {
    /// The form has no field with choices.
    None,
    Book(BookChoices),
    /// `books` is `None` if the form is a row in the table of copies on the page of a book. Such a
    /// row has no field for the book.
    Copy {
        books: Option<Choices>,
        users: Choices,
    },
    Group(Choices),
    /// `None` if the editing user may not grant permissions.
    User(Option<PermissionChoices>),
}

/// The result of saving a draft.
pub(super) enum SaveOutcome {
    Saved(RecordKey),
    /// Another record has the same value in a field that must be unique.
    Refused {
        field: &'static str,
        error: &'static str,
    },
}

impl FieldChoices {
    /// Loads the choices that the form of a record of this kind offers. If `is_row`, the form is a
    /// row on the page of the record's parent, so the choices of a parent are left out.
    pub(super) async fn load(
        db: &SqlitePool,
        kind: ModelKind,
        is_row: bool,
        may_grant: bool,
    ) -> Result<Self, PageError> {
        Ok(match kind {
            ModelKind::Author | ModelKind::Genre | ModelKind::Language => Self::None,
            ModelKind::Book => {
                let mut choices = BookChoices::load(db).await?;
                if is_row {
                    choices.authors = None;
                }
                Self::Book(choices)
            }
            ModelKind::Copy => Self::Copy {
                books: match is_row {
                    true => None,
                    false => Some(copies::books(db).await?),
                },
                users: copies::users(db).await?,
            },
            ModelKind::Group => Self::Group(groups::load_permissions(db).await?),
            ModelKind::User if may_grant => Self::User(Some(PermissionChoices::load(db).await?)),
            ModelKind::User => Self::User(None),
        })
    }
}

/// Reads the form of a record. The code for this kind of record, such as `books/form.rs` or
/// `admin/users.rs`, validates the values.
pub(super) fn read(
    kind: ModelKind,
    is_new: bool,
    fields: &mut Fields<'_>,
    choices: FieldChoices,
) -> Option<RecordDraft> {
    match (kind, choices) {
        (ModelKind::Author, _) => authors::read(fields).map(RecordDraft::Author),
        (ModelKind::Book, FieldChoices::Book(choices)) => {
            books::read(fields, choices).map(RecordDraft::Book)
        }
        (ModelKind::Copy, FieldChoices::Copy { books, users }) => {
            let book = match books {
                Some(books) => copies::read_book(fields, books).map(|id| id.parse().ok()),
                None => Some(None),
            };
            if !is_new {
                let id = CopyId::stored(fields.value("id").to_owned());
                fields.fixed("id", "Id", id.to_string());
            }
            let copy = copies::read(fields, users);
            Some(RecordDraft::Copy {
                book: book?,
                copy: copy?,
            })
        }
        (ModelKind::Genre, _) => read_name(&GENRES, fields),
        (ModelKind::Language, _) => read_name(&LANGUAGES, fields),
        (ModelKind::Group, FieldChoices::Group(permissions)) => {
            groups::read(fields, permissions).map(RecordDraft::Group)
        }
        (ModelKind::User, _) if is_new => users::read_new(fields).map(RecordDraft::NewUser),
        (ModelKind::User, FieldChoices::User(choices)) => {
            users::read(fields, choices).map(RecordDraft::User)
        }
        // Unreachable: the choices were loaded for the same kind of record.
        _ => None,
    }
}

fn read_name(kind: &'static NamedRecord, fields: &mut Fields<'_>) -> Option<RecordDraft> {
    let name = kind.read(fields)?;
    Some(RecordDraft::Name(kind, name))
}

/// Returns the fields of a form with these values. Nothing is validated.
pub(super) fn initial_fields(
    kind: ModelKind,
    is_new: bool,
    values: &Form,
    choices: FieldChoices,
) -> Vec<Field> {
    let mut fields = Fields::initial(values);
    read(kind, is_new, &mut fields, choices);
    fields.into_inner()
}

/// Returns the values with which the form for a new record is filled at first.
pub(super) fn first_values(kind: ModelKind) -> Form {
    match kind {
        ModelKind::Copy => copies::first_values(),
        _ => Form::default(),
    }
}

/// Restores the stored values of those `fields` that can't be edited.
pub(super) fn restore_fixed(fields: &mut [Field], before: &[Field]) {
    for field in fields {
        if let FieldKind::Fixed = field.kind
            && let Some(before) = before.iter().find(|before| before.name == field.name)
        {
            field.value.clone_from(&before.value);
        }
    }
}

/// Returns the labels of the fields whose values differ between `before` and `after`.
pub(super) fn changes(before: &[Field], after: &[Field]) -> Vec<&'static str> {
    let is_changed = |field: &&Field| {
        let before = before.iter().find(|before| before.name == field.name);
        !before.is_some_and(|before| before.is_same_as(field))
    };
    let changed = after.iter().filter(is_changed);
    changed.map(|field| field.label).collect()
}

impl RecordDraft {
    /// Does the slow part of saving before the database is locked: hashes the password of a new
    /// user.
    pub(super) async fn prepare(&mut self, app: &AppState) -> Result<(), PageError> {
        match self {
            Self::NewUser(user) => user.hash(app).await,
            _ => Ok(()),
        }
    }

    /// Sets the parent of a record that was read from a row on the page of its parent.
    pub(super) fn set_parent(&mut self, parent: &RecordKey) {
        match self {
            Self::Book(book) => book.author = parent.number(),
            Self::Copy { book, .. } => *book = parent.number(),
            _ => {}
        }
    }

    /// Changes the record with the key `own`, or adds a record if `own` is `None`.
    pub(super) async fn save(
        &self,
        db: &mut SqliteConnection,
        own: Option<&RecordKey>,
    ) -> Result<SaveOutcome, PageError> {
        if let Some((field, error)) = self.refusal(db, own.and_then(RecordKey::number)).await? {
            return Ok(SaveOutcome::Refused { field, error });
        }
        self.store(db, own).await.map(SaveOutcome::Saved)
    }

    /// Returns the name and the error of a field that must be unique, if another record has the
    /// same value in this field. The caller has locked the database, so the result stays valid
    /// until the record is stored.
    async fn refusal(
        &self,
        db: &mut SqliteConnection,
        own: Option<i64>,
    ) -> Result<Option<(&'static str, &'static str)>, sqlx::Error> {
        let (is_taken, field, error) = match self {
            Self::Author(_) | Self::Copy { .. } => return Ok(None),
            Self::Book(book) => {
                let is_taken = books::is_taken(db, &book.isbn, own).await?;
                (is_taken, "isbn", books::ISBN_EXISTS)
            }
            Self::Name(kind, name) => {
                let is_taken = kind.is_taken(db, name, own).await?;
                (is_taken, "name", kind.exists)
            }
            Self::Group(group) => (group.is_taken(db, own).await?, "name", groups::EXISTS),
            Self::NewUser(NewUserForm { username, .. }) | Self::User(UserForm { username, .. }) => {
                let is_taken = users::is_taken(db, username, own).await?;
                (is_taken, "username", users::EXISTS)
            }
        };
        Ok(is_taken.then_some((field, error)))
    }

    async fn store(
        &self,
        db: &mut SqliteConnection,
        own: Option<&RecordKey>,
    ) -> Result<RecordKey, PageError> {
        let id = own.and_then(RecordKey::number);
        let id = match (self, id) {
            (Self::Author(author), None) => author.insert(db).await?,
            (Self::Author(author), Some(id)) => author.update(db, id).await.map(|()| id)?,
            (Self::Book(book), None) => book.insert(db).await?,
            (Self::Book(book), Some(id)) => book.update(db, id).await.map(|()| id)?,
            (Self::Name(kind, name), None) => kind.insert(db, name).await?,
            (Self::Name(kind, name), Some(id)) => kind.change(db, id, name).await.map(|()| id)?,
            (Self::Group(group), id) => return group.save(db, id).await,
            (Self::NewUser(user), _) => return user.insert(db).await,
            (Self::User(user), Some(id)) => user.update(db, id).await.map(|()| id)?,
            (Self::User(_), None) => return Err(PageError::NotFound),
            (Self::Copy { copy, book }, _) => return store_copy(db, copy, *book, own).await,
        };
        Ok(RecordKey::Number(id))
    }
}

async fn store_copy(
    db: &mut SqliteConnection,
    copy: &Copy,
    book: Option<i64>,
    own: Option<&RecordKey>,
) -> Result<RecordKey, PageError> {
    match own {
        Some(RecordKey::Copy(id)) => {
            copy.update(&mut *db, id).await?;
            copies::move_to_book(db, id, book).await?;
            Ok(RecordKey::Copy(id.clone()))
        }
        _ => {
            let id = CopyId::random().map_err(|error| PageError::Internal(error.into()))?;
            copy.insert(db, &id, book).await?;
            Ok(RecordKey::Copy(id))
        }
    }
}
