use axum::{extract::RawPathParams, response::Response};

use crate::{
    visitor,
    web::{
        error::{PageError, redirect},
        form::Form,
        layout::Layout,
        visit::Visit,
    },
};

/// Dismisses a notice. The notice about overdue copies is shown again when another copy becomes
/// overdue.
pub(crate) async fn dismiss(
    visit: Visit,
    params: RawPathParams,
    form: Form,
) -> Result<Response, PageError> {
    let slug = params.iter().next().map_or("", |(_, slug)| slug);
    match slug {
        visitor::WELCOME => visitor::dismiss_welcome(&visit.session().await?)?,
        visitor::OVERDUE => {
            let overdue = Layout::of(&visit).await?.into_overdue();
            visitor::dismiss_overdue(&visit.session().await?, overdue)?;
        }
        _ => return Err(PageError::NotFound),
    }
    Ok(redirect(&visit.safe_next(form.get("next"), "/catalog/")))
}
