//! Parses `multipart/form-data`. Skips files.

use axum::body::Bytes;

/// The largest number of headers that are read in each part. Browsers send one or two.
const MAX_HEADERS: usize = 16;

/// Returns the text fields of a body. Stops after `max` + 1 fields, so the caller can tell that
/// there are too many.
///
/// Returns `None` if the body is malformed: no boundary, a part without an end, or a part without a
/// name.
pub(super) fn fields(parameters: &str, body: &Bytes, max: usize) -> Option<Vec<(String, String)>> {
    let boundary = parameter(parameters, "boundary").filter(|boundary| !boundary.is_empty())?;
    let opening = format!("--{boundary}");
    let between = format!("\r\n--{boundary}");
    let mut rest = after(body, opening.as_bytes())?;
    let mut fields = Vec::new();
    while !rest.starts_with(b"--") {
        rest = after(rest, b"\r\n")?;
        let (part, following) = split(rest, between.as_bytes())?;
        if let Some(field) = field(part)? {
            fields.push(field);
        }
        if fields.len() > max {
            break;
        }
        rest = following;
    }
    Some(fields)
}

/// Returns the name and text of a part, `Some(None)` for a file, or `None` if the part is
/// malformed.
fn field(part: &[u8]) -> Option<Option<(String, String)>> {
    // A part without headers starts with the empty line that otherwise follows the headers.
    let (head, value) = match part.strip_prefix(b"\r\n") {
        Some(value) => (&[][..], value),
        None => split(part, b"\r\n\r\n")?,
    };
    let head = String::from_utf8_lossy(head);
    let disposition = head
        .split("\r\n")
        .take(MAX_HEADERS)
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"));
    let (_, disposition) = disposition?;
    let (_, parameters) = disposition.split_once(';')?;
    let name = parameter(parameters, "name")?;
    if parameter(parameters, "filename").is_some() {
        return Some(None);
    }
    Some(Some((name, String::from_utf8_lossy(value).into_owned())))
}

/// Returns the value of the parameter `wanted` in a list such as `a=1; b="2"`.
fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    let mut rest = parameters;
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=')?;
        let value = value.trim_start();
        let (value, following) = match value.strip_prefix('"') {
            Some(quoted) => {
                let (value, following) = quoted.split_once('"')?;
                // Browsers encode quotes and line breaks in names this way.
                let value = value.replace("%22", "\"").replace("%0D%0A", "\r\n");
                (value, following.trim_start_matches([' ', ';']))
            }
            None => {
                let (value, following) = value.split_once(';').unwrap_or((value, ""));
                (value.trim().to_owned(), following)
            }
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = following;
    }
    None
}

fn after<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    split(bytes, mark).map(|(_, after)| after)
}

fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(bytes, mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Option<Vec<(String, String)>> {
        fields(" boundary=xyz", &Bytes::from(body.to_owned()), 10)
    }

    fn part(name: &str, value: &str) -> String {
        format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    }

    #[test]
    fn text_fields_are_read_and_files_are_skipped() {
        let file = "--xyz\r\ncontent-disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\
                    Content-Type: text/plain\r\n\r\nx\r\n";
        let body = format!(
            "{}{file}{}--xyz--\r\n",
            part("a", "1\r\n--xy"),
            part("b", "")
        );
        let expected = [("a", "1\r\n--xy"), ("b", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read(&body), Some(expected.to_vec()));
        assert_eq!(read("--xyz--"), Some(Vec::new()));
    }

    #[test]
    fn a_broken_body_is_refused() {
        for body in [
            "",
            "xyz",
            "--xyz",
            "--xyz\r\n",
            "--xyz\r\nno headers\r\n--xyz--",
            "--xyz\r\nContent-Disposition: form-data\r\n\r\n1\r\n--xyz--",
            &part("a", "1"),
        ] {
            assert_eq!(read(body), None, "{body}");
        }
        assert_eq!(fields("", &Bytes::from(part("a", "1")), 10), None);
    }

    #[test]
    fn reading_stops_after_one_field_too_many() {
        let body = format!("{}--xyz--", part("a", "1").repeat(20));
        assert_eq!(read(&body).map(|fields| fields.len()), Some(11));
    }
}
