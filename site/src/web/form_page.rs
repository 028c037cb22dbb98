//! The page with one form, and the confirmation page of a deletion.

use askama::Template;
use axum::response::Html;

use super::{
    error::PageError,
    fields::{Field, FieldKind, Fields},
    layout::Layout,
};

/// A page with one form. See [`fields`](super::fields) for an example.
#[derive(Template)]
#[template(path = "forms/page.html")]
pub(crate) struct FormPage {
    layout: Layout,
    heading: String,
    /// The text above the form.
    pub(crate) lead: String,
    fields: Vec<Field>,
    button: &'static str,
    /// The target of the link "Cancel".
    pub(crate) back: Option<String>,
    /// The value of the hidden field `next`: the page to go to after the form.
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

/// The page that asks for confirmation before a record is deleted. If other records block the
/// deletion, the page lists those records and asks nothing.
#[derive(Template)]
#[template(path = "forms/delete.html")]
pub(crate) struct DeletePage {
    pub(crate) layout: Layout,
    /// The kind of record, such as `author`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    /// The URL of the record.
    pub(crate) back: String,
    /// The plural noun for the blocking records, such as `books`.
    pub(crate) others: &'static str,
    /// The URL and name of each blocking record.
    pub(crate) blockers: Vec<(String, String)>,
}

impl DeletePage {
    pub(crate) fn html(&self) -> Result<Html<String>, PageError> {
        Ok(Html(self.render()?))
    }
}
