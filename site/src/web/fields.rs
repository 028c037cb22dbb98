//! The fields of a form page: their values, validation, and how they are shown.
//!
//! One function describes a form. It runs for the first display and again for the submission:
//!
//! ```text
//! fn read(fields: &mut Fields) -> Option<Person> {
//!     let name = fields.line("name", "Name", 200);
//!     let born = fields.date("born", "Date of birth", (None, Some(date::today())));
//!     fields.help("For example 1775-12-16.");
//!     Some(Person { name: name?, born: born? })
//! }
//!
//! // GET: shows the values of a record. Nothing is validated.
//! let mut fields = Fields::initial(&stored);
//! read(&mut fields);
//! FormPage::new(layout, "Edit person", fields, "Save").html()
//!
//! // POST: `None` means that a field has an error. The page shows the values and the errors.
//! let mut fields = Fields::submitted(&form);
//! let Some(person) = read(&mut fields) else {
//!     return FormPage::new(layout, "Edit person", fields, "Save").html();
//! };
//! ```
//!
//! Every method that adds a field returns the field's value, or `None` if the value is not valid or
//! the form was not submitted. Use `?` on the values only after all fields were added, or the page
//! lacks the fields after the first error.

use jiff::civil::Date;

use super::form::Form;
use crate::date;

pub(crate) const REQUIRED: &str = "This field is required.";
const NULL_CHARACTERS: &str = "Null characters are not allowed.";
const INVALID_DATE: &str = "Enter a valid date.";
const UNAVAILABLE: &str = "Select a valid choice. That choice is not one of the available choices.";

/// A form that is read field by field. See the [module documentation](self) for an example.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    form: &'a Form,
    /// Whether a visitor submitted the form. If not, its values are shown but not validated.
    is_submitted: bool,
    fields: Vec<Field>,
}

/// A field as a page shows it.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) label: &'static str,
    pub(crate) kind: FieldKind,
    pub(crate) value: String,
    /// If `false`, the page marks the label as optional.
    pub(crate) is_required: bool,
    pub(crate) help: Option<&'static str>,
    pub(crate) errors: Vec<String>,
}

#[derive(Debug)]
pub(crate) enum FieldKind {
    /// A line of text. `input` and `autocomplete` are the attributes `type` and `autocomplete` of
    /// the HTML element.
    Line {
        input: &'static str,
        autocomplete: Option<&'static str>,
    },
    TextArea,
    Date {
        min: Option<Date>,
        max: Option<Date>,
    },
    Select {
        is_multiple: bool,
        choices: Vec<Choice>,
    },
    Checkbox {
        is_checked: bool,
    },
    /// A value that is shown but cannot be edited.
    Fixed,
}

/// A value that a select field offers.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) is_chosen: bool,
}

/// The wording of the error for a value that a select field does not offer. Django uses the
/// wordings `Unquoted` and `Quoted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvalidChoice {
    /// The error does not repeat the value.
    Unquoted,
    /// The error repeats the value. The error for an empty value is [`REQUIRED`].
    Quoted,
    /// The error repeats the value, even if it is empty.
    AlwaysQuoted,
}

/// The values that a select field offers, each with its label.
pub(crate) type Choices = Vec<(String, String)>;

impl<'a> Fields<'a> {
    /// Reads a form that a visitor submitted. Its values are validated.
    pub(crate) fn submitted(form: &'a Form) -> Self {
        Self::new(form, true)
    }

    /// Shows a form for the first time, with these values. The values are not validated.
    pub(crate) fn initial(values: &'a Form) -> Self {
        Self::new(values, false)
    }

    fn new(form: &'a Form, is_submitted: bool) -> Self {
        Self {
            form,
            is_submitted,
            fields: Vec::new(),
        }
    }

    /// Returns whether the form was submitted and no field has an error.
    pub(crate) fn are_valid(&self) -> bool {
        self.is_submitted && self.fields.iter().all(|field| field.errors.is_empty())
    }

    /// Returns the fields for the page to show.
    pub(crate) fn into_inner(self) -> Vec<Field> {
        self.fields
    }

    /// Adds a required line of text of at most `max` characters.
    pub(crate) fn line(
        &mut self,
        name: &'static str,
        label: &'static str,
        max: usize,
    ) -> Option<String> {
        let kind = FieldKind::Line {
            input: "text",
            autocomplete: None,
        };
        self.text(name, label, kind, max)
    }

    /// Adds a required text of several lines, of at most `max` characters.
    pub(crate) fn text_area(
        &mut self,
        name: &'static str,
        label: &'static str,
        max: usize,
    ) -> Option<String> {
        self.text(name, label, FieldKind::TextArea, max)
    }

    /// Adds a required text field of `kind`. The value is trimmed.
    pub(crate) fn text(
        &mut self,
        name: &'static str,
        label: &'static str,
        kind: FieldKind,
        max: usize,
    ) -> Option<String> {
        self.any_text(name, label, kind, max, true)
    }

    /// Adds a text field of `kind` that may be left empty. The value is trimmed.
    pub(crate) fn optional_text(
        &mut self,
        name: &'static str,
        label: &'static str,
        kind: FieldKind,
        max: usize,
    ) -> Option<String> {
        self.any_text(name, label, kind, max, false)
    }

    fn any_text(
        &mut self,
        name: &'static str,
        label: &'static str,
        kind: FieldKind,
        max: usize,
        is_required: bool,
    ) -> Option<String> {
        let value = self.value(name).trim().to_owned();
        let mut errors = Vec::new();
        let chars = value.chars().count();
        if value.is_empty() && is_required {
            errors.push(REQUIRED.to_owned());
        }
        if chars > max {
            errors.push(format!(
                "Ensure this value has at most {max} characters (it has {chars})."
            ));
        }
        if value.contains('\0') {
            errors.push(NULL_CHARACTERS.to_owned());
        }
        self.push(name, label, kind, value.clone(), is_required, errors)
            .then_some(value)
    }

    /// Adds a checkbox. Returns whether it is checked.
    pub(crate) fn checkbox(&mut self, name: &'static str, label: &'static str) -> bool {
        let is_checked = !self.value(name).is_empty();
        let kind = FieldKind::Checkbox { is_checked };
        self.push(name, label, kind, String::new(), true, Vec::new());
        is_checked
    }

    /// Adds a field that shows `value` and cannot be edited.
    pub(crate) fn fixed(&mut self, name: &'static str, label: &'static str, value: String) {
        self.push(name, label, FieldKind::Fixed, value, true, Vec::new());
    }

    /// Adds a required password field. The value is not trimmed, and the page never shows it.
    pub(crate) fn password(
        &mut self,
        name: &'static str,
        label: &'static str,
        autocomplete: &'static str,
    ) -> Option<String> {
        let value = self.value(name).to_owned();
        let mut errors = Vec::new();
        if value.is_empty() {
            errors.push(REQUIRED.to_owned());
        }
        if value.contains('\0') {
            errors.push(NULL_CHARACTERS.to_owned());
        }
        let kind = FieldKind::Line {
            input: "password",
            autocomplete: Some(autocomplete),
        };
        self.push(name, label, kind, String::new(), true, errors)
            .then_some(value)
    }

    /// Adds a date field. Returns `Some(None)` if it is left empty.
    ///
    /// `min` and `max` only limit the browser's calendar. Dates beyond them are accepted unless
    /// the caller refuses them.
    pub(crate) fn date(
        &mut self,
        name: &'static str,
        label: &'static str,
        (min, max): (Option<Date>, Option<Date>),
    ) -> Option<Option<Date>> {
        let typed = self.value(name);
        let date = date::parse(typed);
        let is_empty = typed.is_empty();
        // A date input of HTML accepts only the format `2026-11-26`.
        let shown = date.map_or_else(|| typed.to_owned(), |date| date.to_string());
        let errors = match date {
            None if !is_empty => vec![INVALID_DATE.to_owned()],
            _ => Vec::new(),
        };
        self.push(
            name,
            label,
            FieldKind::Date { min, max },
            shown,
            false,
            errors,
        )
        .then_some(date)
    }

    /// Adds a select field for one of `choices`. Returns `Some(None)` for the empty choice.
    ///
    /// `empty_label` is the label of the empty choice. Without this label, the visitor must select
    /// one of `choices`.
    pub(crate) fn choice(
        &mut self,
        name: &'static str,
        label: &'static str,
        choices: Choices,
        empty_label: Option<&str>,
        refusal: InvalidChoice,
    ) -> Option<Option<String>> {
        let value = self.value(name).to_owned();
        let is_known = choices.iter().any(|(known, _)| *known == value);
        let errors = match () {
            () if value.is_empty() && empty_label.is_some() || is_known => Vec::new(),
            () if value.is_empty() && refusal != InvalidChoice::AlwaysQuoted => {
                vec![REQUIRED.to_owned()]
            }
            () => vec![refused(&value, refusal)],
        };
        let mut shown = Vec::new();
        // Without an empty option, browsers would preselect the first choice.
        if let Some(empty) = empty_label.or_else(|| (!is_known).then_some("Choose one")) {
            shown.push((String::new(), empty.to_owned()));
        }
        shown.extend(choices);
        let is_chosen = |candidate: &str| candidate == value;
        let kind = select(shown, false, is_chosen);
        let is_required = empty_label.is_none();
        self.push(name, label, kind, value.clone(), is_required, errors)
            .then(|| Some(value).filter(|value| !value.is_empty()))
    }

    /// Adds a select field for one or more of `choices`.
    pub(crate) fn choices(
        &mut self,
        name: &'static str,
        label: &'static str,
        choices: Choices,
    ) -> Option<Vec<String>> {
        self.any_choices(name, label, choices, true)
    }

    /// Adds a select field for any number of `choices`.
    pub(crate) fn optional_choices(
        &mut self,
        name: &'static str,
        label: &'static str,
        choices: Choices,
    ) -> Option<Vec<String>> {
        self.any_choices(name, label, choices, false)
    }

    fn any_choices(
        &mut self,
        name: &'static str,
        label: &'static str,
        choices: Choices,
        is_required: bool,
    ) -> Option<Vec<String>> {
        let mut values: Vec<String> = Vec::new();
        for value in self.form.all(name) {
            if !value.is_empty() && !values.iter().any(|other| other == value) {
                values.push(value.to_owned());
            }
        }
        let unknown = values
            .iter()
            .find(|value| !choices.iter().any(|(known, _)| known == *value));
        let errors = match unknown {
            _ if values.is_empty() && is_required => vec![REQUIRED.to_owned()],
            Some(unknown) => vec![refused(unknown, InvalidChoice::Quoted)],
            None => Vec::new(),
        };
        let kind = select(choices, true, |candidate| {
            values.iter().any(|value| value == candidate)
        });
        self.push(name, label, kind, String::new(), is_required, errors)
            .then_some(values)
    }

    /// Adds a help text to the last field.
    pub(crate) fn help(&mut self, text: &'static str) {
        if let Some(field) = self.fields.last_mut() {
            field.help = Some(text);
        }
    }

    /// Makes the last field required.
    pub(crate) fn require(&mut self) {
        let is_submitted = self.is_submitted;
        if let Some(field) = self.fields.last_mut() {
            field.is_required = true;
            if is_submitted && field.value.is_empty() && field.errors.is_empty() {
                field.errors.push(REQUIRED.to_owned());
            }
        }
    }

    /// Adds an error to the field `name`.
    pub(crate) fn error(&mut self, name: &str, message: impl Into<String>) {
        if let Some(field) = self.fields.iter_mut().find(|field| field.name == name) {
            field.errors.push(message.into());
        }
    }

    /// Returns the raw value of the field `name`, or an empty text if the form does not have it.
    pub(crate) fn value(&self, name: &str) -> &'a str {
        self.form.get(name).unwrap_or_default()
    }

    /// Adds a field. Returns whether the form was submitted and the value is valid.
    fn push(
        &mut self,
        name: &'static str,
        label: &'static str,
        kind: FieldKind,
        value: String,
        is_required: bool,
        errors: Vec<String>,
    ) -> bool {
        let errors = if self.is_submitted {
            errors
        } else {
            Vec::new()
        };
        let is_valid = self.is_submitted && errors.is_empty();
        self.fields.push(Field {
            name: name.to_owned(),
            label,
            kind,
            value,
            is_required,
            help: None,
            errors,
        });
        is_valid
    }
}

impl Field {
    /// Returns the value as text. For a select field, returns the labels of the chosen values.
    pub(crate) fn in_words(&self) -> String {
        match &self.kind {
            FieldKind::Checkbox { is_checked: true } => "Yes".to_owned(),
            FieldKind::Checkbox { is_checked: false } => "No".to_owned(),
            FieldKind::Date { .. } => date::display(&self.value),
            FieldKind::Select { choices, .. } => {
                let chosen = choices.iter().filter(|choice| choice.is_chosen);
                let labels: Vec<_> = chosen.map(|choice| choice.label.as_str()).collect();
                labels.join(", ")
            }
            FieldKind::Line { .. } | FieldKind::TextArea | FieldKind::Fixed => self.value.clone(),
        }
    }

    /// Returns whether both fields have the same value. Ignores differences in line endings, since
    /// browsers submit CRLF for every line break.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        let plain = |field: &Self| field.value.replace("\r\n", "\n").trim().to_owned();
        plain(self) == plain(other) && self.in_words() == other.in_words()
    }
}

fn refused(value: &str, refusal: InvalidChoice) -> String {
    match refusal {
        InvalidChoice::Unquoted => UNAVAILABLE.to_owned(),
        InvalidChoice::Quoted | InvalidChoice::AlwaysQuoted => {
            format!("Select a valid choice. {value} is not one of the available choices.")
        }
    }
}

fn select(choices: Choices, is_multiple: bool, is_chosen: impl Fn(&str) -> bool) -> FieldKind {
    let to_choice = |(value, label): (String, String)| Choice {
        is_chosen: is_chosen(&value),
        value,
        label,
    };
    FieldKind::Select {
        is_multiple,
        choices: choices.into_iter().map(to_choice).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors_of_name(value: &str) -> Vec<String> {
        let form: Form = [("name", value)].into_iter().collect();
        let mut fields = Fields::submitted(&form);
        fields.line("name", "Name", 5);
        fields.into_inner().remove(0).errors
    }

    #[test]
    fn a_line_is_trimmed_and_its_characters_are_counted() {
        assert_eq!(errors_of_name(" ééééé "), [""; 0]);
        assert_eq!(
            errors_of_name("éééééé"),
            ["Ensure this value has at most 5 characters (it has 6)."]
        );
        assert_eq!(errors_of_name(" \t"), [REQUIRED]);
        assert_eq!(errors_of_name("a\0"), [NULL_CHARACTERS]);
    }

    #[test]
    fn an_initial_form_is_not_validated() {
        let form = Form::default();
        let mut fields = Fields::initial(&form);
        assert_eq!(fields.line("name", "Name", 5), None);
        assert!(!fields.are_valid());
        assert_eq!(fields.into_inner()[0].errors, [""; 0]);
    }
}
