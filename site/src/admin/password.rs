use axum::response::{IntoResponse, Response};

use super::{
    guard::require_action,
    log::{self, ChangeLog, LogAction},
    model::{Action, ModelKind, RecordKey},
    models,
    record::RecordTitle,
};
use crate::{
    accounts::{self, UserAttributes},
    users::User,
    visitor,
    web::{
        error::{PageError, redirect},
        fields::Fields,
        form::Form,
        form_page::FormPage,
        layout::Layout,
        record_id::RecordId,
        visit::Visit,
    },
};

const SET: &str = "UPDATE auth_user SET password = ? WHERE id = ?";

/// The page that sets the password of a user.
pub(crate) async fn show(
    visit: Visit,
    RecordId(id): RecordId,
    layout: Layout,
) -> Result<Response, PageError> {
    let account = find(&visit, id).await?;
    let form = Form::default();
    let mut fields = Fields::initial(&form);
    read(&mut fields, &account);
    page(layout, &account, fields)
}

/// Sets the password of a user and ends all sessions of that user. If users set their own password,
/// the session of this browser stays.
pub(crate) async fn set(
    visit: Visit,
    RecordId(id): RecordId,
    form: Form,
) -> Result<Response, PageError> {
    let account = find(&visit, id).await?;
    let app = visit.app();
    let mut fields = Fields::submitted(&form);
    let Some(new) = read(&mut fields, &account) else {
        return page(Layout::of(&visit).await?, &account, fields);
    };
    let encoded = app.hashing.encode(new).await?;
    let user = visit.logged_in().await?;
    let model = models::of_kind(ModelKind::User);
    let record = RecordTitle {
        key: RecordKey::Number(id),
        name: account.username.clone(),
    };
    let mut db = app.db.begin_with("BEGIN IMMEDIATE").await?;
    let update = sqlx::query(SET).bind(&encoded).bind(id);
    if update.execute(&mut *db).await?.rows_affected() == 0 {
        return Err(PageError::NotFound);
    }
    let changes = ChangeLog::changed(&["Password"]);
    let records = std::slice::from_ref(&record);
    log::write(&mut db, user, model, records, LogAction::Changed, &changes).await?;
    db.commit().await?;

    let session = visit.session().await?;
    if id == user.id {
        app.auth.password_changed(&session, &encoded)?;
        accounts::sessions::end_others(&visit).await?;
    } else {
        accounts::sessions::end_all(&visit, id).await?;
    }
    visitor::add_message(
        &session,
        format!("The password of “{}” was changed.", account.username),
    )?;
    Ok(redirect(&model.url_of(&record.key, "change")))
}

/// Loads the user whose password is to be set. Fails if the visitor may not set this password.
async fn find(visit: &Visit, id: i64) -> Result<User, PageError> {
    let user = require_action(visit, models::of_kind(ModelKind::User), &[Action::Change]).await?;
    let account = User::by_id(&visit.app().db, id).await?;
    let account = account.ok_or(PageError::NotFound)?;
    // A user who may change accounts must not take over an account with more rights.
    match account.is_superuser() && !user.is_superuser() {
        true => Err(PageError::Forbidden),
        false => Ok(account),
    }
}

fn read(fields: &mut Fields<'_>, account: &User) -> Option<String> {
    accounts::read_new_password(
        fields,
        ["password1", "password2"],
        &UserAttributes::from(account),
    )
}

fn page(layout: Layout, account: &User, fields: Fields<'_>) -> Result<Response, PageError> {
    let heading = format!("Set the password of {}", account.username);
    let page = FormPage::new(layout, heading, fields, "Set password");
    let page = page
        .lead("This user will be logged out in all browsers.")
        .back(format!("/admin/auth/user/{}/change/", account.id));
    Ok(page.html()?.into_response())
}
