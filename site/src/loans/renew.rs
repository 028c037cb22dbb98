use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use jiff::{ToSpan, civil::Date};

use super::not_on_loan::NOT_ON_LOAN;
use crate::{
    copies::{Availability, CopyId},
    date, visitor,
    web::{
        error::{PageError, redirect},
        fields::{Field, FieldKind, Fields},
        form::Form,
        layout::Layout,
        visit::Visit,
    },
};

const IN_THE_PAST: &str = "Invalid date - renewal in past";
const TOO_FAR: &str = "Invalid date - renewal more than 4 weeks ahead";

const DEFAULT_WEEKS: i32 = 3;
const MAX_WEEKS: i32 = 4;

const LOAN: &str = "\
    SELECT b.title, u.username, c.status, c.due_back FROM catalog_bookinstance c \
    LEFT JOIN catalog_book b ON b.id = c.book_id \
    LEFT JOIN auth_user u ON u.id = c.borrower_id \
    WHERE c.id = ?";

// Changes nothing if the copy was returned since the page was loaded.
const RENEW: &str = "UPDATE catalog_bookinstance SET due_back = ? WHERE id = ? AND status = 'o'";

#[derive(Template)]
#[template(path = "loans/renew.html")]
struct Renewal {
    layout: Layout,
    copy: CopyId,
    loan: Loan,
    fields: Vec<Field>,
}

struct Loan {
    title: String,
    borrower: String,
    availability: Availability,
}

/// The page with the form for a new due date.
pub(crate) async fn show(
    visit: Visit,
    copy: CopyId,
    layout: Layout,
) -> Result<Response, PageError> {
    let loan = load(&visit, &copy).await?;
    let today = date::today();
    let default = today.saturating_add(DEFAULT_WEEKS.weeks());
    let form = [("renewal_date", default.to_string())]
        .into_iter()
        .collect();
    let mut fields = Fields::initial(&form);
    read(&mut fields, today);
    page(layout, copy, loan, fields)
}

/// Sets a new due date. Nothing else changes.
pub(crate) async fn renew(visit: Visit, copy: CopyId, form: Form) -> Result<Response, PageError> {
    let loan = load(&visit, &copy).await?;
    let mut fields = Fields::submitted(&form);
    let Some(due_back) = read(&mut fields, date::today()) else {
        return page(Layout::of(&visit).await?, copy, loan, fields);
    };
    let renew = sqlx::query(RENEW).bind(due_back.to_string());
    let renew = renew
        .bind(copy.as_stored())
        .execute(&visit.app().db)
        .await?;
    if renew.rows_affected() == 0 {
        return Err(NOT_ON_LOAN);
    }
    let due_back = date::display(&due_back.to_string());
    let session = visit.session().await?;
    visitor::add_message(
        &session,
        format!("{} was renewed: it is due on {due_back}.", loan.title),
    )?;
    Ok(redirect("/catalog/borrowed/"))
}

fn read(fields: &mut Fields<'_>, today: Date) -> Option<Date> {
    let last = today.saturating_add(MAX_WEEKS.weeks());
    let date = fields.date("renewal_date", "Renewal date", (Some(today), Some(last)));
    fields.require();
    fields.help("Enter a date between now and 4 weeks (default 3).");
    let date = date.flatten()?;
    if date < today {
        fields.error("renewal_date", IN_THE_PAST);
    }
    if date > last {
        fields.error("renewal_date", TOO_FAR);
    }
    fields.are_valid().then_some(date)
}

async fn load(visit: &Visit, copy: &CopyId) -> Result<Loan, PageError> {
    type Row = (Option<String>, Option<String>, String, Option<String>);
    let row: Option<Row> = sqlx::query_as(LOAN)
        .bind(copy.as_stored())
        .fetch_optional(&visit.app().db)
        .await?;
    let (title, borrower, status, due) = row.ok_or(PageError::NotFound)?;
    let availability = Availability::new(&status, due, date::today());
    if !availability.is_on_loan {
        return Err(NOT_ON_LOAN);
    }
    Ok(Loan {
        title: title.unwrap_or_else(|| "Unknown book".to_owned()),
        borrower: borrower.unwrap_or_else(|| "unknown".to_owned()),
        availability,
    })
}

fn page(
    layout: Layout,
    copy: CopyId,
    loan: Loan,
    fields: Fields<'_>,
) -> Result<Response, PageError> {
    let page = Renewal {
        layout,
        copy,
        loan,
        fields: fields.into_inner(),
    };
    Ok(Html(page.render()?).into_response())
}
