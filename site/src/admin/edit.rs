use askama::Template;
use axum::response::{Html, IntoResponse, Response};

use super::{
    draft::{self, FieldChoices, SaveOutcome},
    guard::require_action,
    index,
    inline::Table,
    log::{self, ChangeLog, LogAction},
    model::{Action, Model, ModelKind, RecordKey},
    record::{self, ModelInPath, RecordInPath, RecordTitle, RecordValues},
    sessions,
};
use crate::{
    users::User,
    visitor,
    web::{
        error::{PageError, redirect},
        fields::{Field, FieldKind, Fields},
        form::Form,
        layout::Layout,
        visit::Visit,
    },
};

#[derive(Template)]
#[template(path = "admin/edit.html", whitespace = "minimize")]
struct Edit {
    layout: Layout,
    model: &'static Model,
    /// `None` for a new record.
    record: Option<RecordTitle>,
    sections: Vec<FilledSection>,
    table: Option<Table>,
    problems: usize,
    may: Allowed,
}

/// A section of the form, with its fields.
struct FilledSection {
    heading: Option<&'static str>,
    rows: Vec<Vec<Field>>,
}

/// The actions that the user may take on this page.
struct Allowed {
    add: bool,
    change: bool,
    delete: bool,
    view_sessions: bool,
}

/// The page with the form for a new record.
pub(crate) async fn add(
    visit: Visit,
    ModelInPath(model): ModelInPath,
) -> Result<Response, PageError> {
    let user = require_action(&visit, model, &[Action::Add]).await?;
    let db = &visit.app().db;
    let choices = FieldChoices::load(db, model.kind, false, user.is_superuser()).await?;
    let fields = draft::initial_fields(model.kind, true, &draft::first_values(model.kind), choices);
    let table = Table::load(db, model, None, None, user).await?;
    page(&visit, model, None, fields, table).await
}

/// Adds a record, and the records in the table below its form.
pub(crate) async fn create(
    visit: Visit,
    ModelInPath(model): ModelInPath,
    form: Form,
) -> Result<Response, PageError> {
    require_action(&visit, model, &[Action::Add]).await?;
    save(&visit, model, None, &form).await
}

/// The page with the form for changing a record. Users who may view but not change the record see
/// its values without a form.
pub(crate) async fn change(visit: Visit, at: RecordInPath) -> Result<Response, PageError> {
    let RecordInPath { model, key } = at;
    let user = require_action(&visit, model, &[Action::View, Action::Change]).await?;
    let db = &visit.app().db;
    let stored = find(&visit, user, model, &key).await?;
    let choices = FieldChoices::load(db, model.kind, false, user.is_superuser()).await?;
    let fields = draft::initial_fields(model.kind, false, &stored.values, choices);
    let table = Table::load(db, model, Some(&key), None, user).await?;
    page(&visit, model, Some(stored), fields, table).await
}

/// Changes a record, and the records in the table below its form.
pub(crate) async fn update(
    visit: Visit,
    at: RecordInPath,
    form: Form,
) -> Result<Response, PageError> {
    let user = require_action(&visit, at.model, &[Action::Change]).await?;
    let stored = find(&visit, user, at.model, &at.key).await?;
    save(&visit, at.model, Some(stored), &form).await
}

/// Loads a record with its values. Fails if the user may not see the record.
async fn find(
    visit: &Visit,
    user: &User,
    model: &'static Model,
    key: &RecordKey,
) -> Result<RecordValues, PageError> {
    let mut db = visit.app().db.acquire().await?;
    let found = record::load_values(&mut db, model, model.key, key).await?;
    let found = found.into_iter().next().ok_or(PageError::NotFound)?;
    let is_superuser = model.kind == ModelKind::User && found.values.get("is_superuser").is_some();
    // A user who may change accounts must not take over an account with more rights.
    if is_superuser && !user.is_superuser() {
        return Err(PageError::Forbidden);
    }
    Ok(found)
}

async fn save(
    visit: &Visit,
    model: &'static Model,
    before: Option<RecordValues>,
    form: &Form,
) -> Result<Response, PageError> {
    let app = visit.app();
    let user = visit.logged_in().await?;
    let own = before.as_ref().map(|stored| stored.key.clone());
    let choices = FieldChoices::load(&app.db, model.kind, false, user.is_superuser()).await?;
    let mut fields = Fields::submitted(form);
    let draft = draft::read(model.kind, own.is_none(), &mut fields, choices.clone());
    let mut fields = fields.into_inner();
    let mut changes = ChangeLog::added();
    if let Some(before) = &before {
        let before = draft::initial_fields(model.kind, false, &before.values, choices);
        draft::restore_fixed(&mut fields, &before);
        changes = ChangeLog::changed(&draft::changes(&before, &fields));
    }
    let mut table = Table::load(&app.db, model, own.as_ref(), Some(form), user).await?;
    let is_table_valid = table.as_ref().is_none_or(|table| table.problems() == 0);
    let Some(mut draft) = draft.filter(|_| is_table_valid) else {
        return page(visit, model, before, fields, table).await;
    };
    draft.prepare(app).await?;

    // This locks the database for other writers, so a value that is unique stays unique until it is
    // stored.
    let mut db = app.db.begin_with("BEGIN IMMEDIATE").await?;
    let key = match draft.save(&mut db, own.as_ref()).await? {
        SaveOutcome::Saved(key) => key,
        SaveOutcome::Refused { field, error } => {
            drop(db);
            let mut fields_mut = fields.iter_mut();
            if let Some(field) = fields_mut.find(|other| other.name == field) {
                field.errors.push(error.to_owned());
            }
            return page(visit, model, before, fields, table).await;
        }
    };
    let is_saved = match &mut table {
        Some(table) => table.save(&mut db, &key, &mut changes).await?,
        None => true,
    };
    if !is_saved {
        drop(db);
        return page(visit, model, before, fields, table).await;
    }
    let record = record::load_title(&mut db, model, &key).await?;
    let action = match own {
        None => LogAction::Added,
        Some(_) => LogAction::Changed,
    };
    let records = std::slice::from_ref(&record);
    log::write(&mut db, user, model, records, action, &changes).await?;
    db.commit().await?;

    let session = visit.session().await?;
    let Model { singular, .. } = model;
    let done = action.word();
    visitor::add_message(
        &session,
        format!("The {singular} “{}” was {done}.", record.name),
    )?;
    // The form of a new user has only a name and a password. The next page has the other fields.
    let continues_editing =
        form.get("_continue").is_some() || model.kind == ModelKind::User && own.is_none();
    let may = |action| user.holds(&model.permission(action));
    Ok(redirect(&match form.get("_addanother") {
        Some(_) if may(Action::Add) => format!("{}add/", model.url()),
        _ if !may(Action::View) && !may(Action::Change) => index::PAGE.to_owned(),
        _ if continues_editing => model.url_of(&key, "change"),
        _ => model.url(),
    }))
}

async fn page(
    visit: &Visit,
    model: &'static Model,
    stored: Option<RecordValues>,
    fields: Vec<Field>,
    table: Option<Table>,
) -> Result<Response, PageError> {
    let user = visit.logged_in().await?;
    let may = |action| user.holds(&model.permission(action));
    let wrong = fields.iter().filter(|field| !field.errors.is_empty());
    let in_table = table.as_ref().map_or(0, Table::problems);
    let page = Edit {
        layout: Layout::of(visit).await?,
        problems: wrong.count() + in_table,
        may: Allowed {
            add: may(Action::Add),
            change: may(Action::Change) || stored.is_none(),
            delete: may(Action::Delete),
            view_sessions: model.kind == ModelKind::User && user.holds(sessions::VIEW),
        },
        model,
        record: stored.map(|RecordValues { key, name, .. }| RecordTitle { key, name }),
        sections: arrange(model, fields),
        table,
    };
    Ok(Html(page.render()?).into_response())
}

/// Arranges the fields in the sections of the model. Fields without a section come last.
fn arrange(model: &Model, mut fields: Vec<Field>) -> Vec<FilledSection> {
    let mut remove = |name: &str| {
        let at = fields.iter().position(|field| field.name == name)?;
        Some(fields.remove(at))
    };
    let mut sections = Vec::new();
    for section in model.sections {
        let row = |names: &&[&str]| names.iter().filter_map(|name| remove(name)).collect();
        let rows: Vec<Vec<Field>> = section.rows.iter().map(row).collect();
        sections.push(FilledSection {
            heading: section.heading,
            rows: rows.into_iter().filter(|row| !row.is_empty()).collect(),
        });
    }
    if !fields.is_empty() {
        sections.push(FilledSection {
            heading: None,
            rows: fields.into_iter().map(|field| vec![field]).collect(),
        });
    }
    sections.retain(|section| !section.rows.is_empty());
    sections
}

impl Edit {
    fn heading(&self) -> String {
        match &self.record {
            None => format!("Add {}", self.model.singular),
            Some(record) => record.name.clone(),
        }
    }

    /// Returns the URL of the record in the catalogue. Users and groups have none.
    fn public(&self) -> Option<String> {
        let key = &self.record.as_ref()?.key;
        let noun = match self.model.kind {
            ModelKind::Group | ModelKind::User => return None,
            _ => self.model.name,
        };
        Some(format!("/catalog/{noun}/{key}"))
    }

    fn password(&self) -> Option<String> {
        let record = self.record.as_ref()?;
        let is_user = self.model.kind == ModelKind::User && self.may.change;
        is_user.then(|| self.model.url_of(&record.key, "password"))
    }

    fn sessions(&self) -> Option<String> {
        let record = self.record.as_ref().filter(|_| self.may.view_sessions)?;
        Some(sessions::url_of(&record.name))
    }
}
