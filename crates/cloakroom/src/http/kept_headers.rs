use http::header::VARY;
use http::{HeaderMap, HeaderName};

/// Copies to `answer` the headers of the response that it replaces which describe the site and not
/// that response: CORS, `Vary` and security headers.
///
/// Everything else is dropped: it describes the dropped body (`Content-Type`, `ETag`), says what
/// has not happened (`Location`, `Set-Cookie`), or its meaning is unknown. Where `answer` has a
/// header already, that one applies; only `Vary` is added to.
pub(crate) fn keep_headers(replaced: &HeaderMap, answer: &mut HeaderMap) {
    for name in replaced.keys().filter(|name| describes_the_site(name)) {
        if name == VARY || !answer.contains_key(name) {
            for value in replaced.get_all(name) {
                answer.append(name, value.clone());
            }
        }
    }
}

fn describes_the_site(name: &HeaderName) -> bool {
    let text = name.as_str();
    name == VARY || text.starts_with("access-control-") || SECURITY_HEADERS.contains(&text)
}

/// Those that OWASP's Secure Headers Project lists for responses of any status, and where browsers
/// send reports about them. `Clear-Site-Data` is not among them: it belongs to a logout, which may
/// have failed.
const SECURITY_HEADERS: [&str; 20] = [
    "content-security-policy",
    "content-security-policy-report-only",
    "cross-origin-embedder-policy",
    "cross-origin-embedder-policy-report-only",
    "cross-origin-opener-policy",
    "cross-origin-opener-policy-report-only",
    "cross-origin-resource-policy",
    "nel",
    "origin-agent-cluster",
    "permissions-policy",
    "permissions-policy-report-only",
    "referrer-policy",
    "report-to",
    "reporting-endpoints",
    "strict-transport-security",
    "timing-allow-origin",
    "x-content-type-options",
    "x-frame-options",
    "x-permitted-cross-domain-policies",
    "x-xss-protection",
];
