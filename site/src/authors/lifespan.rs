use crate::date;

/// The dates of birth and death of an author, as far as they are known.
pub(crate) struct Lifespan {
    born: Option<String>,
    died: Option<String>,
}

impl Lifespan {
    /// Formats the dates from the database.
    pub(crate) fn new(born: Option<&str>, died: Option<&str>) -> Self {
        Self {
            born: born.map(date::display),
            died: died.map(date::display),
        }
    }

    /// Returns the lifespan as text, with `dash` between the two dates. Returns `None` if neither
    /// date is known.
    pub(crate) fn in_words(&self, dash: &str) -> Option<String> {
        match (&self.born, &self.died) {
            (Some(born), Some(died)) => Some(format!("{born} {dash} {died}")),
            (Some(born), None) => Some(format!("born {born}")),
            (None, Some(died)) => Some(format!("died {died}")),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifespan_has_the_dates_that_are_known() {
        let words = |born, died| Lifespan::new(born, died).in_words("–");
        assert_eq!(
            words(Some("1775-12-16"), Some("1817-07-18")).as_deref(),
            Some("Dec. 16, 1775 – July 18, 1817")
        );
        assert_eq!(
            words(Some("1954-11-08"), None).as_deref(),
            Some("born Nov. 8, 1954")
        );
        assert_eq!(
            words(None, Some("1616-04-22")).as_deref(),
            Some("died April 22, 1616")
        );
        assert_eq!(words(None, None), None);
    }
}
