use axum::{
    extract::RawQuery,
    response::{IntoResponse, Response},
};

use crate::{
    visitor::{self, PER_PAGE_CHOICES, Scheme},
    web::{
        error::{PageError, redirect},
        fields::{Choices, Fields, InvalidChoice},
        form::Form,
        form_page::FormPage,
        layout::Layout,
        visit::Visit,
    },
};

const PAGE: &str = "/catalog/preferences/";

/// What a visitor has submitted with the preferences form, after validation.
struct Preferences {
    per_page: u64,
    scheme: Option<Scheme>,
}

/// The page with the preferences form. The query parameter `next` is the page to which the visitor
/// returns after saving.
pub(crate) async fn show(layout: Layout, RawQuery(query): RawQuery) -> Result<Response, PageError> {
    let form = [
        ("per_page", layout.per_page().to_string()),
        (
            "colour_scheme",
            layout.scheme().map_or("", Scheme::name).to_owned(),
        ),
    ];
    let form = form.into_iter().collect();
    let mut fields = Fields::initial(&form);
    read(&mut fields);
    let query = query.unwrap_or_default();
    let next = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "next");
    page(layout, fields, next.map(|(_, next)| next.into_owned()))
}

/// Stores the submitted preferences in the session and redirects to `next`. If a value is not
/// valid, shows the form again.
pub(crate) async fn save(visit: Visit, form: Form) -> Result<Response, PageError> {
    let mut fields = Fields::submitted(&form);
    let Some(preferences) = read(&mut fields) else {
        let next = form.get("next").map(str::to_owned);
        return page(Layout::of(&visit).await?, fields, next);
    };
    let session = visit.session().await?;
    visitor::set_per_page(&session, preferences.per_page)?;
    // If the form lacks this field, the colour scheme stays unchanged.
    if form.get("colour_scheme").is_some() {
        visitor::set_scheme(&session, preferences.scheme)?;
    }
    visitor::add_message(&session, "Your preferences were saved.")?;
    Ok(redirect(&visit.safe_next(form.get("next"), PAGE)))
}

fn read(fields: &mut Fields<'_>) -> Option<Preferences> {
    let results = PER_PAGE_CHOICES.map(|n| (n.to_string(), n.to_string()));
    let per_page = fields.choice(
        "per_page",
        "Results per page",
        results.to_vec(),
        None,
        InvalidChoice::AlwaysQuoted,
    );
    let schemes: Choices = [(Scheme::Light, "Light"), (Scheme::Dark, "Dark")]
        .map(|(scheme, label)| (scheme.name().to_owned(), label.to_owned()))
        .to_vec();
    let as_system = Some("Same as the device");
    let scheme = fields.choice(
        "colour_scheme",
        "Colours",
        schemes,
        as_system,
        InvalidChoice::Quoted,
    );
    let preferences = Preferences {
        per_page: per_page??.parse().ok()?,
        scheme: scheme?.as_deref().and_then(Scheme::named),
    };
    fields.are_valid().then_some(preferences)
}

fn page(layout: Layout, fields: Fields<'_>, next: Option<String>) -> Result<Response, PageError> {
    let mut page = FormPage::new(layout, "Preferences", fields, "Save preferences");
    page.lead = "These settings are stored for this browser.".to_owned();
    page.next = next;
    Ok(page.html()?.into_response())
}
