//! What stands around every page.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{Uri, request::Parts},
};

use super::static_files;

/// Label, address of the list, and what the addresses of its records begin with.
const NAVIGATION: [(&str, &str, Option<&str>); 6] = [
    ("Home", "/catalog/", None),
    ("All books", "/catalog/books/", Some("/catalog/book/")),
    ("All authors", "/catalog/authors/", Some("/catalog/author/")),
    ("All genres", "/catalog/genres/", Some("/catalog/genre/")),
    (
        "All languages",
        "/catalog/languages/",
        Some("/catalog/language/"),
    ),
    (
        "All book copies",
        "/catalog/bookinstances/",
        Some("/catalog/bookinstance/"),
    ),
];

/// What stands around every page: the navigation, and the files that the page needs.
#[derive(Debug)]
pub(crate) struct Layout {
    path: String,
}

/// A link of the navigation.
pub(crate) struct NavigationLink {
    pub(crate) label: &'static str,
    pub(crate) href: &'static str,
    /// The value of `aria-current`: `page` for this very page, `true` for the list that its record is in.
    pub(crate) current: Option<&'static str>,
}

impl Layout {
    /// The layout of the page at `uri`.
    pub(crate) fn of(uri: &Uri) -> Self {
        Self {
            path: uri.path().to_owned(),
        }
    }

    pub(crate) fn navigation(&self) -> impl Iterator<Item = NavigationLink> {
        NAVIGATION
            .into_iter()
            .map(|(label, href, records)| NavigationLink {
                label,
                href,
                current: match records {
                    _ if self.path == href => Some("page"),
                    Some(prefix) if self.path.starts_with(prefix) => Some("true"),
                    _ => None,
                },
            })
    }

    pub(crate) fn style(&self) -> &'static str {
        static_files::url("site.css")
    }

    pub(crate) fn icon(&self) -> &'static str {
        static_files::url("icon.svg")
    }
}

impl<S: Sync> FromRequestParts<S> for Layout {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.uri))
    }
}
