/// Returns the name as `Last, First`. If one part is empty, returns the other part.
pub(crate) fn name(last: &str, first: &str) -> String {
    match (last, first) {
        (last, "") => last.to_owned(),
        ("", first) => first.to_owned(),
        (last, first) => format!("{last}, {first}"),
    }
}

/// Returns the name of a book's author, or `Unknown author`.
pub(crate) fn name_or_unknown(last: Option<String>, first: Option<String>) -> String {
    let name = name(&last.unwrap_or_default(), &first.unwrap_or_default());
    if name.is_empty() {
        "Unknown author".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_name_comes_first_and_an_author_without_a_name_is_unknown() {
        assert_eq!(
            name_or_unknown(Some("Austen".into()), Some("Jane".into())),
            "Austen, Jane"
        );
        assert_eq!(
            name_or_unknown(Some("Homer".into()), Some(String::new())),
            "Homer"
        );
        assert_eq!(name_or_unknown(None, None), "Unknown author");
    }
}
