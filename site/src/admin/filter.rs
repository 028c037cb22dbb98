use jiff::{ToSpan, civil::Date};
use sqlx::SqlitePool;

use super::{
    groups,
    model::{Filter, FilterChoices, Model, Param},
};
use crate::{copies::Status, date, web::error::PageError};

/// The links of a filter, one for each choice.
pub(super) struct FilterLinks {
    pub(super) title: &'static str,
    pub(super) choices: Vec<FilterLink>,
}

pub(super) struct FilterLink {
    pub(super) label: String,
    pub(super) href: String,
    pub(super) is_chosen: bool,
}

/// The query string of a list: words to search for, and the parameters of filters.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ListQuery {
    pub(super) q: String,
    /// The value of each parameter in `names`, if it is set.
    pub(super) values: Vec<Option<String>>,
    /// The names of the parameters of the model's filters.
    names: Vec<&'static str>,
}

impl ListQuery {
    pub(super) fn read(model: &Model, query: &str) -> Self {
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        // If a parameter has several values, the last one counts, as in Django.
        let value = |wanted: &str| {
            let mut named = pairs.iter().rev().filter(|(name, _)| name == wanted);
            named.next().map(|(_, value)| value.to_string())
        };
        let params = model.filters.iter().flat_map(|filter| filter.params);
        let names: Vec<_> = params.map(|param| param.name).collect();
        Self {
            q: value("q").unwrap_or_default().trim().to_owned(),
            values: names.iter().map(|name| value(name)).collect(),
            names,
        }
    }

    /// Returns the words to search for as a JSON array, for a parameter of the SQL statement. The
    /// words are in lower case, because the statement compares them with text in lower case. The
    /// search therefore ignores the case of ASCII letters, as Django does on SQLite.
    pub(super) fn words(&self) -> String {
        let words = self.q.split_whitespace().map(str::to_ascii_lowercase);
        serde_json::Value::from_iter(words).to_string()
    }

    /// Returns the query string without the number of the page.
    pub(super) fn query_string(&self) -> String {
        self.with(&[], &[])
    }

    pub(super) fn is_filtered(&self) -> bool {
        !self.q.is_empty() || self.values.iter().any(Option::is_some)
    }

    /// Returns the parameters of the chosen filters, for hidden fields in the search form.
    pub(super) fn hidden(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let pairs = self.names.iter().zip(&self.values);
        pairs.filter_map(|(name, value)| Some((*name, value.as_deref()?)))
    }

    /// Returns the query string. Leaves out the parameters in `without`, and adds those in `with`.
    fn with(&self, without: &[Param], with: &[(&str, String)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !self.q.is_empty() {
            query.append_pair("q", &self.q);
        }
        let stays = |name: &str| without.iter().all(|param| param.name != name);
        query.extend_pairs(self.hidden().filter(|(name, _)| stays(name)));
        query.extend_pairs(with);
        query.finish()
    }

    /// Returns the filters of the model as links.
    pub(super) async fn filters(
        &self,
        model: &Model,
        db: &SqlitePool,
    ) -> Result<Vec<FilterLinks>, PageError> {
        let mut shown = Vec::new();
        for filter in model.filters {
            let mut offers = vec![(filter.any.to_owned(), Vec::new())];
            offers.extend(offered(filter, db).await?);
            let current: Vec<_> = self
                .hidden()
                .filter(|(name, _)| filter.params.iter().any(|param| param.name == *name))
                .map(|(name, value)| (name, value.to_owned()))
                .collect();
            let choice = |(label, pairs): Offered| FilterLink {
                label,
                href: format!("?{}", self.with(filter.params, &pairs)),
                is_chosen: pairs == current,
            };
            shown.push(FilterLinks {
                title: filter.title,
                choices: offers.into_iter().map(choice).collect(),
            });
        }
        Ok(shown)
    }
}

/// The label of a link, and the parameters that it adds to the URL.
type Offered = (String, Vec<(&'static str, String)>);

async fn offered(filter: &Filter, db: &SqlitePool) -> Result<Vec<Offered>, PageError> {
    let first = filter.params[0].name;
    let one = |label: &str, value: &str| (label.to_owned(), vec![(first, value.to_owned())]);
    Ok(match filter.choices {
        FilterChoices::Flag => vec![one("Yes", "1"), one("No", "0")],
        FilterChoices::Statuses => Status::ALL
            .map(|status| one(status.words(), status.code()))
            .to_vec(),
        FilterChoices::Groups => {
            let groups = groups::load_all(db).await?.into_iter();
            groups.map(|(id, name)| one(&name, &id)).collect()
        }
        FilterChoices::Dates => dates(filter.params, date::today()),
    })
}

/// Returns choices for spans of days around `today`, and for records with or without a date. The
/// three parameters in `params` are the first day of the span, the day after its last day, and
/// whether the date is missing.
fn dates(params: &'static [Param], today: Date) -> Vec<Offered> {
    let [from, before, missing] = params else {
        return Vec::new();
    };
    let span = |label: &str, first: Date, end: Option<Date>| {
        let end = end.map(|end| (before.name, end.to_string()));
        let first = (from.name, first.to_string());
        (
            label.to_owned(),
            [first].into_iter().chain(end).collect::<Vec<_>>(),
        )
    };
    let is_missing = |label: &str, value: &str| {
        let pair = (missing.name, value.to_owned());
        (label.to_owned(), vec![pair])
    };
    // `None` if `today` is the last day that a `Date` can represent.
    let tomorrow = today.tomorrow().ok();
    let month = today.first_of_month();
    let year = today.first_of_year();
    vec![
        span("Today", today, tomorrow),
        span("Past 7 days", today.saturating_sub(7.days()), tomorrow),
        span("This month", month, month.checked_add(1.month()).ok()),
        span("This year", year, year.checked_add(1.year()).ok()),
        is_missing("No date", "True"),
        is_missing("Has date", "False"),
    ]
}
