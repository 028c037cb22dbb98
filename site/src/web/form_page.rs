//! A page with one form, and a page that asks before it deletes.

use askama::Template;
use axum::response::Html;

use super::{
    error::PageError,
    fields::{Field, FieldKind, Fields},
    layout::Layout,
};

/// A page with one form.
#[derive(Template)]
#[template(path = "forms/page.html")]
pub(crate) struct FormPage {
    layout: Layout,
    heading: String,
    /// A sentence above the form.
    pub(crate) lead: String,
    fields: Vec<Field>,
    button: &'static str,
    /// Where a visitor goes who thinks better of it.
    pub(crate) back: Option<String>,
    pub(crate) next: Option<String>,
}

impl FormPage {
    pub(crate) fn new(
        layout: Layout,
        heading: impl Into<String>,
        fields: Fields<'_>,
        button: &'static str,
    ) -> Self {
        Self {
            layout,
            heading: heading.into(),
            lead: String::new(),
            fields: fields.into_inner(),
            button,
            back: None,
            next: None,
        }
    }

    pub(crate) fn back(mut self, to: impl Into<String>) -> Self {
        self.back = Some(to.into());
        self
    }

    pub(crate) fn lead(mut self, text: impl Into<String>) -> Self {
        self.lead = text.into();
        self
    }

    pub(crate) fn html(&self) -> Result<Html<String>, PageError> {
        Ok(Html(self.render()?))
    }

    fn problems(&self) -> usize {
        self.fields
            .iter()
            .filter(|field| !field.errors.is_empty())
            .count()
    }
}

/// A page that asks before it deletes a record, or lists the records that block it.
#[derive(Template)]
#[template(path = "forms/delete.html")]
pub(crate) struct DeletePage {
    pub(crate) layout: Layout,
    /// What kind of record: `author`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    /// The page of the record.
    pub(crate) back: String,
    /// What the records that must be deleted first are called: `books`.
    pub(crate) others: &'static str,
    /// Address and name of each of them.
    pub(crate) blockers: Vec<(String, String)>,
}

impl DeletePage {
    pub(crate) fn html(&self) -> Result<Html<String>, PageError> {
        Ok(Html(self.render()?))
    }
}
