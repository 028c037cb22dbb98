use askama::Template;
use axum::{extract::State, response::Html, routing::MethodRouter};

use super::record::NamedRecord;
use crate::{
    books::{BookCard, CardRow},
    state::AppState,
    web::{
        error::PageError,
        layout::Layout,
        methods::read,
        paging::{Paging, RequestedPage},
        record_id::RecordId,
    },
};

#[derive(Template)]
#[template(path = "named/detail.html")]
struct Detail {
    layout: Layout,
    kind: &'static str,
    plural: &'static str,
    id: i64,
    name: String,
    paging: Paging,
    books: Vec<BookCard>,
    may_update: bool,
    may_delete: bool,
}

impl NamedRecord {
    /// Routes the page of a record.
    pub(crate) fn detail_route(&'static self) -> MethodRouter<AppState> {
        read(
            |app: State<AppState>, record: RecordId, layout: Layout, asked: RequestedPage| {
                self.show_detail(app, record, layout, asked)
            },
        )
    }

    /// The page of a record, with its books ordered by title.
    async fn show_detail(
        &self,
        State(app): State<AppState>,
        RecordId(id): RecordId,
        layout: Layout,
        asked: RequestedPage,
    ) -> Result<Html<String>, PageError> {
        let name = self.name(&app.db, id).await?;
        let total = sqlx::query_scalar(self.book_count).bind(id);
        let total = total.fetch_one(&app.db).await?;
        let paging = Paging::new(asked, total, layout.per_page())?;
        let rows = sqlx::query_as::<_, CardRow>(self.book_list);
        let rows = rows.bind(id).bind(paging.limit()).bind(paging.offset());
        let rows = rows.fetch_all(&app.db).await?;
        let (change, delete) = self.permissions;
        let page = Detail {
            kind: self.kind,
            plural: self.plural,
            id,
            name,
            paging,
            may_update: layout.may(change),
            may_delete: layout.may(delete) && rows.is_empty(),
            books: rows.into_iter().map(BookCard::from).collect(),
            layout,
        };
        Ok(Html(page.render()?))
    }
}
