//! The table of child records below the form of their parent: an author's books, a book's copies.

use sqlx::{SqliteConnection, SqlitePool};

use super::{
    deletion,
    draft::{self, FieldChoices, RecordDraft, SaveOutcome},
    log::{ChangeLog, LogAction},
    model::{Action, Inline, Model, RecordKey},
    models,
    record::{self, RecordValues},
};
use crate::{
    users::User,
    web::{
        error::PageError,
        fields::{Field, Fields},
        form::Form,
    },
};

/// The number of empty rows for new records.
const EMPTY_ROWS: usize = 3;

/// The largest number of rows that are read. Each row has at least one field, and a form has at
/// most 1000 fields.
const MAX_ROWS: usize = 1000;

/// The error if a record of the table was deleted, or moved to another parent, since the page was
/// loaded.
const CHANGED_BY_OTHERS: PageError = PageError::Conflict {
    heading: "A record in the table has changed",
    text: "Another user deleted or moved it. Go back, reload the page and repeat your changes.",
};

/// The table as the page shows it.
pub(super) struct Table {
    inline: &'static Inline,
    pub(super) model: &'static Model,
    pub(super) rows: Vec<Row>,
    pub(super) may_delete: bool,
    choices: FieldChoices,
}

/// A row of the table: a record, or an empty row for a new record.
pub(super) struct Row {
    /// The key and name of the record. `None` for a new record.
    pub(super) own: Option<(RecordKey, String)>,
    /// The prefix of the names of the fields in this row.
    pub(super) start: String,
    pub(super) fields: Vec<Field>,
    pub(super) is_to_delete: bool,
    pub(super) problem: Option<String>,
    /// The labels of the changed fields.
    changed: Vec<&'static str>,
    draft: Option<RecordDraft>,
}

impl Table {
    /// Loads the table below the form of `parent`, or of a new record if `parent` is `None`. The
    /// rows have the values of the submitted `form`, or else the stored values.
    ///
    /// Returns `None` if the model has no table, or if the user may not change the records in it.
    pub(super) async fn load(
        db: &SqlitePool,
        of: &'static Model,
        parent: Option<&RecordKey>,
        form: Option<&Form>,
        user: &User,
    ) -> Result<Option<Self>, PageError> {
        let Some(inline) = &of.inline else {
            return Ok(None);
        };
        let model = models::of_kind(inline.kind);
        let may = |action| user.holds(&model.permission(action));
        if !may(Action::Change) {
            return Ok(None);
        }
        let children = match parent {
            Some(parent) => {
                let mut db = db.acquire().await?;
                record::load_values(&mut db, model, inline.parent, parent).await?
            }
            None => Vec::new(),
        };
        let mut table = Self {
            inline,
            model,
            rows: Vec::new(),
            may_delete: may(Action::Delete),
            choices: FieldChoices::load(db, inline.kind, true, false).await?,
        };
        match form {
            None => table.show(children, may(Action::Add)),
            Some(form) => table.read(children, form, may(Action::Add))?,
        }
        Ok(Some(table))
    }

    pub(super) fn heading(&self) -> &'static str {
        self.inline.heading
    }

    pub(super) fn prefix(&self) -> &'static str {
        self.inline.prefix
    }

    /// Returns the number of rows that are existing records.
    pub(super) fn initial(&self) -> usize {
        self.rows.iter().filter(|row| row.own.is_some()).count()
    }

    pub(super) fn labels(&self) -> impl Iterator<Item = &'static str> {
        self.inline.columns.iter().map(|(_, label)| *label)
    }

    /// Returns the cells of a row, one for each column. A cell is `None` if the row does not have
    /// the field of the column.
    pub(super) fn cells<'a>(&self, row: &'a Row) -> impl Iterator<Item = Option<&'a Field>> {
        let columns = self.inline.columns.iter();
        columns.map(|(_, label)| row.fields.iter().find(|field| field.label == *label))
    }

    /// Returns the number of errors.
    pub(super) fn problems(&self) -> usize {
        let of_row = |row: &Row| {
            let fields = row.fields.iter().filter(|field| !field.errors.is_empty());
            fields.count() + usize::from(row.problem.is_some())
        };
        self.rows.iter().map(of_row).sum()
    }

    fn show(&mut self, children: Vec<RecordValues>, may_add: bool) {
        for child in children {
            let fields = self.initial_fields(false, &child.values);
            self.rows.push(Row::unchanged(Some(child), fields));
        }
        if may_add {
            for _ in 0..EMPTY_ROWS {
                let row = self.empty_row();
                self.rows.push(row);
            }
        }
        self.name_fields();
    }

    /// Reads the submitted rows. Does not validate unchanged rows, so that the form can be saved
    /// even if a stored value breaks a rule that was added later.
    fn read(
        &mut self,
        mut children: Vec<RecordValues>,
        form: &Form,
        may_add: bool,
    ) -> Result<(), PageError> {
        let prefix = self.inline.prefix;
        let total = form.get(&format!("{prefix}-TOTAL_FORMS"));
        let total = total.and_then(|total| total.parse().ok()).unwrap_or(0);
        for number in 0..total.min(MAX_ROWS) {
            let start = format!("{prefix}-{number}-");
            let submitted = form.with_prefix(&start);
            // `TOTAL_FORMS` may be larger than the number of rows. Skip a row without fields.
            if submitted == Form::default() {
                continue;
            }
            let id = submitted.get("id").unwrap_or_default();
            let row = match id {
                "" if may_add => self.read_new(&submitted),
                "" => continue,
                id => {
                    let key = RecordKey::parse(self.inline.kind, id);
                    let index = children
                        .iter()
                        .position(|child| Some(&child.key) == key.as_ref());
                    let index = index.ok_or(CHANGED_BY_OTHERS)?;
                    self.read_changed(children.swap_remove(index), &submitted)
                }
            };
            self.rows.push(row);
        }
        self.name_fields();
        Ok(())
    }

    fn read_new(&self, submitted: &Form) -> Row {
        let (fields, draft) = self.read_fields(true, submitted);
        let is_filled_in = |(name, _): &(&str, _)| {
            let mut values = submitted.all(name);
            !self.inline.prefilled.contains(name) && values.any(|value| !value.trim().is_empty())
        };
        if !self.inline.columns.iter().any(is_filled_in) {
            return self.empty_row();
        }
        Row {
            draft,
            ..Row::unchanged(None, fields)
        }
    }

    fn read_changed(&self, child: RecordValues, submitted: &Form) -> Row {
        let before = self.initial_fields(false, &child.values);
        if self.may_delete && submitted.get("DELETE").is_some() {
            return Row {
                is_to_delete: true,
                ..Row::unchanged(Some(child), before)
            };
        }
        let (mut fields, draft) = self.read_fields(false, submitted);
        draft::restore_fixed(&mut fields, &before);
        let changed = draft::changes(&before, &fields);
        if changed.is_empty() {
            return Row::unchanged(Some(child), before);
        }
        Row {
            changed,
            draft,
            ..Row::unchanged(Some(child), fields)
        }
    }

    fn empty_row(&self) -> Row {
        let values = draft::first_values(self.inline.kind);
        Row::unchanged(None, self.initial_fields(true, &values))
    }

    fn initial_fields(&self, is_new: bool, values: &Form) -> Vec<Field> {
        draft::initial_fields(self.inline.kind, is_new, values, self.choices.clone())
    }

    fn read_fields(&self, is_new: bool, submitted: &Form) -> (Vec<Field>, Option<RecordDraft>) {
        let mut fields = Fields::submitted(submitted);
        let draft = draft::read(self.inline.kind, is_new, &mut fields, self.choices.clone());
        (fields.into_inner(), draft)
    }

    /// Adds the prefix of each row to the names of its fields. Removes the help texts, for which
    /// the table has no room.
    fn name_fields(&mut self) {
        let prefix = self.inline.prefix;
        for (number, row) in self.rows.iter_mut().enumerate() {
            row.start = format!("{prefix}-{number}-");
            for field in &mut row.fields {
                field.name.insert_str(0, &row.start);
                field.help = None;
            }
        }
    }

    /// Stores the rows. Returns whether all were stored. A row that was not stored has an error.
    pub(super) async fn save(
        &mut self,
        db: &mut SqliteConnection,
        parent: &RecordKey,
        changes: &mut ChangeLog,
    ) -> Result<bool, PageError> {
        let model = self.model;
        for row in &mut self.rows {
            if row.is_to_delete {
                row.delete(db, model, changes).await?;
                continue;
            }
            let Some(draft) = &mut row.draft else {
                continue;
            };
            draft.set_parent(parent);
            let own = row.own.as_ref().map(|(key, _)| key);
            match draft.save(db, own).await? {
                SaveOutcome::Saved(key) => {
                    let name = record::load_title(db, model, &key).await?.name;
                    let action = match own {
                        None => LogAction::Added,
                        Some(_) => LogAction::Changed,
                    };
                    changes.push(action, model.singular, &name, &row.changed);
                }
                SaveOutcome::Refused { field, error } => {
                    let name = format!("{}{field}", row.start);
                    let mut fields = row.fields.iter_mut();
                    if let Some(field) = fields.find(|field| field.name == name) {
                        field.errors.push(error.to_owned());
                    }
                }
            }
        }
        Ok(self.problems() == 0)
    }
}

impl Row {
    fn unchanged(own: Option<RecordValues>, fields: Vec<Field>) -> Self {
        Self {
            own: own.map(|stored| (stored.key, stored.name)),
            start: String::new(),
            fields,
            is_to_delete: false,
            problem: None,
            changed: Vec::new(),
            draft: None,
        }
    }

    async fn delete(
        &mut self,
        db: &mut SqliteConnection,
        model: &Model,
        changes: &mut ChangeLog,
    ) -> Result<(), PageError> {
        let Some((key, name)) = &self.own else {
            return Ok(());
        };
        let keys = std::slice::from_ref(key);
        let blockers = deletion::load_blockers(db, model, keys).await?;
        if let (Some(blocked_by), false) = (model.blocked_by, blockers.is_empty()) {
            self.problem = Some(format!(
                "This cannot be deleted while it has {}.",
                blocked_by
            ));
            return Ok(());
        }
        deletion::delete(db, model, keys).await?;
        changes.push(LogAction::Deleted, model.singular, name, &[]);
        Ok(())
    }
}
