use askama::Template;
use axum::{extract::State, response::Html};

use super::{availability::Availability, id::CopyId};
use crate::{
    date, language_tag,
    state::AppState,
    users::Permission::MarkReturned,
    web::{
        error::PageError,
        layout::Layout,
        paging::{Paging, RequestedPage},
    },
};

const COUNT: &str = "SELECT COUNT(*) FROM catalog_bookinstance";

const PAGE: &str = "\
    SELECT c.id, b.title, l.name, c.status, c.due_back, u.username FROM catalog_bookinstance c \
    LEFT JOIN catalog_book b ON b.id = c.book_id \
    LEFT JOIN auth_user u ON u.id = c.borrower_id \
    LEFT JOIN catalog_language l ON l.id = b.language_id \
    ORDER BY c.due_back IS NOT NULL, c.due_back, c.id LIMIT ? OFFSET ?";

type CopyRow = (
    String,
    Option<String>,
    Option<String>,
    String,
    Option<String>,
    Option<String>,
);

#[derive(Template)]
#[template(path = "copies/list.html")]
struct Copies {
    layout: Layout,
    paging: Paging,
    copies: Vec<Copy>,
}

struct Copy {
    id: CopyId,
    title: String,
    lang: Option<&'static str>,
    availability: Availability,
    /// `None` for visitors who may not see borrowers.
    borrower: Option<String>,
}

/// The page with all copies, ordered by due date. Copies without a due date come first.
pub(crate) async fn list(
    State(app): State<AppState>,
    layout: Layout,
    asked: RequestedPage,
) -> Result<Html<String>, PageError> {
    let total = sqlx::query_scalar(COUNT).fetch_one(&app.db).await?;
    let paging = Paging::new(asked, total, layout.per_page())?;
    let rows = sqlx::query_as::<_, CopyRow>(PAGE)
        .bind(paging.limit())
        .bind(paging.offset());
    let today = date::today();
    let may_know = layout.may(MarkReturned);
    let to_copy = |(id, title, language, status, due, borrower): CopyRow| {
        let availability = Availability::new(&status, due, today);
        Copy {
            id: CopyId::stored(id),
            title: title.unwrap_or_else(|| "Unknown book".to_owned()),
            lang: language_tag::of_language(language.as_deref()),
            borrower: borrower.filter(|_| may_know && availability.is_on_loan),
            availability,
        }
    };
    let copies = rows
        .fetch_all(&app.db)
        .await?
        .into_iter()
        .map(to_copy)
        .collect();
    Ok(Html(
        Copies {
            layout,
            paging,
            copies,
        }
        .render()?,
    ))
}
