use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use cloakroom_django::auth::Verdict;

use super::{new_password, sessions};
use crate::web::{
    error::{PageError, redirect},
    fields::Fields,
    form::Form,
    form_page::FormPage,
    layout::Layout,
    visit::Visit,
};

const WRONG: &str = "Your old password was entered incorrectly. Please enter it again.";

#[derive(Template)]
#[template(path = "accounts/password_changed.html")]
struct Changed {
    layout: Layout,
}

/// The page that changes the password of the user.
pub(crate) async fn show(visit: Visit, layout: Layout) -> Result<Response, PageError> {
    let form = Form::default();
    let mut fields = Fields::initial(&form);
    fields.password("old_password", "Old password", "current-password");
    new_password::read(&mut fields, visit.logged_in().await?);
    page(layout, fields)
}

/// Changes the password. This session gets a new key, and all other sessions of the user end.
pub(crate) async fn change(visit: Visit, form: Form) -> Result<Response, PageError> {
    let app = visit.app();
    let user = visit.logged_in().await?;
    let mut fields = Fields::submitted(&form);
    let old = fields.password("old_password", "Old password", "current-password");
    if let Some(old) = &old {
        let encoded = Some(user.password.clone());
        if app.hashing.verify(old.clone(), encoded).await? == Verdict::Wrong {
            fields.error("old_password", WRONG);
        }
    }
    let Some(new) = new_password::read(&mut fields, user) else {
        return page(Layout::of(&visit).await?, fields);
    };

    let encoded = app.hashing.encode(new).await?;
    if !user.replace_password(&app.db, &encoded).await? {
        fields.error("old_password", WRONG);
        return page(Layout::of(&visit).await?, fields);
    }
    let session = visit.session().await?;
    app.auth.password_changed(&session, &encoded)?;
    sessions::end_others(&visit).await?;
    Ok(redirect("/accounts/password_change/done/"))
}

/// The page that confirms the change.
pub(crate) async fn done(layout: Layout) -> Result<Html<String>, PageError> {
    Ok(Html(Changed { layout }.render()?))
}

fn page(layout: Layout, fields: Fields<'_>) -> Result<Response, PageError> {
    let page = FormPage::new(layout, "Change your password", fields, "Change password");
    let page = page.lead("You will be logged out in all other browsers.");
    Ok(page.html()?.into_response())
}
