//! Submitted forms, URL-encoded or multipart.

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::FromRequestParts,
    http::{HeaderMap, header::CONTENT_TYPE, request::Parts},
};

use super::{error::PageError, multipart};

/// The largest body of a form in bytes, as in Django.
const MAX_BYTES: usize = 2_621_440;

/// The largest number of fields in a form, as in Django.
const MAX_FIELDS: usize = 1000;

/// The error for a handler outside of the CSRF layer.
const OUTSIDE_LAYER: &str = "extracting a form: the request did not pass the layer \
                             `csrf::against_forgery`; add the page to the router of \
                             `routes.rs`, which wraps every page in this layer";

/// The fields of a submitted form, in the order of submission. Empty for a request without a form.
///
/// Handlers take it as an extractor. The form that they receive has passed the CSRF check.
///
/// ```text
/// async fn create(visit: Visit, form: Form) -> Result<Response, PageError> {
///     let title = form.get("title").unwrap_or_default();
///     let genres: Vec<&str> = form.all("genre").collect();
///     …
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`PageError::BadForm`] if the body is too large, incomplete or malformed, or has too many
    /// fields.
    pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Self, PageError> {
        let body = to_bytes(body, MAX_BYTES)
            .await
            .map_err(|_| PageError::BadForm)?;
        let fields = fields(headers, &body).ok_or(PageError::BadForm)?;
        if fields.len() > MAX_FIELDS {
            return Err(PageError::BadForm);
        }
        Ok(Self(fields))
    }

    /// Returns the value of the field `name`. If there are several values, returns the last one, as
    /// Django does.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }

    /// Returns the fields whose names start with `start`, with that prefix removed.
    pub(crate) fn with_prefix(&self, start: &str) -> Self {
        let strip = |(name, value): &(String, String)| {
            let name = name.strip_prefix(start)?;
            Some((name.to_owned(), value.clone()))
        };
        Self(self.0.iter().filter_map(strip).collect())
    }

    /// Returns all values of the field `name`.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Form {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let fields = fields.into_iter();
        Self(
            fields
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

/// Extracts the form that `csrf::against_forgery` has read and checked.
///
/// A handler outside of that layer gets an error, since it would otherwise accept forged forms.
impl<S: Sync> FromRequestParts<S> for Form {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        let form = parts.extensions.remove();
        form.ok_or_else(|| PageError::Internal(OUTSIDE_LAYER.into()))
    }
}

/// Parses the body by its content type. Returns `None` if it is malformed.
fn fields(headers: &HeaderMap, body: &Bytes) -> Option<Vec<(String, String)>> {
    let content_type = headers.get(CONTENT_TYPE);
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    match kind.trim().to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => {
            let fields = form_urlencoded::parse(body).take(MAX_FIELDS + 1);
            Some(
                fields
                    .map(|(n, v)| (n.into_owned(), v.into_owned()))
                    .collect(),
            )
        }
        "multipart/form-data" => multipart::fields(parameters, body, MAX_FIELDS),
        // Other content types are not forms and have no fields.
        _ => Some(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        Router,
        http::{Request, StatusCode},
        routing::post,
    };
    use cloakroom_testkit::Log;
    use tower::ServiceExt;

    use super::*;

    async fn read(content_type: &str, body: impl Into<Body>) -> Result<Form, PageError> {
        let headers = [(CONTENT_TYPE, content_type.parse().unwrap())];
        Form::read(&headers.into_iter().collect(), body.into()).await
    }

    #[tokio::test]
    async fn extracting_a_form_outside_of_the_csrf_layer_fails_and_the_log_names_the_layer() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let show_name = async |form: Form| form.get("name").unwrap_or("nothing").to_owned();
        let router: Router = Router::new().route("/", post(show_name));
        let request = Request::post("/").header(CONTENT_TYPE, URLENCODED);

        let response = router
            .oneshot(request.body(Body::from("name=Emma")).unwrap())
            .await
            .unwrap();

        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let log = log.text();
        assert!(log.contains("`csrf::against_forgery`"), "{log}");
    }

    const URLENCODED: &str = "application/x-www-form-urlencoded";

    #[tokio::test]
    async fn get_returns_the_last_of_several_values() {
        let form = read(URLENCODED, "a=1&b=%C3%A9+x&a=2&c").await.unwrap();
        assert_eq!(form.get("a"), Some("2"));
        assert_eq!(form.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(form.get("b"), Some("é x"));
        assert_eq!(form.get("c"), Some(""));
        assert_eq!(form.get("d"), None);
    }

    #[tokio::test]
    async fn a_form_with_too_many_fields_or_bytes_is_refused() {
        assert!(read(URLENCODED, "a=1&".repeat(1000)).await.is_ok());
        assert!(read(URLENCODED, "a=1&".repeat(1001)).await.is_err());
        assert!(read(URLENCODED, "a".repeat(MAX_BYTES)).await.is_ok());
        assert!(read(URLENCODED, "a".repeat(MAX_BYTES + 1)).await.is_err());
    }

    #[tokio::test]
    async fn malformed_encodings_and_other_content_types_are_accepted() {
        for body in [&b"%ff=%"[..], b"\xff\x00=\x01", b"&&==&=", b""] {
            assert!(read(URLENCODED, body).await.is_ok());
        }
        let json = read("application/json", "{\"a\": 1}").await.unwrap();
        assert_eq!(json, Form::default());
    }
}
