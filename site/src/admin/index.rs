use askama::Template;
use axum::{extract::RawPathParams, response::Html};

use super::{
    log::{self, LogAction},
    model::Action,
    models, sessions,
};
use crate::{
    date,
    users::User,
    web::{error::PageError, layout::Layout, visit::Visit},
};

pub(super) const PAGE: &str = "/admin/";

const RECENT: &str = "\
    SELECT l.action_flag, l.object_id, l.object_repr, t.app_label, t.model, l.action_time \
    FROM django_admin_log l \
    LEFT JOIN django_content_type t ON t.id = l.content_type_id \
    WHERE l.user_id = ? ORDER BY l.action_time DESC, l.id DESC LIMIT 10";

type RecentRow = (
    i64,
    Option<String>,
    String,
    Option<String>,
    Option<String>,
    String,
);

#[derive(Template)]
#[template(path = "admin/index.html", whitespace = "minimize")]
struct Index {
    layout: Layout,
    heading: &'static str,
    apps: Vec<App>,
    recent: Vec<Recent>,
}

struct App {
    label: &'static str,
    entries: Vec<Entry>,
}

struct Entry {
    label: String,
    list: Option<String>,
    add: Option<String>,
}

struct Recent {
    action: &'static str,
    name: String,
    href: Option<String>,
    /// The kind of record, or an empty text if the staff area has no such kind.
    kind: &'static str,
    time: String,
}

/// The start page of the staff area: the lists that the user may open, and the user's recent
/// actions.
pub(crate) async fn index(visit: Visit) -> Result<Html<String>, PageError> {
    let user = visit.logged_in().await?;
    let apps = models::APPS.into_iter();
    let apps = apps.map(|(app, label)| visible(user, app, label)).collect();
    page(&visit, "Staff area", apps).await
}

/// The start page with the lists of one app only. As in Django, an app is a group of models.
pub(crate) async fn app(visit: Visit, params: RawPathParams) -> Result<Html<String>, PageError> {
    let name = params.iter().next().map_or("", |(_, name)| name);
    let known = models::APPS.into_iter().find(|(app, _)| *app == name);
    let (app, label) = known.ok_or(PageError::NotFound)?;
    let visible = visible(visit.logged_in().await?, app, label);
    if visible.entries.is_empty() {
        return Err(PageError::Forbidden);
    }
    page(&visit, label, vec![visible]).await
}

/// Returns an app with the lists that `user` may open.
fn visible(user: &User, app: &'static str, label: &'static str) -> App {
    let mut entries = Vec::new();
    for model in models::all().filter(|model| model.app == app) {
        let may = |action| user.holds(&model.permission(action));
        let may_see = may(Action::View) || may(Action::Change);
        if may_see || may(Action::Add) || may(Action::Delete) {
            entries.push(Entry {
                label: model.heading(),
                list: may_see.then(|| model.url()),
                add: may(Action::Add).then(|| format!("{}add/", model.url())),
            });
        }
    }
    if app == "auth" && user.holds(sessions::VIEW) {
        entries.push(Entry {
            label: "Live sessions".to_owned(),
            list: Some(sessions::PAGE.to_owned()),
            add: None,
        });
    }
    App { label, entries }
}

async fn page(
    visit: &Visit,
    heading: &'static str,
    mut apps: Vec<App>,
) -> Result<Html<String>, PageError> {
    let user = visit.logged_in().await?;
    let recent: Vec<RecentRow> = sqlx::query_as(RECENT)
        .bind(user.id)
        .fetch_all(&visit.app().db)
        .await?;
    let to_recent = |(flag, id, name, app, model, time): RecentRow| {
        let action = LogAction::from_flag(flag);
        let model = models::find(&app.unwrap_or_default(), &model.unwrap_or_default());
        Recent {
            action: action.word(),
            name,
            href: model.and_then(|model| log::url(model, action, &id?)),
            kind: model.map_or("", |model| model.singular),
            time: date::display_timestamp(&time),
        }
    };
    apps.retain(|app| !app.entries.is_empty());
    let page = Index {
        layout: Layout::of(visit).await?,
        heading,
        apps,
        recent: recent.into_iter().map(to_recent).collect(),
    };
    Ok(Html(page.render()?))
}
