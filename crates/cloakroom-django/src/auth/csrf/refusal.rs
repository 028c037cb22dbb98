use std::fmt;

/// The reason why [`Csrf::check`](super::Csrf::check) refuses a request. Its `Display` text is for
/// logs and for the 403 page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// `Origin` names another site that is not trusted.
    BadOrigin,
    /// The request came by https and has neither `Origin` nor `Referer`.
    NoReferer,
    /// `Referer` is not a URL with a scheme and a host.
    MalformedReferer,
    /// The request came by https from a page that was loaded without https.
    InsecureReferer,
    /// `Referer` names another site that is not trusted.
    BadReferer,
    /// The request has no valid secret, for instance because the browser refused the CSRF cookie.
    NoSecret,
    /// Neither the form nor the header contains a token.
    NoToken,
    /// The token is neither 32 nor 64 characters long.
    TokenLength,
    /// The token contains characters other than `a-z`, `A-Z` and `0-9`.
    TokenCharacters,
    /// The token was made from another secret: for another browser, or before a login replaced the
    /// secret.
    WrongToken,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadOrigin => "the request comes from another site (Origin)",
            Self::NoReferer => {
                "the page that the request comes from is unknown (no Origin, no Referer)"
            }
            Self::MalformedReferer => {
                "the page that the request comes from is unknown (malformed Referer)"
            }
            Self::InsecureReferer => "the request comes from a page without https (Referer)",
            Self::BadReferer => "the request comes from another site (Referer)",
            Self::NoSecret => "the browser sent no CSRF cookie",
            Self::NoToken => "the CSRF token is missing",
            Self::TokenLength => "the CSRF token has the wrong length",
            Self::TokenCharacters => "the CSRF token contains characters that are not allowed",
            Self::WrongToken => "the CSRF token was made for another browser or before the login",
        })
    }
}

impl std::error::Error for Refusal {}
