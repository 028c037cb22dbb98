use askama::Template;
use axum::{extract::State, response::Html, routing::MethodRouter};

use super::record::NamedRecord;
use crate::{
    state::AppState,
    web::{
        error::PageError,
        layout::Layout,
        methods::read,
        paging::{Paging, RequestedPage},
    },
};

#[derive(Template)]
#[template(path = "named/list.html")]
struct List {
    layout: Layout,
    kind: &'static str,
    plural: &'static str,
    paging: Paging,
    records: Vec<(i64, String)>,
}

impl NamedRecord {
    /// Routes the list of all records.
    pub(crate) fn list_route(&'static self) -> MethodRouter<AppState> {
        read(
            |app: State<AppState>, layout: Layout, asked: RequestedPage| {
                self.show_list(app, layout, asked)
            },
        )
    }

    /// The page with all records, ordered by name.
    async fn show_list(
        &self,
        State(app): State<AppState>,
        layout: Layout,
        asked: RequestedPage,
    ) -> Result<Html<String>, PageError> {
        let total = sqlx::query_scalar(self.count).fetch_one(&app.db).await?;
        let paging = Paging::new(asked, total, layout.per_page())?;
        let records = sqlx::query_as(self.list);
        let records = records.bind(paging.limit()).bind(paging.offset());
        let page = List {
            layout,
            kind: self.kind,
            plural: self.plural,
            paging,
            records: records.fetch_all(&app.db).await?,
        };
        Ok(Html(page.render()?))
    }
}
