//! The style sheet and pictures. They are part of the binary, and their URLs contain a hash of the
//! content.

use std::sync::LazyLock;

use axum::{
    extract::RawPathParams,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    response::IntoResponse,
    routing::{MethodRouter, get},
};

use super::error::PageError;

const READ: &str = "GET, HEAD";

/// Browsers may cache a file forever: if its content changes, so does its URL.
const FOREVER: &str = "public, max-age=31536000, immutable";

struct StaticFile {
    name: &'static str,
    content_type: &'static str,
    content: &'static [u8],
    /// `/static/`, the stem of the name, the hash of the content, and the extension.
    url: String,
}

static FILES: LazyLock<[StaticFile; 3]> = LazyLock::new(|| {
    [
        file(
            "site.css",
            "text/css; charset=utf-8",
            include_bytes!("../../static/site.css"),
        ),
        file(
            "icon.svg",
            "image/svg+xml",
            include_bytes!("../../static/icon.svg"),
        ),
        file(
            "shelf.svg",
            "image/svg+xml",
            include_bytes!("../../static/shelf.svg"),
        ),
    ]
});

fn file(name: &'static str, content_type: &'static str, content: &'static [u8]) -> StaticFile {
    let (stem, ending) = name.split_once('.').expect("the names above have endings");
    StaticFile {
        name,
        content_type,
        content,
        url: format!("/static/{stem}.{:016x}.{ending}", fnv1a(content)),
    }
}

/// Returns the URL of the file `name` in `site/static`.
///
/// # Panics
/// If there is no such file. The tests request every page, so they notice a wrong name.
pub(crate) fn url(name: &str) -> &'static str {
    let file = FILES.iter().find(|file| file.name == name);
    &file.expect("templates name files that exist").url
}

/// Routes `/static/{name}`. The name is compared with those of the files in the binary, so no path
/// can lead to another file.
pub(crate) fn route<S: Clone + Send + Sync + 'static>() -> MethodRouter<S> {
    get(serve).fallback(async || PageError::MethodNotAllowed { allow: READ })
}

async fn serve(params: RawPathParams) -> Result<impl IntoResponse, PageError> {
    let asked = params.iter().next().map_or("", |(_, name)| name);
    let named = |file: &&StaticFile| file.url.strip_prefix("/static/") == Some(asked);
    let file = FILES.iter().find(named).ok_or(PageError::NotFound)?;
    Ok((
        [(CONTENT_TYPE, file.content_type), (CACHE_CONTROL, FOREVER)],
        file.content,
    ))
}

/// Computes the FNV-1a hash of `bytes`. It tells versions of a file apart and is not cryptographic.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}
