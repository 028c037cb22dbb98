use askama::Template;
use axum::response::Html;

use crate::{
    copies::Availability,
    date, language_tag,
    web::{
        error::PageError,
        layout::Layout,
        paging::{Paging, RequestedPage},
        visit::Visit,
    },
};

const COUNT: &str =
    "SELECT COUNT(*) FROM catalog_bookinstance WHERE borrower_id = ? AND status = 'o'";

const PAGE: &str = "\
    SELECT b.id, b.title, l.name, c.status, c.due_back FROM catalog_bookinstance c \
    LEFT JOIN catalog_book b ON b.id = c.book_id \
    LEFT JOIN catalog_language l ON l.id = b.language_id \
    WHERE c.borrower_id = ? AND c.status = 'o' \
    ORDER BY c.due_back IS NOT NULL, c.due_back, c.id LIMIT ? OFFSET ?";

type LoanRow = (
    Option<i64>,
    Option<String>,
    Option<String>,
    String,
    Option<String>,
);

#[derive(Template)]
#[template(path = "loans/mine.html")]
struct Mine {
    layout: Layout,
    paging: Paging,
    loans: Vec<Loan>,
}

struct Loan {
    book: Option<i64>,
    title: String,
    lang: Option<&'static str>,
    availability: Availability,
}

/// The page with the user's loans, ordered by due date.
pub(crate) async fn mine(
    visit: Visit,
    layout: Layout,
    asked: RequestedPage,
) -> Result<Html<String>, PageError> {
    let db = &visit.app().db;
    let user = visit.logged_in().await?.id;
    let total = sqlx::query_scalar(COUNT).bind(user).fetch_one(db).await?;
    let paging = Paging::new(asked, total, layout.per_page())?;
    let rows = sqlx::query_as::<_, LoanRow>(PAGE).bind(user);
    let rows = rows.bind(paging.limit()).bind(paging.offset());
    let today = date::today();
    let to_loan = |(book, title, language, status, due): LoanRow| Loan {
        book,
        title: title.unwrap_or_else(|| "Unknown book".to_owned()),
        lang: language_tag::of_language(language.as_deref()),
        availability: Availability::new(&status, due, today),
    };
    let loans = rows.fetch_all(db).await?.into_iter().map(to_loan).collect();
    let page = Mine {
        layout,
        paging,
        loans,
    };
    Ok(Html(page.render()?))
}
