use std::fmt;

/// Why a request is refused, for logs and for the page that answers it with 403.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// `Origin` names a site that is neither this one nor trusted.
    BadOrigin,
    /// The request came by https with neither `Origin` nor `Referer`.
    NoReferer,
    /// `Referer` is no address with a scheme and a host.
    MalformedReferer,
    /// The request came by https from a page that did not.
    InsecureReferer,
    /// `Referer` names a site that is neither this one nor trusted.
    BadReferer,
    /// Neither a cookie nor the session holds a secret: the browser takes no cookies, or lost it.
    NoSecret,
    /// Neither the form nor the header holds a token.
    NoToken,
    /// The token is neither 32 nor 64 characters long.
    TokenLength,
    /// The token has characters other than `a-z A-Z 0-9`.
    TokenCharacters,
    /// The token is of another secret: of another browser, or from before the login.
    WrongToken,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadOrigin => "the request comes from another site (Origin)",
            Self::NoReferer => {
                "the request does not say which page it comes from (no Origin, no Referer)"
            }
            Self::MalformedReferer => {
                "the request does not say which page it comes from (malformed Referer)"
            }
            Self::InsecureReferer => "the request comes from a page without https (Referer)",
            Self::BadReferer => "the request comes from another site (Referer)",
            Self::NoSecret => "the browser sent no CSRF cookie",
            Self::NoToken => "the CSRF token is missing",
            Self::TokenLength => "the CSRF token has a wrong length",
            Self::TokenCharacters => "the CSRF token has wrong characters",
            Self::WrongToken => "the CSRF token is not of this browser, or from before the login",
        })
    }
}

impl std::error::Error for Refusal {}
