use askama::Template;
use axum::{extract::State, response::Html};

use crate::{
    copies::{Availability, CopyId},
    date, language_tag,
    state::AppState,
    web::{
        error::PageError,
        layout::Layout,
        paging::{Paging, RequestedPage},
    },
};

const COUNT: &str = "SELECT COUNT(*) FROM catalog_bookinstance WHERE status = 'o'";

const PAGE: &str = "\
    SELECT c.id, b.id, b.title, l.name, c.status, c.due_back, u.username \
    FROM catalog_bookinstance c \
    LEFT JOIN catalog_book b ON b.id = c.book_id \
    LEFT JOIN catalog_language l ON l.id = b.language_id \
    LEFT JOIN auth_user u ON u.id = c.borrower_id \
    WHERE c.status = 'o' \
    ORDER BY c.due_back IS NOT NULL, c.due_back, c.id LIMIT ? OFFSET ?";

type LoanRow = (
    String,
    Option<i64>,
    Option<String>,
    Option<String>,
    String,
    Option<String>,
    Option<String>,
);

#[derive(Template)]
#[template(path = "loans/all.html")]
struct All {
    layout: Layout,
    paging: Paging,
    loans: Vec<Loan>,
}

struct Loan {
    copy: CopyId,
    book: Option<i64>,
    title: String,
    lang: Option<&'static str>,
    availability: Availability,
    borrower: String,
}

/// The page with all loans, ordered by due date.
pub(crate) async fn all(
    State(app): State<AppState>,
    layout: Layout,
    asked: RequestedPage,
) -> Result<Html<String>, PageError> {
    let total = sqlx::query_scalar(COUNT).fetch_one(&app.db).await?;
    let paging = Paging::new(asked, total, layout.per_page())?;
    let rows = sqlx::query_as::<_, LoanRow>(PAGE)
        .bind(paging.limit())
        .bind(paging.offset());
    let today = date::today();
    let to_loan = |(copy, book, title, language, status, due, borrower): LoanRow| Loan {
        copy: CopyId::stored(copy),
        book,
        title: title.unwrap_or_else(|| "Unknown book".to_owned()),
        lang: language_tag::of_language(language.as_deref()),
        availability: Availability::new(&status, due, today),
        borrower: borrower.unwrap_or_else(|| "borrower unknown".to_owned()),
    };
    let loans = rows
        .fetch_all(&app.db)
        .await?
        .into_iter()
        .map(to_loan)
        .collect();
    let page = All {
        layout,
        paging,
        loans,
    };
    Ok(Html(page.render()?))
}
