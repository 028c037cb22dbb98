//! The layout around every page.

use axum::{
    extract::FromRequestParts,
    http::{Method, Uri, request::Parts},
};
use cloakroom::Session;
use cloakroom_django::auth::messages::Message;

use super::{error::PageError, next, static_files, visit::Visit};
use crate::{
    users::{Permission, User},
    visitor::{self, Scheme},
};

/// The label and URL of each link in the navigation. A link to a list also has the prefix of the
/// URLs of its records.
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

/// The label, URL and permission of each page for librarians.
const LIBRARIAN_PAGES: [(&str, &str, Permission); 6] = [
    (
        "All borrowed",
        "/catalog/borrowed/",
        Permission::MarkReturned,
    ),
    (
        "Create genre",
        "/catalog/genre/create/",
        Permission::AddGenre,
    ),
    (
        "Create language",
        "/catalog/language/create/",
        Permission::AddLanguage,
    ),
    (
        "Create author",
        "/catalog/author/create/",
        Permission::AddAuthor,
    ),
    ("Create book", "/catalog/book/create/", Permission::AddBook),
    (
        "Create copy of book",
        "/catalog/bookinstance/create/",
        Permission::AddCopy,
    ),
];

const STAFF_AREA: &str = "/admin/";

/// The layout around every page: navigation, the visitor's links, notices, and messages.
///
/// Handlers take it as an extractor and pass it to their template:
///
/// ```text
/// #[derive(Template)]
/// #[template(path = "books/list.html")]
/// struct Books { layout: Layout, … }
/// ```
pub(crate) struct Layout {
    uri: Uri,
    /// `None` for error pages outside of the session layer.
    visit: Option<Visit>,
    session: Option<Session>,
    user: Option<User>,
    /// The ids of the copies that the user has on loan past their due date.
    overdue: Vec<String>,
    search: String,
}

/// A link in the navigation.
pub(crate) struct NavigationLink {
    pub(crate) label: &'static str,
    pub(crate) href: &'static str,
    /// The value of `aria-current`: `page` for the current page, `true` for the list that contains
    /// the current record.
    pub(crate) current: Option<&'static str>,
}

impl Layout {
    /// Returns the layout for an unknown visitor.
    pub(super) fn bare(uri: &Uri) -> Self {
        Self {
            uri: uri.clone(),
            visit: None,
            session: None,
            user: None,
            overdue: Vec::new(),
            search: String::new(),
        }
    }

    /// Loads the layout for this visit: the session, the user and the overdue copies.
    pub(crate) async fn of(visit: &Visit) -> Result<Self, PageError> {
        let bare = Self::bare(visit.uri());
        let (session, user) = match (visit.session_if_any().await, visit.user().await) {
            (Ok(session), Ok(user)) => (session, user),
            // If the session storage is unavailable, the catalogue is still served, with the layout
            // for an unknown visitor.
            (Err(PageError::Session(_)), _) | (_, Err(PageError::Session(_))) => {
                return Ok(Self {
                    visit: Some(visit.clone()),
                    ..bare
                });
            }
            (Err(error), _) | (_, Err(error)) => return Err(error),
        };
        let overdue = match user {
            Some(user) if !bare.is_in_staff_area() => {
                let app = visit.app();
                (app.overdue_copies)(&app.db, user.id).await?
            }
            _ => Vec::new(),
        };
        Ok(Self {
            visit: Some(visit.clone()),
            session,
            user: user.cloned(),
            overdue,
            ..bare
        })
    }

    /// Sets the text in the search box.
    pub(crate) fn searching(mut self, query: &str) -> Self {
        query.clone_into(&mut self.search);
        self
    }

    pub(crate) fn search(&self) -> &str {
        &self.search
    }

    /// Returns the ids of the copies that the user has on loan past their due date.
    pub(crate) fn into_overdue(self) -> Vec<String> {
        self.overdue
    }

    /// Returns the session, if the browser has one.
    pub(crate) fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    pub(crate) fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// Returns whether the visitor holds `permission`.
    pub(crate) fn may(&self, permission: Permission) -> bool {
        self.user.as_ref().is_some_and(|user| user.may(permission))
    }

    /// Returns the number of results on a page.
    pub(crate) fn per_page(&self) -> u64 {
        visitor::per_page(self.session.as_ref())
    }

    /// Returns the colour scheme, if the visitor chose one.
    pub(crate) fn scheme(&self) -> Option<Scheme> {
        self.session.as_ref().and_then(visitor::scheme)
    }

    pub(crate) fn navigation(&self) -> impl Iterator<Item = NavigationLink> {
        let path = self.uri.path();
        NAVIGATION
            .into_iter()
            .map(move |(label, href, records)| NavigationLink {
                label,
                href,
                current: match records {
                    _ if path == href => Some("page"),
                    Some(prefix) if path.starts_with(prefix) => Some("true"),
                    _ => None,
                },
            })
    }

    /// Returns the links to the pages for librarians that the user may open.
    pub(crate) fn librarian_links(&self) -> Vec<NavigationLink> {
        let path = self.uri.path();
        let is_staff = self.user.as_ref().is_some_and(User::is_staff);
        let staff_area = NavigationLink {
            label: "Staff area",
            href: STAFF_AREA,
            current: match path {
                STAFF_AREA => Some("page"),
                _ => self.is_in_staff_area().then_some("true"),
            },
        };
        LIBRARIAN_PAGES
            .into_iter()
            .filter(|(_, _, permission)| self.may(*permission))
            .map(|(label, href, _)| NavigationLink {
                label,
                href,
                current: (path == href).then_some("page"),
            })
            .chain(is_staff.then_some(staff_area))
            .collect()
    }

    /// Returns the path and query of this page, as a value for the parameter `next`.
    pub(crate) fn current_path(&self) -> String {
        next::path_and_query(&self.uri)
    }

    /// Returns the URL of the login page, which leads back to this page.
    pub(crate) fn login_path(&self) -> String {
        next::login_path(self.uri.path())
    }

    /// Returns a CSRF token for a form on this page. On an error page outside of the session layer,
    /// returns an empty text.
    pub(crate) fn token(&self) -> Result<String, askama::Error> {
        match &self.visit {
            Some(visit) => visit
                .secret()
                .token()
                .map_err(|error| askama::Error::Custom(error.into())),
            None => Ok(String::new()),
        }
    }

    /// Returns whether this is a page of the staff area, which shows no notices for readers.
    fn is_in_staff_area(&self) -> bool {
        self.uri.path().starts_with(STAFF_AREA)
    }

    /// Returns whether to show the welcome notice, which explains the session cookie.
    pub(crate) fn shows_welcome(&self) -> bool {
        let is_dismissed = |session| visitor::dismissed(session).welcome;
        self.visit.is_some()
            && !self.is_in_staff_area()
            && !self.session.as_ref().is_some_and(is_dismissed)
    }

    /// Returns the number of overdue copies, for the notice about them. Returns `None` if no copy
    /// is overdue, or if the user dismissed the notice and no other copy has become overdue since.
    pub(crate) fn overdue(&self) -> Option<usize> {
        let session = self.session.as_ref()?;
        let dismissed = visitor::dismissed(session).overdue;
        let is_new = |copy: &String| !dismissed.contains(copy);
        self.overdue
            .iter()
            .any(is_new)
            .then_some(self.overdue.len())
    }

    /// For a GET request, takes the messages about the visitor's last action from the session and
    /// returns them. For other methods, leaves the messages there and returns an empty list: a
    /// response to HEAD, for example, would not show them.
    pub(crate) fn messages(&self) -> Vec<Message> {
        match (&self.session, &self.visit) {
            (Some(session), Some(visit)) if *visit.method() == Method::GET => {
                visitor::take_messages(session)
            }
            _ => Vec::new(),
        }
    }

    pub(crate) fn style(&self) -> &'static str {
        static_files::url("site.css")
    }

    pub(crate) fn icon(&self) -> &'static str {
        static_files::url("icon.svg")
    }
}

impl<S: Sync> FromRequestParts<S> for Layout {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let visit = Visit::from_request_parts(parts, state).await?;
        Self::of(&visit).await
    }
}
