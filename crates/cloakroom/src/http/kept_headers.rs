use http::header::VARY;
use http::{HeaderMap, HeaderName};

/// Copies headers from the replaced response to `answer`: those for CORS and security, and `Vary`.
/// They describe the site, not the response that is replaced.
///
/// All other headers are discarded: they describe the discarded body (`Content-Type`, `ETag`),
/// report something that has not happened (`Location`, `Set-Cookie`), or have an unknown meaning. A
/// header that `answer` already has stays as it is; only `Vary` is extended.
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

/// The headers that OWASP's Secure Headers Project lists for responses of any status, and the
/// headers that tell browsers where to send reports. `Clear-Site-Data` is left out, because it
/// belongs to a logout, which may have failed.
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
