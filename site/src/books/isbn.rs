/// The reason why a text is not an ISBN.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum IsbnError {
    /// The text has this many characters, which are too many. Hyphens and white space are not
    /// counted.
    TooLong(usize),
    /// The text has too few characters, characters that are not digits, or a wrong check digit.
    Invalid,
}

pub(super) const DIGITS: usize = 13;

/// Returns the thirteen digits of an ISBN. Hyphens and white space in `typed` are ignored.
pub(super) fn parse(typed: &str) -> Result<String, IsbnError> {
    let is_kept =
        |c: &char| !c.is_whitespace() && !matches!(c, '-' | '\u{2010}' | '\u{2011}' | '–');
    let isbn: String = typed.chars().filter(is_kept).collect();
    let chars = isbn.chars().count();
    if chars > DIGITS {
        return Err(IsbnError::TooLong(chars));
    }
    let is_digits = chars == DIGITS && isbn.bytes().all(|byte| byte.is_ascii_digit());
    (is_digits && has_valid_check_digit(&isbn))
        .then_some(isbn)
        .ok_or(IsbnError::Invalid)
}

/// Returns whether the sum of the digits, weighted alternately by 1 and 3, is a multiple of 10.
fn has_valid_check_digit(digits: &str) -> bool {
    let weighted = digits
        .bytes()
        .zip([1, 3].into_iter().cycle())
        .map(|(digit, weight)| u32::from(digit - b'0') * weight);
    weighted.sum::<u32>() % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_isbn_has_thirteen_digits_and_a_valid_check_digit() {
        for typed in ["9786600010007", "978-6-600-01000-7", " 978 6600010007 "] {
            assert_eq!(parse(typed).as_deref(), Ok("9786600010007"), "{typed}");
        }
        for typed in [
            "",
            "9786600010008",
            "978660001000",
            "978660001000X",
            "९७८6600010007",
        ] {
            assert_eq!(parse(typed), Err(IsbnError::Invalid), "{typed}");
        }
        assert_eq!(parse("97866-000100-077"), Err(IsbnError::TooLong(14)));
    }
}
