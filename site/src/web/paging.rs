//! Splits a list into pages.
//!
//! ```text
//! async fn list(…, asked: RequestedPage) -> Result<Html<String>, PageError> {
//!     let total = sqlx::query_scalar("SELECT COUNT(*) FROM book").fetch_one(db).await?;
//!     let paging = Paging::new(asked, total, layout.per_page())?;
//!     let rows = sqlx::query_as("SELECT … FROM book ORDER BY title LIMIT ? OFFSET ?")
//!         .bind(paging.limit())
//!         .bind(paging.offset());
//!     …
//! }
//! ```
//!
//! The template includes `paging.html`, which shows the links to the neighbouring pages.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};

use super::error::PageError;

/// The page of a list that a request asks for, with the parameter `page` in its URL.
/// [`Paging::new`] checks whether the page exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestedPage {
    Number(u64),
    Last,
    Invalid,
}

impl RequestedPage {
    fn from_query(query: &str) -> Self {
        // If there are several parameters `page`, the last one counts, as in Django.
        let page = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "page")
            .last();
        match page.as_ref().map_or("", |(_, value)| value.as_ref()) {
            "" => Self::Number(1),
            "last" => Self::Last,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_or(Self::Invalid, Self::Number)
            }
            _ => Self::Invalid,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for RequestedPage {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::from_query(parts.uri.query().unwrap_or_default()))
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paging {
    pub(crate) number: u64,
    pub(crate) pages: u64,
    pub(crate) total: u64,
    per_page: u64,
    /// The query string without the parameter `page`, for links to other pages.
    query: String,
}

impl Paging {
    /// Returns the requested page of a list with `total` rows. A list without rows has one page.
    ///
    /// # Errors
    /// [`PageError::NotFound`] if the page does not exist.
    pub(crate) fn new(asked: RequestedPage, total: i64, per_page: u64) -> Result<Self, PageError> {
        let total = total.unsigned_abs();
        let pages = total.div_ceil(per_page).max(1);
        let number = match asked {
            RequestedPage::Number(number) => number,
            RequestedPage::Last => pages,
            RequestedPage::Invalid => return Err(PageError::NotFound),
        };
        if !(1..=pages).contains(&number) {
            return Err(PageError::NotFound);
        }
        Ok(Self {
            number,
            pages,
            total,
            per_page,
            query: String::new(),
        })
    }

    /// Adds `query`, such as a search, to the links to other pages.
    pub(crate) fn with_query(mut self, query: String) -> Self {
        self.query = query;
        self
    }

    /// Returns the URL of another page of the same list.
    pub(crate) fn link(&self, number: &u64) -> String {
        match self.query.as_str() {
            "" => format!("?page={number}"),
            query => format!("?{query}&page={number}"),
        }
    }

    /// Returns the value for `LIMIT`.
    pub(crate) fn limit(&self) -> i64 {
        self.per_page.cast_signed()
    }

    /// Returns the value for `OFFSET`. It fits an `i64` because it is at most the total, which the
    /// database returned as an `i64`.
    pub(crate) fn offset(&self) -> i64 {
        ((self.number - 1) * self.per_page).cast_signed()
    }

    pub(crate) fn previous(&self) -> Option<u64> {
        (self.number > 1).then(|| self.number - 1)
    }

    pub(crate) fn next(&self) -> Option<u64> {
        (self.number < self.pages).then(|| self.number + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_requested_by_number_or_as_the_last() {
        for (query, asked) in [
            ("", RequestedPage::Number(1)),
            ("page=", RequestedPage::Number(1)),
            ("page=3", RequestedPage::Number(3)),
            ("page=last", RequestedPage::Last),
            ("other=2", RequestedPage::Number(1)),
            ("page=1&page=2", RequestedPage::Number(2)),
            ("page=-1", RequestedPage::Invalid),
            ("page=%2B1", RequestedPage::Invalid),
            ("page=1.5", RequestedPage::Invalid),
            ("page=%00", RequestedPage::Invalid),
            ("page=%ff", RequestedPage::Invalid),
            ("page=99999999999999999999999", RequestedPage::Invalid),
        ] {
            assert_eq!(RequestedPage::from_query(query), asked, "{query}");
        }
    }

    #[test]
    fn only_pages_from_the_first_to_the_last_are_found() {
        let number = |asked, total| {
            Paging::new(asked, total, 10)
                .ok()
                .map(|paging| paging.number)
        };
        assert_eq!(number(RequestedPage::Number(1), 0), Some(1));
        assert_eq!(number(RequestedPage::Last, 0), Some(1));
        assert_eq!(number(RequestedPage::Number(2), 10), None);
        assert_eq!(number(RequestedPage::Number(2), 11), Some(2));
        assert_eq!(number(RequestedPage::Last, 92), Some(10));
        assert_eq!(number(RequestedPage::Number(0), 92), None);
        assert_eq!(number(RequestedPage::Number(u64::MAX), 92), None);
    }

    #[test]
    fn the_first_and_the_last_page_have_one_neighbour() {
        let paging = |number| Paging::new(RequestedPage::Number(number), 30, 10).unwrap();
        assert_eq!((paging(1).previous(), paging(1).next()), (None, Some(2)));
        assert_eq!((paging(3).previous(), paging(3).next()), (Some(2), None));
        assert_eq!(paging(3).offset(), 20);
    }
}
